//! The sparse file of one provider version, with a checksum per present block.
//!
//! Owner of: `blocks/<xx>/<key>.data` and `.idx`, created by the first fill. Entries are read from the index by `pread` each time, so
//! that an open file costs no memory by its size; the page cache keeps them.
//! Invariants: a block is served only if it matches its checksum. A block that does not match is dropped and counts as missing. Data is
//! written before its entry and an entry erased before its data. The data of an adopted file is never written or punched.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, RwLock};

use super::Result;
use super::block_index::{BlockIndexFile, Entry, Header, Key, all_blocks};
use super::digest::{Digest, block_chunks, byte_len};
use super::files::{self, CACHED, IoContext, exclusive, invalid, lock, shared};
use super::store::StoreCore;
use crate::catalog::Version;
use crate::sys::{disk, failpoint};
use crate::types::{BLOCK_BYTES, BlockIndex, BlockRun, ByteRange};

/// File systems allocate in units of this.
const ALLOCATION_BYTES: u64 = 4096;

/// Sparse file of one provider version, with a checksum per present block. Safe for concurrent use.
pub struct CachedFile {
    pub(super) core: Arc<StoreCore>,
    pub(super) key: Key,
    pub(super) version: Version,
    pub(super) state: RwLock<State>,
}

pub(super) struct State {
    /// `None` until something is filled in.
    pub(super) files: Option<Files>,
    present_bytes: u64,
}

pub(super) struct Files {
    pub(super) data: File,
    pub(super) index: BlockIndexFile,
    adopted: bool,
}

/// A unit of eviction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Victim {
    /// One block of an ordinary file.
    Block(BlockIndex),
    /// All of an adopted file, whose blocks cannot be freed one by one.
    Whole,
}

/// Something that could be evicted, how long ago it was used, and what it frees.
pub(super) struct Candidate {
    pub(super) tick: u32,
    pub(super) victim: Victim,
    pub(super) bytes: u64,
}

impl CachedFile {
    /// Opens what is on disk; the caller holds the table of open files.
    pub(super) fn open(core: Arc<StoreCore>, key: Key, version: &Version) -> Result<Self> {
        let path = core.index_path(key);
        if version.size > u64::try_from(i64::MAX).unwrap_or(u64::MAX) - BLOCK_BYTES {
            return Err(invalid("open", &path, "the size is beyond what a file can have"));
        }
        let mut state = State { files: None, present_bytes: 0 };
        if let Some((index, header)) = BlockIndexFile::open(&path).context(CACHED, "open", &path)?
            && header.version.size == version.size
            && Key::of(&header.version) == key
            && let Some(data) =
                files::open_existing(&core.data_path(key)).context(CACHED, "open", &core.data_path(key))?
        {
            let add = |block: BlockIndex, _: Entry| state.present_bytes += block.bytes(version.size).len();
            index.visit_present(all_blocks(version.size), add).context(CACHED, "read", &path)?;
            state.files = Some(Files { data, index, adopted: header.adopted });
        }
        Ok(Self { core, key, version: version.clone(), state: RwLock::new(state) })
    }

    /// Whose bytes these are.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Runs of blocks in `range` that are not here.
    pub fn missing(&self, range: ByteRange) -> Vec<BlockRun> {
        let run = range.clamp_to(self.version.size).blocks();
        let state = shared(&self.state);
        let mut missing = Vec::new();
        let mut next = run.start;
        if let Some(files) = &state.files {
            let visited = files.index.visit_present(run, |block, _| {
                if next < block {
                    missing.push(BlockRun { start: next, end: block });
                }
                next = BlockIndex(block.0 + 1);
            });
            if let Err(error) = visited {
                // What the index cannot tell is fetched again.
                tracing::warn!(%error, "the index of cached bytes cannot be read");
            }
        }
        if next < run.end {
            missing.push(BlockRun { start: next, end: run.end });
        }
        missing
    }

    /// Stores consecutive whole blocks from `start` (the last one of the file may be short). Evicts others if the budget asks for it.
    /// Blocks that are already here are left as they are.
    pub fn fill(&self, start: BlockIndex, bytes: &[u8]) -> Result<()> {
        let size = self.version.size;
        if bytes.is_empty() {
            return Ok(());
        }
        if start >= all_blocks(size).end {
            return Err(invalid("fill", &self.data_path(), "the blocks are beyond the end of the version"));
        }
        let range = ByteRange::at(start.start(), byte_len(bytes));
        if range.end > size || (range.end != size && !range.end.is_multiple_of(BLOCK_BYTES)) {
            return Err(invalid("fill", &self.data_path(), "the bytes are not whole blocks of the version"));
        }
        let digests: Vec<Digest> = block_chunks(bytes).map(Digest::of).collect();
        let cost = self.missing(range).into_iter().map(|run| allocation(run, size)).sum();
        let mut reservation = self.core.reserve_cache(cost)?;

        let mut state = exclusive(&self.state);
        self.make_writable(&mut state)?;
        let State { files: Some(files), present_bytes } = &mut *state else { return Ok(()) };
        let entries = files.index.read(range.blocks()).context(CACHED, "read", &self.index_path())?;
        let tick = self.core.tick();
        self.note_used(tick);
        for run in absent_runs(range.blocks(), &entries) {
            let part = run.bytes(size);
            let (from, to) = (buffer_at(part.start, range.start), buffer_at(part.end, range.start));
            let written = disk::write_sparse(&files.data, &bytes[from..to], part.start);
            let written = written.context(CACHED, "write", &self.data_path())?;
            failpoint::reach("fill-data-written");
            let entries: Vec<Entry> = run
                .iter()
                .filter_map(|block| digests.get(usize::try_from(block.0 - start.0).ok()?))
                .map(|digest| Entry { digest: Some(*digest), tick })
                .collect();
            files.index.write(run.start, &entries).context(CACHED, "write", &self.index_path())?;
            *present_bytes += part.len();
            reservation.use_up(written.next_multiple_of(ALLOCATION_BYTES));
        }
        Ok(())
    }

    /// True if every block is here.
    pub fn is_complete(&self) -> bool {
        self.present_bytes() == self.version.size
    }

    /// Bytes that are here.
    pub fn present_bytes(&self) -> u64 {
        shared(&self.state).present_bytes
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// What could be evicted, oldest tick included; empty if nothing is here.
    pub(super) fn candidates(&self) -> Result<Vec<Candidate>> {
        let state = shared(&self.state);
        let Some(files) = &state.files else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let size = self.version.size;
        let add = |block: BlockIndex, entry: Entry| {
            let bytes = allocation(BlockRun { start: block, end: BlockIndex(block.0 + 1) }, size);
            found.push(Candidate { tick: entry.tick, victim: Victim::Block(block), bytes });
        };
        files.index.visit_present(all_blocks(size), add).context(CACHED, "read", &self.index_path())?;
        if files.adopted && !found.is_empty() {
            let tick = found.iter().map(|candidate| candidate.tick).max().unwrap_or(0);
            let bytes = disk::allocated_bytes(&files.data).context(CACHED, "stat", &self.data_path())?;
            return Ok(vec![Candidate { tick, victim: Victim::Whole, bytes }]);
        }
        Ok(found)
    }

    /// Drops these blocks, given in order. Returns the bytes freed.
    pub(super) fn evict_blocks(&self, blocks: &[BlockIndex]) -> Result<u64> {
        let mut state = exclusive(&self.state);
        if state.files.as_ref().is_none_or(|files| files.adopted) {
            return Ok(0);
        }
        if self.bytes_here(&state, blocks)? == state.present_bytes {
            // Removing a file is cheaper than making a hole: the hole waits until dirty pages are written.
            return self.clear(&mut state);
        }
        let State { files: Some(files), present_bytes } = &mut *state else { return Ok(0) };
        let mut freed = 0;
        for same_run in blocks.chunk_by(|one, next| one.0 + 1 == next.0) {
            let (Some(first), Some(last)) = (same_run.first(), same_run.last()) else { continue };
            let run = BlockRun { start: *first, end: BlockIndex(last.0 + 1) };
            files.index.visit_present(run, |block, _| *present_bytes -= block.bytes(self.version.size).len()).context(
                CACHED,
                "read",
                &self.index_path(),
            )?;
            files.index.erase(run).context(CACHED, "write", &self.index_path())?;
            freed += self.punch(files, run);
        }
        Ok(freed)
    }

    /// Drops everything. Returns the bytes freed.
    pub(super) fn evict_all(&self) -> Result<u64> {
        self.core.ensure_scanned()?;
        self.clear(&mut exclusive(&self.state))
    }

    fn clear(&self, state: &mut State) -> Result<u64> {
        let Some(files) = &state.files else { return Ok(0) };
        let freed = disk::allocated_bytes(&files.data).context(CACHED, "stat", &self.data_path())?;
        self.core.remove_cached_files(self.key)?;
        *state = State { files: None, present_bytes: 0 };
        self.core.discharge(freed);
        Ok(freed)
    }

    /// Replaces whatever is here by a complete data file, which `place` puts at the path that it is given, with these checksums.
    pub(super) fn adopt(&self, digests: &[Digest], place: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
        self.core.ensure_scanned()?;
        let mut state = exclusive(&self.state);
        self.clear(&mut state)?;
        self.core.remove_cached_files(self.key)?;
        if self.version.size == 0 {
            return Ok(());
        }
        let (data_path, index_path) = (self.data_path(), self.index_path());
        let folder = self.core.blocks_folder(self.key);
        files::create_private_dir(&folder).context(CACHED, "create", &folder)?;
        place(&data_path).context(CACHED, "adopt", &data_path)?;
        failpoint::reach("adopt-placed");
        let temporary = files::temporary_in(&folder).context(CACHED, "create", &folder)?;
        let file = temporary.as_file().try_clone().context(CACHED, "create", &index_path)?;
        let header = Header { version: self.version.clone(), adopted: true };
        let index = BlockIndexFile::create(file, &header).context(CACHED, "write", &index_path)?;
        let tick = self.core.tick();
        let entries: Vec<Entry> = digests.iter().map(|digest| Entry { digest: Some(*digest), tick }).collect();
        index.write(BlockIndex(0), &entries).context(CACHED, "write", &index_path)?;
        temporary.persist(&index_path).map_err(|error| error.error).context(CACHED, "rename", &index_path)?;
        let data = files::open_existing(&data_path).context(CACHED, "open", &data_path)?;
        let Some(data) = data else { return Err(invalid("open", &data_path, "the file vanished")) };
        self.core.charge(disk::allocated_bytes(&data).context(CACHED, "stat", &data_path)?);
        *state = State { files: Some(Files { data, index, adopted: true }), present_bytes: self.version.size };
        self.note_used(tick);
        Ok(())
    }

    /// Creates the files if there are none, and replaces them if their data must not be written.
    fn make_writable(&self, state: &mut State) -> Result<()> {
        if state.files.as_ref().is_some_and(|files| files.adopted) {
            self.clear(state)?;
        }
        if state.files.is_none() {
            state.files = Some(self.create_files()?);
        }
        Ok(())
    }

    fn create_files(&self) -> Result<Files> {
        let (folder, data_path, index_path) = (self.core.blocks_folder(self.key), self.data_path(), self.index_path());
        files::create_private_dir(&folder).context(CACHED, "create", &folder)?;
        // Never emptied in place: data that lost its index may be a link to staged bytes.
        self.core.remove_cached_files(self.key)?;
        let index = files::create_new(&index_path).context(CACHED, "create", &index_path)?;
        let data = files::create_new(&data_path).context(CACHED, "create", &data_path)?;
        data.set_len(self.version.size).context(CACHED, "resize", &data_path)?;
        let header = Header { version: self.version.clone(), adopted: false };
        let index = BlockIndexFile::create(index, &header).context(CACHED, "write", &index_path)?;
        Ok(Files { data, index, adopted: false })
    }

    /// How many bytes these blocks, given in order, hold.
    fn bytes_here(&self, state: &State, blocks: &[BlockIndex]) -> Result<u64> {
        let mut bytes = 0;
        if let Some(files) = &state.files {
            for run in runs_of(blocks) {
                let add = |block: BlockIndex, _: Entry| bytes += block.bytes(self.version.size).len();
                files.index.visit_present(run, add).context(CACHED, "read", &self.index_path())?;
            }
        }
        Ok(bytes)
    }

    pub(super) fn drop_rotten(&self, block: BlockIndex) -> Result<()> {
        let mut state = exclusive(&self.state);
        let State { files: Some(files), present_bytes } = &mut *state else { return Ok(()) };
        let run = BlockRun { start: block, end: BlockIndex(block.0 + 1) };
        let path = self.index_path();
        let entries = files.index.read(run).context(CACHED, "read", &path)?;
        if entries.iter().any(|entry| entry.digest.is_none()) {
            return Ok(());
        }
        files.index.erase(run).context(CACHED, "write", &path)?;
        *present_bytes -= block.bytes(self.version.size).len();
        if !files.adopted {
            self.punch(files, run);
        }
        self.core.count_rotten_block();
        tracing::warn!(block = block.0, path = %path.display(), "a cached block was damaged and dropped");
        Ok(())
    }

    /// Gives the space of a run back and returns how much it was. A file system that cannot keeps it until the file goes.
    fn punch(&self, files: &Files, run: BlockRun) -> u64 {
        let range = run.bytes(self.version.size);
        let freed = disk::data_bytes(&files.data, range)
            .and_then(|bytes| disk::punch_hole(&files.data, range).map(|()| bytes.next_multiple_of(ALLOCATION_BYTES)));
        match freed {
            Ok(bytes) => {
                self.core.discharge(bytes);
                bytes
            }
            Err(error) => {
                tracing::debug!(%error, "the space of dropped blocks is not given back yet");
                0
            }
        }
    }

    fn note_used(&self, tick: u32) {
        if let Some(oldest) = lock(&self.core.oldest).as_mut() {
            oldest.entry(self.key).or_insert(tick);
        }
    }

    pub(super) fn data_path(&self) -> std::path::PathBuf {
        self.core.data_path(self.key)
    }

    pub(super) fn index_path(&self) -> std::path::PathBuf {
        self.core.index_path(self.key)
    }
}

/// Blocks given in order, as runs.
fn runs_of(blocks: &[BlockIndex]) -> impl Iterator<Item = BlockRun> {
    blocks
        .chunk_by(|one, next| one.0 + 1 == next.0)
        .filter_map(|run| Some(BlockRun { start: *run.first()?, end: BlockIndex(run.last()?.0 + 1) }))
}

/// Disk space of a run of blocks.
fn allocation(run: BlockRun, size: u64) -> u64 {
    run.bytes(size).len().next_multiple_of(ALLOCATION_BYTES)
}

/// Where a byte of a file is in a buffer that starts at `origin`.
pub(super) fn buffer_at(at: u64, origin: u64) -> usize {
    usize::try_from(at - origin).unwrap_or(usize::MAX)
}

/// The parts of a run whose entries say that there is no block.
pub(super) fn absent_runs(run: BlockRun, entries: &[Entry]) -> Vec<BlockRun> {
    let mut runs: Vec<BlockRun> = Vec::new();
    for (block, _) in run.iter().zip(entries).filter(|(_, entry)| entry.digest.is_none()) {
        match runs.last_mut() {
            Some(last) if last.end == block => last.end = BlockIndex(block.0 + 1),
            _ => runs.push(BlockRun { start: block, end: BlockIndex(block.0 + 1) }),
        }
    }
    runs
}

impl std::fmt::Debug for CachedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedFile").field("key", &self.key.to_hex()).finish_non_exhaustive()
    }
}
