//! Dropbox by its HTTP API (v2). What the code cannot show is in `docs/decisions/0014-*`, `0016-*` and `0017-*`.
//!
//! ```text
//! mod (the trait) -> lookup, feed, read, upload, edit     what each method does
//!                      -> state                           what they share: index, known revisions, the turn, the way
//!                      -> api -> http                     calls, attempts, tokens, pace
//!                           -> wire, refusal, arg         what travels
//! ```
//!
//! Owner of: the index of folders (`index`), the connection pool and pace of an account (`api`). Invariants: nothing outside of the
//! vault's folder is seen, changed or told; a folder that is missing is missing, never empty; ids are the service's, revisions are
//! content hashes (`place::revision_of`); every write is conditional; every call ends.

mod address;
mod api;
mod arg;
mod client;
mod commit;
mod config;
mod confirmed;
mod copy;
mod edit;
mod feed;
mod fold;
mod folder;
mod index;
#[cfg(test)]
mod index_tests;
mod listing;
mod lookup;
mod names;
mod parts;
mod place;
mod read;
mod refusal;
mod shown;
mod state;
mod upload;
mod wire;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use address::FolderAddress;
pub use client::{DropboxAccount, DropboxClient, DropboxFolder};
pub use config::{DropboxConfig, PART_UNIT_BYTES, SINGLE_CALL_BYTES};

use super::{
    Capabilities, ChangeFeed, ChangePage, Cursor, ErrorKind, Limits, Provider, ProviderError, RemoteEntry, Result,
    Space, Upload,
};
use crate::types::{ByteRange, EntryName, HashKind, RemoteId, Revision};
use state::Shared;

/// Calls of one vault at once. Small uploads that meet are committed together, so that more of them cost little.
const PARALLEL_CALLS: usize = 24;
/// Largest ranged read.
const MAX_READ_BYTES: u64 = 16 * 1024 * 1024;

/// A folder of a Dropbox as a provider.
pub struct DropboxProvider {
    capabilities: Capabilities,
    client: DropboxClient,
    shared: Arc<Shared>,
}

impl DropboxProvider {
    /// Opens the index of a vault. Talks to nobody.
    pub fn open(config: DropboxConfig, client: DropboxClient) -> Result<Self> {
        let capabilities = Capabilities {
            direct: false,
            ranged_read: true,
            stable_ids: true,
            conditional_write: true,
            overwrite_keeps_id: true,
            folder_move: true,
            server_copy: true,
            reports_case_rename: false,
            symlinks: false,
            change_feed: ChangeFeed::Notified,
            content_hash: Some(HashKind::Dropbox),
            names: names::RULES,
            limits: Limits {
                max_file_bytes: upload::MAX_FILE_BYTES,
                parallel_calls: PARALLEL_CALLS,
                max_read_bytes: MAX_READ_BYTES,
            },
        };
        let shared = Arc::new(Shared::new(&client.api, config)?);
        Ok(Self { capabilities, client, shared })
    }
}

#[async_trait]
impl Provider for DropboxProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn root(&self) -> Result<RemoteEntry> {
        Ok(self.shared.find_root().await?.entry())
    }

    async fn changes(&self, cursor: Option<&Cursor>) -> Result<ChangePage> {
        self.shared.changes(cursor).await
    }

    async fn wait_for_changes(&self, cursor: &Cursor, timeout: Duration) -> Result<()> {
        self.shared.wait(cursor, timeout).await
    }

    async fn stat(&self, id: &RemoteId) -> Result<RemoteEntry> {
        self.shared.stat(id).await
    }

    async fn find(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>> {
        self.shared.find(parent, name).await
    }

    async fn children(&self, folder: &RemoteId) -> Result<Vec<RemoteEntry>> {
        self.shared.children(folder).await
    }

    async fn read(&self, id: &RemoteId, revision: &Revision, range: ByteRange) -> Result<Bytes> {
        self.shared.read(id, revision, range).await
    }

    async fn create_folder(&self, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry> {
        self.shared.create_folder(parent, name).await
    }

    async fn create_symlink(&self, _parent: &RemoteId, name: &EntryName, _target: &str) -> Result<RemoteEntry> {
        let text = format!("{name}: Dropbox holds no symbolic links that others make");
        Err(ProviderError::new(ErrorKind::Unsupported, "create symlink", text))
    }

    async fn upload(&self, upload: Upload<'_>) -> Result<RemoteEntry> {
        self.shared.upload(upload).await
    }

    async fn relocate(&self, id: &RemoteId, to_parent: &RemoteId, to_name: &EntryName) -> Result<RemoteEntry> {
        self.shared.relocate(id, to_parent, to_name).await
    }

    async fn delete(&self, id: &RemoteId, expected: Option<&Revision>) -> Result<()> {
        self.shared.delete(id, expected).await
    }

    fn open_direct(&self, _id: &RemoteId, _revision: &Revision) -> Option<File> {
        None
    }

    fn direct_is_current(&self, _file: &File, _revision: &Revision) -> bool {
        false
    }

    fn flush_memory(&self) -> std::io::Result<()> {
        self.shared.flush_index()
    }

    async fn space(&self) -> Result<Space> {
        self.client.space().await
    }
}
