//! The filesystem core: what a mount shows and what operations on it do. Synchronous; knows neither FUSE nor tokio, and never waits
//! for the network: an operation that needs bytes which are not here hands its completion to [`ports::BlockSource`] and returns.
//!
//! Owner of: the local tree L (through the catalog) and the table of open files. One file per family of operations.
//!
//! Lock order: namespace, open table, open file, catalog writer, block tables ([`crate::types::ranked_lock`]). The namespace lock is
//! held by every change of names and by the first write to a clean file, and never over a fetch or a kernel notice that can block.

mod attr;
mod create;
mod dir;
mod error;
mod handles;
mod identity;
mod lend;
mod lookup;
mod outside;
pub mod ports;
mod read;
mod remove;
mod rename;
mod statfs;
mod templates;
#[cfg(test)]
mod tests;
mod wait;
mod write;
mod xattr;

use std::sync::{Arc, PoisonError, RwLock};

pub use attr::{SetAttr, SetTime, Stat};
pub use create::{NewEntry, Owner};
pub use dir::DirEntry;
pub use error::{FsError, Result};
pub use lend::Opened;
pub use outside::NamespaceGuard;
pub use rename::RenameMode;
pub use statfs::Space;
pub use wait::Done;
pub use write::{Allocation, OpenIntent};
pub use xattr::XattrMode;

use handles::{Handle, OpenContent, OpenFile, OpenTable};
use ports::{BlockSource, ChangeSink, KernelNotices, NamePolicy, StateWords};

use crate::catalog::{Catalog, LocalContent, LocalRow, Txn};
use crate::content::ContentStore;
use crate::types::ranked_lock::{Rank, RankedMutex};
use crate::types::{Clock, EntryName, HandleNo, InodeNo, NameRules, NodeId, NodeKind, VaultId};
use crate::vaults::layout::Layout;

/// Everything that the core needs; the daemon supplies it.
pub struct VfsParts {
    /// Which vault.
    pub vault: VaultId,
    /// The trees.
    pub catalog: Arc<Catalog>,
    /// The bytes.
    pub content: Arc<ContentStore>,
    /// Bytes that are not here.
    pub source: Arc<dyn BlockSource>,
    /// Who wants to know of changes.
    pub sink: Arc<dyn ChangeSink>,
    /// Which names stay here.
    pub policy: Arc<dyn NamePolicy>,
    /// How things stand.
    pub words: Arc<dyn StateWords>,
    /// What folders mean.
    pub layout: &'static dyn Layout,
    /// How the provider compares and restricts names.
    pub names: NameRules,
    /// The provider can store symbolic links.
    pub symlinks: bool,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The filesystem of one vault.
pub struct VaultFs {
    parts: VfsParts,
    namespace: RankedMutex<()>,
    open: RankedMutex<OpenTable>,
    notices: RwLock<Option<Arc<dyn KernelNotices>>>,
}

impl VaultFs {
    /// Puts the parts together. No I/O.
    pub fn new(parts: VfsParts) -> Self {
        Self {
            parts,
            namespace: RankedMutex::new(Rank::Namespace, ()),
            open: RankedMutex::new(Rank::Handles, OpenTable::default()),
            notices: RwLock::new(None),
        }
    }

    /// Connects the kernel's caches, once the mount is there.
    pub fn set_notices(&self, notices: Arc<dyn KernelNotices>) {
        *self.notices.write().unwrap_or_else(PoisonError::into_inner) = Some(notices);
    }

    /// Disconnects the kernel's caches: the mount is gone.
    pub fn clear_notices(&self) {
        *self.notices.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn notices(&self) -> Option<Arc<dyn KernelNotices>> {
        self.notices.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The row of an inode that has a name.
    fn row(&self, ino: InodeNo) -> Result<LocalRow> {
        self.parts.catalog.read(|view| view.local_by_ino(ino))?.ok_or(FsError::NotFound)
    }

    fn handle(&self, handle: HandleNo) -> Result<Handle> {
        self.open.lock().handle(handle).ok_or(FsError::BadHandle)
    }

    /// Opens the bytes that a row refers to.
    fn open_content(&self, row: &LocalRow) -> OpenContent {
        match &row.content {
            LocalContent::Clean(version) => OpenContent::Clean(handles::CleanContent::new(version.clone())),
            LocalContent::Staged { staged, based_on } => match self.parts.content.staged(*staged) {
                Ok(file) => {
                    let base = file.overlay_base().map(handles::CleanContent::new);
                    OpenContent::Staged { file, base, based_on: based_on.clone() }
                }
                Err(error) => {
                    self.parts.sink.problem(row.node, "open", &error);
                    OpenContent::Lost(*staged)
                }
            },
            LocalContent::None | LocalContent::Symlink(_) => {
                OpenContent::Lost(crate::types::StagedId(uuid::Uuid::nil()))
            }
        }
    }

    /// Checks that `name` may be created in `parent`: valid at the provider and no entry that the provider thinks equal.
    /// `except` may hold that place (it is about to leave it).
    fn check_new_name(&self, txn: &Txn<'_>, parent: NodeId, name: &EntryName, except: &[NodeId]) -> Result<()> {
        let taken = txn.local_by_key(parent, &self.parts.names.key(name))?;
        if taken.iter().any(|row| !except.contains(&row.node)) {
            return Err(FsError::Exists);
        }
        Ok(())
    }

    /// Whether a new entry of this name in this folder stays on this machine. Names that the provider refuses cannot leave it either,
    /// and are refused here unless a rule keeps them local.
    fn local_only(&self, txn: &Txn<'_>, parent: &LocalRow, name: &EntryName, kind: NodeKind) -> Result<bool> {
        let stays = kind == NodeKind::Special
            || parent.local_only
            || self.parts.policy.is_local_only(name)
            || self.is_left_out(txn, parent, name, kind)?;
        if !stays {
            self.parts.names.check(name)?;
        }
        Ok(stays)
    }

    /// Whether the filter leaves out this name in this folder.
    fn is_left_out(&self, txn: &Txn<'_>, parent: &LocalRow, name: &EntryName, kind: NodeKind) -> Result<bool> {
        if !self.parts.policy.is_filter() {
            return Ok(false);
        }
        let folder = txn.local_path(parent.node)?.unwrap_or_default();
        let path = if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
        Ok(self.parts.policy.leaves_out(&path, kind))
    }

    /// A folder's times move when an entry comes or goes.
    fn touch_folder(&self, txn: &Txn<'_>, folder: NodeId) -> Result<()> {
        let Some(mut row) = txn.local(folder)? else { return Err(FsError::NotFound) };
        let now = txn.now();
        row.attr.mtime = now;
        row.attr.ctime = now;
        txn.set_local_attr(folder, &row.attr)?;
        Ok(())
    }
}

/// The row of a folder by inode, inside a transaction.
fn folder_by_ino(txn: &Txn<'_>, ino: InodeNo) -> Result<LocalRow> {
    let row = txn.local_by_ino(ino)?.ok_or(FsError::NotFound)?;
    if row.kind != NodeKind::Folder {
        return Err(FsError::NotFolder);
    }
    Ok(row)
}

fn arc_file(table: &RankedMutex<OpenTable>, ino: InodeNo) -> Option<Arc<OpenFile>> {
    table.lock().file(ino)
}
