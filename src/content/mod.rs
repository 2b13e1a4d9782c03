//! Bytes on this machine. Two kinds, kept apart: *cached* blocks of provider versions (rebuildable, evictable, verified)
//! and *staged* bytes that the provider does not have yet (precious, never evicted). Kept versions (`history/`) are staged
//! files that lost their node.
//!
//! Owner of: `blocks/`, `staging/`, `history/` of one vault. Synchronous; knows neither the catalog nor a provider.
//! Files are named by ids and hashes, never by names that came from outside.

mod block_index;
mod block_map;
mod cached;
mod cached_read;
mod digest;
mod evict;
mod files;
mod held;
mod kept;
mod leftovers;
mod lent;
mod promote;
mod record;
mod request;
mod scan;
mod set_aside;
mod space;
mod staged;
mod staged_holes;
mod staged_read;
mod store;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cached::CachedFile;
pub use lent::Seen;
pub use request::{FetchDone, FetchError, FetchRequest, Urgency};
pub use space::{Budget, Room, Shortage};
pub use staged::StagedFile;

use block_index::Key;
use files::{CACHED, IoContext, KEPT, STAGED, lock};
use space::{FreeSpace, Space};
use store::StoreCore;

use crate::catalog::Version;
use crate::sys;
use crate::types::{BlockRun, Clock, StagedId, Timestamp, VaultId};

/// Why bytes cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The disk or the budget is full, after evicting what may be evicted.
    #[error("no space left for {what}: {why}")]
    NoSpace {
        /// Cached or staged bytes, or kept versions.
        what: &'static str,
        /// What the limit is.
        why: Shortage,
    },
    /// Staged bytes are not what was written: never served.
    #[error("staged bytes {id} are damaged at block {block}")]
    StagedDamaged {
        /// Which.
        id: StagedId,
        /// Where.
        block: u64,
    },
    /// There are no such staged bytes.
    #[error("staged bytes {0} are missing")]
    StagedMissing(StagedId),
    /// The staged bytes were written to while they were being read for upload.
    #[error("staged bytes {0} changed meanwhile")]
    Superseded(StagedId),
    /// The file system below failed.
    #[error("{operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Result of a content call.
pub type Result<T> = std::result::Result<T, ContentError>;

/// Where the store keeps its files.
#[derive(Clone, Debug)]
pub struct ContentDirs {
    /// `$XDG_CACHE_HOME/vaultfs/<vault>/blocks`: may be deleted at any time while no daemon runs.
    pub blocks: PathBuf,
    /// `$XDG_STATE_HOME/vaultfs/<vault>/staging`.
    pub staging: PathBuf,
    /// `$XDG_STATE_HOME/vaultfs/<vault>/history`.
    pub history: PathBuf,
}

/// What a read of cached or staged bytes found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReadOutcome {
    /// The buffer is filled.
    Complete,
    /// Nothing was read: these blocks are missing (or were found damaged and dropped).
    Missing(Vec<BlockRun>),
}

/// The store of one vault. Cheap to share behind an `Arc`; every method may be called from any thread.
pub struct ContentStore {
    core: Arc<StoreCore>,
}

impl ContentStore {
    /// Opens the store, creating its folders (0700), dropping temporary files and what a crash left half done.
    pub fn open(dirs: ContentDirs, vault: VaultId, budget: Budget, clock: Arc<dyn Clock>) -> Result<Self> {
        let free_space = |folder: &Path| Ok(sys::disk::disk_space(folder)?.available);
        Self::open_on(dirs, vault, budget, clock, Box::new(free_space))
    }

    /// Whose bytes these are.
    pub fn vault(&self) -> VaultId {
        self.core.vault
    }

    /// Opens the store on a disk that may be fuller than the real one.
    fn open_on(
        dirs: ContentDirs,
        vault: VaultId,
        budget: Budget,
        clock: Arc<dyn Clock>,
        free_space: Box<FreeSpace>,
    ) -> Result<Self> {
        for (what, folder) in [(CACHED, &dirs.blocks), (STAGED, &dirs.staging), (KEPT, &dirs.history)] {
            files::create_private_dir(folder).context(what, "create", folder)?;
        }
        let staged = scan::clean_staging(&dirs.staging).context(STAGED, "scan", &dirs.staging)?;
        scan::clean_temporary(&dirs.history).context(KEPT, "scan", &dirs.history)?;
        let space = Space::new(&dirs, budget, free_space, staged);
        Ok(Self { core: Arc::new(StoreCore::new(dirs, vault, space, clock)) })
    }

    /// From now on the store may use this much. What the cache has too much of goes at once.
    pub fn set_budget(&self, budget: Budget) -> Result<()> {
        self.core.space.set_budget(budget);
        self.give_way().map(|_freed| ())
    }

    /// Cached blocks go that are over the budget, and those that keep the disk fuller than it may be. Returns the bytes freed.
    pub fn give_way(&self) -> Result<u64> {
        self.core.give_way()
    }

    /// True if [`ContentStore::give_way`] has something to do, as far as is known. Quick.
    pub fn has_too_much(&self) -> bool {
        self.core.too_much().is_ok_and(|bytes| bytes > 0)
    }

    /// Why writes are refused, while they are.
    pub fn shortage(&self) -> Result<Option<Shortage>> {
        self.core.shortage()
    }

    /// `tell` is called when writes begin to be refused for want of space, and when they no longer are; by whoever finds that out, with
    /// locks held: it must be quick and must not ask the store. What keeps writes from being tried it cannot know.
    pub fn when_space_turns(&self, tell: impl Fn() + Send + Sync + 'static) {
        self.core.space.when_it_turns(Box::new(tell));
    }

    /// Space for bytes to be written.
    pub fn room(&self) -> Result<Room> {
        self.core.room()
    }

    /// The cache file of a version, empty if there is none. The same object for the same version while anybody holds it.
    pub fn cached(&self, version: &Version) -> Result<Arc<CachedFile>> {
        self.core.open_cached(version)
    }

    /// The cache file of a version if bytes of it are here. An empty version is always here.
    pub fn cached_if_present(&self, version: &Version) -> Result<Option<Arc<CachedFile>>> {
        let file = self.core.open_cached(version)?;
        Ok((version.size == 0 || file.present_bytes() > 0).then_some(file))
    }

    /// Bytes of this version that are here.
    pub fn cached_bytes(&self, version: &Version) -> u64 {
        self.core.open_cached(version).map_or(0, |file| file.present_bytes())
    }

    /// Drops every block of a version, unless it is pinned. Somebody who has it open finds the blocks missing and fetches them again.
    /// Returns the bytes freed.
    pub fn evict(&self, version: &Version) -> Result<u64> {
        if lock(&self.core.pinned).contains(&Key::of(version)) {
            return Ok(0);
        }
        self.reject(version)
    }

    /// Drops every block of a version whose content proved wrong as a whole, pinned or not. Returns the bytes freed.
    pub fn reject(&self, version: &Version) -> Result<u64> {
        self.core.held.forget(Some(Key::of(version)));
        let file = self.core.open_cached(version)?;
        let freed = file.evict_all()?;
        self.core.remove_if_unused(file)?;
        Ok(freed)
    }

    /// Tells the store which versions must be kept (pins). Forgotten when the store is closed: the catalog knows them.
    pub fn set_pinned(&self, version: &Version, pinned: bool) -> Result<()> {
        let mut all = lock(&self.core.pinned);
        if pinned {
            all.insert(Key::of(version));
        } else {
            all.remove(&Key::of(version));
        }
        Ok(())
    }

    /// Bytes of cached blocks on disk. The first call may look at every cached file.
    pub fn cache_usage(&self) -> u64 {
        if let Err(error) = self.core.ensure_scanned() {
            tracing::warn!(%error, "the cache cannot be measured");
        }
        self.core.usage()
    }

    /// Cached blocks that were found damaged and dropped since the store was opened.
    pub fn rotten_blocks(&self) -> u64 {
        self.core.rotten_blocks()
    }

    /// Bytes of disk that staged bytes occupy.
    pub fn staging_usage(&self) -> u64 {
        self.core.space.staged()
    }

    /// New staged bytes: empty, or (`over`) an overlay of a version whose unwritten blocks are still that version's.
    pub fn stage(&self, id: StagedId, over: Option<&Version>) -> Result<Arc<StagedFile>> {
        self.core.reserve_staged(0)?;
        let mut table = self.core.staged.lock();
        let file = Arc::new(StagedFile::create(Arc::clone(&self.core), id, over)?);
        table.insert(id, &file);
        Ok(file)
    }

    /// Existing staged bytes. The same object for the same id while anybody holds it.
    pub fn staged(&self, id: StagedId) -> Result<Arc<StagedFile>> {
        let mut table = self.core.staged.lock();
        if let Some(file) = table.get(&id) {
            return Ok(file);
        }
        let file = Arc::new(StagedFile::open(Arc::clone(&self.core), id)?);
        table.insert(id, &file);
        Ok(file)
    }

    /// Ids of everything under staging, for recovery.
    pub fn staged_ids(&self) -> Result<Vec<StagedId>> {
        scan::staged_ids(&self.core.dirs.staging).context(STAGED, "list", &self.core.dirs.staging)
    }

    /// The self-describing record of staged bytes; `None` if there is none, it does not verify, or it is another's.
    pub fn record(&self, id: StagedId) -> Result<Option<StagedRecord>> {
        let record = record::read(&self.core.staged_path(id).with_extension(scan::RECORD))?;
        Ok(record.filter(|record| record.id == id && record.vault == self.core.vault))
    }

    /// What must run before rows that name staged bytes are made durable: their files have names on disk then.
    pub fn names_flush(&self) -> impl Fn() -> std::io::Result<()> + Send + Sync + 'static {
        let core = Arc::clone(&self.core);
        move || core.sync_staging_names().map_err(std::io::Error::other)
    }

    /// Removes staged bytes; ones that are not there are fine. Open handles keep reading.
    pub fn discard(&self, id: StagedId) -> Result<()> {
        let live = self.core.staged.lock().get(&id);
        let data = self.core.staged_path(id);
        // Under its lock, so that no sync or copy in progress gives it a name again.
        let mut state = live.as_ref().map(|file| file.freeze());
        if let Some(lent) = state.as_mut().and_then(|state| state.lent.as_mut()) {
            lent.discard = true;
            return Ok(());
        }
        match &mut state {
            Some(state) => state.discard(&self.core.space),
            None => self.core.space.staged_changed(scan::allocated(&data), 0),
        }
        self.core.staged.lock().remove(&id);
        // The record first: bytes without one are collected, never restored. The map last: data without it would look complete.
        for path in [data.with_extension(scan::RECORD), data.clone(), data.with_extension(scan::MAP)] {
            files::remove_if_there(&path).context(STAGED, "remove", &path)?;
            sys::failpoint::reach("discard-step");
        }
        Ok(())
    }
}

/// What a staged file says about itself, so that it can be re-attached if the catalog is lost. Its size, and the time of a change that came
/// after the record, are the file's own.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct StagedRecord {
    /// Whose it is.
    pub vault: VaultId,
    /// Which staged file.
    pub id: StagedId,
    /// Path in the vault when the record was written.
    pub path: String,
    /// The version that it replaces.
    pub based_on: Option<Version>,
    /// Permission bits.
    pub mode: u32,
    /// Modification time when the record was written.
    pub mtime: Timestamp,
}
