//! A plain folder as a cloud. Other programs edit it at any time; what they do is found by the operating system's notices
//! and by scans, and is told as changes of entries with lasting ids.
//!
//! Owner of: the root marker, the temporary files of uploads (both under reserved names inside of the folder), and the
//! index outside of it. Invariants: a root without the right marker is missing, never empty; nothing outside of the root
//! is reached; a file version appears as a whole or not at all; no file is read but for its bytes: a scan only looks.
//!
//! Ids: entries are recognised by inode and birth time, places by name; see `list`. Revisions: size, modification time,
//! change time and inode at the moment when the content was first seen; a rename keeps the revision.

mod attributes;
mod changes;
mod config;
mod content;
mod direct;
mod edit;
mod error;
mod index;
mod list;
mod names;
#[cfg(target_os = "linux")]
#[path = "names_linux.rs"]
mod platform;
#[cfg(target_os = "macos")]
#[path = "names_macos.rs"]
mod platform;
mod root;
mod rows;
mod settle;
mod state;
mod status;
mod watch;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use config::{LocalConfig, MarkerPolicy};
pub use root::vault_of;
pub use status::{SkipReason, Skipped};
pub use watch::Watching;

use super::{
    Capabilities, ChangeFeed, ChangePage, Cursor, EntryBody, ErrorKind, Limits, Provider, ProviderError, RemoteEntry,
    Result, Space, Upload,
};
use crate::types::{ByteRange, EntryName, RemoteId, Revision};
use error::{index_error, io_error, not_found};
use state::Local;

/// A folder of this machine as a provider.
pub struct LocalProvider {
    capabilities: Capabilities,
    local: Arc<Local>,
}

impl LocalProvider {
    /// Opens the index of a local vault. A root that is missing now is an error of the calls that need it, and is found
    /// when it comes back.
    pub fn open(config: LocalConfig) -> Result<Self> {
        let capabilities = Capabilities {
            direct: true,
            ranged_read: true,
            stable_ids: true,
            conditional_write: true,
            overwrite_keeps_id: true,
            folder_move: true,
            server_copy: false,
            reports_case_rename: true,
            symlinks: true,
            change_feed: ChangeFeed::Notified,
            content_hash: None,
            names: names::RULES,
            limits: Limits {
                max_file_bytes: i64::MAX.unsigned_abs(),
                parallel_calls: 8,
                max_read_bytes: 8 * 1024 * 1024,
            },
        };
        Ok(Self { capabilities, local: Arc::new(Local::open(config)?) })
    }

    /// What is in the folder but not in the vault, and why.
    pub fn skipped(&self) -> Vec<Skipped> {
        self.local.skipped().values().flatten().cloned().collect()
    }

    /// How changes are noticed at present.
    pub fn watching(&self) -> Watching {
        self.local.watching()
    }
}

/// Runs `work` where blocking is allowed. It is not cancelled with the caller.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    local: &Arc<Local>,
    work: impl FnOnce(&Arc<Local>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let local = Arc::clone(local);
    match tokio::task::spawn_blocking(move || work(&local)).await {
        Ok(result) => result,
        Err(error) => Err(ProviderError::new(ErrorKind::Ambiguous, operation, "the call was cut off").caused_by(error)),
    }
}

/// The change was made, but not everything that belongs to it.
fn effect_unknown(error: ProviderError) -> ProviderError {
    ProviderError { kind: ErrorKind::Ambiguous, ..error }
}

fn check_name(operation: &'static str, name: &EntryName) -> Result<()> {
    names::RULES
        .check(name)
        .map_err(|error| ProviderError::new(ErrorKind::Refused, operation, format!("{name}: {error}")).caused_by(error))
}

impl Local {
    fn root_entry(&self) -> Result<RemoteEntry> {
        self.root("find the root")?;
        let name = self.config.root.file_name().and_then(|name| EntryName::from_os(name).ok());
        let unnamed = || EntryName::new("root");
        let name = name.map_or_else(unnamed, Ok).map_err(|error| not_found("find the root", error))?;
        Ok(RemoteEntry { id: RemoteId(index::ROOT_ID.to_owned()), parent: None, name, body: EntryBody::Folder })
    }

    fn stat(&self, id: &RemoteId) -> Result<RemoteEntry> {
        const STAT: &str = "look up an entry";
        if id.0 == index::ROOT_ID {
            return self.root_entry();
        }
        let root = self.root(STAT)?;
        self.with_entry(STAT, &root, id, |index, located| {
            Self::entry(index.connection(), located.row).map_err(|error| index_error(STAT, error))
        })
    }

    fn find(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>> {
        const FIND: &str = "look up a name";
        if names::is_reserved(name.as_str()) {
            return Ok(None);
        }
        let failed = |error| index_error(FIND, error);
        let root = self.root(FIND)?;
        let path = self
            .with_folder(FIND, &root, parent, |index, row, _| Self::path_of(index.connection(), row).map_err(failed))?;
        self.refresh_name(path, name, FIND)?;
        self.with_folder(FIND, &root, parent, |index, row, _| {
            let connection = index.connection();
            let found = match index::child(connection, row, name).map_err(failed)? {
                None if names::are_folded() => {
                    let rows = index::children(connection, row).map_err(failed)?;
                    rows.into_iter().find(|row| names::same(&row.name, name))
                }
                found => found,
            };
            found.map(|row| Self::entry(connection, row)).transpose().map_err(failed)
        })
    }

    fn space(&self) -> Result<Space> {
        const SPACE: &str = "ask for space";
        let root = self.root(SPACE)?;
        let disk = rustix::fs::fstatvfs(root.dir())
            .map_err(|error| io_error(SPACE, &self.config.root.display().to_string(), error.into()))?;
        Ok(Space {
            total: disk.f_blocks.saturating_mul(disk.f_frsize),
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
        })
    }
}

#[async_trait]
impl Provider for LocalProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn root(&self) -> Result<RemoteEntry> {
        blocking("find the root", &self.local, |local| local.root_entry()).await
    }

    async fn changes(&self, cursor: Option<&Cursor>) -> Result<ChangePage> {
        changes::changes(&self.local, cursor).await
    }

    async fn wait_for_changes(&self, cursor: &Cursor, timeout: Duration) -> Result<()> {
        changes::wait(&self.local, cursor, timeout).await
    }

    async fn stat(&self, id: &RemoteId) -> Result<RemoteEntry> {
        let id = id.clone();
        blocking("look up an entry", &self.local, move |local| local.stat(&id)).await
    }

    async fn find(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>> {
        let (parent, name) = (parent.clone(), name.clone());
        blocking("look up a name", &self.local, move |local| local.find(&parent, &name)).await
    }

    async fn read(&self, id: &RemoteId, revision: &Revision, range: ByteRange) -> Result<Bytes> {
        let (id, revision) = (id.clone(), revision.clone());
        blocking("read", &self.local, move |local| local.read(&id, &revision, range)).await
    }

    async fn create_folder(&self, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry> {
        let (parent, name) = (parent.clone(), name.clone());
        blocking("create folder", &self.local, move |local| local.create_folder(&parent, &name)).await
    }

    async fn create_symlink(&self, parent: &RemoteId, name: &EntryName, target: &str) -> Result<RemoteEntry> {
        let (parent, name, target) = (parent.clone(), name.clone(), target.to_owned());
        blocking("create symlink", &self.local, move |local| local.create_symlink(&parent, &name, &target)).await
    }

    async fn upload(&self, upload: Upload<'_>) -> Result<RemoteEntry> {
        content::upload(&self.local, upload).await
    }

    async fn relocate(&self, id: &RemoteId, to_parent: &RemoteId, to_name: &EntryName) -> Result<RemoteEntry> {
        let (id, parent, name) = (id.clone(), to_parent.clone(), to_name.clone());
        blocking("move", &self.local, move |local| local.relocate(&id, &parent, &name)).await
    }

    async fn delete(&self, id: &RemoteId, expected: Option<&Revision>) -> Result<()> {
        let (id, expected) = (id.clone(), expected.cloned());
        blocking("delete", &self.local, move |local| local.delete(&id, expected.as_ref())).await
    }

    fn open_direct(&self, id: &RemoteId, revision: &Revision) -> Option<File> {
        let root = self.local.held_root("open").ok()?;
        self.local.open_current(&root, id, revision).map(|(file, _)| file)
    }

    fn direct_is_current(&self, file: &File, revision: &Revision) -> bool {
        self.local.is_current(file, revision)
    }

    fn flush_memory(&self) -> std::io::Result<()> {
        self.local.index_log.sync_data()
    }

    async fn space(&self) -> Result<Space> {
        blocking("ask for space", &self.local, |local| local.space()).await
    }
}
