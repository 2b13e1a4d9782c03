//! What a PATH argument means.
//!
//! A path of this machine is made absolute here, where the working directory is known, with links resolved in everything
//! but its last name: `pin LINK` means the link's own entry. A file that is gone still has a path (`history`, `status`).

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::error::{CliError, Result};
use crate::control::protocol::{ErrorCode, Problem, Target};

/// The target that `path` and `--vault` name together.
pub(super) fn target(path: Option<&Path>, vault: Option<String>) -> Result<Target> {
    let Some(path) = path else { return Ok(Target { vault, path: None }) };
    if vault.is_some() && path.is_relative() {
        let inside = text(path)?;
        return Ok(Target { vault, path: Some(inside.trim_start_matches("./").trim_end_matches('/').to_owned()) });
    }
    Ok(Target { vault, path: Some(absolute(path)?) })
}

/// An absolute path without links, except for its last name.
pub(super) fn absolute(path: &Path) -> Result<String> {
    let from_here = std::path::absolute(path)
        .map_err(|error| CliError::io(format!("cannot tell where `{}` is", path.display()), &error))?;
    // `..` after a link is where the link leads, so only the file system can say; what is gone is taken by its letters.
    let ends_in_a_name = from_here.components().next_back().is_some_and(|last| matches!(last, Component::Normal(_)));
    let resolved = match (ends_in_a_name, from_here.parent(), from_here.file_name()) {
        (true, Some(parent), Some(name)) => resolve_existing(parent).join(name),
        _ => resolve_existing(&from_here),
    };
    text(&resolved)
}

/// Resolves as much of the path as exists.
fn resolve_existing(path: &Path) -> PathBuf {
    let mut missing: Vec<OsString> = Vec::new();
    let mut existing = path;
    loop {
        if let Ok(mut resolved) = existing.canonicalize() {
            resolved.extend(missing.iter().rev());
            return resolved;
        }
        match (existing.parent(), existing.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name.to_owned());
                existing = parent;
            }
            _ => return path.to_owned(),
        }
    }
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Problem::new(ErrorCode::InvalidRequest, format!("`{}` is not valid UTF-8", path.display()))
            .cause("names in vaults are UTF-8, because no cloud can hold others")
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_vault_is_relative_to_the_vault() {
        let found = target(Some(Path::new("./Cases/2026/")), Some("Work".to_owned())).unwrap();
        assert_eq!(found.path.as_deref(), Some("Cases/2026"));
        assert!(target(Some(Path::new("/mnt/x")), Some("Work".to_owned())).unwrap().path.unwrap().starts_with('/'));
    }

    #[test]
    fn links_are_resolved_in_all_but_the_last_name_and_missing_files_have_paths() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        let shown = |path: &str| absolute(&root.join(path)).unwrap();
        let expected = |path: &str| root.join(path).to_str().unwrap().to_owned();
        assert_eq!(shown("link/gone/file"), expected("real/gone/file"));
        assert_eq!(shown("link"), expected("link"));
        assert_eq!(shown("link/.."), expected("").trim_end_matches('/'));
    }
}
