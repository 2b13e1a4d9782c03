//! What the filesystem core asks of others. The daemon plugs fetch, sync and the kernel in.

use std::fs::File;
use std::time::Duration;

use crate::catalog::Version;
use crate::types::{BlockRun, EntryName, InodeNo, NodeId};

/// Bytes of provider versions.
pub trait BlockSource: Send + Sync {
    /// The provider's own file, if it is on this machine at this version. Never waits for a network.
    fn open_direct(&self, version: &Version) -> Option<File>;

    /// True if a file opened by [`BlockSource::open_direct`] still holds that version.
    fn direct_is_current(&self, file: &File, version: &Version) -> bool;

    /// Brings blocks into the content store's cache file of `version`, then calls `done` on another thread, exactly once, within the
    /// fetch deadline. `done` may also be called at once on this thread if the answer is known (offline).
    fn fetch(&self, request: FetchRequest, done: Box<dyn FnOnce(Result<(), FetchError>) + Send>);
}

/// Blocks that a reader waits for.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// Of which version.
    pub version: Version,
    /// Which blocks.
    pub runs: Vec<BlockRun>,
    /// Who reads: equal for reads of one handle, so that sequential readers are recognised.
    pub stream: u64,
    /// How much this is worth.
    pub urgency: Urgency,
}

/// How much a fetch is worth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Urgency {
    /// Fills idle time: pins, hydration of a file that is being edited.
    Background,
    /// Somebody waits.
    Demand,
}

/// Why bytes did not arrive.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// The provider cannot be reached and the bytes are not here.
    #[error("offline, and the bytes are not on this machine")]
    Offline,
    /// No byte arrived within the bound.
    #[error("no byte arrived for {0:?}")]
    TimedOut(Duration),
    /// The provider no longer has this version.
    #[error("this version is no longer at the provider")]
    Gone,
    /// Sign-in is needed.
    #[error("sign-in is needed")]
    AuthRequired,
    /// The disk of the cache is full.
    #[error("no space left for cached bytes")]
    NoSpace,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Where changes are announced.
pub trait ChangeSink: Send + Sync {
    /// A node changed in L: sync may look.
    fn changed(&self, node: NodeId);
    /// A failure that a person should be able to read later: path, operation, cause.
    fn problem(&self, node: NodeId, operation: &'static str, cause: &dyn std::error::Error);
}

/// The kernel's caches.
pub trait KernelNotices: Send + Sync {
    /// A name in a folder changed. Never blocks.
    fn entry(&self, parent: InodeNo, name: &EntryName);
    /// Attributes, and with `data` cached pages, of an inode changed. Never blocks.
    fn inode(&self, ino: InodeNo, data: bool);
}

/// Which names stay on this machine.
pub trait NamePolicy: Send + Sync {
    /// True for lock files, `.DS_Store` and their like: they work in the mount and never leave it.
    fn is_local_only(&self, name: &EntryName) -> bool;
}
