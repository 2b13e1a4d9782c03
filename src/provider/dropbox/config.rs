//! How a vault's Dropbox provider is set up.

use std::path::PathBuf;
use std::time::Duration;

use super::address::FolderAddress;
use crate::provider::Result;

/// What the service takes in one upload.
pub const SINGLE_CALL_BYTES: u64 = 150 * 1024 * 1024;
/// Parts of upload sessions are multiples of this.
pub const PART_UNIT_BYTES: u64 = 4 * 1024 * 1024;

/// One vault in one account's Dropbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DropboxConfig {
    /// The vault's folder.
    pub folder: FolderAddress,
    /// The database file that remembers folders; beside the catalog, safe to delete.
    pub index: PathBuf,
    /// Files below this size are uploaded in one call, larger ones in a session. At most [`SINGLE_CALL_BYTES`].
    pub single_call_bytes: u64,
    /// Size of the parts of an upload session: a multiple of [`PART_UNIT_BYTES`].
    pub part_bytes: u64,
    /// Parts of one file that travel at the same time.
    pub parallel_parts: usize,
    /// Files up to this size are committed together with others that wait.
    pub batch_bytes: u64,
    /// Slower than this many bytes a second is as good as broken.
    pub slowest: u64,
    /// How long the path of a folder that was just asked for is believed.
    pub believe_paths: Duration,
}

impl DropboxConfig {
    /// The usual setup of a vault at `folder`, as it is written: `/Apps/Muze/MyVault`; empty for the whole Dropbox.
    pub fn new(folder: &str, index: PathBuf) -> Result<Self> {
        Ok(Self {
            folder: folder.parse()?,
            index,
            single_call_bytes: SINGLE_CALL_BYTES,
            part_bytes: 2 * PART_UNIT_BYTES,
            parallel_parts: 4,
            batch_bytes: PART_UNIT_BYTES,
            slowest: 16 * 1024,
            believe_paths: Duration::from_secs(2),
        })
    }
}
