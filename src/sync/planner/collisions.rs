//! Names that two nodes want, after all places are chosen: per folder and key one keeps the name, the others get a conflict name; and
//! what was made on both sides at one place becomes one node.
//!
//! Order of claim: folder before file, name already held in R, lower node id (the older one on this device). A local-only node comes
//! last. A loser is renamed in L; that is an ordinary local move, sent like any other, so that all devices see the same names.
//! Names are free as far as the trees tell: should a clean sibling outside them hold a conflict name, the step is refused, and the
//! marker of the next plan is another one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::cells::Cells;
use super::places::stands_aside;
use super::table::{Bytes, Fate, Naming, Outcome};
use super::view::{Index, KeyNumber, Spot, Target, Tree, View};
use crate::sync::conflict::conflict_name;
use crate::sync::diff::{Sameness, compare};
use crate::sync::plan::Blocked;
use crate::types::{NodeId, NodeKind};

/// Who wants which name, by folder and key.
type Claims = BTreeMap<(NodeId, KeyNumber), Vec<Index>>;

/// Names that are promised to nobody else: claims and what was given out on the way.
pub(super) struct Names(BTreeSet<(NodeId, KeyNumber)>);

/// Gives every surviving node a name of its own.
pub(super) fn resolve<'a>(view: &mut View<'a>, outcomes: &mut [Outcome<'a>], cells: &mut Cells) -> Names {
    let claims = claims(view, outcomes);
    let mut names = Names(claims.keys().copied().collect());
    for claimants in claims.into_values() {
        if claimants.len() > 1 {
            resolve_one(view, outcomes, claimants, &mut names, cells);
        }
    }
    names
}

fn claims(view: &View<'_>, outcomes: &[Outcome<'_>]) -> Claims {
    let mut claims = Claims::new();
    for (index, outcome) in outcomes.iter().enumerate() {
        // A local-only node claims the name that it has in L, whatever becomes of its rows elsewhere; one that R hides, that in R.
        let spot = match &outcome.target {
            Some(target) => Some(target.spot),
            None if outcome.local_only => view.nodes[index].local.or(view.nodes[index].remote),
            None => None,
        };
        if let Some(spot) = spot {
            claims.entry((spot.parent, spot.key)).or_default().push(index);
        }
    }
    claims
}

fn resolve_one<'a>(
    view: &mut View<'a>,
    outcomes: &mut [Outcome<'a>],
    mut claimants: Vec<Index>,
    names: &mut Names,
    cells: &mut Cells,
) {
    if claimants.iter().all(|index| outcomes[*index].target.is_none()) {
        // Spellings of one key may stay side by side where no provider ever sees them.
        return;
    }
    let is_hidden = |index: &Index| outcomes[*index].target.is_none() && view.nodes[*index].local.is_none();
    if claimants.iter().any(is_hidden) {
        // What the provider has under a hidden name cannot give way, and what is local-only here does not meet it.
        claimants.retain(|index| outcomes[*index].target.is_some());
        for loser in claimants {
            rename(view, outcomes, loser, names, cells);
        }
        return;
    }
    count_rules(view, outcomes, &claimants, cells);
    claimants.sort_by_key(|index| {
        let node = &view.nodes[*index];
        let outcome = &outcomes[*index];
        let held = outcome.target.as_ref().is_some_and(|target| node.remote.is_some_and(|spot| spot == target.spot));
        (outcome.target.is_none(), !node.is_folder(), !held, node.id)
    });
    if let Some((here, there)) = adoption(view, outcomes, &claimants) {
        adopt(view, outcomes, here, there, cells);
        claimants.retain(|index| *index != here && *index != there);
    } else {
        claimants.remove(0);
    }
    for loser in claimants {
        rename(view, outcomes, loser, names, cells);
    }
}

/// A node that only L has and one that only R has, which are the same thing: both folders, links to one target, or files of (perhaps)
/// equal bytes.
fn adoption(view: &View<'_>, outcomes: &[Outcome<'_>], claimants: &[Index]) -> Option<(Index, Index)> {
    let there = *claimants.iter().find(|index| {
        let node = &view.nodes[**index];
        let new = node.synced.is_none() || node.is_folder();
        outcomes[**index].target.is_some() && node.remote.is_some() && node.local.is_none() && new
    })?;
    let name = |index: Index| outcomes[index].target.as_ref().map(|target| &target.name);
    let here = claimants.iter().copied().filter(|index| {
        let outcome = &outcomes[*index];
        let same_kind = view.nodes[*index].trees.kind == view.nodes[there].trees.kind;
        outcome.target.is_some()
            && outcome.local
            && !outcome.remote
            && same_kind
            // Two that both have a past are two.
            && (view.nodes[*index].synced.is_none() || view.nodes[there].synced.is_none())
            && contents(view, *index, there) != Sameness::Different
    });
    // Of several spellings the very same one first.
    let here = here.min_by_key(|index| (name(*index) != name(there), *index))?;
    Some((here, there))
}

fn contents(view: &View<'_>, here: Index, there: Index) -> Sameness {
    match (view.side(Tree::Local, here), view.side(Tree::Remote, there)) {
        (Some(here), Some(there)) => compare(&here.content, &there.content),
        (Some(_) | None, None) | (None, Some(_)) => Sameness::Different,
    }
}

fn adopt(view: &View<'_>, outcomes: &mut [Outcome<'_>], here: Index, there: Index, cells: &mut Cells) {
    let kind = view.nodes[here].trees.kind;
    outcomes[there].naming = Naming::MayBeAdopted;
    outcomes[there].reason = "C x C: the same was made here";
    if contents(view, here, there) == Sameness::Unhashed || is_blocked(view, here) {
        outcomes[here].naming = Naming::MayAdopt;
        outcomes[here].reason = "C x C: equal bytes?";
        cells.count("C x C undecided");
        return;
    }
    outcomes[here].reason = match kind {
        NodeKind::Folder => "C x C: both folders, merged",
        NodeKind::File | NodeKind::Symlink | NodeKind::Special => "C x C: equal bytes, adopted",
    };
    if view.nodes[there].synced.is_some() {
        // A folder that was deleted and made again here, and is needed there: first S forgets the old one.
        outcomes[there].forget_base = true;
        outcomes[here].naming = Naming::MayAdopt;
    } else if view.nodes[here].synced.and_then(|spot| spot.up).is_some_and(|folder| is_new_there(view, folder)) {
        // S remembers it in a folder that may be adopted, too, perhaps by itself: each would wait for the other.
        outcomes[here].forget_base = true;
        outcomes[here].naming = Naming::MayAdopt;
    } else {
        outcomes[here].naming = Naming::Adopts(there);
        outcomes[there].naming = Naming::Adopted;
    }
    cells.count(match kind {
        NodeKind::Folder => "C x C folders",
        NodeKind::File | NodeKind::Symlink | NodeKind::Special => "C x C equal",
    });
}

/// True if only the provider has it.
fn is_new_there(view: &View<'_>, index: Index) -> bool {
    let node = &view.nodes[index];
    node.remote.is_some() && node.local.is_none() && node.synced.is_none()
}

/// Gives a loser another place.
fn rename<'a>(view: &mut View<'a>, outcomes: &mut [Outcome<'a>], loser: Index, names: &mut Names, cells: &mut Cells) {
    let local_only = outcomes[loser].target.is_none();
    let Some(wanted) = outcomes[loser].target.clone().or_else(|| view.meant(Tree::Local, loser)) else { return };
    cells.count(match (local_only, view.nodes[loser].synced.is_none()) {
        (true, _) => "name: local-only gives way",
        (false, true) => "C x C different",
        (false, false) => "name: collision",
    });
    if outcomes[loser].fate == Fate::Pending {
        // It may go altogether.
        outcomes[loser].naming = Naming::MayAdopt;
        return;
    }
    if is_blocked(view, loser) {
        outcomes[loser].naming = Naming::Contested;
        outcomes[loser].reason = "the name is taken, and it may not be renamed now";
        return;
    }
    let target = match local_place_in_same_folder(view, outcomes, loser, &wanted, names) {
        Some(target) => target,
        None => names.conflict_target(view, &wanted),
    };
    names.0.insert((target.spot.parent, target.spot.key));
    let outcome = &mut outcomes[loser];
    outcome.target = Some(target);
    outcome.naming = Naming::Renamed;
    outcome.reason = "name collision: renamed, both kept";
    if outcome.bytes == Bytes::AsTheyAre && !outcome.remote {
        outcome.bytes = Bytes::Up;
    }
}

/// Blocked in a way that keeps it where it is. (A node that is not local-only after all is not held by that mark.)
fn is_blocked(view: &View<'_>, index: Index) -> bool {
    view.nodes[index].trees.blocked.is_some_and(|blocked| !stays_apart(blocked))
}

fn stays_apart(blocked: Blocked) -> bool {
    matches!(blocked, Blocked::LocalOnly | Blocked::LeftOut)
}

/// A loser that is already under another name in the same folder of L (a conflict name, as a rule) keeps that one.
fn local_place_in_same_folder<'a>(
    view: &View<'a>,
    outcomes: &[Outcome<'a>],
    loser: Index,
    wanted: &Target<'a>,
    names: &Names,
) -> Option<Target<'a>> {
    let node = &view.nodes[loser];
    let unshared = node.trees.blocked.is_some_and(stays_apart);
    let spot = node.local.filter(|_| outcomes[loser].local && !unshared)?;
    let fits = spot.parent == wanted.spot.parent && spot.key != wanted.spot.key;
    let free = !names.0.contains(&(spot.parent, spot.key)) && !stands_aside(view, Tree::Local, loser);
    if fits && free { view.meant(Tree::Local, loser) } else { None }
}

impl Names {
    /// A free conflict name in the folder of `wanted`, free now and later, in L and in R.
    pub(super) fn conflict_target<'a>(&mut self, view: &mut View<'a>, wanted: &Target<'_>) -> Target<'a> {
        let policy = view.policy;
        let parent = wanted.spot.parent;
        let name = conflict_name(&wanted.name, &policy.conflict_marker, &policy.names, |candidate| {
            let key = view.key(candidate);
            self.0.contains(&(parent, key))
                || [Tree::Local, Tree::Remote].into_iter().any(|tree| view.holders(tree, parent, key).next().is_some())
        });
        let key = view.key(&name);
        self.0.insert((parent, key));
        Target { spot: Spot { key, ..wanted.spot }, name: Cow::Owned(name) }
    }
}

/// Counts rules 4 and 8 among the claimants of one name.
fn count_rules(view: &View<'_>, outcomes: &[Outcome<'_>], claimants: &[Index], cells: &mut Cells) {
    let revived = |index: &&Index| {
        let outcome = &outcomes[**index];
        view.nodes[**index].synced.is_some() && outcome.fate == Fate::Keep && outcome.local != outcome.remote
    };
    let created = |index: &&Index| view.nodes[**index].synced.is_none() && outcomes[**index].fate == Fate::Keep;
    if let (Some(old), Some(new)) = (claimants.iter().find(revived), claimants.iter().find(created)) {
        let same_kind = view.nodes[*old].trees.kind == view.nodes[*new].trees.kind;
        cells.count(if same_kind { DELETED_AND_MADE_AGAIN } else { KIND_CHANGE });
    }
}

/// Cell of rule 4.
pub(super) const KIND_CHANGE: &str = "rule 4: kind change is two nodes";
/// Cell of rule 8.
pub(super) const DELETED_AND_MADE_AGAIN: &str = "rule 8: deleted and made again is two nodes";
