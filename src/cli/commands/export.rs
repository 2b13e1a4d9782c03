//! Writes versions as plain files below a folder that the user named. Used by `history export` and `conflicts export`.
//!
//! Invariants: nothing is written outside that folder, whatever paths the daemon tells; no existing file is replaced; a
//! file that is there is complete (temporary name, fsync, rename).

use std::io::Write;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::cli::output::counted;
use crate::control::client::Client;
use crate::control::protocol::{ErrorCode, HistoryEntry, HistoryItem, Target};

/// What was written, for `--json`.
#[derive(Serialize)]
pub(super) struct Exported {
    /// Relative to the folder.
    pub(super) files: Vec<String>,
}

impl Exported {
    /// Says what was written.
    pub(super) fn tell(self, context: &Context, dir: &Path) -> Result {
        context.output.answer(&self, |exported| {
            exported.files.iter().try_for_each(|file| context.output.line(crate::cli::output::printable(file)))?;
            let count = u64::try_from(exported.files.len()).unwrap_or(u64::MAX);
            context.output.note(format!("wrote {} to {}", counted(count, "file", "files"), dir.display()));
            Ok(())
        })
    }
}

/// Writes below one folder.
pub(super) struct Exporter<'a> {
    context: &'a Context,
    daemon: &'a Client,
    dir: &'a Path,
}

impl<'a> Exporter<'a> {
    /// Makes the folder if it is not there.
    pub(super) fn new(context: &'a Context, daemon: &'a Client, dir: &'a Path) -> Result<Self> {
        std::fs::create_dir_all(dir)
            .map_err(|error| CliError::io(format!("cannot make the folder {}", dir.display()), &error))?;
        Ok(Self { context, daemon, dir })
    }

    /// A kept version, as `VAULT/path/name (kept TIME ID).ext`.
    pub(super) async fn history(&mut self, item: &HistoryItem) -> Result<String> {
        let stamp = item.kept_at.replace(':', "");
        let name = inside(&item.vault, &with_marker(&item.path, &format!(" (kept {stamp} {})", item.id)));
        let entry = HistoryEntry { vault: Some(item.vault.clone()), id: item.id };
        let answer = self.daemon.open("history/content", &entry).await?;
        self.write(name, item.size, answer).await
    }

    /// A file of the vault, as `VAULT/path`; `None` if it is not there any more.
    pub(super) async fn file(&mut self, vault: &str, path: &str) -> Result<Option<String>> {
        let target = Target { vault: Some(vault.to_owned()), path: Some(path.to_owned()) };
        match self.daemon.open("content/file", &target).await {
            Ok(answer) => self.write(inside(vault, path), answer.content_length().unwrap_or(0), answer).await.map(Some),
            Err(problem) if problem.code == ErrorCode::NotFound => Ok(None),
            Err(problem) => Err(problem.into()),
        }
    }

    async fn write(&self, name: PathBuf, size: u64, mut answer: reqwest::Response) -> Result<String> {
        let target = self.dir.join(&name);
        let failed = |error: std::io::Error| CliError::io(format!("cannot write {}", target.display()), &error);
        let folder = target.parent().unwrap_or(self.dir);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let bar = self.context.output.progress(size, &name.display().to_string());
        while let Some(bytes) = answer.chunk().await.map_err(|error| failed(std::io::Error::other(error)))? {
            file.write_all(&bytes).map_err(failed)?;
            bar.inc(u64::try_from(bytes.len()).unwrap_or(0));
        }
        bar.finish_and_clear();
        file.as_file().sync_all().map_err(failed)?;
        match file.persist_noclobber(&target) {
            Ok(_) => Ok(name.display().to_string()),
            // An earlier export: kept versions never change, so it is the same.
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(name.display().to_string()),
            Err(error) => Err(failed(error.error)),
        }
    }
}

/// `vault/path` as a relative path that cannot leave the folder.
fn inside(vault: &str, path: &str) -> PathBuf {
    let plain = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    };
    Path::new(&vault.replace('/', "_")).components().chain(Path::new(path).components()).filter_map(plain).collect()
}

fn with_marker(path: &str, marker: &str) -> String {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    match crate::types::EntryName::new(name) {
        Ok(name) => format!("{folder}/{}", name.with_marker(marker)),
        Err(_) => format!("{folder}/{marker}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder() {
        assert_eq!(inside("Work", "../../etc/passwd"), Path::new("Work/etc/passwd"));
        assert_eq!(inside("..", "/a/./b"), Path::new("a/b"));
        assert_eq!(inside("a/b", "c"), Path::new("a_b/c"));
    }

    #[test]
    fn markers_go_before_the_extension() {
        assert_eq!(with_marker("Cases/brief.docx", " (kept 1)"), "Cases/brief (kept 1).docx");
        assert_eq!(with_marker("notes", " (kept 1)"), "/notes (kept 1)");
    }
}
