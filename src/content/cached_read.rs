//! Reading cached blocks: from the disk, and from memory what the disk had no room for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::block_index::Entry;
use super::cached::{CachedFile, Files, absent_runs, buffer_at};
use super::digest::{BadBlock, buffer_len, byte_len, read_verified};
use super::files::{CACHED, IoContext, invalid, shared};
use super::{ReadOutcome, Result};
use crate::types::{BlockIndex, BlockRun, ByteRange};

/// A read refreshes the ticks of its blocks only when they are this old: warm reads write nothing.
const TICK_REFRESH_SECONDS: u32 = 60;

impl CachedFile {
    /// Fills `buffer` from `offset` (the range must lie within the size), verifying every touched block.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<ReadOutcome> {
        let range = ByteRange::at(offset, byte_len(buffer));
        if range.end > self.version.size {
            return Err(invalid("read", &self.data_path(), "the range is beyond the end of the version"));
        }
        let run = range.blocks();
        loop {
            let rotten = {
                let state = shared(&self.state);
                if run.is_empty() {
                    return Ok(ReadOutcome::Complete);
                }
                let entries = match &state.files {
                    Some(files) => files.index.read(run).context(CACHED, "read", &self.index_path())?,
                    None => run.iter().map(|_| Entry { digest: None, tick: 0 }).collect(),
                };
                let missing = absent_runs(run, &entries);
                let outcome = match &state.files {
                    Some(files) if missing.is_empty() => {
                        let digests = entries.iter().filter_map(|entry| entry.digest);
                        read_verified(&files.data, self.version.size, offset, buffer, digests)
                    }
                    files => {
                        let Some(held) = self.held(&missing) else { return Ok(ReadOutcome::Missing(missing)) };
                        self.read_mixed(files.as_ref(), range, buffer, &entries, &held)
                    }
                };
                match (outcome.context(CACHED, "read", &self.data_path())?, &state.files) {
                    (Ok(()), Some(files)) if missing.is_empty() => {
                        self.touch(files, run.start, entries);
                        return Ok(ReadOutcome::Complete);
                    }
                    (Ok(()), _) => return Ok(ReadOutcome::Complete),
                    (Err(BadBlock(block)), _) => block,
                }
            };
            // Now missing, unless somebody fetched it again meanwhile: look again.
            self.drop_rotten(rotten)?;
        }
    }

    /// Keeps whole blocks readable for a while, where [`CachedFile::fill`] found no space.
    pub fn hold(&self, start: BlockIndex, bytes: &[u8]) {
        self.core.held.put(self.key, start, bytes);
    }

    /// Blocks that are held in memory; `None` unless it is all of these.
    fn held(&self, missing: &[BlockRun]) -> Option<BTreeMap<BlockIndex, Arc<[u8]>>> {
        let blocks = missing.iter().flat_map(|run| run.iter());
        blocks.map(|block| Some((block, self.core.held.get(self.key, block)?))).collect()
    }

    /// As [`read_verified`], with some of the blocks in memory.
    fn read_mixed(
        &self,
        files: Option<&Files>,
        range: ByteRange,
        buffer: &mut [u8],
        entries: &[Entry],
        held: &BTreeMap<BlockIndex, Arc<[u8]>>,
    ) -> std::io::Result<std::result::Result<(), BadBlock>> {
        let mut rest = buffer;
        for (block, entry) in range.blocks().iter().zip(entries) {
            let whole = block.bytes(self.version.size);
            let wanted = whole.intersect(range);
            let (target, after) = rest.split_at_mut(buffer_len(wanted));
            rest = after;
            match (held.get(&block), files) {
                (Some(bytes), _) => {
                    let from = buffer_at(wanted.start, whole.start);
                    target.copy_from_slice(&bytes[from..from + target.len()]);
                }
                (None, Some(files)) => {
                    if let Err(bad) =
                        read_verified(&files.data, self.version.size, wanted.start, target, entry.digest.into_iter())?
                    {
                        return Ok(Err(bad));
                    }
                }
                (None, None) => return Ok(Err(BadBlock(block))),
            }
        }
        Ok(Ok(()))
    }

    fn touch(&self, files: &Files, start: BlockIndex, mut entries: Vec<Entry>) {
        let tick = self.core.tick();
        if entries.iter().all(|entry| entry.tick.saturating_add(TICK_REFRESH_SECONDS) > tick) {
            return;
        }
        entries.iter_mut().for_each(|entry| entry.tick = tick);
        // Several readers may do this at once: with the lock shared they all write the same checksums.
        if let Err(error) = files.index.write(start, &entries) {
            tracing::debug!(%error, "the time of use was not recorded; the blocks are evicted earlier");
        }
    }
}
