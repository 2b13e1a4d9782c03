//! The decision tables of `docs/SEMANTICS.md` are those of the program.

use super::files::file_cell;
use super::folders::folder_cell;
use super::table::{Bytes, Cell, From};
use crate::sync::diff::Change;

const CHANGES: [(Change, &str); 5] = [
    (Change::Unchanged, "unchanged"),
    (Change::Edited, "edited"),
    (Change::Moved, "moved"),
    (Change::MovedEdited, "moved, edited"),
    (Change::Deleted, "deleted"),
];

/// What a cell says, in the words of the document.
fn words(cell: &Cell, local: Change, remote: Change) -> String {
    if !cell.keep {
        return "deleted".to_owned();
    }
    let moves = |change| matches!(change, Change::Moved | Change::MovedEdited | Change::Deleted);
    let place = match cell.from {
        _ if !moves(local) && !moves(remote) => None,
        From::Local => Some("place: here"),
        From::Remote => Some("place: there"),
    };
    let bytes = match cell.bytes {
        Bytes::AsTheyAre => None,
        Bytes::Up => Some("bytes: here"),
        Bytes::Down => Some("bytes: there"),
        Bytes::Both => Some("**both**"),
    };
    let inside = cell.explicit.then_some("with what was in it");
    let said: Vec<&str> = [place, bytes, inside].into_iter().flatten().collect();
    if said.is_empty() { "nothing".to_owned() } else { said.join(", ") }
}

/// A table as the document has it.
fn table(of: &str, cell: fn(Change, Change) -> Cell, changes: &[(Change, &str)]) -> String {
    let heads: Vec<&str> = changes.iter().map(|(_, head)| *head).collect();
    let mut lines = vec![
        format!("| {of}: here \\ there | {} |", heads.join(" | ")),
        format!("|{}", "---|".repeat(changes.len() + 1)),
    ];
    for (local, head) in changes {
        let row: Vec<String> =
            changes.iter().map(|(remote, _)| words(&cell(*local, *remote), *local, *remote)).collect();
        lines.push(format!("| **{head}** | {} |", row.join(" | ")));
    }
    lines.join("\n")
}

#[test]
fn the_document_has_the_tables_of_the_program() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SEMANTICS.md");
    let text = std::fs::read_to_string(path).unwrap();
    let of_folders: Vec<_> = CHANGES.into_iter().filter(|(_, head)| !head.contains("edited")).collect();
    for expected in [table("file", file_cell, &CHANGES), table("folder", folder_cell, &of_folders)] {
        assert!(text.contains(&expected), "docs/SEMANTICS.md should have\n\n{expected}\n");
    }
}

/// Folders have no content: an edit of one is no change, so that the document need not say it.
#[test]
fn an_edit_of_a_folder_is_no_change() {
    let without = |change| match change {
        Change::Edited => Change::Unchanged,
        Change::MovedEdited => Change::Moved,
        Change::Unchanged | Change::Moved | Change::Deleted => change,
    };
    for (local, _) in CHANGES {
        for (remote, _) in CHANGES {
            assert_eq!(folder_cell(local, remote), folder_cell(without(local), without(remote)));
        }
    }
}
