//! Making room: least recently used blocks first, over all cached files, never those of pinned versions.
//!
//! Ticks live in the indexes. In memory there is per file a lower bound of its oldest tick, so that a pass opens only the files that
//! can hold victims: files are taken in the order of that bound, and a block is a victim as soon as no unopened file can hold an
//! older one. The first bound of a file that was there before the store was opened is its time of birth, which costs a `stat`; opening
//! it gives the true one. Blocks of the last seconds go last by the same order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use super::Result;
use super::block_index::Key;
use super::cached::Victim;
use super::files::{CACHED, IoContext, lock};
use super::scan;
use super::store::{StoreCore, ticks_at};
use crate::types::{BlockIndex, Timestamp};

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
        self.learn_bounds()?;
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
        if let Some(newest) = found.iter().map(|candidate| candidate.tick).max() {
            self.tick_seen(newest);
        }
        let Some(oldest_tick) = found.iter().map(|candidate| candidate.tick).min() else {
            return self.remove_if_unused(file);
        };
        if let Some(oldest) = lock(&self.oldest).as_mut() {
            oldest.insert(key, oldest_tick);
        }
        candidates.extend(found.into_iter().map(|one| Reverse((one.tick, key, one.victim, one.bytes))));
        Ok(())
    }

    /// Looks at every cached file once per life of the store.
    fn learn_bounds(&self) -> Result<()> {
        {
            let mut oldest = lock(&self.oldest);
            if oldest.is_some() {
                return Ok(());
            }
            // From now on fills announce their files themselves.
            *oldest = Some(HashMap::new());
        }
        let mut found = Vec::new();
        let blocks = &self.dirs.blocks;
        if let Err(error) = scan::for_each_data(blocks, |key, born| found.push((key, born))) {
            *lock(&self.oldest) = None;
            return Err(error).context(CACHED, "scan", blocks);
        }
        if let Some(oldest) = lock(&self.oldest).as_mut() {
            for (key, born) in found {
                let birth = self.tick_of(born);
                let bound = oldest.entry(key).or_insert(birth);
                *bound = birth.min(*bound);
            }
        }
        Ok(())
    }

    /// The tick of a file's time of birth; 0, which is no bound at all, if the disk does not tell it or the clocks disagree.
    fn tick_of(&self, born: Option<SystemTime>) -> u32 {
        let tick = born.map_or(0, |born| ticks_at(Timestamp::from_system(born)));
        if tick > self.tick() { 0 } else { tick }
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
