//! What the fetcher needs of the content store. A seam of a few calls, so that the tests of the fetcher can fail and stall where a
//! disk rarely does.

use std::sync::Arc;

use crate::catalog::Version;
use crate::content::{CachedFile, ContentStore, ReadOutcome, Result};
use crate::types::{BlockIndex, BlockRun, ByteRange};

/// Cache files by version.
pub trait BlockStore: Send + Sync + 'static {
    /// The cache file of a version, created empty if there is none.
    fn cached(&self, version: &Version) -> Result<Arc<dyn CachedBlocks>>;
    /// Drops every block of a version whose content proved wrong.
    fn reject(&self, version: &Version) -> Result<()>;
    /// Bytes of this version that are here.
    fn cached_bytes(&self, version: &Version) -> u64;
}

/// The cache file of one version.
pub trait CachedBlocks: Send + Sync + 'static {
    /// Runs of blocks in `range` that are not here, in order.
    fn missing(&self, range: ByteRange) -> Vec<BlockRun>;
    /// Bytes that are here.
    fn present_bytes(&self) -> u64;
    /// Stores consecutive whole blocks from `start` (the last one of the file may be short).
    fn fill(&self, start: BlockIndex, bytes: &[u8]) -> Result<()>;
    /// Keeps whole blocks readable for a while, where there is no space to store them.
    fn hold(&self, start: BlockIndex, bytes: &[u8]);
    /// Fills `buffer` from `offset`, or says what is missing.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<ReadOutcome>;
}

impl BlockStore for ContentStore {
    fn cached(&self, version: &Version) -> Result<Arc<dyn CachedBlocks>> {
        Ok(Self::cached(self, version)?)
    }

    fn reject(&self, version: &Version) -> Result<()> {
        Self::reject(self, version).map(|_freed| ())
    }

    fn cached_bytes(&self, version: &Version) -> u64 {
        Self::cached_bytes(self, version)
    }
}

impl CachedBlocks for CachedFile {
    fn missing(&self, range: ByteRange) -> Vec<BlockRun> {
        Self::missing(self, range)
    }

    fn present_bytes(&self) -> u64 {
        Self::present_bytes(self)
    }

    fn fill(&self, start: BlockIndex, bytes: &[u8]) -> Result<()> {
        Self::fill(self, start, bytes)
    }

    fn hold(&self, start: BlockIndex, bytes: &[u8]) {
        Self::hold(self, start, bytes);
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<ReadOutcome> {
        Self::read(self, offset, buffer)
    }
}
