//! What the filesystem core asks of others. The daemon plugs fetch, sync and the kernel in.

use std::any::Any;
use std::fs::File;
use std::sync::Arc;

use crate::catalog::Version;
pub use crate::content::{FetchDone, FetchError, FetchRequest, Urgency};
use crate::types::{ByteRange, EntryName, InodeNo, NodeId, NodeKind};

/// Bytes of provider versions.
pub trait BlockSource: Send + Sync {
    /// The provider's own file, if it is on this machine at this version. Never waits for a network.
    fn open_direct(&self, version: &Version) -> Option<File>;

    /// True if a file opened by [`BlockSource::open_direct`] still holds that version.
    fn direct_is_current(&self, file: &File, version: &Version) -> bool;

    /// Brings blocks into the content store's cache file of `version`, then calls `done` on another thread, exactly once, within the
    /// fetch deadline. `done` may also be called at once on this thread if the answer is known (offline).
    fn fetch(&self, request: FetchRequest, done: FetchDone);

    /// A read of `range` was answered from blocks that are here, of a file that is not complete. Cheap, never waits: it lets
    /// a sequential reader's next window be on its way before it is needed.
    fn read_on(&self, version: &Version, stream: u64, range: ByteRange);
}

/// What the kernel knows a file by that it reads and writes by itself. Dropped when the last handle of the inode is closed.
pub type Backing = Arc<dyn Any + Send + Sync>;

/// Asks the kernel to read and write this file by itself; `None` if it does not.
pub type Register<'a> = dyn Fn(&File) -> Option<Backing> + 'a;

/// For opens that the kernel does not make.
pub fn serve_here(_file: &File) -> Option<Backing> {
    None
}

/// Where changes are announced.
pub trait ChangeSink: Send + Sync {
    /// A node changed in L: sync may look.
    fn changed(&self, node: NodeId);
    /// Somebody lists a folder.
    fn listed(&self, folder: NodeId);
    /// A failure that a person should be able to read later: path, operation, cause.
    fn problem(&self, node: NodeId, operation: &'static str, cause: &dyn std::error::Error);
}

/// The kernel's caches.
pub trait KernelNotices: Send + Sync {
    /// A name in a folder changed, and with it the folder's listing. Never blocks.
    fn entry(&self, parent: InodeNo, name: &EntryName);
    /// What was told of a folder's listing is to be asked for again. Never blocks.
    fn listing(&self, folder: InodeNo);
    /// Attributes of an inode changed. Never blocks.
    fn attributes(&self, ino: InodeNo);
    /// Attributes and bytes of a file changed. Never blocks.
    fn pages(&self, ino: InodeNo);
}

/// How things stand with the provider, in the words that every other place uses for it. Cheap, never waits for a network; `None` if nobody
/// knows at the moment.
pub trait StateWords: Send + Sync {
    /// Of one entry.
    fn of_entry(&self, node: NodeId) -> Option<&'static str>;
    /// Of the whole vault.
    fn of_vault(&self) -> Option<&'static str>;
}

/// What stays on this machine. The answers may change at any time; what follows from that for entries that exist is not our concern.
pub trait NamePolicy: Send + Sync {
    /// True for lock files, `.DS_Store` and their like: they work in the mount and never leave it.
    fn is_local_only(&self, name: &EntryName) -> bool;
    /// True if [`NamePolicy::leaves_out`] can be true at all, so that paths are worth being put together.
    fn is_filter(&self) -> bool;
    /// True if what is at this path (from the vault's root, without a leading slash) takes no part in syncing.
    fn leaves_out(&self, path: &str, kind: NodeKind) -> bool;
}
