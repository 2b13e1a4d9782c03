//! The decision table of files and links that S knows: row = local change, column = remote change. One arm per cell.

use super::table::{Bytes, Cell, From};
use crate::sync::diff::Change;

/// Looks the cell up.
pub(super) fn file_cell(local: Change, remote: Change) -> Cell {
    use Bytes::{AsTheyAre, Both, Down, Up};
    use Change::{Deleted as D, Edited as E, Moved as M, MovedEdited as ME, Unchanged as U};
    use From::{Local, Remote};
    let keep = Cell::keep;
    match (local, remote) {
        (U, U) => keep("file - x -", "- x -: nothing", Remote, AsTheyAre),
        (U, E) => keep("file - x E", "- x E: down", Remote, Down),
        (U, M) => keep("file - x M", "- x M: move local", Remote, AsTheyAre),
        (U, ME) => keep("file - x ME", "- x ME: move local, down", Remote, Down),
        (U, D) => Cell::gone("file - x D", "- x D: delete local"),

        (E, U) => keep("file E x -", "E x -: up", Remote, Up),
        (E, E) => keep("file E x E", "E x E: class policy", Remote, Both),
        (E, M) => keep("file E x M", "E x M: move local, up", Remote, Up),
        (E, ME) => keep("file E x ME", "E x ME: move local, class policy", Remote, Both),
        (E, D) => keep("file E x D", "E x D: edit wins", Local, Up),

        (M, U) => keep("file M x -", "M x -: move remote", Local, AsTheyAre),
        (M, E) => keep("file M x E", "M x E: move remote, down", Local, Down),
        (M, M) => keep("file M x M", "M x M: remote place wins", Remote, AsTheyAre),
        (M, ME) => keep("file M x ME", "M x ME: remote place wins, down", Remote, Down),
        (M, D) => keep("file M x D", "M x D: explicit move wins", Local, Up),

        (ME, U) => keep("file ME x -", "ME x -: move remote, up", Local, Up),
        (ME, E) => keep("file ME x E", "ME x E: move remote, class policy", Local, Both),
        (ME, M) => keep("file ME x M", "ME x M: remote place wins, up", Remote, Up),
        (ME, ME) => keep("file ME x ME", "ME x ME: remote place wins, class policy", Remote, Both),
        (ME, D) => keep("file ME x D", "ME x D: edit wins", Local, Up),

        (D, U) => Cell::gone("file D x -", "D x -: delete remote"),
        (D, E) => keep("file D x E", "D x E: edit wins", Remote, Down),
        (D, M) => keep("file D x M", "D x M: explicit move wins", Remote, Down),
        (D, ME) => keep("file D x ME", "D x ME: edit wins", Remote, Down),
        (D, D) => Cell::gone("file D x D", "D x D: drop S"),
    }
}
