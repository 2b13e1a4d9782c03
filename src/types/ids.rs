//! Identities. A node is found by its id for life; paths exist only at the edges (mount, provider, CLI).

use std::fmt;

use uuid::Uuid;

/// A file or folder of one vault on this device, stable over renames, edits and restarts. Assigned by the catalog and
/// never used again for another node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The root folder of every vault.
    pub const ROOT: Self = Self(1);
}

/// A kernel inode number: one line of content under one name history. A remote edit of an open file and a rename over a
/// file give the *name* another inode, so that the page cache of an old handle can never mix versions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct InodeNo(pub u64);

impl InodeNo {
    /// The root folder of a mount.
    pub const ROOT: Self = Self(1);
}

/// An open file or folder handle of a mount.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HandleNo(pub u64);

/// A thread of a program that uses a mount, as the system numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ThreadNo(pub u32);

/// A vault, for life; equal on every device that knows the vault's registry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct VaultId(pub Uuid);

/// One generation of staged bytes: names the file under `staging/`, never derived from a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct StagedId(pub Uuid);

impl StagedId {
    /// A fresh random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

/// The provider's own id of a file or folder. Opaque: compared for equality only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RemoteId(pub String);

/// The provider's name for one version of one file's content (Dropbox `rev`, iCloud `etag`). Opaque: compared for
/// equality only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

macro_rules! display_inner {
    ($($id:ident),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
display_inner!(NodeId, InodeNo, HandleNo, VaultId, StagedId, RemoteId, Revision);
