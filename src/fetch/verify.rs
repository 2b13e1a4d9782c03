//! Puts arrived bytes into the cache, and keeps the rule **a cache file is never complete unless its whole content has been
//! compared with the provider's hash** (for versions that have one).
//!
//! A provider's hash covers a whole file; parts of it cannot be checked on their own (the 4 MiB blocks of a Dropbox hash neither: only
//! the digest over their digests is told). So: a file that arrives in one read is verified before any byte of it is readable;
//! of a larger one each block is pinned to the revision, length-checked and checksummed on disk when it arrives, and the whole
//! is verified before the *last* missing block becomes readable. A mismatch drops every block.
//!
//! The hash is computed along while blocks arrive in order, so that the last block of a sequential read waits for little. The lock
//! of a [`Verifier`] is taken by blocking threads that hold no other lock; block tables are locked below it.

use crate::catalog::Version;
use crate::content::{ContentError, ReadOutcome};
use crate::types::{BlockIndex, BlockRun, ByteRange, ContentHasher, HashKind};

use super::ranges;
use super::store::CachedBlocks;

const READ_BYTES: u64 = 1024 * 1024;
/// Stored at once, so that readers of other blocks get their turn and a nearly full disk has to make room for no more than this.
const FILL_BYTES: u64 = 1024 * 1024;

/// The running hash of one version.
#[derive(Default)]
pub(super) struct Verifier {
    prefix: Option<Prefix>,
}

/// Hash of the bytes `0..position`.
struct Prefix {
    hasher: ContentHasher,
    position: u64,
}

/// What became of arrived bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stored {
    /// They are readable; other blocks are missing, or the version has no hash.
    Kept,
    /// They are readable, the file is complete, and its content is what the hash announces.
    Verified,
    /// With them the content would be complete, and it is not what the hash announces. Nothing was stored.
    Mismatch,
}

impl Verifier {
    /// Forgets what was hashed.
    pub(super) fn reset(&mut self) {
        self.prefix = None;
    }

    /// Stores `bytes`, whole blocks from `start`, where blocks are missing. `beat` is called as hashing goes on.
    pub(super) fn store(
        &mut self,
        file: &dyn CachedBlocks,
        version: &Version,
        start: BlockIndex,
        bytes: &[u8],
        beat: &dyn Fn(),
    ) -> Result<Stored, ContentError> {
        let arrived =
            Arrived { start: start.start(), bytes, fresh: file.missing(ByteRange::at(start.start(), length(bytes))) };
        if arrived.fresh.is_empty() {
            return Ok(Stored::Kept);
        }
        let mut stored = Stored::Kept;
        if version.hash.is_some() {
            if self.prefix.as_ref().is_some_and(|prefix| arrived.start < prefix.position) {
                self.reset(); // what was hashed has been dropped since and may be different now
            }
            let fresh: u64 = arrived.fresh.iter().map(|run| run.bytes(version.size).len()).sum();
            // Counting is cheap, looking at each block is not: it is done when the count says that this is the end.
            let completes = file.present_bytes().saturating_add(fresh) >= version.size
                && file
                    .missing(ByteRange::new(0, version.size))
                    .iter()
                    .all(|run| arrived.holds(run.bytes(version.size)));
            match if completes { self.matches(file, version, &arrived, beat)? } else { None } {
                Some(true) => stored = Stored::Verified,
                Some(false) => return Ok(Stored::Mismatch),
                None => {}
            }
        }
        for piece in arrived.fresh.iter().flat_map(|run| ranges::split(*run, FILL_BYTES)) {
            file.fill(piece.start, arrived.part(piece.bytes(version.size)))?;
        }
        Ok(stored)
    }

    /// Hashes on from where the prefix ends, over blocks that are here, for at most `budget` bytes.
    pub(super) fn advance(
        &mut self,
        file: &dyn CachedBlocks,
        version: &Version,
        budget: u64,
    ) -> Result<(), ContentError> {
        let Some(hash) = version.hash else { return Ok(()) };
        if file.present_bytes() >= version.size {
            return Ok(()); // complete, so it has been verified
        }
        let prefix = self.prefix.get_or_insert_with(|| Prefix::new(hash.kind));
        let until = prefix.position.saturating_add(budget).min(version.size);
        while prefix.position < until && prefix.step(file, version, until, None)? {}
        Ok(())
    }

    /// Whether the stored blocks and what arrived together have the announced hash; `None` if a stored block is missing after all.
    fn matches(
        &mut self,
        file: &dyn CachedBlocks,
        version: &Version,
        arrived: &Arrived<'_>,
        beat: &dyn Fn(),
    ) -> Result<Option<bool>, ContentError> {
        let Some(hash) = version.hash else { return Ok(Some(true)) };
        let mut prefix = self.prefix.take().unwrap_or_else(|| Prefix::new(hash.kind));
        while prefix.position < version.size {
            if !prefix.step(file, version, version.size, Some(arrived))? {
                return Ok(None);
            }
            beat();
        }
        Ok(Some(prefix.hasher.finish() == hash))
    }
}

/// Bytes that are about to be stored.
struct Arrived<'a> {
    /// Offset of the first.
    start: u64,
    bytes: &'a [u8],
    /// The blocks among them that are not here: only these are stored, so only these are hashed from memory.
    fresh: Vec<BlockRun>,
}

impl Arrived<'_> {
    fn holds(&self, range: ByteRange) -> bool {
        range.start >= self.start && range.end <= self.start + length(self.bytes)
    }

    fn part(&self, range: ByteRange) -> &[u8] {
        let at = |offset: u64| {
            usize::try_from(offset.saturating_sub(self.start)).map_or(self.bytes.len(), |at| at.min(self.bytes.len()))
        };
        &self.bytes[at(range.start)..at(range.end)]
    }
}

impl Prefix {
    fn new(kind: HashKind) -> Self {
        Self { hasher: ContentHasher::new(kind), position: 0 }
    }

    /// Hashes some bytes from `position`: from memory where they are about to be stored, else from the cache. False: they are not
    /// here.
    fn step(
        &mut self,
        file: &dyn CachedBlocks,
        version: &Version,
        until: u64,
        arrived: Option<&Arrived<'_>>,
    ) -> Result<bool, ContentError> {
        let mut part = ByteRange::at(self.position, READ_BYTES).clamp_to(until);
        for run in arrived.iter().flat_map(|arrived| &arrived.fresh) {
            let fresh = run.bytes(version.size);
            if fresh.start <= self.position && self.position < fresh.end {
                let Some(arrived) = arrived else { break };
                part.end = part.end.min(fresh.end);
                self.hasher.update(arrived.part(part));
                self.position = part.end;
                return Ok(true);
            }
            if fresh.start > self.position {
                part.end = part.end.min(fresh.start);
                break;
            }
        }
        let mut buffer = vec![0; usize::try_from(part.len()).unwrap_or_default()];
        match file.read(part.start, &mut buffer)? {
            ReadOutcome::Complete => {
                self.hasher.update(&buffer);
                self.position = part.end;
                Ok(true)
            }
            ReadOutcome::Missing(_) => Ok(false),
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
