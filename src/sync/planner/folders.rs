//! The decision table of folders that S knows: row = local change, column = remote change, one arm per cell; and the two ways in which
//! a folder survives a deletion: as the container of something that lives, or together with a folder that was moved on purpose.

use super::cells::Cells;
use super::left_out;
use super::places::is_local_only;
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
        restore_below(view, outcomes, folder);
    }
}

fn restore_below<'a>(view: &View<'a>, outcomes: &mut [Outcome<'a>], folder: Index) {
    let moved_here = outcomes[folder].local;
    let mut open = vec![folder];
    while let Some(folder) = open.pop() {
        for child in view.children(Tree::Synced, folder) {
            let outcome = &mut outcomes[child];
            if outcome.fate != Fate::Gone || (outcome.local, outcome.remote) != (moved_here, !moved_here) {
                continue;
            }
            outcome.fate = Fate::Keep;
            outcome.bytes = if moved_here { Bytes::Up } else { Bytes::Down };
            outcome.target = view.meant(if moved_here { Tree::Local } else { Tree::Remote }, child);
            outcome.reason = "restored with its folder: explicit move wins";
            outcome.forget_base = true;
            open.push(child);
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
            let mut child = start;
            let mut above = if outcomes[start].fate == wanted {
                outcomes[start].target.as_ref().and_then(|target| target.spot.up)
            } else if wanted == Fate::Keep {
                folder_of_hidden(view, outcomes, start).filter(|parent| outcomes[*parent].fate == Fate::Gone)
            } else {
                None
            };
            while let Some(parent) = above {
                let Some(from) = container_side(&outcomes[parent]) else {
                    if outcomes[parent].fate != Fate::Keep && outcomes[parent].fate != Fate::Pending {
                        // Its folder is nowhere to be had: it waits.
                        outcomes[child].fate = Fate::Apart;
                    }
                    break;
                };
                if outcomes[parent].local_only {
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
                above = outcomes[child].target.as_ref().and_then(|target| target.spot.up);
            }
        }
    }
    needed_shared
}

/// The folder of what is alive, but in one of the trees only.
fn folder_of_hidden(view: &View<'_>, outcomes: &[Outcome<'_>], index: Index) -> Option<Index> {
    if outcomes[index].left_out {
        return left_out::folder_above(view, index);
    }
    if is_unseen(view, outcomes, index) {
        return view.nodes[index].remote.and_then(|spot| spot.up);
    }
    None
}

/// What nobody here has seen, so that no deletion here can have meant it: a folder of the provider's whose name keeps it from being shown,
/// and whatever somebody put into a folder that is kept on this machine since.
fn is_unseen(view: &View<'_>, outcomes: &[Outcome<'_>], index: Index) -> bool {
    let node = &view.nodes[index];
    let is_hidden = outcomes[index].fate == Fate::Apart && outcomes[index].local_only && node.local.is_none();
    is_hidden && (node.is_folder() || node.synced.is_none() && !is_local_only(view, index))
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
