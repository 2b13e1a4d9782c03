//! What a provider can do, as data. A field exists only if the planner, the fetcher or the executor branches on it and a
//! behaviour case proves it.

use std::time::Duration;

use crate::types::{HashKind, NameRules};

/// What a provider can do.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Content lives on this machine as ordinary files and can be served without a copy.
    pub direct: bool,
    /// Parts of a file can be read. No: the whole file is fetched once, then served from the cache.
    pub ranged_read: bool,
    /// An entry keeps its id over renames, moves and edits. No: a remote move may look like delete and create.
    pub stable_ids: bool,
    /// Uploads and deletes can be made conditional on a revision in one step. No: the executor checks the revision,
    /// acts, checks again, and keeps both versions on doubt.
    pub conditional_write: bool,
    /// A new version of a file has the old id. No (iCloud): an upload makes a new document and the old one goes to trash.
    pub overwrite_keeps_id: bool,
    /// A folder moves with everything below it in one call.
    pub folder_move: bool,
    /// A new file whose bytes the provider already holds can be made there, without sending them
    /// ([`super::Upload::copy_of`]).
    pub server_copy: bool,
    /// The change feed reports a rename that only changes case. No (Dropbox): such a rename goes through another name.
    pub reports_case_rename: bool,
    /// Symbolic links can be stored.
    pub symlinks: bool,
    /// How changes are learned.
    pub change_feed: ChangeFeed,
    /// The algorithm of [`super::EntryBody::File::hash`]; `None`: the provider has no content hash and vaultfs compares
    /// by revision. Where there is one, a file without it is a document of the provider's own, which has no bytes.
    pub content_hash: Option<HashKind>,
    /// How names compare and which are refused.
    pub names: NameRules,
    /// Sizes and parallelism.
    pub limits: Limits,
}

impl Capabilities {
    /// The algorithm in which vaultfs hashes content of this provider.
    pub fn hash_kind(&self) -> HashKind {
        self.content_hash.unwrap_or(HashKind::Blake3)
    }
}

/// How changes are learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeFeed {
    /// Notified at once ([`super::Provider::wait_for_changes`] returns when something happened).
    Notified,
    /// Only by asking, this often.
    Polled(Duration),
}

/// Sizes and parallelism.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Largest file.
    pub max_file_bytes: u64,
    /// How many calls may run at once.
    pub parallel_calls: usize,
    /// How many bytes one ranged read should ask for at most.
    pub max_read_bytes: u64,
}
