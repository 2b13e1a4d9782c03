//! The vocabulary of vaultfs: ids, units, names, hashes, times. No I/O, no async, no state.
//!
//! Every other module may import this one; this one imports nobody.

pub mod clock;
pub mod hash;
pub mod ids;
pub mod name;
pub mod ranked_lock;
pub mod secret;
pub mod units;

pub use clock::{Clock, SystemClock, Timestamp};
pub use hash::{ContentHash, ContentHasher, HashKind};
pub use ids::{HandleNo, InodeNo, NodeId, RemoteId, Revision, StagedId, ThreadNo, VaultId};
pub use name::{EntryName, NameError, NameKey, NameRules};
pub use secret::Secret;
pub use units::{BLOCK_BYTES, BlockIndex, BlockRun, ByteRange};

/// What a node is. A node never changes its kind: a file that becomes a folder is another node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; its content is its target.
    Symlink,
    /// A pipe, socket or device node. Local-only: no provider can hold one.
    Special,
}
