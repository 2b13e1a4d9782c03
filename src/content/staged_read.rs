//! Reading staged bytes: for applications, for the hash, for the upload, and where holes are.
//!
//! Invariant: once the bytes of a generation were hashed, every later read of that generation is checked against the checksums that
//! were taken with the hash, so that what is uploaded or promoted is what was hashed, or an error.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use super::block_index::read_or_zero;
use super::digest::{BadBlock, Digest, block_chunks, byte_len, read_verified};
use super::files::{IoContext, STAGED, exclusive, invalid, shared};
use super::staged::{StagedFile, State};
use super::{ContentError, ReadOutcome, Result};
use crate::sys::disk;
use crate::types::{BLOCK_BYTES, ByteRange, ContentHash, ContentHasher, HashKind};

/// Bytes hashed under one hold of the lock: whole blocks, short enough that writers hardly wait.
const HASH_STEP_BYTES: u64 = 16 * BLOCK_BYTES;

impl StagedFile {
    /// `Missing` as for cached files; holes, and what lies beyond the end, are zeros.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<ReadOutcome> {
        let state = shared(&self.state);
        let missing = state.missing(ByteRange::at(offset, byte_len(buffer)));
        if !missing.is_empty() {
            return Ok(ReadOutcome::Missing(missing));
        }
        self.read_locked(&state, offset, buffer)?;
        Ok(ReadOutcome::Complete)
    }

    /// Fills `buffer` for an upload of `generation`; `Superseded` if the bytes are no longer of that generation.
    pub fn read_generation(&self, generation: u64, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let state = shared(&self.state);
        self.check_generation(generation)?;
        let range = ByteRange::at(offset, byte_len(buffer));
        if range.end > self.size() {
            return Err(invalid("read", &self.path(), "the range is beyond the end of the generation"));
        }
        if !state.missing(range).is_empty() {
            return Err(invalid("read", &self.path(), "blocks of the version below are missing"));
        }
        self.read_locked(&state, offset, buffer)
    }

    /// Hash of the whole content in the given algorithm, with its generation; `Superseded` if it was written to meanwhile. All
    /// blocks must be here. Records per-block checksums, so that rot before the upload is found by the next read (`StagedDamaged`).
    pub fn hash(&self, kind: HashKind) -> Result<(ContentHash, u64)> {
        let path = self.path();
        let (generation, size) = {
            let state = shared(&self.state);
            if !state.missing(ByteRange::new(0, self.size())).is_empty() {
                return Err(invalid("hash", &path, "blocks of the version below are missing"));
            }
            (self.generation(), self.size())
        };
        let mut hasher = ContentHasher::new(kind);
        let mut digests = Vec::new();
        let mut buffer =
            vec![
                0;
                usize::try_from(HASH_STEP_BYTES.min(size)).map_err(io::Error::other).context(STAGED, "hash", &path)?
            ];
        let mut at = 0;
        while at < size {
            let step = ByteRange::at(at, HASH_STEP_BYTES).clamp_to(size);
            let part = &mut buffer[..usize::try_from(step.len()).unwrap_or(usize::MAX)];
            {
                let state = shared(&self.state);
                self.check_generation(generation)?;
                self.read_locked(&state, at, part)?;
            }
            hasher.update(part);
            digests.extend(block_chunks(part).map(Digest::of));
            at = step.end;
        }
        let mut state = exclusive(&self.state);
        self.check_generation(generation)?;
        // Kept if they are there already: those are older, and these were checked against them.
        state.checksums.get_or_insert(digests);
        Ok((hasher.finish(), generation))
    }

    /// SEEK_DATA; base blocks count as data. `None`: no data after `offset`.
    pub fn seek_data(&self, offset: u64) -> Result<Option<u64>> {
        let path = self.path();
        let state = shared(&self.state);
        if offset >= self.size() {
            return Ok(None);
        }
        let here = disk::seek_data(&state.data, offset).context(STAGED, "seek", &path)?;
        let base = state.overlay.as_ref().and_then(|map| map.next_missing(offset)).map(|range| range.start);
        Ok([here, base].into_iter().flatten().min().filter(|data| *data < self.size()))
    }

    /// SEEK_HOLE; the end of the file is a hole. Beyond the end is an error (`ENXIO`).
    pub fn seek_hole(&self, offset: u64) -> Result<u64> {
        let path = self.path();
        let state = shared(&self.state);
        let size = self.size();
        if offset >= size {
            return Err(io::Error::from_raw_os_error(libc::ENXIO)).context(STAGED, "seek", &path);
        }
        let mut at = offset;
        while at < size {
            let base = state.overlay.as_ref().and_then(|map| map.next_missing(at));
            if let Some(base) = base
                && base.start <= at
            {
                at = base.end;
                continue;
            }
            let hole = disk::seek_hole(&state.data, at).context(STAGED, "seek", &path)?.unwrap_or(size).min(size);
            if hole == at || base.is_none_or(|base| hole < base.start) {
                return Ok(hole);
            }
            at = hole;
        }
        Ok(size)
    }

    /// The checksums of all blocks of the present generation, taken now if the bytes were not hashed.
    pub(super) fn ensure_checksums(&self) -> Result<u64> {
        let known = {
            let state = shared(&self.state);
            state.checksums.is_some().then(|| self.generation())
        };
        match known {
            Some(generation) => Ok(generation),
            None => self.hash(HashKind::Blake3).map(|(_, generation)| generation),
        }
    }

    /// The caller holds the state and has made sure that nothing is missing.
    fn read_locked(&self, state: &State, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let path = self.path();
        let size = self.size();
        let (inside, beyond) = {
            let len = ByteRange::at(offset, byte_len(buffer)).clamp_to(size).len();
            buffer.split_at_mut(usize::try_from(len).unwrap_or(usize::MAX))
        };
        beyond.fill(0);
        if inside.is_empty() {
            return Ok(());
        }
        let Some(checksums) = &state.checksums else {
            return read_or_zero(&state.data, inside, offset).context(STAGED, "read", &path);
        };
        let first = usize::try_from(offset / BLOCK_BYTES).unwrap_or(usize::MAX);
        let digests = checksums.iter().skip(first).copied();
        match read_verified(&state.data, size, offset, inside, digests).context(STAGED, "read", &path)? {
            Ok(()) => Ok(()),
            Err(BadBlock(block)) => Err(ContentError::StagedDamaged { id: self.id, block: block.0 }),
        }
    }

    fn check_generation(&self, generation: u64) -> Result<()> {
        if self.generation.load(Ordering::Acquire) == generation {
            Ok(())
        } else {
            Err(ContentError::Superseded(self.id))
        }
    }
}

/// Reads a kept or staged inode from its start, whoever else moves in it.
pub(super) struct FromStart<'a> {
    pub(super) file: &'a std::fs::File,
    pub(super) at: u64,
}

impl io::Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += u64::try_from(count).map_err(io::Error::other)?;
        Ok(count)
    }
}
