//! Rows of the catalog as values. They carry no behaviour but their invariants.

use crate::provider::UploadSession;
use crate::types::{ContentHash, EntryName, InodeNo, NodeId, NodeKind, RemoteId, Revision, StagedId, Timestamp};

/// One version of a file's content at the provider.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// The provider's id of the file.
    pub rid: RemoteId,
    /// Which content of it.
    pub revision: Revision,
    /// Bytes.
    pub size: u64,
    /// Hash of the content, where the provider tells one.
    pub hash: Option<ContentHash>,
}

/// A node of the local tree L: what the mount shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalRow {
    /// Identity.
    pub node: NodeId,
    /// Folder; `None` for the root only.
    pub parent: Option<NodeId>,
    /// Name in the folder.
    pub name: EntryName,
    /// What it is.
    pub kind: NodeKind,
    /// Inode number in the mount, unique in the vault.
    pub ino: InodeNo,
    /// Attributes as `stat` shows them.
    pub attr: Attr,
    /// Where its bytes are.
    pub content: LocalContent,
    /// Never leaves this machine: lock files, `.DS_Store`, pipes.
    pub local_only: bool,
}

/// Attributes of a local node. For folders `size` is 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attr {
    /// Permission bits with set-id and sticky bits, without the file type (`0o7777`).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a special file; for [`NodeKind::Special`] the file type bits (`S_IFMT`) are in `special`.
    pub rdev: u32,
    /// File type bits (`S_IFIFO`, `S_IFSOCK`, `S_IFCHR`, `S_IFBLK`) of a special file, else 0.
    pub special: u32,
    /// Bytes.
    pub size: u64,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last change of content or attributes.
    pub ctime: Timestamp,
    /// Creation.
    pub btime: Timestamp,
}

/// Where the bytes of a local node are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LocalContent {
    /// A folder or special file has none.
    None,
    /// The target of a symbolic link.
    Symlink(String),
    /// Equal to this version at the provider: direct, cached, or still to be fetched.
    Clean(Version),
    /// Edited here and not yet at the provider.
    Staged {
        /// The bytes.
        staged: StagedId,
        /// The provider version that the edit replaces; `None` for a file that the provider has never had.
        based_on: Option<Version>,
    },
}

impl RemoteRow {
    /// What it is.
    pub fn kind(&self) -> NodeKind {
        match self.body {
            RemoteBody::Folder => NodeKind::Folder,
            RemoteBody::File { .. } => NodeKind::File,
            RemoteBody::Symlink { .. } => NodeKind::Symlink,
        }
    }
}

/// A node of the remote tree R: what the provider last told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteRow {
    /// Identity.
    pub node: NodeId,
    /// Folder; `None` for the root only.
    pub parent: Option<NodeId>,
    /// Name as the provider spells it.
    pub name: EntryName,
    /// The provider's id, unique in the vault.
    pub rid: RemoteId,
    /// What it is.
    pub body: RemoteBody,
}

/// What a remote node is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RemoteBody {
    /// A folder.
    Folder,
    /// A file at this revision.
    File {
        /// Version of the content.
        revision: Revision,
        /// Bytes.
        size: u64,
        /// Hash, if known.
        hash: Option<ContentHash>,
        /// Modification time, if the provider keeps one.
        modified: Option<Timestamp>,
    },
    /// A symbolic link.
    Symlink {
        /// Its target.
        target: String,
    },
}

/// A node of the synced tree S: what both sides last agreed on, the merge base.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncedRow {
    /// Identity.
    pub node: NodeId,
    /// Folder; `None` for the root only.
    pub parent: Option<NodeId>,
    /// Name.
    pub name: EntryName,
    /// What both sides held.
    pub body: SyncedBody,
}

/// What both sides last held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SyncedBody {
    /// A folder.
    Folder,
    /// A file with this content.
    File(Version),
    /// A symbolic link.
    Symlink {
        /// Its target.
        target: String,
    },
}

/// Bytes under `staging/` and what is known of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StagedRow {
    /// Names the file.
    pub id: StagedId,
    /// The node whose content it is. Deleting the node's local row makes the staged row collectable.
    pub node: NodeId,
    /// Bytes at the last flush.
    pub size: u64,
    /// Hash of the generation that was last hashed for upload, with that generation; cleared by the next write.
    pub hashed: Option<ContentHash>,
    /// Resumable upload of the hashed bytes.
    pub session: Option<UploadSession>,
    /// When the first byte was staged.
    pub created: Timestamp,
}

/// A call that makes something at the provider, noted before it is made and taken off when its outcome is recorded. What is left
/// after a crash or a lost answer is looked up before anything else is learned from the provider.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Attempt {
    /// For which node. It cannot be forgotten while the outcome is open.
    pub node: NodeId,
    /// The file whose next version is stored, or the entry that is moved; `None` if something new is made.
    pub over: Option<RemoteId>,
    /// Folder.
    pub parent: RemoteId,
    /// Name in the folder.
    pub name: EntryName,
    /// What is made.
    pub made: Made,
}

/// What an [`Attempt`] makes.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Made {
    /// A folder.
    Folder,
    /// A link to this target.
    Symlink(String),
    /// Nothing: the entry named by `over` is moved to the place.
    Moved,
    /// A file version with these bytes.
    File {
        /// Bytes.
        size: u64,
        /// Their hash.
        hash: ContentHash,
    },
}

/// What is known of a node's failing or overridden sync; absent for most nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SyncState {
    /// Failed attempts since the last success or edit.
    pub attempts: u32,
    /// Not before this time.
    pub not_before: Option<Timestamp>,
    /// The last failure, for people: kind and message.
    pub problem: Option<(String, String)>,
    /// The user asked to keep this back.
    pub held: bool,
    /// Larger goes first; 0 is normal.
    pub priority: i32,
}

/// A replaced or deleted version that can be restored.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct HistoryRow {
    /// Counts up.
    pub id: i64,
    /// The node that it was a version of.
    pub node: NodeId,
    /// Path in the vault when it was kept.
    pub path: String,
    /// Why it was kept.
    pub reason: HistoryReason,
    /// Bytes.
    pub size: u64,
    /// File name under `history/`.
    pub file: String,
    /// When it was kept.
    pub kept_at: Timestamp,
}

/// Why a version was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryReason {
    /// A remote edit replaced it.
    ReplacedByRemote,
    /// A remote deletion removed it.
    DeletedByRemote,
    /// It lost a conflict.
    ConflictLoser,
    /// It was deleted here before it had reached the provider.
    DeletedUnsynced,
    /// Found in staging after a crash without an owner.
    Recovered,
    /// The user discarded it from the queue.
    Discarded,
    /// The user had it replaced by another version on purpose.
    Overruled,
}

/// Something that a person decided about an entry, which the program would have done in another way or not at all.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct DecisionRow {
    /// Counts up.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Path in the vault at that time; empty for the vault as a whole.
    pub path: String,
    /// What: `upload`, `discard`, `hold`, ...
    pub what: String,
    /// What became of it, for people.
    pub detail: String,
}

/// A conflict that both sides survived.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct ConflictRow {
    /// Counts up.
    pub id: i64,
    /// The node that kept the name.
    pub node: NodeId,
    /// The node that got another name, if both are kept as files.
    pub other: Option<NodeId>,
    /// Path in the vault when it was found.
    pub path: String,
    /// What clashed, for people.
    pub what: String,
    /// The device that found it.
    pub device: String,
    /// When.
    pub found_at: Timestamp,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
    /// The content from here that clashed: its revision, or the hash of bytes that had none yet.
    pub ours: Option<String>,
    /// The content from elsewhere that clashed: its revision.
    pub theirs: Option<String>,
    /// What was done by itself: `keep both`, `merge`, ...
    pub strategy: String,
    /// What became of it, for people.
    pub result: String,
}

/// Position in the change feed and what belongs to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FeedState {
    /// Where to continue; `None`: list everything.
    pub cursor: Option<crate::provider::Cursor>,
    /// The last complete listing.
    pub last_full: Option<Timestamp>,
    /// The last pull that succeeded.
    pub last_pull: Option<Timestamp>,
}

/// How many nodes are dirty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pending {
    /// Changed here.
    pub outgoing: u64,
    /// Changed at the provider alone.
    pub incoming: u64,
}

impl Pending {
    /// Both.
    pub fn all(self) -> u64 {
        self.outgoing + self.incoming
    }
}

/// A dirty node: its three rows may differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DirtyRow {
    /// Identity.
    pub node: NodeId,
    /// The last local change; zero if only the remote side changed.
    pub touched: Timestamp,
}
