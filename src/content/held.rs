//! Blocks in memory, for as long as the disk has no room for them: what somebody waits for can be read on a full disk. A few, the least
//! recently read go first; they count as missing for everybody but readers.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use lru::LruCache;

use super::block_index::Key;
use super::digest::block_chunks;
use super::files::lock;
use crate::types::{BLOCK_BYTES, BlockIndex};

/// Bytes that are held at most: two of the widest windows of a sequential reader.
const HELD_BYTES: u64 = 32 * 1024 * 1024;

/// Which block of which version.
type Place = (Key, BlockIndex);

/// Blocks that the disk has no room for.
pub(super) struct HeldBlocks {
    blocks: Mutex<LruCache<Place, Arc<[u8]>>>,
}

impl HeldBlocks {
    pub(super) fn new() -> Self {
        let count = usize::try_from(HELD_BYTES / BLOCK_BYTES).ok().and_then(NonZeroUsize::new);
        // Grows as it is used, not at once.
        let mut blocks = LruCache::unbounded();
        blocks.resize(count.unwrap_or(NonZeroUsize::MIN));
        Self { blocks: Mutex::new(blocks) }
    }

    /// Holds consecutive whole blocks from `start`.
    pub(super) fn put(&self, key: Key, start: BlockIndex, bytes: &[u8]) {
        let mut blocks = lock(&self.blocks);
        for (index, block) in (start.0..).zip(block_chunks(bytes)) {
            blocks.put((key, BlockIndex(index)), block.into());
        }
    }

    pub(super) fn get(&self, key: Key, block: BlockIndex) -> Option<Arc<[u8]>> {
        lock(&self.blocks).get(&(key, block)).cloned()
    }

    /// Forgets the blocks of one version, or all.
    pub(super) fn forget(&self, key: Option<Key>) {
        let mut blocks = lock(&self.blocks);
        match key {
            None => blocks.clear(),
            Some(key) => {
                let gone: Vec<_> = blocks.iter().map(|(at, _)| *at).filter(|at| at.0 == key).collect();
                gone.iter().for_each(|at| drop(blocks.pop(at)));
            }
        }
    }
}
