//! Disk space: how much may be cached and staged, and what gives way to what.
//!
//! Staged bytes go first: cached blocks are dropped before a write is refused, if both are on one disk. Cached blocks keep away from the
//! last of the disk but for a working set, so that files can be read on a nearly full disk; on a full one, new blocks take the place of
//! old ones. Names cost little: files can be made until half of the floor of staged bytes is gone.
//!
//! Checks and writes are not one step: threads that write at the same time may go over a limit by what each of them has in hand.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::block_index::Key;
use super::files::{CACHED, IoContext, KEPT, STAGED, lock};
use super::scan;
use super::store::StoreCore;
use super::{ContentDirs, ContentError, Result};
use crate::sys::disk;
use crate::types::BLOCK_BYTES;

/// Dropped at once when staged bytes need room, so that a large write does not look for victims once per request.
const EVICT_STEP_BYTES: u64 = 32 * 1024 * 1024;

/// How often a writer looks whether the cache has to give way, while there is room for its own bytes.
const GIVE_WAY_EVERY_SECONDS: u32 = 10;

/// How much disk the store may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Cached blocks in all.
    pub cache_bytes: u64,
    /// Cached blocks give way while the disk has less than this free,
    pub cache_free_bytes: u64,
    /// but for this much.
    pub working_set_bytes: u64,
    /// Staged bytes in all; 0: only the disk limits them.
    pub staging_bytes: u64,
    /// Nothing is stored that would leave less than this free: it is kept for databases and recovery.
    pub staging_free_bytes: u64,
}

impl Budget {
    /// No bound but the disk.
    pub const UNBOUNDED: Self = Self {
        cache_bytes: u64::MAX,
        cache_free_bytes: 0,
        working_set_bytes: 0,
        staging_bytes: 0,
        staging_free_bytes: 0,
    };
}

/// Why there is no space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Shortage {
    /// The cache is smaller than what was to be put into it.
    #[error("the cache holds {limit} bytes at most")]
    CacheLimit {
        /// Bytes that it may hold.
        limit: u64,
    },
    /// Staged bytes have reached their own limit.
    #[error("unsent edits use {used} of {limit} bytes")]
    StagingLimit {
        /// Bytes that they occupy.
        used: u64,
        /// Bytes that they may occupy.
        limit: u64,
    },
    /// The disk has room, but not above what must stay free.
    #[error("{available} bytes are free, and {floor} stay free")]
    DiskFloor {
        /// Bytes that are free.
        available: u64,
        /// Bytes that stay free.
        floor: u64,
    },
    /// The disk, or this user's part of it, is full.
    #[error("the disk is full")]
    Disk,
}

/// Space for new bytes, as `statfs` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that can be written now.
    pub free: u64,
}

/// Says how many bytes can still be written to the file system of a folder.
pub(super) type FreeSpace = dyn Fn(&Path) -> io::Result<u64> + Send + Sync;

/// What is known of the disk, and what may be used of it.
pub(super) struct Space {
    budget: Mutex<Budget>,
    free: Box<FreeSpace>,
    /// Dropping cached blocks makes room for staged bytes.
    one_disk: bool,
    /// Bytes of disk under `staging/`.
    staged: AtomicU64,
    /// Size of the last write that was refused; 0 once a write went through again.
    refused: AtomicU64,
    /// Told when writes begin to be refused, and when they no longer are.
    turned: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// When a writer last made the cache give way.
    gave_way: AtomicU32,
}

impl Space {
    /// `staged`: bytes of disk under `staging/` at present.
    pub(super) fn new(dirs: &ContentDirs, budget: Budget, free: Box<FreeSpace>, staged: u64) -> Self {
        Self {
            budget: Mutex::new(budget),
            free,
            one_disk: is_one_disk(&dirs.blocks, &dirs.staging),
            staged: AtomicU64::new(staged),
            refused: AtomicU64::new(0),
            turned: OnceLock::new(),
            gave_way: AtomicU32::new(0),
        }
    }

    /// See [`super::ContentStore::when_space_turns`].
    pub(super) fn when_it_turns(&self, tell: Box<dyn Fn() + Send + Sync>) {
        if self.turned.set(tell).is_err() {
            tracing::error!("a store was given a second listener");
        }
    }

    fn it_turned(&self) {
        if let Some(tell) = self.turned.get() {
            tell();
        }
    }

    pub(super) fn budget(&self) -> Budget {
        *lock(&self.budget)
    }

    pub(super) fn set_budget(&self, budget: Budget) {
        *lock(&self.budget) = budget;
    }

    /// Bytes of disk under `staging/`.
    pub(super) fn staged(&self) -> u64 {
        self.staged.load(Ordering::Relaxed)
    }

    /// A staged file occupied `before` bytes of disk and occupies `now`.
    pub(super) fn staged_changed(&self, before: u64, now: u64) {
        let update = |staged: u64| Some(staged.saturating_add(now).saturating_sub(before));
        if self.staged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).is_err() {
            debug_assert!(false, "the update is total");
        }
    }

    fn available(&self, folder: &Path, what: &'static str) -> Result<u64> {
        (self.free)(folder).context(what, "ask the free space of", folder)
    }
}

/// Where it cannot be told, dropping blocks is tried before a write is refused.
fn is_one_disk(one: &Path, other: &Path) -> bool {
    let device = |folder: &Path| fs::metadata(folder).map(|metadata| metadata.dev());
    let total = |folder: &Path| disk::disk_space(folder).map(|space| space.total);
    match (device(one), device(other), total(one), total(other)) {
        // Subvolumes are devices of their own that share the space of one disk.
        (Ok(one), Ok(other), Ok(one_total), Ok(other_total)) => one == other || one_total == other_total,
        (_, _, _, _) => true,
    }
}

impl StoreCore {
    /// Takes `bytes` of the cache budget, evicting others if need be.
    pub(super) fn reserve_cache(self: &Arc<Self>, bytes: u64) -> Result<Reservation<'_>> {
        /// An eviction may free less than it asked for, once because of a race; not for ever.
        const ATTEMPTS: u32 = 3;
        let budget = self.space.budget();
        let full = |why| ContentError::NoSpace { what: CACHED, why };
        let limit = budget.cache_bytes;
        let (mut evictions, mut freed) = (0, 0_u64);
        self.ensure_scanned()?;
        if bytes > limit {
            return Err(full(Shortage::CacheLimit { limit }));
        }
        loop {
            let used = self.usage();
            let wanted = used.saturating_add(bytes);
            let available = self.space.available(&self.dirs.blocks, CACHED)?;
            let over = wanted.saturating_sub(limit);
            let below = |floor: u64| floor.saturating_add(bytes).saturating_sub(available);
            let floor = budget.staging_free_bytes;
            let short = if below(floor) > used {
                // A full disk that all cached bytes together would not help is no reason to lose them: blocks take the place of blocks.
                bytes.saturating_sub(freed)
            } else {
                let beyond_working_set = wanted.saturating_sub(budget.working_set_bytes);
                below(floor).max(below(budget.cache_free_bytes).min(beyond_working_set))
            };
            if over == 0 && short == 0 {
                if self.take(used, wanted) {
                    return Ok(Reservation { core: self, bytes });
                }
                continue;
            }
            if short > used || evictions == ATTEMPTS {
                return Err(full(Shortage::DiskFloor { available, floor }));
            }
            evictions += 1;
            // Down to 95 %, so that the next fills do not evict one block each.
            let low = limit - limit / 20;
            let goal = if over == 0 { short } else { wanted.saturating_sub(low).max(short) };
            let now_freed = self.evict_least_recent(goal.min(used))?;
            if now_freed == 0 {
                let why =
                    if over > 0 { Shortage::CacheLimit { limit } } else { Shortage::DiskFloor { available, floor } };
                return Err(full(why));
            }
            freed = freed.saturating_add(now_freed);
        }
    }

    /// Makes sure that `bytes` more can be staged: cached blocks go first, then the writer is told.
    pub(super) fn reserve_staged(self: &Arc<Self>, bytes: u64) -> Result<()> {
        self.reserve_unless(bytes, || false)
    }

    /// The same; for want of space it is asked whether the bytes take any.
    pub(super) fn reserve_unless(self: &Arc<Self>, bytes: u64, needless: impl FnOnce() -> bool) -> Result<()> {
        let (used, limit) = (self.space.staged(), self.space.budget().staging_bytes);
        let made = if bytes > 0 && limit > 0 && used.saturating_add(bytes) > limit {
            Err(ContentError::NoSpace { what: STAGED, why: Shortage::StagingLimit { used, limit } })
        } else {
            self.make_room(bytes, &self.dirs.staging, STAGED)
        };
        match made {
            Err(ContentError::NoSpace { .. }) if needless() => Ok(()),
            Err(ContentError::NoSpace { what, why }) => {
                self.was_refused(bytes, why);
                Err(ContentError::NoSpace { what, why })
            }
            Ok(()) => {
                self.was_accepted(bytes);
                Ok(())
            }
            failed => failed,
        }
    }

    /// The same for versions that are kept.
    pub(super) fn reserve_kept(self: &Arc<Self>, bytes: u64) -> Result<()> {
        self.make_room(bytes, &self.dirs.history, KEPT)
    }

    fn make_room(self: &Arc<Self>, bytes: u64, folder: &Path, what: &'static str) -> Result<()> {
        let budget = self.space.budget();
        let floor = if bytes == 0 { budget.staging_free_bytes / 2 } else { budget.staging_free_bytes };
        let mut available = self.space.available(folder, what)?;
        let short_of = |available| floor.saturating_add(bytes).saturating_sub(available);
        if short_of(available) == 0 {
            if budget.cache_free_bytes.saturating_add(bytes) > available {
                self.give_way_now_and_then();
            }
            return Ok(());
        }
        if self.space.one_disk {
            self.ensure_scanned()?;
            let (short, used) = (short_of(available), self.usage());
            if short <= used {
                self.evict_least_recent(short.max(EVICT_STEP_BYTES).min(used))?;
                available = self.space.available(folder, what)?;
                if short_of(available) == 0 {
                    return Ok(());
                }
            }
        }
        let why = if available == 0 { Shortage::Disk } else { Shortage::DiskFloor { available, floor } };
        Err(ContentError::NoSpace { what, why })
    }

    /// A write of staged bytes was refused.
    pub(super) fn was_refused(&self, bytes: u64, why: Shortage) {
        if self.space.refused.swap(bytes.max(1), Ordering::Relaxed) == 0 {
            tracing::warn!(vault = %self.vault, bytes, %why, "writes are refused for want of space");
            self.space.it_turned();
        }
    }

    /// A write was, or would be, accepted.
    fn was_accepted(&self, bytes: u64) {
        let refused = self.space.refused.load(Ordering::Relaxed);
        if (1..=bytes).contains(&refused) && self.space.refused.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!(vault = %self.vault, "there is space for writes again");
            self.space.it_turned();
        }
    }

    /// Why a write of ordinary size, or one like the last that was refused, would be refused now.
    pub(super) fn shortage(&self) -> Result<Option<Shortage>> {
        let budget = self.space.budget();
        let bytes = self.space.refused.load(Ordering::Relaxed).max(BLOCK_BYTES);
        let (used, limit) = (self.space.staged(), budget.staging_bytes);
        if limit > 0 && used.saturating_add(bytes) > limit {
            return Ok(Some(Shortage::StagingLimit { used, limit }));
        }
        let (available, floor) = (self.space.available(&self.dirs.staging, STAGED)?, budget.staging_free_bytes);
        let short = floor.saturating_add(bytes).saturating_sub(available);
        if short == 0 || (self.space.one_disk && short <= self.evictable()?) {
            self.was_accepted(bytes);
            return Ok(None);
        }
        Ok(Some(if available == 0 { Shortage::Disk } else { Shortage::DiskFloor { available, floor } }))
    }

    /// Bytes of cached blocks that nobody has pinned.
    fn evictable(&self) -> Result<u64> {
        self.ensure_scanned()?;
        let pinned: Vec<Key> = lock(&self.pinned).iter().copied().collect();
        let bytes = |key| scan::allocated(&self.data_path(key));
        Ok(self.usage().saturating_sub(pinned.into_iter().map(bytes).sum()))
    }

    /// Space for staged bytes.
    pub(super) fn room(&self) -> Result<Room> {
        let budget = self.space.budget();
        let folder = &self.dirs.staging;
        let disk = disk::disk_space(folder).context(STAGED, "ask the free space of", folder)?;
        let free = self.space.available(folder, STAGED)?.saturating_sub(budget.staging_free_bytes);
        let staged = self.space.staged();
        let left = budget.staging_bytes.saturating_sub(staged);
        Ok(if budget.staging_bytes > 0 && left < free {
            Room { total: disk.total.min(budget.staging_bytes.max(staged)), free: left }
        } else {
            Room { total: disk.total, free }
        })
    }

    /// Cached blocks go that are over the budget, and those that keep the disk too full. Returns the bytes freed.
    pub(super) fn give_way(self: &Arc<Self>) -> Result<u64> {
        self.ensure_scanned()?;
        match self.too_much()? {
            0 => Ok(0),
            goal => self.evict_least_recent(goal),
        }
    }

    /// Bytes by which the cache is too large, as far as it was measured.
    pub(super) fn too_much(&self) -> Result<u64> {
        let budget = self.space.budget();
        let available = self.space.available(&self.dirs.blocks, CACHED)?;
        if available > budget.staging_free_bytes {
            self.held.forget(None);
        }
        let used = self.usage();
        let short =
            budget.cache_free_bytes.saturating_sub(available).min(used.saturating_sub(budget.working_set_bytes));
        Ok(used.saturating_sub(budget.cache_bytes).max(short))
    }

    fn give_way_now_and_then(self: &Arc<Self>) {
        let (now, last) = (self.tick(), self.space.gave_way.load(Ordering::Relaxed));
        let is_due = now >= last.saturating_add(GIVE_WAY_EVERY_SECONDS)
            && self.space.gave_way.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_due && let Err(error) = self.give_way() {
            tracing::warn!(%error, "cached blocks could not give way");
        }
    }
}

/// Cache budget that was taken for blocks to come. What is not used up is given back on drop.
pub(super) struct Reservation<'a> {
    core: &'a StoreCore,
    bytes: u64,
}

impl Reservation<'_> {
    /// `bytes` of it are on disk now.
    pub(super) fn use_up(&mut self, bytes: u64) {
        let covered = bytes.min(self.bytes);
        self.bytes -= covered;
        // More than was asked for: blocks were evicted between the reservation and the fill.
        self.core.charge(bytes - covered);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.core.discharge(self.bytes);
    }
}
