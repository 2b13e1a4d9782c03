//! What is mounted where: in memory for answering, on disk so that a daemon that crashed mounts it again.
//!
//! Paths are canonical mountpoints, compared by their letters: the daemon never looks at a path through a mount of its own,
//! because it would wait for itself.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::private_file;
use crate::control::protocol::{ErrorCode, Problem};
use crate::types::VaultId;

/// Name of the record in the state folder.
const RECORD_NAME: &str = "mounts.json";

/// A mount that should be there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MountRecord {
    /// Which vault.
    pub vault: VaultId,
    /// Where.
    pub dir: PathBuf,
    /// The folder that `mount --all` was given, which unmounts this one too; the folder itself was made by the daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_under: Option<PathBuf>,
}

#[derive(Default, Serialize, Deserialize)]
struct Record {
    version: u32,
    mounts: Vec<MountRecord>,
}

/// Reads what was mounted when the last daemon ended without unmounting. An unreadable record is reported and forgotten: it
/// holds nothing that the user cannot ask for again.
pub fn load(state_dir: &Path) -> Result<Vec<MountRecord>, Problem> {
    let path = state_dir.join(RECORD_NAME);
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Problem::new(ErrorCode::Io, format!("cannot read what was mounted from {}", path.display()))
            .because(error)
            .hint("mount again what is missing with `vaultfs mount`")
    };
    match private_file::read(&path).map_err(|error| failed(&error))? {
        Some(bytes) => Ok(serde_json::from_slice::<Record>(&bytes).map_err(|error| failed(&error))?.mounts),
        None => Ok(Vec::new()),
    }
}

/// Replaces the record, durably.
pub fn save(state_dir: &Path, mounts: &[MountRecord]) -> Result<(), Problem> {
    let path = state_dir.join(RECORD_NAME);
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Problem::new(ErrorCode::Io, format!("cannot note what is mounted in {}", path.display())).because(error)
    };
    let record = Record { version: 1, mounts: mounts.to_vec() };
    let bytes = serde_json::to_vec_pretty(&record).map_err(|error| failed(&error))?;
    private_file::replace(&path, &bytes, false).map_err(|error| failed(&error))
}

/// The mount that `path` leads into, and the rest of the path below it; the deepest one if mounts are nested.
pub fn resolve<'a, M>(mounts: &'a [M], dir: impl Fn(&M) -> &Path, path: &Path) -> Option<(&'a M, String)> {
    if path.components().any(|part| matches!(part, Component::ParentDir)) {
        return None;
    }
    let inside = |mount: &'a M| path.strip_prefix(dir(mount)).ok().map(|rest| (mount, rest));
    let (mount, rest) = mounts.iter().filter_map(inside).min_by_key(|(_, rest)| rest.components().count())?;
    Some((mount, rest.to_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_mount_by_whole_names() {
        let mounts: Vec<PathBuf> = ["/mnt/work", "/mnt/work/inner", "/mnt/w"].map(PathBuf::from).into();
        let find = |path: &str| {
            resolve(&mounts, |mount| mount.as_path(), Path::new(path))
                .map(|(mount, rest)| (mount.to_str().unwrap(), rest))
        };
        assert_eq!(find("/mnt/work/a/b"), Some(("/mnt/work", "a/b".to_owned())));
        assert_eq!(find("/mnt/work"), Some(("/mnt/work", String::new())));
        assert_eq!(find("/mnt/work/inner/x"), Some(("/mnt/work/inner", "x".to_owned())));
        assert_eq!(find("/mnt/workshop"), None);
        assert_eq!(find("/mnt/work/../../etc"), None);
    }

    #[test]
    fn the_record_survives_and_a_damaged_one_is_an_error_that_says_what_to_do() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(load(state.path()).unwrap(), []);
        let mounts = [MountRecord { vault: VaultId(uuid::Uuid::from_u128(7)), dir: "/mnt/a".into(), all_under: None }];
        save(state.path(), &mounts).unwrap();
        assert_eq!(load(state.path()).unwrap(), mounts);
        std::fs::write(state.path().join(RECORD_NAME), "{").unwrap();
        assert!(load(state.path()).unwrap_err().hint.is_some());
    }
}
