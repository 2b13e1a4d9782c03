//! A provider is where a vault's truth lives: a local folder, Dropbox, iCloud. Everything above this trait works from
//! what a provider *can do* ([`Capabilities`]), never from which provider it is.
//!
//! Contract for every implementation and every decorator, checked by `tests/behaviour`:
//! - A method that returns an error has either done nothing or says so with [`ErrorKind::Ambiguous`].
//! - Each call is bounded in time; dropping its future cancels it.
//! - Ids and revisions are opaque and compared for equality only.
//! - Nothing that a provider returns is trusted: names are checked [`EntryName`]s, sizes are limits, order is not promised.

mod auth;
mod capabilities;
pub mod dropbox;
mod entry;
mod error;
mod fault_control;
mod faulty;
pub mod http;
mod index_file;
mod limit;
pub mod local;
mod rate;
mod retry;

use std::fs::File;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use auth::{AccessTokens, StaticToken};
pub use capabilities::{Capabilities, ChangeFeed, Limits};
pub use entry::{Change, ChangePage, Cursor, EntryBody, RemoteEntry, Space};
pub use error::{ErrorKind, ProviderError};
pub use fault_control::{CallCount, Fault, FaultControl, FaultRates, Operation};
pub use faulty::Faulty;
pub use limit::{Deadlines, Limited};
pub use rate::{Bandwidth, Rate};

use crate::types::{ByteRange, ContentHash, EntryName, RemoteId, Revision, Timestamp};

/// Result of a provider call.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// One vault's remote tree.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What this provider can do. Constant for the life of the object.
    fn capabilities(&self) -> &Capabilities;

    /// The root folder. [`ErrorKind::RootMissing`] if it is not there or is not the root that the vault was made with:
    /// a missing disk is never an empty vault.
    async fn root(&self) -> Result<RemoteEntry>;

    /// Everything that changed since `cursor`, in pages; `None` starts a full listing, which reports every entry as
    /// [`Change::Upsert`] (parents may come after children, across pages too) and ends with a cursor for what follows.
    /// A page with `has_more` must be followed by a call with its cursor. A feed may repeat changes that were already
    /// reported. An unusable cursor is [`ErrorKind::CursorReset`].
    async fn changes(&self, cursor: Option<&Cursor>) -> Result<ChangePage>;

    /// Returns when something may have changed since `cursor`, or after `timeout`. A hint: false alarms are allowed and
    /// misses are repaired by the periodic pull. Providers that can only be polled wait for the timeout.
    async fn wait_for_changes(&self, cursor: &Cursor, timeout: Duration) -> Result<()>;

    /// The entry with this id, as it is now; [`ErrorKind::NotFound`] if it is gone.
    async fn stat(&self, id: &RemoteId) -> Result<RemoteEntry>;

    /// The entry of this name in a folder; `None` if there is none. Names compare by the provider's own rules.
    async fn find(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>>;

    /// The entries of one folder as they are now; [`ErrorKind::NotFound`] if it is gone. Only where the feed does not tell everything
    /// (not [`Capabilities::reports_case_rename`]).
    async fn children(&self, folder: &RemoteId) -> Result<Vec<RemoteEntry>> {
        let text = format!("{folder}: the feed of this provider tells everything");
        Err(ProviderError::new(ErrorKind::Unsupported, "list a folder", text))
    }

    /// Bytes `range` of one version of a file. Exactly `range.len()` bytes, or an error; never bytes of another revision
    /// ([`ErrorKind::RevisionGone`] instead). A provider that still has a version that was replaced may serve it. Ranges beyond the size are [`ErrorKind::Invalid`].
    async fn read(&self, id: &RemoteId, revision: &Revision, range: ByteRange) -> Result<Bytes>;

    /// Creates a folder. [`ErrorKind::Exists`] if the name is taken, by a folder too.
    async fn create_folder(&self, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry>;

    /// Creates a symbolic link with this target. [`ErrorKind::Unsupported`] unless [`Capabilities::symlinks`].
    async fn create_symlink(&self, parent: &RemoteId, name: &EntryName, target: &str) -> Result<RemoteEntry>;

    /// Stores one whole file version. On success the entry's revision is the committed one and its hash, where the
    /// provider has hashes, equals `upload.hash`.
    async fn upload(&self, upload: Upload<'_>) -> Result<RemoteEntry>;

    /// Moves or renames an entry with everything below it. [`ErrorKind::Exists`] if the target name is taken by another
    /// entry, [`ErrorKind::NotFound`] if the entry or the target folder is gone, [`ErrorKind::Invalid`] for a move into
    /// itself. A move to where the entry already is succeeds.
    async fn relocate(&self, id: &RemoteId, to_parent: &RemoteId, to_name: &EntryName) -> Result<RemoteEntry>;

    /// Deletes a file or symbolic link, or an *empty* folder. `expected` guards files: another revision is
    /// [`ErrorKind::RevisionMismatch`]. A folder with entries is [`ErrorKind::NotEmpty`]. An entry that is already gone
    /// is success.
    async fn delete(&self, id: &RemoteId, expected: Option<&Revision>) -> Result<()>;

    /// The provider's own file as an open descriptor for reading, if content lives on this machine as an ordinary file
    /// ([`Capabilities::direct`]) and still is at `revision`. Never waits for a network. `None`: read by
    /// [`Provider::read`] instead.
    fn open_direct(&self, id: &RemoteId, revision: &Revision) -> Option<File>;

    /// True if a file opened by [`Provider::open_direct`] still holds `revision`.
    fn direct_is_current(&self, file: &File, revision: &Revision) -> bool;

    /// Makes durable what the provider itself remembers on this machine, if it does: an id or a revision that it has told must mean
    /// the same after a power cut. Called before whoever was told makes it durable; waits for the disk.
    fn flush_memory(&self) -> std::io::Result<()> {
        Ok(())
    }

    /// Space used and available to this vault.
    async fn space(&self) -> Result<Space>;
}

/// One file version to be stored.
pub struct Upload<'a> {
    /// Where it goes and what must be true there.
    pub target: UploadTarget,
    /// Its bytes. Immutable while the call runs.
    pub source: &'a dyn UploadSource,
    /// The hash of those bytes, in the provider's algorithm ([`Capabilities::content_hash`], BLAKE3 if it has none).
    pub hash: ContentHash,
    /// Modification time to carry along where the provider can.
    pub modified: Timestamp,
    /// Told of progress and of sessions worth resuming.
    pub observer: &'a dyn UploadObserver,
    /// A session that an earlier attempt of the *same bytes* (same hash) left behind.
    pub resume: Option<UploadSession>,
    /// A file that was last known to hold the *same bytes*. A provider with [`Capabilities::server_copy`] makes a new file from it
    /// instead of sending the bytes, if it still holds them: a hint, which changes nothing of what is promised.
    pub copy_of: Option<CopySource>,
}

/// A version of a file that the provider holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopySource {
    /// The file.
    pub id: RemoteId,
    /// Its version.
    pub revision: Revision,
}

/// What an upload is conditional on. All are compare-and-swap: if the condition is false nothing is changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UploadTarget {
    /// A new file; [`ErrorKind::Exists`] if the name is taken.
    Create {
        /// Folder.
        parent: RemoteId,
        /// Name in the folder.
        name: EntryName,
    },
    /// The next version of a file; [`ErrorKind::RevisionMismatch`] unless it is at `expected`,
    /// [`ErrorKind::NotFound`] if it is gone. A provider that cannot overwrite
    /// ([`Capabilities::overwrite_keeps_id`] false) may answer with an entry that has another id.
    Replace {
        /// The file.
        id: RemoteId,
        /// The revision that the new content is based on.
        expected: Revision,
    },
}

/// Random access to immutable bytes that are being uploaded.
pub trait UploadSource: Send + Sync {
    /// Number of bytes.
    fn size(&self) -> u64;
    /// Fills `buffer` from `offset`; short reads are errors.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()>;
}

/// A resumable upload's place at the provider.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct UploadSession {
    /// The provider's id of the session.
    pub id: String,
    /// Bytes that the provider has confirmed.
    pub offset: u64,
}

/// Listens to an upload, and sets its pace.
#[async_trait]
pub trait UploadObserver: Send + Sync {
    /// `sent` bytes have been handed to the provider.
    fn progressed(&self, sent: u64);
    /// A part was confirmed: persist this before sending more, so that a crash resumes here.
    fn session(&self, session: &UploadSession);

    /// Waits until some of `wanted` bytes may be sent, for the limit of bandwidth, and says how many: one at least, if any
    /// are wanted. Asked before bytes are sent; an upload sends no byte without.
    async fn grant(&self, wanted: u64) -> u64 {
        wanted
    }
}
