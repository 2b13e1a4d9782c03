//! The decision table of folders that S knows: row = local change, column = remote change, one arm per cell; and the two ways in which
//! a folder survives a deletion: as the container of something that lives, or together with a folder that was moved on purpose.

use super::cells::Cells;
use super::table::{Bytes, Cell, Fate, From, Outcome};
use super::view::{Index, Tree, View};
use crate::sync::diff::Change;

/// Looks the cell up. Folders have no content, so that an edit is no change.
pub(super) fn folder_cell(local: Change, remote: Change) -> Cell {
    use Change::{Deleted, Edited, Moved, MovedEdited, Unchanged};
    use From::{Local, Remote};
    let keep = |key, reason, from| Cell::keep(key, reason, from, Bytes::AsTheyAre);
    match (local, remote) {
        (Unchanged | Edited, Unchanged | Edited) => keep("dir - x -", "- x -: nothing", Remote),
        (Unchanged | Edited, Moved | MovedEdited) => keep("dir - x M", "- x M: move local subtree", Remote),
        (Unchanged | Edited, Deleted) => Cell::gone("dir - x D", "- x D: delete local bottom-up"),

        (Moved | MovedEdited, Unchanged | Edited) => keep("dir M x -", "M x -: move remote", Local),
        (Moved | MovedEdited, Moved | MovedEdited) => keep("dir M x M", "M x M: remote place wins", Remote),
        (Moved | MovedEdited, Deleted) => {
            Cell { explicit: true, ..keep("dir M x D", "M x D: explicit move wins", Local) }
        }

        (Deleted, Unchanged | Edited) => Cell::gone("dir D x -", "D x -: delete remote bottom-up"),
        (Deleted, Moved | MovedEdited) => {
            Cell { explicit: true, ..keep("dir D x M", "D x M: explicit move wins", Remote) }
        }
        (Deleted, Deleted) => Cell::gone("dir D x D", "D x D: drop S"),
    }
}

/// A folder that was moved on one side and deleted on the other comes back with the children whose deletion came with it. S forgets
/// those, deepest first and before the folder itself is back: then they count as created on the side that moved the folder, and the
/// decision survives a stop at any point.
pub(super) fn restore_with_moved_folders<'a>(view: &View<'a>, outcomes: &mut [Outcome<'a>]) {
    let moved: Vec<Index> = (0..outcomes.len()).filter(|index| outcomes[*index].explicit).collect();
    for folder in moved {
        forget_below(view, outcomes, folder, Forgotten::Deleted);
    }
}

/// Which nodes below a folder S forgets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Forgotten {
    /// Those whose deletion came with the folder's; they are kept.
    Deleted,
    /// Those that are kept anyway: S rows below a folder that S forgets.
    Kept,
}

/// Makes S forget what is missing below `folder` on the side where the folder itself is missing.
pub(super) fn forget_below<'a>(view: &View<'a>, outcomes: &mut [Outcome<'a>], folder: Index, which: Forgotten) {
    let missing = if outcomes[folder].local { Tree::Remote } else { Tree::Local };
    let mut open = vec![(folder, which == Forgotten::Kept)];
    while let Some((folder, base_goes)) = open.pop() {
        for child in view.children(Tree::Synced, folder) {
            let outcome = &mut outcomes[child];
            let (here, there) = (outcome.local, outcome.remote);
            let gone_there = if missing == Tree::Remote { here && !there } else { there && !here };
            if !gone_there || outcome.forget_base {
                continue;
            }
            match (outcome.fate == Fate::Gone, which) {
                (true, Forgotten::Kept) => continue,
                (true, Forgotten::Deleted) => {
                    outcome.bytes = if here { Bytes::Up } else { Bytes::Down };
                    outcome.target = view.meant(if here { Tree::Local } else { Tree::Remote }, child);
                    outcome.reason = "restored with its folder: explicit move wins";
                }
                (false, _) if !base_goes => continue,
                (false, _) => {}
            }
            outcome.fate = Fate::Keep;
            outcome.forget_base = true;
            open.push((child, true));
        }
    }
}

/// Folders that somebody deleted but that something alive needs stay (or come back) as its container. Returns local-only nodes that the
/// provider's side needs: they are to be shared again.
pub(super) fn keep_containers<'a>(view: &View<'a>, outcomes: &mut [Outcome<'a>], cells: &mut Cells) -> Vec<Index> {
    let mut needed_shared = Vec::new();
    // Certain survivors first: a folder that only waits for a hash is not made again before the hash is known.
    for wanted in [Fate::Keep, Fate::Pending] {
        for start in 0..outcomes.len() {
            if outcomes[start].fate != wanted {
                continue;
            }
            let mut child = start;
            while let Some(parent) = outcomes[child].target.as_ref().and_then(|target| target.spot.up) {
                let Some(from) = container_side(&outcomes[parent]) else {
                    if outcomes[parent].fate != Fate::Keep && outcomes[parent].fate != Fate::Pending {
                        // Its folder is nowhere to be had: it waits.
                        outcomes[child].fate = Fate::Apart;
                    }
                    break;
                };
                if outcomes[parent].local_only && view.nodes[parent].local.is_some() {
                    needed_shared.push(parent);
                }
                let created = view.nodes[child].synced.is_none();
                let outcome = &mut outcomes[parent];
                if outcome.fate == Fate::Gone && wanted == Fate::Keep {
                    let moved_in = view.nodes[child].synced.is_some_and(|synced| synced.up != Some(parent));
                    if !created && moved_in {
                        cells.count("rule 6: a move into a deleted folder revives it");
                    }
                    if created || moved_in {
                        cells.count("rule 2: created or moved into a deleted folder");
                    } else {
                        cells.count("rule 1: edit inside a deleted folder");
                    }
                }
                outcome.fate = wanted;
                outcome.target = view.meant(from, parent);
                outcome.reason = "live descendants: the folder stays as their container";
                child = parent;
            }
        }
    }
    needed_shared
}

/// Where a folder that is not kept could come back from.
fn container_side(outcome: &Outcome<'_>) -> Option<Tree> {
    match outcome.fate {
        Fate::Keep | Fate::Pending => None,
        Fate::Gone | Fate::Apart if outcome.local => Some(Tree::Local),
        Fate::Gone | Fate::Apart if outcome.remote => Some(Tree::Remote),
        Fate::Gone | Fate::Apart => None,
    }
}
