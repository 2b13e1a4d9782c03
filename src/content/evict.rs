//! Making room: least recently used blocks first, over all cached files, never those of pinned versions.
//!
//! Ticks live in the indexes. In memory there is per file a lower bound of its oldest tick, learned at the first eviction, so that a
//! pass opens only the files that can hold victims: files are taken in the order of that bound, and a block is a victim as soon as no
//! unopened file can hold an older one. Blocks of the last seconds go last by the same order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use super::Result;
use super::block_index::{BlockIndexFile, Key, all_blocks};
use super::cached::Victim;
use super::files::{CACHED, IoContext, lock};
use super::scan;
use super::store::StoreCore;
use crate::types::BlockIndex;

/// Chosen victims by file.
#[derive(Default)]
struct Batch {
    blocks: BTreeMap<Key, Vec<BlockIndex>>,
    whole: Vec<Key>,
    bytes: u64,
}

type Candidates = BinaryHeap<Reverse<(u32, Key, Victim, u64)>>;

impl StoreCore {
    /// Frees at least `goal` bytes if that is possible. Returns the bytes freed.
    pub(super) fn evict_least_recent(self: &Arc<Self>, goal: u64) -> Result<u64> {
        let _turn = lock(&self.evict_turn);
        self.learn_ticks()?;
        let batch = self.choose(goal)?;
        let mut freed = 0;
        for (key, mut blocks) in batch.blocks {
            let Some(file) = self.open_cached_by_key(key)? else { continue };
            blocks.sort_unstable();
            freed += file.evict_blocks(&blocks)?;
            self.remove_if_unused(file)?;
        }
        for key in batch.whole {
            let Some(file) = self.open_cached_by_key(key)? else { continue };
            freed += file.evict_all()?;
            self.remove_if_unused(file)?;
        }
        tracing::debug!(goal, freed, "cached blocks were evicted");
        Ok(freed)
    }

    fn choose(self: &Arc<Self>, goal: u64) -> Result<Batch> {
        let mut order: Vec<(u32, Key)> = {
            let pinned = lock(&self.pinned);
            let oldest = lock(&self.oldest);
            let known = oldest.iter().flatten().filter(|(key, _)| !pinned.contains(key));
            known.map(|(key, tick)| (*tick, *key)).collect()
        };
        order.sort_unstable();
        let mut candidates = Candidates::new();
        let mut batch = Batch::default();
        for (bound, key) in order {
            batch.take(&mut candidates, goal, Some(bound));
            if batch.bytes >= goal {
                break;
            }
            self.open_candidates(key, &mut candidates)?;
        }
        batch.take(&mut candidates, goal, None);
        Ok(batch)
    }

    /// Adds what one file has to offer, and corrects its bound.
    fn open_candidates(self: &Arc<Self>, key: Key, candidates: &mut Candidates) -> Result<()> {
        let Some(file) = self.open_cached_by_key(key)? else {
            if let Some(oldest) = lock(&self.oldest).as_mut() {
                oldest.remove(&key);
            }
            return Ok(());
        };
        let found = file.candidates()?;
        let Some(oldest_tick) = found.iter().map(|candidate| candidate.tick).min() else {
            return self.remove_if_unused(file);
        };
        if let Some(oldest) = lock(&self.oldest).as_mut() {
            oldest.insert(key, oldest_tick);
        }
        candidates.extend(found.into_iter().map(|one| Reverse((one.tick, key, one.victim, one.bytes))));
        Ok(())
    }

    /// Reads every index once per life of the store.
    fn learn_ticks(&self) -> Result<()> {
        {
            let mut oldest = lock(&self.oldest);
            if oldest.is_some() {
                return Ok(());
            }
            // From now on fills announce their files themselves.
            *oldest = Some(HashMap::new());
        }
        let mut found = Vec::new();
        scan::for_each_index(&self.dirs.blocks, |key, path| {
            let Some((index, header)) = BlockIndexFile::open(path)? else { return Ok(()) };
            let mut bounds: Option<(u32, u32)> = None;
            index.visit_present(all_blocks(header.version.size), |_, entry| {
                let (low, high) = bounds.unwrap_or((entry.tick, entry.tick));
                bounds = Some((low.min(entry.tick), high.max(entry.tick)));
            })?;
            let (low, high) = bounds.unwrap_or((0, 0));
            self.tick_seen(high);
            found.push((key, low));
            Ok(())
        })
        .context(CACHED, "scan", &self.dirs.blocks)?;
        if let Some(oldest) = lock(&self.oldest).as_mut() {
            for (key, tick) in found {
                let bound = oldest.entry(key).or_insert(tick);
                *bound = tick.min(*bound);
            }
        }
        Ok(())
    }
}

impl Batch {
    /// Moves candidates that are older than `bound` into the batch until the goal is met.
    fn take(&mut self, candidates: &mut Candidates, goal: u64, bound: Option<u32>) {
        while self.bytes < goal
            && candidates.peek().is_some_and(|Reverse((tick, ..))| bound.is_none_or(|bound| *tick < bound))
        {
            let Some(Reverse((_, key, victim, bytes))) = candidates.pop() else { break };
            match victim {
                Victim::Block(block) => self.blocks.entry(key).or_default().push(block),
                Victim::Whole => self.whole.push(key),
            }
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }
}
