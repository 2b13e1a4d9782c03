//! The catalog: one SQLite database per vault with the three trees R, L and S, and what must survive beside them.
//!
//! Owner of: `catalog.db`. Synchronous; knows neither provider calls nor the mount. One writer connection behind a lock
//! ([`crate::types::ranked_lock::Rank::CatalogWriter`]) and a pool of readers that see committed transactions only.
//!
//! Invariants (by schema): a row's parent is in the same tree and is a folder; names are unique per parent in R (by key) and L
//! (by name); rids and inode numbers are unique; the root is node 1 in all trees. A violation is an error of the transaction, never a
//! stored orphan.
//!
//! Durability: a transaction survives the death of the process at once, and a power cut after [`Catalog::sync`] or one
//! second, whichever is first.

mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use rows::*;

use crate::types::{
    Clock, EntryName, InodeNo, NameKey, NameRules, NodeId, NodeKind, RemoteId, StagedId, Timestamp, VaultId,
};

/// Why the catalog failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The database was written by a newer vaultfs. It is left untouched.
    #[error("the catalog {path} has schema {found}, newer than this vaultfs ({known})")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The database belongs to another vault.
    #[error("the catalog {path} belongs to vault {found}")]
    WrongVault {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
    },
    /// A folder still holds entries.
    #[error("the folder is not empty")]
    NotEmpty,
    /// The name is taken.
    #[error("the name is taken")]
    NameTaken,
    /// A row that must exist does not.
    #[error("node {0} does not exist")]
    NoSuchNode(NodeId),
    /// The disk below is full.
    #[error("no space left for the catalog")]
    NoSpace,
    /// The database contradicts its own rules.
    #[error("the catalog is corrupt: {0}")]
    Corrupt(String),
    /// SQLite failed.
    #[error("catalog: {0}")]
    Sqlite(#[source] rusqlite::Error),
    /// The file system below failed.
    #[error("catalog file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Result of a catalog call.
pub type Result<T> = std::result::Result<T, CatalogError>;

/// What opening a catalog found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opened {
    /// It was there and clean.
    Clean,
    /// It was there; the last run ended without [`Catalog::close`] and the check found nothing wrong.
    AfterCrash,
    /// There was none; a new one was made.
    Created,
    /// It was damaged: moved to `quarantine/` and replaced by a backup or by an empty catalog. A full listing must run
    /// before any deletion is propagated.
    Rebuilt {
        /// Where the damaged database is kept.
        quarantined: PathBuf,
        /// True if a backup was used.
        from_backup: bool,
    },
}

/// The catalog of one vault.
pub struct Catalog {}

impl Catalog {
    /// Opens or creates `state_dir/catalog.db`: migrates an older schema in one transaction, refuses a newer one
    /// untouched, checks after a crash, quarantines a corrupt one and rebuilds (promise P27).
    pub fn open(
        _state_dir: &Path,
        _vault: VaultId,
        _rules: NameRules,
        _clock: Arc<dyn Clock>,
    ) -> Result<(Self, Opened)> {
        unimplemented!()
    }

    /// Runs `read` on a snapshot of committed state.
    pub fn read<T>(&self, _read: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
        unimplemented!()
    }

    /// Runs `write` as one transaction: commits if it returns `Ok`, rolls back otherwise.
    pub fn write<T, E: From<CatalogError>>(
        &self,
        _write: impl FnOnce(&Txn<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        unimplemented!()
    }

    /// Makes every committed transaction survive a power cut.
    pub fn sync(&self) -> Result<()> {
        unimplemented!()
    }

    /// True if a transaction was committed since the last [`Catalog::sync`].
    pub fn needs_sync(&self) -> bool {
        unimplemented!()
    }

    /// Copies the database to a backup beside it, keeping the two newest.
    pub fn back_up(&self) -> Result<()> {
        unimplemented!()
    }

    /// Checks every invariant that the schema cannot express (`doctor`): returns one line per finding.
    pub fn check(&self) -> Result<Vec<String>> {
        unimplemented!()
    }

    /// Marks a clean shutdown, truncates the WAL and closes.
    pub fn close(self) -> Result<()> {
        unimplemented!()
    }
}

/// A consistent view of the catalog.
pub struct View<'a> {
    _connection: &'a (),
}

#[expect(missing_docs, reason = "skeleton")]
impl View<'_> {
    pub fn local(&self, _node: NodeId) -> Result<Option<LocalRow>> {
        unimplemented!()
    }
    pub fn local_by_ino(&self, _ino: InodeNo) -> Result<Option<LocalRow>> {
        unimplemented!()
    }
    /// By exact name.
    pub fn local_child(&self, _parent: NodeId, _name: &EntryName) -> Result<Option<LocalRow>> {
        unimplemented!()
    }
    /// All entries of a folder whose key is `key` (names that the provider thinks equal).
    pub fn local_by_key(&self, _parent: NodeId, _key: &NameKey) -> Result<Vec<LocalRow>> {
        unimplemented!()
    }
    /// Up to `limit` entries with node id above `after`, in the order of node ids: a position that holds while entries come and go.
    pub fn local_children(&self, _parent: NodeId, _after: NodeId, _limit: usize) -> Result<Vec<LocalRow>> {
        unimplemented!()
    }
    pub fn has_local_children(&self, _parent: NodeId) -> Result<bool> {
        unimplemented!()
    }
    /// Number of child folders (for `st_nlink`).
    pub fn count_local_folders(&self, _parent: NodeId) -> Result<u64> {
        unimplemented!()
    }
    /// `a/b/c` without a leading slash; empty for the root; `None` if the node is not in L.
    pub fn local_path(&self, _node: NodeId) -> Result<Option<String>> {
        unimplemented!()
    }
    /// Walks `a/b/c` from the root by exact names.
    pub fn local_at_path(&self, _path: &str) -> Result<Option<LocalRow>> {
        unimplemented!()
    }
    /// True if `ancestor` is `node` or above it in L.
    pub fn is_local_ancestor(&self, _ancestor: NodeId, _node: NodeId) -> Result<bool> {
        unimplemented!()
    }

    pub fn remote(&self, _node: NodeId) -> Result<Option<RemoteRow>> {
        unimplemented!()
    }
    pub fn remote_by_rid(&self, _rid: &RemoteId) -> Result<Option<RemoteRow>> {
        unimplemented!()
    }
    pub fn remote_by_key(&self, _parent: NodeId, _key: &NameKey) -> Result<Option<RemoteRow>> {
        unimplemented!()
    }
    pub fn remote_children(&self, _parent: NodeId) -> Result<Vec<RemoteRow>> {
        unimplemented!()
    }

    pub fn synced(&self, _node: NodeId) -> Result<Option<SyncedRow>> {
        unimplemented!()
    }
    /// Nodes that S has at this place (by key) and L does not have at all: candidates for the identity of a new file there.
    pub fn synced_orphans_at(&self, _parent: NodeId, _key: &NameKey) -> Result<Vec<SyncedRow>> {
        unimplemented!()
    }
    pub fn synced_children(&self, _parent: NodeId) -> Result<Vec<SyncedRow>> {
        unimplemented!()
    }

    pub fn staged(&self, _id: StagedId) -> Result<Option<StagedRow>> {
        unimplemented!()
    }
    pub fn all_staged(&self) -> Result<Vec<StagedRow>> {
        unimplemented!()
    }
    /// Dirty nodes, oldest touch first.
    pub fn dirty(&self) -> Result<Vec<DirtyRow>> {
        unimplemented!()
    }
    pub fn is_dirty(&self, _node: NodeId) -> Result<bool> {
        unimplemented!()
    }
    pub fn sync_state(&self, _node: NodeId) -> Result<SyncState> {
        unimplemented!()
    }
    /// Every node with a stored state, for `queue` and `status`.
    pub fn all_sync_states(&self) -> Result<Vec<(NodeId, SyncState)>> {
        unimplemented!()
    }
    pub fn feed(&self) -> Result<FeedState> {
        unimplemented!()
    }

    pub fn xattr(&self, _ino: InodeNo, _name: &[u8]) -> Result<Option<Vec<u8>>> {
        unimplemented!()
    }
    pub fn xattr_names(&self, _ino: InodeNo) -> Result<Vec<Vec<u8>>> {
        unimplemented!()
    }

    /// True if the node itself is pinned.
    pub fn is_pinned(&self, _node: NodeId) -> Result<bool> {
        unimplemented!()
    }
    pub fn pins(&self) -> Result<Vec<NodeId>> {
        unimplemented!()
    }
    pub fn history(&self, _node: Option<NodeId>) -> Result<Vec<HistoryRow>> {
        unimplemented!()
    }
    pub fn history_entry(&self, _id: i64) -> Result<Option<HistoryRow>> {
        unimplemented!()
    }
    pub fn conflicts(&self, _include_resolved: bool) -> Result<Vec<ConflictRow>> {
        unimplemented!()
    }
    /// A small value by key: settings and counters of this vault on this device.
    pub fn meta(&self, _key: &str) -> Result<Option<String>> {
        unimplemented!()
    }
    /// Number of rows in L without the root, and the sum of their sizes.
    pub fn totals(&self) -> Result<(u64, u64)> {
        unimplemented!()
    }
}

/// A transaction. Every method marks the nodes that it changes as dirty where their trees may now differ.
pub struct Txn<'a> {
    view: View<'a>,
}

impl<'a> std::ops::Deref for Txn<'a> {
    type Target = View<'a>;
    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

#[expect(missing_docs, reason = "skeleton")]
impl Txn<'_> {
    pub fn now(&self) -> Timestamp {
        unimplemented!()
    }
    pub fn new_node(&self, _kind: NodeKind) -> Result<NodeId> {
        unimplemented!()
    }
    pub fn new_ino(&self) -> Result<InodeNo> {
        unimplemented!()
    }

    /// `NameTaken` if (parent, name) is taken; touches the node.
    pub fn insert_local(&self, _row: &LocalRow) -> Result<()> {
        unimplemented!()
    }
    /// Replaces all columns of an existing row (place, ino, attributes, content); touches the node.
    pub fn update_local(&self, _row: &LocalRow) -> Result<()> {
        unimplemented!()
    }
    /// Attributes only; does not make the node dirty.
    pub fn set_local_attr(&self, _node: NodeId, _attr: &Attr) -> Result<()> {
        unimplemented!()
    }
    /// Content and attributes; touches the node.
    pub fn set_local_content(&self, _node: NodeId, _content: &LocalContent, _attr: &Attr) -> Result<()> {
        unimplemented!()
    }
    /// `NotEmpty` for a folder with entries. Removes xattrs and pin of the node; touches it.
    pub fn remove_local(&self, _node: NodeId) -> Result<()> {
        unimplemented!()
    }

    /// Inserts or replaces; marks dirty without touching.
    pub fn put_remote(&self, _row: &RemoteRow) -> Result<()> {
        unimplemented!()
    }
    /// `NotEmpty` if R has entries below.
    pub fn remove_remote(&self, _node: NodeId) -> Result<()> {
        unimplemented!()
    }
    pub fn put_synced(&self, _row: &SyncedRow) -> Result<()> {
        unimplemented!()
    }
    pub fn remove_synced(&self, _node: NodeId) -> Result<()> {
        unimplemented!()
    }
    /// Deletes the node if no tree has it. Its history and conflict rows stay.
    pub fn forget_node_if_absent(&self, _node: NodeId) -> Result<()> {
        unimplemented!()
    }

    pub fn put_staged(&self, _row: &StagedRow) -> Result<()> {
        unimplemented!()
    }
    pub fn remove_staged(&self, _id: StagedId) -> Result<()> {
        unimplemented!()
    }
    /// A node is clean: L, R and S agree.
    pub fn clear_dirty(&self, _node: NodeId) -> Result<()> {
        unimplemented!()
    }
    /// Makes a node dirty and touches it, so that the planner looks at it.
    pub fn touch(&self, _node: NodeId) -> Result<()> {
        unimplemented!()
    }
    /// Storing the default removes the row.
    pub fn set_sync_state(&self, _node: NodeId, _state: &SyncState) -> Result<()> {
        unimplemented!()
    }
    pub fn set_feed(&self, _feed: &FeedState) -> Result<()> {
        unimplemented!()
    }

    pub fn set_xattr(&self, _ino: InodeNo, _name: &[u8], _value: &[u8]) -> Result<()> {
        unimplemented!()
    }
    /// False if there was none.
    pub fn remove_xattr(&self, _ino: InodeNo, _name: &[u8]) -> Result<bool> {
        unimplemented!()
    }
    pub fn set_pinned(&self, _node: NodeId, _pinned: bool) -> Result<()> {
        unimplemented!()
    }
    pub fn add_history(&self, _row: &HistoryRow) -> Result<i64> {
        unimplemented!()
    }
    pub fn remove_history(&self, _id: i64) -> Result<()> {
        unimplemented!()
    }
    pub fn add_conflict(&self, _row: &ConflictRow) -> Result<i64> {
        unimplemented!()
    }
    pub fn resolve_conflict(&self, _id: i64) -> Result<()> {
        unimplemented!()
    }
    pub fn set_meta(&self, _key: &str, _value: &str) -> Result<()> {
        unimplemented!()
    }
}
