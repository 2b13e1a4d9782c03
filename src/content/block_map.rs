//! Which blocks of a staged overlay are here and which are still those of the version below: `staging/<id>.map`.
//!
//! Layout, little-endian: 8 bytes magic, `u32` format, `u32` length of the JSON, 16 bytes checksum of these and of the JSON, `u64`
//! limit, `u64` the limit's complement, `u64` boot, the JSON of the base [`Version`], padding to 8; then one byte per block.
//!
//! *Limit*: bytes of the base that still count. It starts at the base's size and shrinks with every truncation, so that growth
//! afterwards reads zeros. Bytes at and beyond the limit are always here, even inside a block whose bytes below it are not.
//!
//! Power loss: a block's byte may reach the disk before the block does. [`BlockState::Fresh`] says that this may be so; `sync` settles it.
//! When the map is opened under another boot, fresh blocks with holes are the base's again: an edit that was never synced is lost, but
//! it takes nothing with it. Therefore no hole is ever made in a part of a block below the limit; zeros are written instead.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::block_index::read_or_zero;
use super::digest::DIGEST_BYTES;
use super::files;
use crate::catalog::Version;
use crate::sys::disk;
use crate::types::{BLOCK_BYTES, BlockIndex, BlockRun, ByteRange};

const MAGIC: [u8; 8] = *b"vfsblkmp";
const FORMAT: u32 = 1;
const FIXED_BYTES: usize = 56;
const MUTABLE_AT: u64 = 32;
const MAX_JSON_BYTES: usize = 64 * 1024;
/// Largest base of an overlay: what ext4 can hold, and 256 MiB of map.
const MAX_BASE_BYTES: u64 = 16 << 40;

/// Where the bytes of a block (below the limit) are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockState {
    /// In the version below; not here.
    Base,
    /// Here since the last sync: without holes, unless power was lost before it was written out.
    Fresh,
    /// Here, and some version of it is durable; or zeros on purpose.
    Settled,
}

impl BlockState {
    fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Fresh,
            2 => Self::Settled,
            _ => Self::Base,
        }
    }

    fn to_byte(self) -> u8 {
        match self {
            Self::Base => 0,
            Self::Fresh => 1,
            Self::Settled => 2,
        }
    }
}

/// The block map of one overlay, in memory and on disk.
pub(super) struct BlockMap {
    file: Arc<File>,
    base: Version,
    limit: u64,
    states: Vec<BlockState>,
    states_at: u64,
    /// Blocks below the limit that are not here.
    base_blocks: u64,
}

impl BlockMap {
    /// A new map in which nothing is here.
    pub(super) fn create(path: &Path, base: &Version, boot: u64) -> io::Result<Self> {
        if base.size > MAX_BASE_BYTES {
            return Err(io::Error::from_raw_os_error(libc::EFBIG));
        }
        let json = serde_json::to_vec(base)?;
        if json.len() > MAX_JSON_BYTES {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let mut bytes = Vec::with_capacity(FIXED_BYTES + json.len() + 8);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(u32::try_from(json.len()).map_err(io::Error::other)?.to_le_bytes());
        let checksum = checksum(&bytes, &json);
        bytes.extend(checksum);
        bytes.extend(mutable_part(base.size, boot));
        bytes.extend(&json);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let file = files::create_new(path)?;
        file.write_all_at(&bytes, 0)?;
        let blocks = base.size.div_ceil(BLOCK_BYTES);
        Ok(Self {
            file: Arc::new(file),
            base: base.clone(),
            limit: base.size,
            states: vec![BlockState::Base; usize::try_from(blocks).map_err(io::Error::other)?],
            states_at: super::digest::byte_len(&bytes),
            base_blocks: blocks,
        })
    }

    /// Opens a map beside its data of `size` bytes. Outer `None`: there is no map. Inner `None`: there is one that cannot be believed.
    pub(super) fn open(path: &Path, data: &File, size: u64, boot: u64) -> io::Result<Option<Option<Self>>> {
        let Some(file) = files::open_existing(path)? else { return Ok(None) };
        let mut fixed = [0; FIXED_BYTES];
        read_or_zero(&file, &mut fixed, 0)?;
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&fixed[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let [format, json_len] = [8, 12].map(|at| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&fixed[at..at + 4]);
            u32::from_le_bytes(bytes)
        });
        let json_len = usize::try_from(json_len).map_err(io::Error::other)?;
        if fixed[..8] != MAGIC || format != FORMAT || json_len > MAX_JSON_BYTES {
            return Ok(Some(None));
        }
        let mut json = vec![0; json_len];
        read_or_zero(&file, &mut json, u64::try_from(FIXED_BYTES).map_err(io::Error::other)?)?;
        let limit = number(32);
        if checksum(&fixed[..16], &json) != fixed[16..32] || number(40) != !limit {
            return Ok(Some(None));
        }
        let Ok(base) = serde_json::from_slice::<Version>(&json) else { return Ok(Some(None)) };
        if limit > base.size || base.size > MAX_BASE_BYTES {
            return Ok(Some(None));
        }
        let states_at = u64::try_from((FIXED_BYTES + json_len).next_multiple_of(8)).map_err(io::Error::other)?;
        let blocks = usize::try_from(base.size.div_ceil(BLOCK_BYTES)).map_err(io::Error::other)?;
        let mut states = vec![0; blocks];
        read_or_zero(&file, &mut states, states_at)?;
        let states = states.into_iter().map(BlockState::from_byte).collect();
        let mut map = Self { file: Arc::new(file), base, limit, states, states_at, base_blocks: 0 };
        // A truncation shrinks the data first: after a crash in between the limit follows.
        map.limit = limit.min(size);
        if number(48) != boot {
            map.revert_lost_blocks(data)?;
        }
        map.file.write_all_at(&mutable_part(map.limit, boot), MUTABLE_AT)?;
        map.count_base_blocks();
        Ok(Some(Some(map)))
    }

    /// The version below.
    pub(super) fn base(&self) -> &Version {
        &self.base
    }

    /// Bytes of the base that still count.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// True if nothing of the base is missing here.
    pub(super) fn is_complete(&self) -> bool {
        self.base_blocks == 0
    }

    /// The file, to make it durable.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Blocks of `range` whose base bytes are not here.
    pub(super) fn missing(&self, range: ByteRange) -> Vec<BlockRun> {
        if self.is_complete() {
            return Vec::new();
        }
        self.runs_where(range.clamp_to(self.limit).blocks(), |state| state == BlockState::Base)
    }

    /// Blocks of `range` that are missing and would be overwritten in part only.
    pub(super) fn missing_for_write(&self, range: ByteRange) -> Vec<BlockRun> {
        let counted = range.clamp_to(self.limit);
        let mut missing = self.missing(counted);
        let inner = self.covered(range);
        if !inner.is_empty() {
            missing = missing.into_iter().flat_map(|run| outside(run, inner)).collect();
        }
        missing
    }

    /// The blocks whose base bytes lie in `range` as a whole.
    pub(super) fn covered(&self, range: ByteRange) -> BlockRun {
        let counted = range.clamp_to(self.limit);
        let start = counted.start.div_ceil(BLOCK_BYTES);
        let end = if counted.end == self.limit { counted.end.div_ceil(BLOCK_BYTES) } else { counted.end / BLOCK_BYTES };
        BlockRun { start: BlockIndex(start), end: BlockIndex(end.max(start)) }
    }

    /// The first run of missing base bytes that ends after `offset`.
    pub(super) fn next_missing(&self, offset: u64) -> Option<ByteRange> {
        let whole = self.missing(ByteRange::new(offset, self.limit));
        whole.first().map(|run| ByteRange::new(run.start.start().max(offset), run.bytes(self.limit).end))
    }

    /// These blocks, of those that were missing, are here now.
    pub(super) fn mark_fresh(&mut self, run: BlockRun) -> io::Result<()> {
        for part in self.runs_where(run, |state| state == BlockState::Base) {
            self.store(part, BlockState::Fresh)?;
        }
        Ok(())
    }

    /// These blocks are zeros on purpose.
    pub(super) fn mark_zero(&mut self, run: BlockRun) -> io::Result<()> {
        self.store(run, BlockState::Settled)
    }

    /// The blocks that a sync of the data settles.
    pub(super) fn fresh(&self) -> Vec<BlockRun> {
        self.runs_where(self.counted_blocks(), |state| state == BlockState::Fresh)
    }

    /// The data of these blocks is durable.
    pub(super) fn settle(&mut self, runs: &[BlockRun]) -> io::Result<()> {
        runs.iter().try_for_each(|run| self.store(*run, BlockState::Settled))
    }

    /// The file was cut to `size`: base bytes beyond it do not come back.
    pub(super) fn limit_to(&mut self, size: u64) -> io::Result<()> {
        if size >= self.limit {
            return Ok(());
        }
        let mut bytes = size.to_le_bytes().to_vec();
        bytes.extend((!size).to_le_bytes());
        self.file.write_all_at(&bytes, MUTABLE_AT)?;
        self.limit = size;
        self.count_base_blocks();
        Ok(())
    }

    fn revert_lost_blocks(&mut self, data: &File) -> io::Result<()> {
        for run in self.fresh() {
            for block in run.iter() {
                let range = block.bytes(self.limit);
                if disk::seek_hole(data, range.start)?.is_none_or(|hole| hole < range.end) {
                    tracing::warn!(
                        block = block.0,
                        "an unsynced block was lost with the power; the version below shows again"
                    );
                    self.store(BlockRun { start: block, end: BlockIndex(block.0 + 1) }, BlockState::Base)?;
                }
            }
        }
        Ok(())
    }

    fn store(&mut self, run: BlockRun, state: BlockState) -> io::Result<()> {
        if run.is_empty() {
            return Ok(());
        }
        let (start, end) = self.indexes(run);
        let bytes = vec![state.to_byte(); end - start];
        self.file.write_all_at(&bytes, self.states_at + run.start.0)?;
        let before = self.base_blocks_in(run);
        self.states[start..end].fill(state);
        self.base_blocks = self.base_blocks + self.base_blocks_in(run) - before;
        Ok(())
    }

    fn runs_where(&self, run: BlockRun, wanted: impl Fn(BlockState) -> bool) -> Vec<BlockRun> {
        let (start, end) = self.indexes(run);
        let mut runs: Vec<BlockRun> = Vec::new();
        for (block, _) in run.iter().zip(&self.states[start..end]).filter(|(_, state)| wanted(**state)) {
            match runs.last_mut() {
                Some(last) if last.end == block => last.end = BlockIndex(block.0 + 1),
                _ => runs.push(BlockRun { start: block, end: BlockIndex(block.0 + 1) }),
            }
        }
        runs
    }

    fn indexes(&self, run: BlockRun) -> (usize, usize) {
        let index = |block: BlockIndex| usize::try_from(block.0).unwrap_or(usize::MAX).min(self.states.len());
        (index(run.start), index(run.end))
    }

    fn counted_blocks(&self) -> BlockRun {
        ByteRange::new(0, self.limit).blocks()
    }

    fn count_base_blocks(&mut self) {
        self.base_blocks = self.base_blocks_in(self.counted_blocks());
    }

    fn base_blocks_in(&self, run: BlockRun) -> u64 {
        let counted = BlockRun { start: run.start, end: run.end.min(self.counted_blocks().end) };
        let (start, end) = self.indexes(counted);
        let count = self.states[start..end.max(start)].iter().filter(|state| **state == BlockState::Base).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// The parts of a run that are not in `inner`.
fn outside(run: BlockRun, inner: BlockRun) -> impl Iterator<Item = BlockRun> {
    let before = BlockRun { start: run.start, end: run.end.min(inner.start) };
    let after = BlockRun { start: run.start.max(inner.end), end: run.end };
    [before, after].into_iter().filter(|part| part.start < part.end)
}

fn mutable_part(limit: u64, boot: u64) -> Vec<u8> {
    [limit, !limit, boot].into_iter().flat_map(u64::to_le_bytes).collect()
}

fn checksum(fixed: &[u8], json: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(fixed).update(json);
    let mut sum = [0; DIGEST_BYTES];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..DIGEST_BYTES]);
    sum
}
