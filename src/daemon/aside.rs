//! What was put aside because it was damaged: said for as long as it lies there. Who has looked removes the folder.

use std::path::{Path, PathBuf};

use crate::control::protocol::{ErrorCode, Problem};

/// Things that are named one by one.
const NAMED: usize = 5;

/// The problem that a vault has with what lies in `quarantine`, if anything does.
pub(super) fn problem(vault: &str, quarantine: &Path) -> Option<Problem> {
    let mut things: Vec<PathBuf> =
        std::fs::read_dir(quarantine).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    things.sort();
    if things.is_empty() {
        return None;
    }
    let named: Vec<String> = things.iter().take(NAMED).map(|thing| describe(thing)).collect();
    let more = if things.len() > NAMED { ", ..." } else { "" };
    let what = format!("vault {vault}: something was damaged and put aside in {}", quarantine.display());
    let hint = "what could be saved is in the vault or in `vaultfs history`; look for what is missing, then remove that folder";
    Some(Problem::new(ErrorCode::NeedsUser, what).cause(format!("{}{more}", named.join(", "))).hint(hint))
}

fn describe(thing: &Path) -> String {
    let name = thing.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name.starts_with("staged-") {
        format!("unsent bytes ({name})")
    } else {
        format!("the catalog of {name}, which was made anew")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_lies_there_and_nothing_when_nothing_does() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = folder.path().join("quarantine");
        assert_eq!(problem("Work", &quarantine), None);
        std::fs::create_dir(&quarantine).unwrap();
        assert_eq!(problem("Work", &quarantine), None);
        for name in ["2026-03-02T101500Z", "staged-6f9619ff-8b86-d011-b42d-00c04fc964ff"] {
            std::fs::create_dir(quarantine.join(name)).unwrap();
        }
        let problem = problem("Work", &quarantine).unwrap();
        assert!(problem.what.contains("Work") && problem.what.contains("quarantine"), "{problem}");
        assert!(problem.cause[0].contains("catalog") && problem.cause[0].contains("unsent bytes"), "{problem}");
    }
}
