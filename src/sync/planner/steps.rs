//! The next step of each node on its way to its outcome, as far as the node's own block allows it. At most one is taken per plan; the
//! second choice stands in where the first has to wait for other nodes.

use super::collisions::Names;
use super::left_out;
use super::places::stands_aside;
use super::table::{Bytes, Fate, Naming, Outcome};
use super::view::{Index, Target, Tree, View};
use crate::sync::conflict::{ConflictPolicy, ContentClass};
use crate::sync::diff::{Sameness, compare};
use crate::sync::plan::{Blocked, Content, Side, Step, is_aside};
use crate::types::{NodeKind, Revision};

/// A step that one node wants.
#[derive(Clone, Debug)]
pub(super) struct Intent<'a> {
    /// What.
    pub(super) action: Action<'a>,
    /// Why.
    pub(super) reason: &'static str,
}

/// [`Step`] in terms of the view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Action<'a> {
    HashLocal,
    CreateRemote(Target<'a>),
    UploadOver(Revision),
    MoveRemote(Target<'a>),
    MoveRemoteAside,
    DeleteRemote,
    CreateLocal(Target<'a>),
    UpdateLocal,
    MoveLocal(Target<'a>),
    MoveLocalAside,
    LeaveOut,
    DeleteLocal,
    KeepBoth(Target<'a>),
    Adopt(Index),
    MarkSynced,
    DropSynced,
}

impl Action<'_> {
    /// As the contract writes it.
    pub(super) fn step(&self, view: &View<'_>, index: Index) -> Step {
        let node = &view.nodes[index];
        match self {
            Self::HashLocal => Step::HashLocal,
            Self::CreateRemote(target) => match node.trees.kind {
                NodeKind::Folder => Step::CreateRemoteFolder(target.place()),
                NodeKind::Symlink => Step::CreateRemoteSymlink(target.place()),
                NodeKind::File | NodeKind::Special => Step::UploadNew(target.place()),
            },
            Self::UploadOver(expected) => Step::UploadOver { expected: expected.clone() },
            Self::MoveRemote(target) => Step::MoveRemote(target.place()),
            Self::MoveRemoteAside => Step::MoveRemoteAside,
            Self::DeleteRemote => Step::DeleteRemote {
                expected: node.trees.remote.as_ref().and_then(|remote| revision(&remote.content)).cloned(),
            },
            Self::CreateLocal(target) => Step::CreateLocal(target.place()),
            Self::UpdateLocal => Step::UpdateLocal,
            Self::MoveLocal(target) => Step::MoveLocal(target.place()),
            Self::MoveLocalAside => Step::MoveLocal(crate::sync::plan::Place {
                parent: node.local.map_or(crate::types::NodeId::ROOT, |spot| spot.parent),
                name: crate::sync::plan::aside_name(node.id),
            }),
            Self::LeaveOut => Step::LeaveOut,
            Self::DeleteLocal => Step::DeleteLocal,
            Self::KeepBoth(target) => Step::KeepBoth { ours: target.place() },
            Self::Adopt(remote) => Step::Adopt { remote: view.nodes[*remote].id },
            Self::MarkSynced => Step::MarkSynced,
            Self::DropSynced => Step::DropSynced,
        }
    }
}

fn revision(content: &Content) -> Option<&Revision> {
    match content {
        Content::Version { revision, .. } => Some(revision),
        Content::Folder | Content::Symlink(_) | Content::Staged { .. } => None,
    }
}

/// What a node wants to do next, best first, and whether it wants anything at all.
pub(super) struct Wants<'a> {
    /// At most two.
    pub(super) intents: Vec<Intent<'a>>,
    /// All trees agree on it: nothing to do, blocked or not.
    pub(super) settled: bool,
}

/// The wishes of one node.
pub(super) fn wants<'a>(view: &mut View<'a>, outcomes: &[Outcome<'a>], index: Index, names: &mut Names) -> Wants<'a> {
    let outcome = &outcomes[index];
    let mut intents = Vec::new();
    let mut settled = false;
    let mut want = |action, reason| intents.push(Intent { action, reason });
    match outcome.fate {
        Fate::Apart if outcome.left_out => {
            let (action, is_settled) = left_out::wants(view, outcome, index);
            settled = is_settled;
            if let Some(action) = action {
                want(action, outcome.reason);
            }
        }
        Fate::Apart => {
            if outcome.local_only && goes_with_its_folder(view, outcomes, index) {
                let here = view.nodes[index].local.is_some();
                want(if here { Action::DeleteLocal } else { Action::DeleteRemote }, "local-only: goes with its folder");
            } else if let (Naming::Renamed, Some(target)) = (outcome.naming, &outcome.target) {
                want(Action::MoveLocal(target.clone()), outcome.reason);
            } else {
                settled = outcome.local_only && view.nodes[index].trees.synced.is_none();
            }
        }
        Fate::Gone => {
            if let (true, Naming::Renamed, Some(target)) = (outcome.local_only, outcome.naming, &outcome.target) {
                want(Action::MoveLocal(target.clone()), outcome.reason);
            }
            if outcome.local {
                want(Action::DeleteLocal, outcome.reason);
            } else if outcome.remote {
                let kept_here = outcome.local_only && view.nodes[index].local.is_some();
                want(Action::DeleteRemote, if kept_here { "local-only: leaves the provider" } else { outcome.reason });
            } else if view.nodes[index].synced.is_some() {
                if outcome.local_only && goes_with_its_folder(view, outcomes, index) {
                    want(Action::DeleteLocal, "local-only: goes with its folder");
                }
                want(Action::DropSynced, outcome.reason);
            } else {
                settled = true;
            }
        }
        Fate::Keep | Fate::Pending => match (outcome.naming, outcome.local, outcome.remote) {
            (Naming::Adopted | Naming::MayBeAdopted | Naming::MayAdopt | Naming::Adopts(_), ..)
                if outcome.forget_base =>
            {
                forget(view, outcome, index, &mut want);
            }
            (Naming::Adopted | Naming::MayBeAdopted, ..) => {}
            (Naming::MayAdopt, ..) => {
                if is_unhashed(view, index) {
                    want(Action::HashLocal, outcome.reason);
                }
            }
            (Naming::Adopts(there), ..) => want(Action::Adopt(there), outcome.reason),
            (Naming::Contested, true, true) => content(view, outcome, index, names, &mut want),
            (Naming::Contested, ..) => {}
            (_, true, true) => settled = both_present(view, outcome, index, names, &mut want),
            (_, true, false) => only_local(view, outcome, index, &mut want),
            (_, false, true) => match &outcome.target {
                _ if outcome.forget_base => forget(view, outcome, index, &mut want),
                Some(target) => want(Action::CreateLocal(target.clone()), outcome.reason),
                None => {}
            },
            (_, false, false) => {}
        },
    }
    let blocked = view.nodes[index].trees.blocked;
    intents.retain(|intent| match blocked {
        None => true,
        Some(blocked) => allows(blocked, view, outcome, index, &intent.action),
    });
    Wants { intents, settled }
}

/// S forgets a node; one that stands aside gets its name back first, since S is what remembers it.
fn forget<'a>(view: &View<'a>, outcome: &Outcome<'a>, index: Index, want: &mut impl FnMut(Action<'a>, &'static str)) {
    match &outcome.target {
        Some(target) if outcome.local && stands_aside(view, Tree::Local, index) => {
            want(Action::MoveLocal(target.clone()), outcome.reason);
        }
        Some(target) if outcome.remote && stands_aside(view, Tree::Remote, index) => {
            want(Action::MoveRemote(target.clone()), outcome.reason);
        }
        Some(_) | None => want(Action::DropSynced, outcome.reason),
    }
}

fn only_local<'a>(
    view: &View<'a>,
    outcome: &Outcome<'a>,
    index: Index,
    want: &mut impl FnMut(Action<'a>, &'static str),
) {
    let (Some(target), Some(local)) = (&outcome.target, view.side(Tree::Local, index)) else { return };
    if outcome.forget_base {
        forget(view, outcome, index, want);
    } else if !view.is_at(local, target) {
        // A container is renamed by the provider's side: a local move would count as one on purpose, and bring back what was deleted.
        let is_container = view.nodes[index].is_folder() && !outcome.explicit && view.nodes[index].synced.is_some();
        let action = if is_container { Action::CreateRemote } else { Action::MoveLocal };
        want(action(target.clone()), outcome.reason);
    } else if outcome.fate == Fate::Pending {
        // A folder that is pending waits for the file that is.
        if view.nodes[index].trees.kind == NodeKind::File {
            want(Action::HashLocal, "E x D: is it an edit?");
        }
    } else {
        want(Action::CreateRemote(target.clone()), outcome.reason);
    }
}

/// Place first, then content. True if there is nothing to do.
fn both_present<'a>(
    view: &mut View<'a>,
    outcome: &Outcome<'a>,
    index: Index,
    names: &mut Names,
    want: &mut impl FnMut(Action<'a>, &'static str),
) -> bool {
    let (Some(target), Some(local), Some(remote)) =
        (&outcome.target, view.side(Tree::Local, index), view.side(Tree::Remote, index))
    else {
        return false;
    };
    if !view.is_at(local, target) {
        want(Action::MoveLocal(target.clone()), outcome.reason);
    } else if !view.is_at(remote, target) {
        let only_case = remote.place.parent == target.spot.parent
            && view.nodes[index].remote.is_some_and(|spot| spot.key == target.spot.key);
        if only_case && !view.policy.reports_case_rename {
            want(Action::MoveRemoteAside, "rule 7: a rename of case only goes through another name");
        } else {
            want(Action::MoveRemote(target.clone()), outcome.reason);
        }
    } else if agree(view, local, remote, index) {
        return true;
    }
    content(view, outcome, index, names, want);
    false
}

/// True if all three trees say the same of a node that stands at its place.
fn agree(view: &View<'_>, local: &Side, remote: &Side, index: Index) -> bool {
    let Some(synced) = view.side(Tree::Synced, index) else { return false };
    let same_version = match (revision(&local.content), revision(&remote.content), revision(&synced.content)) {
        (Some(local), Some(remote), Some(synced)) => local == remote && remote == synced,
        (None, None, None) => local.content == remote.content && remote.content == synced.content,
        (Some(_) | None, ..) => false,
    };
    same_version && view.together(remote, synced) && view.together(local, remote)
}

/// The step of the content register.
fn content<'a>(
    view: &mut View<'a>,
    outcome: &Outcome<'a>,
    index: Index,
    names: &mut Names,
    want: &mut impl FnMut(Action<'a>, &'static str),
) {
    let (Some(target), Some(local), Some(remote)) =
        (&outcome.target, view.side(Tree::Local, index), view.side(Tree::Remote, index))
    else {
        return;
    };
    let base = view.side(Tree::Synced, index);
    // Where R did not change, S's content is R's, and S may know a hash that R does not tell.
    let same_as_base = base.filter(|base| compare(&remote.content, &base.content) == Sameness::Same);
    let against_base = same_as_base.map(|base| compare(&local.content, &base.content));
    let sameness = match (compare(&local.content, &remote.content), against_base) {
        (Sameness::Same, _) | (_, Some(Sameness::Same)) => Sameness::Same,
        (Sameness::Unhashed, _) | (_, Some(Sameness::Unhashed)) => Sameness::Unhashed,
        (Sameness::Different, Some(Sameness::Different) | None) => Sameness::Different,
    };
    let together = view.together(local, remote);
    match (sameness, outcome.bytes) {
        (Sameness::Same, _) if together => want(Action::MarkSynced, outcome.reason),
        (Sameness::Same, _) => {}
        (Sameness::Unhashed, _) => want(Action::HashLocal, "are the bytes equal?"),
        (Sameness::Different, Bytes::Up) => match revision(&remote.content) {
            Some(revision) => want(Action::UploadOver(revision.clone()), outcome.reason),
            // A link has no versions: the old one goes, and then the new one is an edit against a deletion.
            None => want(Action::DeleteRemote, outcome.reason),
        },
        // An equal rewrite is no edit: then R's version simply comes down.
        (Sameness::Different, Bytes::Both)
            if base.is_some_and(|base| compare(&local.content, &base.content) == Sameness::Unhashed) =>
        {
            want(Action::HashLocal, "E x E: is it an edit?");
        }
        (Sameness::Different, Bytes::Down | Bytes::AsTheyAre) => want(Action::UpdateLocal, outcome.reason),
        (Sameness::Different, Bytes::Both) => {
            // The parts of a decision that move the node come first: the copy belongs beside the node's final place.
            if together && view.is_at(local, target) {
                let ours = names.conflict_target(view, target);
                want(Action::KeepBoth(ours), both_reason(target));
            }
        }
    }
}

/// Why both contents are kept. Merge and last-write-wins have their slots here; until they exist, such files are documents.
fn both_reason(target: &Target<'_>) -> &'static str {
    match ContentClass::of(&target.name).policy() {
        ConflictPolicy::Merge => "E x E: json, both kept",
        ConflictPolicy::LastWriteWins => "E x E: wav, both kept",
        ConflictPolicy::KeepBoth => "E x E: both kept",
    }
}

fn is_unhashed(view: &View<'_>, index: Index) -> bool {
    view.side(Tree::Local, index).is_some_and(|side| matches!(side.content, Content::Staged { hash: None, .. }))
}

/// True if the folder that holds a local-only node is being deleted where the node is. A hidden folder of the provider's is no such
/// node: it keeps the folder alive that holds it.
fn goes_with_its_folder(view: &View<'_>, outcomes: &[Outcome<'_>], index: Index) -> bool {
    if view.nodes[index].local.is_none() {
        let above = view.nodes[index].remote.and_then(|spot| spot.up);
        return above.is_some_and(|folder| outcomes[folder].fate == Fate::Gone && !outcomes[folder].local);
    }
    let mut at = view.nodes[index].local.and_then(|spot| spot.up);
    while let Some(folder) = at {
        if !outcomes[folder].local_only {
            return outcomes[folder].fate == Fate::Gone && outcomes[folder].local;
        }
        at = view.nodes[folder].local.and_then(|spot| spot.up);
    }
    false
}

/// What a block lets through. A step that only keeps the books passes always; remote changes pass where they touch nothing that was
/// changed here.
fn allows(blocked: Blocked, view: &View<'_>, outcome: &Outcome<'_>, index: Index, action: &Action<'_>) -> bool {
    let trees = view.nodes[index].trees;
    let staged = trees.local.as_ref().is_some_and(|local| matches!(local.content, Content::Staged { .. }));
    let moved_here = match (&trees.local, &trees.synced) {
        (Some(local), Some(synced)) => !is_aside(&local.place.name) && !view.together(local, synced),
        (Some(_), None) => true,
        (None, Some(_) | None) => false,
    };
    match (blocked, action) {
        (_, Action::DropSynced) => true,
        (Blocked::LeftOut, Action::LeaveOut) => true,
        // Only a name that has to give way; or it is not left out after all, as the folder of something that is not.
        (Blocked::LeftOut, Action::MoveLocal(_)) => true,
        (Blocked::LeftOut, _) => !outcome.left_out,
        (_, Action::LeaveOut) => false,
        (Blocked::LocalOnly, Action::DeleteLocal | Action::MoveLocal(_) | Action::DeleteRemote) => true,
        // Not local-only after all (see `is_local_only`), or its provider side is needed: nothing holds it, once it has its name back.
        (Blocked::LocalOnly, _) => {
            let at_home = |local: &Side| {
                outcome.target.as_ref().is_some_and(|target| view.is_at(local, target))
                    || trees.synced.as_ref().is_some_and(|base| view.together(local, base))
            };
            !outcome.local_only && trees.local.as_ref().is_none_or(at_home)
        }
        (
            Blocked::OpenForWriting,
            Action::MoveLocal(_)
            | Action::MoveLocalAside
            | Action::MoveRemote(_)
            | Action::MoveRemoteAside
            | Action::DeleteRemote
            | Action::CreateLocal(_),
        ) => true,
        (Blocked::OpenForWriting, Action::MarkSynced) => {
            let version = |side: &Option<Side>| side.as_ref().and_then(|side| revision(&side.content).cloned());
            !staged && version(&trees.local) == version(&trees.remote)
        }
        (
            Blocked::OpenForWriting,
            Action::HashLocal
            | Action::CreateRemote(_)
            | Action::UploadOver(_)
            | Action::UpdateLocal
            | Action::DeleteLocal
            | Action::KeepBoth(_)
            | Action::Adopt(_),
        ) => false,
        (Blocked::NotQuiet | Blocked::Held | Blocked::BackingOff, Action::MarkSynced) => true,
        (Blocked::NotQuiet | Blocked::Held | Blocked::BackingOff, Action::UpdateLocal) => !staged,
        (Blocked::NotQuiet | Blocked::Held | Blocked::BackingOff, Action::MoveLocal(_) | Action::MoveLocalAside) => {
            !moved_here
        }
        (Blocked::NotQuiet | Blocked::Held | Blocked::BackingOff, Action::DeleteLocal) => !staged && !moved_here,
        (Blocked::NotQuiet | Blocked::Held | Blocked::BackingOff, Action::CreateLocal(_)) => trees.synced.is_none(),
        (
            Blocked::NotQuiet | Blocked::Held | Blocked::BackingOff,
            Action::HashLocal
            | Action::CreateRemote(_)
            | Action::UploadOver(_)
            | Action::MoveRemote(_)
            | Action::MoveRemoteAside
            | Action::DeleteRemote
            | Action::KeepBoth(_)
            | Action::Adopt(_),
        ) => false,
    }
}
