//! What every open file of the store shares: folders, clock, the tables of open files, and what is cached. Disk space is in `space`.
//!
//! Lock order: a staged file's state, then `evict_turn`, then `scanned`, then a table of open files (rank `Blocks`, held for a look-up only), then a
//! cached file's state, then `oldest`, `pinned` and `staging_names_turn`. No lock is held while a caller of the store waits for a network.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::block_index::{BlockIndexFile, Key};
use super::cached::CachedFile;
use super::files::{self, CACHED, IoContext, LiveTable, STAGED, lock};
use super::held::HeldBlocks;
use super::scan;
use super::space::Space;
use super::staged::StagedFile;
use super::{ContentDirs, Result};
use crate::catalog::Version;
use crate::sys::{durable, process};
use crate::types::ranked_lock::{Rank, RankedMutex};
use crate::types::{Clock, StagedId, Timestamp, VaultId};

/// 2020-01-01T00:00:00Z in seconds since 1970: tick 0 of the least-recently-used order.
const TICKS_START_SECONDS: i64 = 1_577_836_800;

/// The shared part of a [`super::ContentStore`].
pub(super) struct StoreCore {
    pub(super) dirs: ContentDirs,
    pub(super) vault: VaultId,
    pub(super) space: Space,
    pub(super) held: HeldBlocks,
    /// Hash of the running boot; 0 if it cannot be told.
    pub(super) boot: u64,
    pub(super) cached: RankedMutex<LiveTable<Key, CachedFile>>,
    pub(super) staged: RankedMutex<LiveTable<StagedId, StagedFile>>,
    pub(super) pinned: Mutex<HashSet<Key>>,
    /// Names in `staging/` were made that may not be durable.
    staging_names_changed: AtomicBool,
    /// One flush of them at a time: whoever waited finds its name already durable.
    staging_names_turn: Mutex<()>,
    /// One eviction at a time.
    pub(super) evict_turn: Mutex<()>,
    /// Per cached file a tick that none of its blocks is older than. `None` until the first eviction has looked at the disk.
    pub(super) oldest: Mutex<Option<HashMap<Key, u32>>>,
    clock: Arc<dyn Clock>,
    last_tick: AtomicU32,
    /// True once `usage` counts what was on disk when the store was opened.
    scanned: Mutex<bool>,
    usage: AtomicU64,
    rotten_blocks: AtomicU64,
}

impl StoreCore {
    pub(super) fn new(dirs: ContentDirs, vault: VaultId, space: Space, clock: Arc<dyn Clock>) -> Self {
        let boot = process::boot_id().map_or(0, |id| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..8]);
            u64::from_le_bytes(bytes)
        });
        Self {
            dirs,
            vault,
            space,
            held: HeldBlocks::new(),
            boot,
            cached: RankedMutex::new(Rank::Blocks, LiveTable::new()),
            staged: RankedMutex::new(Rank::Blocks, LiveTable::new()),
            pinned: Mutex::new(HashSet::new()),
            // The last process may have died before it made them durable.
            staging_names_changed: AtomicBool::new(true),
            staging_names_turn: Mutex::new(()),
            evict_turn: Mutex::new(()),
            oldest: Mutex::new(None),
            clock,
            last_tick: AtomicU32::new(0),
            scanned: Mutex::new(false),
            usage: AtomicU64::new(0),
            rotten_blocks: AtomicU64::new(0),
        }
    }

    /// The folder of a key's cache files.
    pub(super) fn blocks_folder(&self, key: Key) -> PathBuf {
        self.dirs.blocks.join(&key.to_hex()[..2])
    }

    /// The data file of a key.
    pub(super) fn data_path(&self, key: Key) -> PathBuf {
        self.blocks_folder(key).join(format!("{}.data", key.to_hex()))
    }

    /// The index of a key.
    pub(super) fn index_path(&self, key: Key) -> PathBuf {
        self.blocks_folder(key).join(format!("{}.idx", key.to_hex()))
    }

    /// The data of staged bytes.
    pub(super) fn staged_path(&self, id: StagedId) -> PathBuf {
        self.dirs.staging.join(id.to_string())
    }

    /// The cached file of a version: the one that somebody holds, else from disk, else empty.
    pub(super) fn open_cached(self: &Arc<Self>, version: &Version) -> Result<Arc<CachedFile>> {
        let key = Key::of(version);
        let mut table = self.cached.lock();
        if let Some(file) = table.get(&key) {
            return Ok(file);
        }
        let file = Arc::new(CachedFile::open(Arc::clone(self), key, version)?);
        table.insert(key, &file);
        Ok(file)
    }

    /// The cached file of a key that was found on disk; `None` if it is not there any more or cannot be believed.
    pub(super) fn open_cached_by_key(self: &Arc<Self>, key: Key) -> Result<Option<Arc<CachedFile>>> {
        let mut table = self.cached.lock();
        if let Some(file) = table.get(&key) {
            return Ok(Some(file));
        }
        let path = self.index_path(key);
        let Some((_, header)) = BlockIndexFile::open(&path).context(CACHED, "open", &path)? else { return Ok(None) };
        if Key::of(&header.version) != key {
            return Ok(None);
        }
        let file = Arc::new(CachedFile::open(Arc::clone(self), key, &header.version)?);
        table.insert(key, &file);
        Ok(Some(file))
    }

    /// Removes the files of a cached file that has no blocks and that nobody but the caller holds.
    pub(super) fn remove_if_unused(&self, file: Arc<CachedFile>) -> Result<()> {
        let key = file.key();
        // With the table locked nobody can get another reference to an object that has one.
        let mut table = self.cached.lock();
        if Arc::strong_count(&file) != 1 || file.present_bytes() != 0 {
            return Ok(());
        }
        table.remove(&key);
        self.remove_cached_files(key)?;
        if let Some(oldest) = lock(&self.oldest).as_mut() {
            oldest.remove(&key);
        }
        Ok(())
    }

    /// A name was made in `staging/`.
    pub(super) fn staging_names_changed(&self) {
        self.staging_names_changed.store(true, Ordering::Release);
    }

    /// Makes every name in `staging/` durable.
    pub(super) fn sync_staging_names(&self) -> Result<()> {
        let _one_at_a_time = lock(&self.staging_names_turn);
        if !self.staging_names_changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let folder = &self.dirs.staging;
        let synced = durable::sync_directory(folder).context(STAGED, "sync", folder);
        if synced.is_err() {
            self.staging_names_changed();
        }
        synced
    }

    /// Removes index, then data, of a key.
    pub(super) fn remove_cached_files(&self, key: Key) -> Result<()> {
        for path in [self.index_path(key), self.data_path(key)] {
            files::remove_if_there(&path).context(CACHED, "remove", &path)?;
        }
        Ok(())
    }

    /// Now, in ticks of the least-recently-used order: seconds that never go back while the store is open.
    pub(super) fn tick(&self) -> u32 {
        let now = ticks_at(self.clock.now());
        self.last_tick.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// A tick was found on disk: later ones are not below it, even if the clock was set back in between.
    pub(super) fn tick_seen(&self, tick: u32) {
        self.last_tick.fetch_max(tick, Ordering::Relaxed);
    }

    /// Looks at `blocks/` once, before the first thing that needs to know how much is there or changes what is there: a store with
    /// 100,000 cached files opens, lists and reads at once.
    pub(super) fn ensure_scanned(&self) -> Result<()> {
        let mut scanned = lock(&self.scanned);
        if !*scanned {
            let bytes = scan::clean_blocks(&self.dirs.blocks).context(CACHED, "scan", &self.dirs.blocks)?;
            self.charge(bytes);
            *scanned = true;
        }
        Ok(())
    }

    /// Bytes of cached blocks on disk, after [`StoreCore::ensure_scanned`].
    pub(super) fn usage(&self) -> u64 {
        self.usage.load(Ordering::Relaxed)
    }

    /// Takes room in the cache, if nobody else has since `used` was read.
    pub(super) fn take(&self, used: u64, taken: u64) -> bool {
        self.usage.compare_exchange(used, taken, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub(super) fn charge(&self, bytes: u64) {
        self.usage.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn discharge(&self, bytes: u64) {
        // Never below zero: the file system may have accounted a little differently.
        let update = |used: u64| Some(used.saturating_sub(bytes));
        if self.usage.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).is_err() {
            debug_assert!(false, "the update is total");
        }
    }

    /// A cached block was found damaged and dropped.
    pub(super) fn count_rotten_block(&self) {
        self.rotten_blocks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn rotten_blocks(&self) -> u64 {
        self.rotten_blocks.load(Ordering::Relaxed)
    }
}

/// A time in ticks of the least-recently-used order.
pub(super) fn ticks_at(time: Timestamp) -> u32 {
    let seconds = time.0.div_euclid(1_000_000_000) - TICKS_START_SECONDS;
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}
