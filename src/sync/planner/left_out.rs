//! What the user's filter leaves out. The rule is one: it loses nothing, wherever it is. Nothing is sent, fetched or deleted at the
//! provider; the mount no longer shows what the provider keeps anyway; what only this machine has stays in the mount.
//!
//! | L | R | S | |
//! |---|---|---|---|
//! | as S | yes | yes | goes from L and S |
//! | as R | yes | no | the same |
//! | changed | any | yes | rests until the filter changes |
//! | no | any | yes | S forgets it: a deletion here is not sent |
//! | no | under a reserved name | yes | rests: S alone remembers its name |
//! | as S | no | yes | deleted there: goes here, as ever |
//! | yes | no | no | stays here |
//! | no | yes | no | is not shown |

use super::places::stands_aside;
use super::steps::Action;
use super::table::{Bytes, Fate, Naming, Outcome};
use super::view::{Index, Tree, View};
use crate::sync::diff::{Sameness, compare};
use crate::sync::plan::{Blocked, Side};

/// What becomes of a node that is left out; `None` if the tables decide as for every other node.
pub(super) fn decide<'a>(view: &View<'a>, index: Index) -> Option<Outcome<'a>> {
    let trees = view.nodes[index].trees;
    if trees.blocked != Some(Blocked::LeftOut) {
        return None;
    }
    if trees.remote.is_none() && is_as(view, trees.local.as_ref(), trees.synced.as_ref()) {
        return None;
    }
    Some(Outcome {
        fate: Fate::Apart,
        target: None,
        bytes: Bytes::AsTheyAre,
        reason: "left out by the filter",
        key: "left out",
        forget_base: false,
        explicit: false,
        local: trees.local.is_some(),
        remote: trees.remote.is_some(),
        local_only: true,
        left_out: true,
        pending_move: false,
        naming: Naming::Free,
    })
}

/// The step that a left-out node wants, and whether it wants none ever.
pub(super) fn wants<'a>(view: &View<'a>, outcome: &Outcome<'a>, index: Index) -> (Option<Action<'a>>, bool) {
    let trees = view.nodes[index].trees;
    if let (Naming::Renamed, Some(target)) = (outcome.naming, &outcome.target) {
        return (Some(Action::MoveLocal(target.clone())), false);
    }
    let known_to_both = is_as(view, trees.local.as_ref(), trees.synced.as_ref())
        || trees.synced.is_none() && is_as(view, trees.local.as_ref(), trees.remote.as_ref());
    match (&trees.local, &trees.remote, &trees.synced) {
        (Some(_), Some(_), _) if known_to_both => (Some(Action::LeaveOut), false),
        (None, Some(_), Some(_)) if stands_aside(view, Tree::Remote, index) => (None, false),
        (None, _, Some(_)) => (Some(Action::DropSynced), false),
        (Some(_), None, None) | (None, Some(_), None) | (None, None, None) => (None, true),
        (Some(_), ..) => (None, false),
    }
}

/// The folder above a left-out node, where the node is. It is needed as long as the node is there.
pub(super) fn folder_above(view: &View<'_>, index: Index) -> Option<Index> {
    let node = &view.nodes[index];
    node.local.or(node.remote).and_then(|spot| spot.up)
}

/// True if both are there, at one place, with the same content.
fn is_as(view: &View<'_>, local: Option<&Side>, other: Option<&Side>) -> bool {
    match (local, other) {
        (Some(local), Some(other)) => {
            view.together(local, other) && compare(&local.content, &other.content) == Sameness::Same
        }
        (Some(_) | None, None) | (None, Some(_)) => false,
    }
}

/// True if all trees agree on a left-out node that stays in the mount: a folder that holds something that stays.
pub(super) fn rests(view: &View<'_>, index: Index) -> bool {
    let (Some(local), remote) = (view.side(Tree::Local, index), view.side(Tree::Remote, index)) else { return false };
    is_as(view, Some(local), remote) && is_as(view, Some(local), view.side(Tree::Synced, index))
}
