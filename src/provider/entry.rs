//! What a provider tells: entries, changes of entries, and the position in its change feed.

use crate::types::{ContentHash, EntryName, NodeKind, RemoteId, Revision, Timestamp};

/// One entry of the remote tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteEntry {
    /// The provider's id.
    pub id: RemoteId,
    /// The folder that holds it; `None` for the root only.
    pub parent: Option<RemoteId>,
    /// Its name as the provider spells it. The root's name is not used.
    pub name: EntryName,
    /// What it is.
    pub body: EntryBody,
}

/// What a remote entry is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EntryBody {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Version of the content.
        revision: Revision,
        /// Bytes.
        size: u64,
        /// Hash of the content, if the provider tells one.
        hash: Option<ContentHash>,
        /// Modification time, if the provider keeps one.
        modified: Option<Timestamp>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points; kept as it is, never followed.
        target: String,
    },
}

impl EntryBody {
    /// The kind of node that this entry becomes.
    pub fn kind(&self) -> NodeKind {
        match self {
            Self::Folder => NodeKind::Folder,
            Self::File { .. } => NodeKind::File,
            Self::Symlink { .. } => NodeKind::Symlink,
        }
    }
}

/// One observation of a change feed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The entry is now like this: created, edited, renamed or moved. Whatever else had its place before the batch has it no longer,
    /// told or not.
    Upsert(RemoteEntry),
    /// The entry with this id is gone, with everything below it.
    Removed(RemoteId),
    /// Whatever was at this name is gone, with everything below it: feeds that report deletions by path. Resolved
    /// against the tree as it was before the batch.
    RemovedAt {
        /// Folder.
        parent: RemoteId,
        /// Name in the folder.
        name: EntryName,
    },
}

/// One page of a change feed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangePage {
    /// Observations, to be applied in order.
    pub changes: Vec<Change>,
    /// Position after this page.
    pub cursor: Cursor,
    /// More pages follow at once.
    pub has_more: bool,
}

/// Position in a provider's change feed. Opaque.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Space of the account or disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that can still be written.
    pub free: u64,
}
