//! Bytes on this machine. Two kinds, kept apart: *cached* blocks of provider versions (rebuildable, evictable, verified)
//! and *staged* bytes that the provider does not have yet (precious, never evicted). Kept versions (`history/`) are staged
//! files that lost their node.
//!
//! Owner of: `blocks/`, `staging/`, `history/` of one vault. Synchronous; knows neither the catalog nor a provider.
//! Files are named by ids and hashes, never by names that came from outside.

mod request;

use std::path::PathBuf;
use std::sync::Arc;

pub use request::{FetchDone, FetchError, FetchRequest, Urgency};

use crate::catalog::Version;
use crate::types::{BlockIndex, BlockRun, ByteRange, Clock, ContentHash, HashKind, StagedId, Timestamp, VaultId};

/// Why bytes cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The disk or the budget is full, after evicting what may be evicted.
    #[error("no space left for {what}")]
    NoSpace {
        /// Cached or staged bytes.
        what: &'static str,
    },
    /// Staged bytes are not what was written: never served.
    #[error("staged bytes {id} are damaged at block {block}")]
    StagedDamaged {
        /// Which.
        id: StagedId,
        /// Where.
        block: u64,
    },
    /// There are no such staged bytes.
    #[error("staged bytes {0} are missing")]
    StagedMissing(StagedId),
    /// The staged bytes were written to while they were being read for upload.
    #[error("staged bytes {0} changed meanwhile")]
    Superseded(StagedId),
    /// The file system below failed.
    #[error("{operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Result of a content call.
pub type Result<T> = std::result::Result<T, ContentError>;

/// Where the store keeps its files.
#[derive(Clone, Debug)]
pub struct ContentDirs {
    /// `$XDG_CACHE_HOME/vaultfs/<vault>/blocks`: may be deleted at any time while no daemon runs.
    pub blocks: PathBuf,
    /// `$XDG_STATE_HOME/vaultfs/<vault>/staging`.
    pub staging: PathBuf,
    /// `$XDG_STATE_HOME/vaultfs/<vault>/history`.
    pub history: PathBuf,
}

/// How much disk the store may use.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Cached blocks in all.
    pub cache_bytes: u64,
    /// Free space of the disk that the store never goes below for cached blocks, and keeps for databases and recovery.
    pub min_free_bytes: u64,
}

/// What a read of cached or staged bytes found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReadOutcome {
    /// The buffer is filled.
    Complete,
    /// Nothing was read: these blocks are missing (or were found damaged and dropped).
    Missing(Vec<BlockRun>),
}

/// The store of one vault.
pub struct ContentStore {}

#[expect(missing_docs, reason = "skeleton")]
impl ContentStore {
    /// Opens the store, creating its folders (0700), dropping temporary files.
    pub fn open(_dirs: ContentDirs, _vault: VaultId, _budget: Budget, _clock: Arc<dyn Clock>) -> Result<Self> {
        unimplemented!()
    }

    /// The cache file of a version, created empty if there is none. The same object for the same version while anybody holds it.
    pub fn cached(&self, _version: &Version) -> Result<Arc<CachedFile>> {
        unimplemented!()
    }
    /// The cache file of a version if bytes of it are here.
    pub fn cached_if_present(&self, _version: &Version) -> Result<Option<Arc<CachedFile>>> {
        unimplemented!()
    }
    /// Bytes of this version that are here.
    pub fn cached_bytes(&self, _version: &Version) -> u64 {
        unimplemented!()
    }
    /// Drops every block of a version (not while `pinned` or held open by a reader: then blocks are dropped as far as allowed).
    /// Returns the bytes freed.
    pub fn evict(&self, _version: &Version) -> Result<u64> {
        unimplemented!()
    }
    /// Tells the store which versions must be kept (pins).
    pub fn set_pinned(&self, _version: &Version, _pinned: bool) -> Result<()> {
        unimplemented!()
    }
    /// Bytes of cached blocks on disk.
    pub fn cache_usage(&self) -> u64 {
        unimplemented!()
    }
    /// Bytes under staging.
    pub fn staging_usage(&self) -> u64 {
        unimplemented!()
    }

    /// New staged bytes: empty, or (`over`) an overlay of a version whose unwritten blocks are still that version's.
    pub fn stage(&self, _id: StagedId, _over: Option<&Version>) -> Result<Arc<StagedFile>> {
        unimplemented!()
    }
    /// Existing staged bytes. The same object for the same id while anybody holds it.
    pub fn staged(&self, _id: StagedId) -> Result<Arc<StagedFile>> {
        unimplemented!()
    }
    /// Ids of everything under staging, for recovery.
    pub fn staged_ids(&self) -> Result<Vec<StagedId>> {
        unimplemented!()
    }
    /// The self-describing record of staged bytes; `None` if there is none or it does not verify.
    pub fn record(&self, _id: StagedId) -> Result<Option<StagedRecord>> {
        unimplemented!()
    }
    /// Removes staged bytes. Open handles keep reading.
    pub fn discard(&self, _id: StagedId) -> Result<()> {
        unimplemented!()
    }
    /// After an upload: the staged bytes (complete, of the given generation) become the cached blocks of `version`, without a copy.
    /// Blocks are checksummed on the way. Open handles keep reading.
    pub fn promote(&self, _staged: &StagedFile, _version: &Version) -> Result<Arc<CachedFile>> {
        unimplemented!()
    }
    /// Moves complete staged bytes to `history/` and returns the file name there.
    pub fn keep_staged(&self, _staged: &StagedFile) -> Result<String> {
        unimplemented!()
    }
    /// Copies any reader's bytes to `history/` (durable before it returns) and returns the file name there.
    pub fn keep_copy(&self, _reader: &mut dyn std::io::Read) -> Result<String> {
        unimplemented!()
    }
    /// Opens a kept version.
    pub fn open_kept(&self, _file: &str) -> Result<std::fs::File> {
        unimplemented!()
    }
    pub fn discard_kept(&self, _file: &str) -> Result<()> {
        unimplemented!()
    }
}

/// Sparse file of one provider version, with a checksum per present block.
pub struct CachedFile {}

#[expect(missing_docs, reason = "skeleton")]
impl CachedFile {
    pub fn version(&self) -> &Version {
        unimplemented!()
    }
    /// Fills `buffer` from `offset` (the range must lie within the size), verifying every touched block.
    pub fn read(&self, _offset: u64, _buffer: &mut [u8]) -> Result<ReadOutcome> {
        unimplemented!()
    }
    /// Runs of blocks in `range` that are not here.
    pub fn missing(&self, _range: ByteRange) -> Vec<BlockRun> {
        unimplemented!()
    }
    /// Stores consecutive whole blocks from `start` (the last one of the file may be short). Evicts others if the budget asks for it.
    pub fn fill(&self, _start: BlockIndex, _bytes: &[u8]) -> Result<()> {
        unimplemented!()
    }
    pub fn is_complete(&self) -> bool {
        unimplemented!()
    }
    pub fn present_bytes(&self) -> u64 {
        unimplemented!()
    }
}

/// Staged bytes: a sparse file, and for overlays the map of the blocks that are here. Safe for concurrent use.
pub struct StagedFile {}

#[expect(missing_docs, reason = "skeleton")]
impl StagedFile {
    pub fn id(&self) -> StagedId {
        unimplemented!()
    }
    pub fn size(&self) -> u64 {
        unimplemented!()
    }
    /// Counts writes; a reader that sees the same generation before and after has read one version.
    pub fn generation(&self) -> u64 {
        unimplemented!()
    }
    /// The version below, while blocks of it are still missing here.
    pub fn overlay_base(&self) -> Option<Version> {
        unimplemented!()
    }
    /// Base blocks that must be filled in before a write of `range` (partly overwritten blocks that are not here).
    pub fn missing_for_write(&self, _range: ByteRange) -> Vec<BlockRun> {
        unimplemented!()
    }
    /// Base blocks of `range` that are not here.
    pub fn missing(&self, _range: ByteRange) -> Vec<BlockRun> {
        unimplemented!()
    }
    /// Puts base bytes (whole blocks of the *base* version from `start`) where nothing was written here. Does not count as a write.
    pub fn fill_base(&self, _start: BlockIndex, _bytes: &[u8]) -> Result<()> {
        unimplemented!()
    }
    /// `Missing` as for cached files; holes are zeros.
    pub fn read(&self, _offset: u64, _buffer: &mut [u8]) -> Result<ReadOutcome> {
        unimplemented!()
    }
    /// Writes; grows the file. `missing_for_write` must be empty for the range.
    pub fn write(&self, _offset: u64, _bytes: &[u8]) -> Result<()> {
        unimplemented!()
    }
    /// Writes at the end, atomically with other appends; returns the offset.
    pub fn append(&self, _bytes: &[u8]) -> Result<u64> {
        unimplemented!()
    }
    /// Shrinks or grows (the block at the new end must be here if it is partly kept: see `missing_for_write` of that byte).
    pub fn truncate(&self, _size: u64) -> Result<()> {
        unimplemented!()
    }
    /// posix_fallocate: reserves disk space for `range`, growing the file unless `keep_size`.
    pub fn allocate(&self, _range: ByteRange, _keep_size: bool) -> Result<()> {
        unimplemented!()
    }
    /// Zeroes `range` and frees its blocks; the size stays. Partly covered blocks must be here.
    pub fn punch(&self, _range: ByteRange) -> Result<()> {
        unimplemented!()
    }
    /// SEEK_DATA; base blocks count as data. `None`: no data after `offset`.
    pub fn seek_data(&self, _offset: u64) -> Result<Option<u64>> {
        unimplemented!()
    }
    /// SEEK_HOLE.
    pub fn seek_hole(&self, _offset: u64) -> Result<u64> {
        unimplemented!()
    }
    /// Bytes allocated on disk, for `st_blocks`.
    pub fn allocated_bytes(&self) -> u64 {
        unimplemented!()
    }
    /// Makes data and block map durable.
    pub fn sync(&self) -> Result<()> {
        unimplemented!()
    }
    /// Writes the self-describing record durably (temp, fsync, rename, fsync of the folder).
    pub fn write_record(&self, _record: &StagedRecord) -> Result<()> {
        unimplemented!()
    }
    /// Hash of the whole content in the given algorithm; `Superseded` if it was written to meanwhile. All blocks must be here.
    /// Records per-block checksums, so that rot before the upload is found by the next read (`StagedDamaged`).
    pub fn hash(&self, _kind: HashKind) -> Result<(ContentHash, u64)> {
        unimplemented!()
    }
    /// Fills `buffer` for an upload of `generation`; `Superseded` if the bytes are no longer of that generation.
    pub fn read_generation(&self, _generation: u64, _offset: u64, _buffer: &mut [u8]) -> Result<()> {
        unimplemented!()
    }
    /// True while a failed fsync makes the bytes suspect: every later `sync` fails until they are rewritten.
    pub fn is_suspect(&self) -> bool {
        unimplemented!()
    }
}

/// What a staged file says about itself, so that it can be re-attached if the catalog is lost. All that recovery needs, nothing more.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct StagedRecord {
    /// Whose it is.
    pub vault: VaultId,
    /// Which staged file.
    pub id: StagedId,
    /// Path in the vault when the record was written.
    pub path: String,
    /// The version that it replaces.
    pub based_on: Option<Version>,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Modification time.
    pub mtime: Timestamp,
}
