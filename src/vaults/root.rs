//! Whether a folder can be the root of a local vault.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Why a folder cannot be the root of a vault.
#[derive(Debug, thiserror::Error)]
pub enum RootProblem {
    /// No path at all.
    #[error("the vault needs a folder: give its path")]
    Empty,
    /// Depends on where the program was started.
    #[error("{0} is not an absolute path")]
    NotAbsolute(PathBuf),
    /// Says "the folder above".
    #[error("{0} leads through \"..\"; give the path without it")]
    LeadsUp(PathBuf),
    /// Nothing is there.
    #[error("{0} does not exist; create the folder first")]
    Missing(PathBuf),
    /// A file or something else.
    #[error("{0} is not a folder")]
    NotAFolder(PathBuf),
    /// The system refuses it.
    #[error("cannot open {path}")]
    Refused {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// The path in the form in which the registry keeps it: absolute, without `.`, doubled or trailing slashes. Spelling of
/// letters and links stay as they are. Looks at no disk.
pub fn normal_form(path: &str) -> Result<PathBuf, RootProblem> {
    if path.is_empty() {
        return Err(RootProblem::Empty);
    }
    let given = Path::new(path);
    if !given.is_absolute() {
        return Err(RootProblem::NotAbsolute(given.to_owned()));
    }
    if given.components().any(|component| component == Component::ParentDir) {
        return Err(RootProblem::LeadsUp(given.to_owned()));
    }
    Ok(given.components().collect())
}

/// [`normal_form`] of a folder that is there.
pub fn existing(path: &str) -> Result<PathBuf, RootProblem> {
    let path = normal_form(path)?;
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(RootProblem::NotAFolder(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(RootProblem::Missing(path)),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(RootProblem::NotAFolder(path)),
        Err(source) => Err(RootProblem::Refused { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_judged_by_form() {
        assert_eq!(normal_form("/a//b/./c/").unwrap(), Path::new("/a/b/c"));
        assert_eq!(normal_form("/Cafe\u{301}").unwrap(), Path::new("/Cafe\u{301}"), "spelling stays");
        assert!(matches!(normal_form(""), Err(RootProblem::Empty)));
        assert!(matches!(normal_form("a/b"), Err(RootProblem::NotAbsolute(_))));
        assert!(matches!(normal_form("~/Music"), Err(RootProblem::NotAbsolute(_))));
        assert!(matches!(normal_form("/a/../b"), Err(RootProblem::LeadsUp(_))));
    }

    #[test]
    fn folders_are_judged_by_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let here = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(here("file"), "").unwrap();
        assert_eq!(existing(&format!("{}/", folder.path().display())).unwrap(), folder.path());
        assert!(matches!(existing(&here("absent")), Err(RootProblem::Missing(_))));
        assert!(matches!(existing(&here("file")), Err(RootProblem::NotAFolder(_))));
        assert!(matches!(existing(&here("file/below")), Err(RootProblem::NotAFolder(_))));
        let too_long = existing(&here(&"x".repeat(300)));
        assert!(matches!(too_long, Err(RootProblem::Refused { .. })), "{too_long:?}");
    }
}
