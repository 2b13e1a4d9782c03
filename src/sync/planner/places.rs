//! Which nodes survive and where: the tables node by node, then what only all nodes together can tell (deleted folders that are still
//! needed, folders that come back whole, concurrent moves that would form a cycle).
//!
//! The result is one well-formed tree, apart from names that two nodes want (`collisions` settles those).

use std::collections::BTreeSet;

use super::cells::Cells;
use super::files::file_cell;
use super::folders::{folder_cell, keep_containers, restore_with_moved_folders};
use super::left_out;
use super::table::{Bytes, Cell, Fate, From, Naming, Outcome};
use super::view::{Index, Tree, View};
use crate::sync::diff::{Change, Sameness, compare};
use crate::sync::plan::{Blocked, is_aside};
use crate::types::NodeKind;

/// Decides fate and place of every node.
pub(super) fn settle<'a>(view: &View<'a>, cells: &mut Cells) -> Vec<Outcome<'a>> {
    let mut undone = BTreeSet::new();
    let mut shared = BTreeSet::new();
    loop {
        let mut counts = Cells::default();
        let local_only = local_only_nodes(view, &shared);
        let mut outcomes: Vec<_> = (0..view.nodes.len())
            .map(|index| {
                let is_shared = shared.contains(&index);
                let left_out = if is_shared { None } else { left_out::decide(view, index) };
                left_out.unwrap_or_else(|| decide(view, index, local_only[index], undone.contains(&index) || is_shared))
            })
            .collect();
        restore_with_moved_folders(view, &mut outcomes);
        let needed = keep_containers(view, &mut outcomes, &mut counts);
        // A local-only node whose provider side is needed after all; and R's live nodes that L keeps under a local-only name.
        let before = shared.len();
        shared.extend(needed);
        shared.extend((0..outcomes.len()).filter(|index| {
            outcomes[*index].local_only && outcomes[*index].fate == Fate::Keep && view.nodes[*index].local.is_some()
        }));
        if shared.len() > before {
            continue;
        }
        let cycle_moves = moves_in_cycles(&outcomes);
        if !cycle_moves.is_empty() {
            undone.extend(cycle_moves);
            continue;
        }
        for (index, outcome) in outcomes.iter().enumerate() {
            counts.count(outcome.key);
            if undone.contains(&index) {
                counts.count("rule 5: cycle by concurrent moves");
            }
            count_move_out(view, &outcomes, index, &mut counts);
        }
        for (key, count) in counts.0 {
            *cells.0.entry(key).or_default() += count;
        }
        return outcomes;
    }
}

/// Nodes that never leave this machine, with everything that L has below them.
fn local_only_nodes(view: &View<'_>, shared: &BTreeSet<Index>) -> Vec<bool> {
    let mut known: Vec<Option<bool>> = vec![None; view.nodes.len()];
    for start in 0..view.nodes.len() {
        let mut path = Vec::new();
        let mut at = Some(start);
        let mut inherited = false;
        while let Some(index) = at {
            if let Some(answer) = known[index] {
                inherited = answer;
                break;
            }
            path.push(index);
            // A node that only R has is hidden with the folder that hides it.
            let node = &view.nodes[index];
            let only_remote = node.local.is_none() && node.synced.is_none();
            at = if only_remote { node.remote } else { node.local }.and_then(|spot| spot.up);
        }
        for index in path.into_iter().rev() {
            inherited = !shared.contains(&index) && (inherited || is_local_only(view, index));
            known[index] = Some(inherited);
        }
    }
    known.into_iter().map(|answer| answer == Some(true)).collect()
}

/// True if a node's own name or kind keeps it on this machine.
pub(super) fn is_local_only(view: &View<'_>, index: Index) -> bool {
    let trees = view.nodes[index].trees;
    let unshared_kind = match trees.kind {
        NodeKind::Special => true,
        NodeKind::Symlink => !view.policy.symlinks,
        NodeKind::File | NodeKind::Folder => false,
    };
    let here_by_agreement = match &trees.local {
        // The name came from the provider, or the rule is younger than the file: no reason to delete anything anywhere.
        Some(local) => [&trees.remote, &trees.synced].into_iter().flatten().any(|side| view.together(local, side)),
        None => trees.synced.is_some(),
    };
    unshared_kind || (trees.blocked == Some(Blocked::LocalOnly) && !here_by_agreement)
}

/// What the tables say about one node.
fn decide<'a>(view: &View<'a>, index: Index, local_only: bool, undone: bool) -> Outcome<'a> {
    let trees = view.nodes[index].trees;
    let local = trees.local.as_ref().filter(|_| !local_only);
    let (remote, synced) = (trees.remote.as_ref(), trees.synced.as_ref());
    let is_folder = view.nodes[index].is_folder();
    let mut pending = false;
    let mut change = |tree: Tree| {
        let side = if tree == Tree::Local { local } else { remote };
        let Some(side) = side else { return Change::Deleted };
        let moved = match (view.meant(tree, index), view.meant(Tree::Synced, index)) {
            (Some(now), Some(base)) => !view.same_target(&now, &base),
            (Some(_) | None, None) | (None, Some(_)) => false,
        };
        let sameness = synced.map_or(Sameness::Different, |synced| compare(&side.content, &synced.content));
        let clean_here = tree == Tree::Local && matches!(side.content, crate::sync::plan::Content::Version { .. });
        let edited = !is_folder && !clean_here && sameness != Sameness::Same;
        if edited && !moved && sameness == Sameness::Unhashed && remote.is_none() {
            pending = true;
        }
        Change::from_registers(moved, edited)
    };
    let cell = match (local.is_some(), remote.is_some(), synced.is_some()) {
        (false, false, false) => Cell::gone("absent", "absent everywhere"),
        (true, false, false) => Cell::keep("C x -", "C x -: up", From::Local, Bytes::Up),
        (false, true, false) => Cell::keep("- x C", "- x C: create local", From::Remote, Bytes::Down),
        (true, true, false) => {
            let bytes = if matches!(change(Tree::Local), Change::Unchanged) { Bytes::Down } else { Bytes::Both };
            Cell::keep("C x C one node", "C x C: one node on both sides", From::Remote, bytes)
        }
        (_, _, true) => {
            let (here, there) = (change(Tree::Local), change(Tree::Remote));
            if is_folder { folder_cell(here, there) } else { file_cell(here, there) }
        }
    };
    let mut from = if cell.from == From::Local { Tree::Local } else { Tree::Remote };
    let mut reason = cell.reason;
    let pending_move = from == Tree::Local && remote.is_some();
    if undone && pending_move {
        from = Tree::Remote;
        reason = "remote place wins: the local move closes a cycle or hides what the provider needs";
    }
    let target = if cell.keep { view.meant(from, index) } else { None };
    // Local-only, or hidden because of its name, and never shared.
    let apart = local_only && synced.is_none() && (trees.local.is_none() || remote.is_none());
    // Just shared (S does not know yet), and local-only by now: deleted there, unless R has something else.
    let withdrawn = local_only && synced.is_none() && !apart && same_on_both_sides(view, index);
    let fate = match (&target, apart) {
        (_, true) => Fate::Apart,
        (Some(_), false) if withdrawn => Fate::Gone,
        (Some(_), false) if pending => Fate::Pending,
        (Some(_), false) => Fate::Keep,
        // On its way under a reserved name, and nobody here knows the real one.
        (None, false) if cell.keep => Fate::Apart,
        (None, false) => Fate::Gone,
    };
    let target = if matches!(fate, Fate::Keep | Fate::Pending) { target } else { None };
    Outcome {
        fate,
        target,
        bytes: cell.bytes,
        reason,
        key: if fate == Fate::Apart { "local-only" } else { cell.key },
        forget_base: false,
        explicit: cell.explicit,
        local: local.is_some(),
        remote: remote.is_some(),
        local_only,
        left_out: false,
        pending_move: pending_move && !undone && fate == Fate::Keep,
        naming: Naming::Free,
    }
}

fn same_on_both_sides(view: &View<'_>, index: Index) -> bool {
    match (view.side(Tree::Local, index), view.side(Tree::Remote, index)) {
        (Some(local), Some(remote)) => compare(&local.content, &remote.content) == Sameness::Same,
        (Some(_) | None, None) | (None, Some(_)) => false,
    }
}

/// All pending local moves in the cycles that the chosen places form. R is acyclic and L is acyclic, so every cycle has one.
fn moves_in_cycles(outcomes: &[Outcome<'_>]) -> Vec<Index> {
    let up = |index: Index| outcomes[index].target.as_ref().and_then(|target| target.spot.up);
    let mut seen_in = vec![usize::MAX; outcomes.len()];
    let mut moves = Vec::new();
    for start in 0..outcomes.len() {
        let mut at = Some(start);
        while let Some(index) = at {
            if seen_in[index] != usize::MAX {
                break;
            }
            seen_in[index] = start;
            at = up(index);
        }
        let Some(entry) = at.filter(|index| seen_in[*index] == start) else { continue };
        let mut index = entry;
        loop {
            if outcomes[index].pending_move {
                moves.push(index);
            }
            match up(index) {
                Some(next) if next != entry => index = next,
                Some(_) | None => break,
            }
        }
    }
    moves
}

/// Counts rule 3: something that was moved out of a folder that the other side deleted.
fn count_move_out(view: &View<'_>, outcomes: &[Outcome<'_>], index: Index, counts: &mut Cells) {
    let outcome = &outcomes[index];
    let moved_against_deletion =
        matches!(outcome.key, "file M x D" | "file D x M" | "file ME x D" | "file D x ME" | "dir M x D" | "dir D x M");
    let old_folder = view.nodes[index].synced.and_then(|spot| spot.up);
    if moved_against_deletion && old_folder.is_some_and(|folder| outcomes[folder].fate == Fate::Gone) {
        counts.count("rule 3: moved out of a deleted folder");
    }
}

/// True if a row stands under a reserved temporary name.
pub(super) fn stands_aside(view: &View<'_>, tree: Tree, index: Index) -> bool {
    view.side(tree, index).is_some_and(|side| is_aside(&side.place.name))
}
