//! What the sync engine asks of others: the mount ([`LocalTree`]), the fetch workers ([`Hydrate`]) and the user's choice of what takes
//! part ([`Selection`]). The daemon plugs the filesystem core, the block fetcher and the settings in; a vault that is not mounted uses [`Unmounted`].

use async_trait::async_trait;

use crate::catalog::Version;
use crate::provider;
use crate::types::{EntryName, InodeNo, NodeId, NodeKind};

/// The side of the fetch workers.
#[async_trait]
pub trait Hydrate: Send + Sync {
    /// Brings every block of `version` into the content store; returns when all of them are verified and readable.
    async fn hydrate(&self, version: &Version) -> provider::Result<()>;
}

/// The side of the mount.
pub trait LocalTree: Send + Sync {
    /// Takes the namespace lock: while the guard lives no application changes the local tree and no file starts being written.
    /// Never held over a provider call or an await.
    fn freeze(&self) -> Box<dyn Frozen + '_>;

    /// Whoever lists this folder the next time asks for its names again, instead of believing what the mount has told a while ago.
    fn doubt_listing(&self, folder: NodeId);
}

/// The namespace lock, held. Taken before the catalog's writer.
pub trait Frozen {
    /// True if somebody has this inode open for writing.
    fn is_open_for_writing(&self, ino: InodeNo) -> bool;
    /// True if somebody has this inode open at all. Content that is replaced under an open inode must get a new inode number.
    fn is_open(&self, ino: InodeNo) -> bool;
    /// Tells the mount what a committed transaction changed, before the guard is dropped. Never blocks: kernel notices are sent
    /// from another thread.
    fn committed(&self, changes: &[LocalChange]);
}

/// Which part of the vault takes part on this device, by the user's wishes. The answers may change at any time, and the fingerprint with
/// them; see [`super::Engine::judge_again`].
pub trait Selection: Send + Sync {
    /// Equal as long as the answers are.
    fn fingerprint(&self) -> String;
    /// True for names that never leave this machine, wherever they are.
    fn keeps_here(&self, name: &EntryName) -> bool;
    /// True if [`Selection::leaves_out`] can be true at all.
    fn is_filter(&self) -> bool;
    /// True if what is at this path (from the vault's root, without a leading slash) takes no part.
    fn leaves_out(&self, path: &str, kind: NodeKind) -> bool;
}

/// Everything takes part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl Selection for Everything {
    fn fingerprint(&self) -> String {
        String::new()
    }

    fn keeps_here(&self, _name: &EntryName) -> bool {
        false
    }

    fn is_filter(&self) -> bool {
        false
    }

    fn leaves_out(&self, _path: &str, _kind: NodeKind) -> bool {
        false
    }
}

/// A change of the local tree that did not come through the mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LocalChange {
    /// A name appeared, disappeared, or stands for another inode.
    Entry {
        /// Inode of the folder.
        parent: InodeNo,
        /// The name.
        name: EntryName,
    },
    /// Attributes or content of an inode changed.
    Content {
        /// The inode.
        ino: InodeNo,
    },
    /// A node left the tree or got another inode; open handles of `ino` keep what they have.
    Detached {
        /// The inode that has no name any more.
        ino: InodeNo,
    },
    /// The content of an inode moved (staged to clean) without changing a byte.
    Settled {
        /// The inode.
        ino: InodeNo,
        /// Its node.
        node: NodeId,
    },
}

/// A vault without a mount: nothing is ever open.
#[derive(Debug, Default)]
pub struct Unmounted {
    lock: std::sync::Mutex<()>,
}

impl LocalTree for Unmounted {
    fn freeze(&self) -> Box<dyn Frozen + '_> {
        Box::new(UnmountedGuard { _guard: self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner) })
    }

    fn doubt_listing(&self, _folder: NodeId) {}
}

struct UnmountedGuard<'a> {
    _guard: std::sync::MutexGuard<'a, ()>,
}

impl Frozen for UnmountedGuard<'_> {
    fn is_open_for_writing(&self, _ino: InodeNo) -> bool {
        false
    }

    fn is_open(&self, _ino: InodeNo) -> bool {
        false
    }

    fn committed(&self, _changes: &[LocalChange]) {}
}
