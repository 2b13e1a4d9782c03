//! Tests of the content store against the real file system.

mod cached;
mod evict;
mod lifecycle;
mod overlay_model;
mod recovery;
mod space;
mod staged;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use super::{Budget, CachedFile, ContentDirs, ContentStore, ReadOutcome, StagedFile};
use crate::catalog::Version;
use crate::types::{BLOCK_BYTES, BlockIndex, BlockRun, Clock, RemoteId, Revision, StagedId, Timestamp, VaultId};

/// A block, as a length in memory.
pub(super) const BLOCK: usize = 64 * 1024;

/// A clock that moves only when it is told to.
pub(super) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(super) fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// A store in a folder of its own.
pub(super) struct Fixture {
    pub(super) store: ContentStore,
    pub(super) clock: Arc<ManualClock>,
    pub(super) vault: VaultId,
    folder: tempfile::TempDir,
}

pub(super) const AMPLE: Budget = Budget { cache_bytes: 1 << 30, ..Budget::UNBOUNDED };

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with_budget(AMPLE)
    }

    pub(super) fn with_budget(budget: Budget) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock(AtomicI64::new(1_800_000_000_000_000_000)));
        let vault = VaultId(uuid::Uuid::new_v4());
        let store = ContentStore::open(dirs(&folder), vault, budget, clock.clone()).unwrap();
        Self { store, clock, vault, folder }
    }

    /// Closes the store and opens it again, as after a restart of the daemon.
    pub(super) fn reopen(self) -> Self {
        self.reopen_with(AMPLE)
    }

    pub(super) fn reopen_with(self, budget: Budget) -> Self {
        let Self { store, clock, vault, folder } = self;
        drop(store);
        let store = ContentStore::open(dirs(&folder), vault, budget, clock.clone()).unwrap();
        Self { store, clock, vault, folder }
    }

    /// The same on a disk of this size that holds the data files of this store and nothing else.
    pub(super) fn reopen_on_disk_of(self, size: u64, budget: Budget) -> Self {
        let Self { store, clock, vault, folder } = self;
        drop(store);
        let dirs = dirs(&folder);
        let ours = dirs.clone();
        let free_space = move |_: &Path| Ok(size.saturating_sub(data_bytes(&ours)));
        let store = ContentStore::open_on(dirs, vault, budget, clock.clone(), Box::new(free_space)).unwrap();
        Self { store, clock, vault, folder }
    }

    pub(super) fn dirs(&self) -> ContentDirs {
        dirs(&self.folder)
    }

    /// The only file under `blocks/` with this extension.
    pub(super) fn block_file(&self, extension: &str) -> PathBuf {
        let mut found = self.block_files(extension);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    pub(super) fn block_files(&self, extension: &str) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.dirs().blocks).unwrap().map(|entry| entry.unwrap().path());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
    }

    /// Names under `staging/`, sorted.
    pub(super) fn staging_names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dirs().staging).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A new staged file with these bytes.
    pub(super) fn staged_with(&self, bytes: &[u8]) -> Arc<StagedFile> {
        let staged = self.store.stage(StagedId::random(), None).unwrap();
        staged.write(0, bytes).unwrap();
        staged
    }

    /// The cached file of `version` with all of `bytes` in it.
    pub(super) fn cached_with(&self, version: &Version, bytes: &[u8]) -> Arc<CachedFile> {
        let cached = self.store.cached(version).unwrap();
        cached.fill(BlockIndex(0), bytes).unwrap();
        cached
    }
}

fn dirs(folder: &tempfile::TempDir) -> ContentDirs {
    let at = |name: &str| folder.path().join(name);
    ContentDirs { blocks: at("cache/blocks"), staging: at("state/staging"), history: at("state/history") }
}

/// Bytes that data files of a store occupy.
fn data_bytes(dirs: &ContentDirs) -> u64 {
    let folders = fs::read_dir(&dirs.blocks).unwrap().map(|entry| entry.unwrap().path());
    let all = folders.chain([dirs.staging.clone()]).flat_map(|folder| fs::read_dir(folder).unwrap());
    let data = all
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|extension| extension == "data"));
    data.map(|path| fs::metadata(path).unwrap().blocks() * 512).sum()
}

pub(super) fn version(name: &str, size: usize) -> Version {
    Version {
        rid: RemoteId(format!("id:{name}")),
        revision: Revision("1".to_owned()),
        size: u64::try_from(size).unwrap(),
        hash: None,
    }
}

/// Bytes that differ from block to block and from seed to seed.
pub(super) fn pattern(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

pub(super) fn run(start: u64, end: u64) -> BlockRun {
    BlockRun { start: BlockIndex(start), end: BlockIndex(end) }
}

pub(super) fn read_cached(file: &CachedFile, offset: u64, len: usize) -> Result<Vec<u8>, Vec<BlockRun>> {
    let mut buffer = vec![0xEE; len];
    match file.read(offset, &mut buffer).unwrap() {
        ReadOutcome::Complete => Ok(buffer),
        ReadOutcome::Missing(runs) => Err(runs),
    }
}

pub(super) fn read_staged(file: &StagedFile, offset: u64, len: usize) -> Result<Vec<u8>, Vec<BlockRun>> {
    let mut buffer = vec![0xEE; len];
    match file.read(offset, &mut buffer).unwrap() {
        ReadOutcome::Complete => Ok(buffer),
        ReadOutcome::Missing(runs) => Err(runs),
    }
}

pub(super) fn whole(file: &StagedFile) -> Vec<u8> {
    read_staged(file, 0, usize::try_from(file.size()).unwrap()).unwrap()
}

pub(super) fn blocks(count: u64) -> u64 {
    count * BLOCK_BYTES
}
