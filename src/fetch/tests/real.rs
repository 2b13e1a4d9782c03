//! The fetcher with the real block cache: between a folder and a disk, and with a provider that fails.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::fake::*;
use crate::catalog::Version;
use crate::content::{Budget, CachedFile, ContentDirs, ContentStore, FetchError, FetchRequest, ReadOutcome, Urgency};
use crate::fetch::{BlockFetcher, FetchConfig};
use crate::provider::local::{LocalConfig, LocalProvider, MarkerPolicy};
use crate::provider::{Change, EntryBody, Provider};
use crate::types::{BlockIndex, ByteRange, ContentHash, HashKind, SystemClock, VaultId};

async fn version_of(provider: &dyn Provider, name: &str) -> Version {
    let mut cursor = None;
    loop {
        let page = provider.changes(cursor.as_ref()).await.unwrap();
        for change in page.changes {
            if let Change::Upsert(entry) = change
                && entry.name.as_str() == name
                && let EntryBody::File { revision, size, hash, .. } = entry.body
            {
                return Version { rid: entry.id, revision, size, hash };
            }
        }
        assert!(page.has_more, "{name} is not listed");
        cursor = Some(page.cursor);
    }
}

fn provider(state: &Path, root: &Path) -> Arc<dyn Provider> {
    let vault = VaultId(uuid::Uuid::from_u128(7));
    let config = LocalConfig { watch: false, ..LocalConfig::new(vault, root, state, MarkerPolicy::Create) };
    Arc::new(LocalProvider::open(config).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_a_folder_arrives_and_an_edited_one_is_gone() {
    let (state, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let size = 3 * MIB + 4_321;
    std::fs::write(root.path().join("take.wav"), pattern(ByteRange::new(0, size))).unwrap();
    let provider = provider(state.path(), root.path());
    provider.root().await.unwrap();
    let listed = version_of(&*provider, "take.wav").await;
    let version =
        Version { hash: Some(ContentHash::of(HashKind::Blake3, &pattern(ByteRange::new(0, size)))), ..listed };

    let hints = Arc::new(Hints::default());
    let store = store(state.path(), u64::MAX);
    let runtime = tokio::runtime::Handle::current();
    let fetcher = BlockFetcher::new(provider, store.clone(), hints.clone(), FetchConfig::default(), runtime);
    hydrate(&fetcher, &version).await.unwrap();
    assert_holds_pattern(&store.cached(&version).unwrap(), ByteRange::new(0, size));
    let direct = fetcher.open_direct(&version).expect("the folder's own file");
    assert!(fetcher.direct_is_current(&direct, &version));

    std::fs::write(root.path().join("take.wav"), "another take").unwrap();
    assert!(!fetcher.direct_is_current(&direct, &version));
    store.evict(&version).unwrap();
    assert_eq!(hydrate(&fetcher, &version).await, Err(FetchError::Gone));
    assert!(hints.gone.load(Ordering::SeqCst) >= 1);
}

async fn hydrate(fetcher: &BlockFetcher, version: &Version) -> Result<(), FetchError> {
    let hydration = fetcher.hydrate(version, Urgency::Demand, &|_| {});
    tokio::time::timeout(Duration::from_secs(60), hydration).await.expect("in time")
}

fn store(folder: &Path, cache_bytes: u64) -> Arc<ContentStore> {
    let dirs =
        ContentDirs { blocks: folder.join("blocks"), staging: folder.join("staging"), history: folder.join("history") };
    let budget = Budget { cache_bytes, ..Budget::UNBOUNDED };
    Arc::new(ContentStore::open(dirs, VaultId(uuid::Uuid::from_u128(7)), budget, Arc::new(SystemClock)).unwrap())
}

fn assert_holds_pattern(file: &CachedFile, range: ByteRange) {
    let mut buffer = vec![0; usize::try_from(range.len()).unwrap()];
    assert_eq!(file.read(range.start, &mut buffer).unwrap(), ReadOutcome::Complete);
    assert!(buffer == pattern(range), "wrong bytes in {range:?}");
}

/// A fetcher between a provider that fails and a block cache on disk.
fn on_disk(folder: &Path, cache_bytes: u64) -> (Arc<FakeProvider>, Arc<ContentStore>, BlockFetcher) {
    let (provider, store) = (Arc::new(FakeProvider::new().latency(Duration::ZERO)), store(folder, cache_bytes));
    let runtime = tokio::runtime::Handle::current();
    let config = FetchConfig { first_pause: Duration::from_millis(1), ..FetchConfig::default() };
    let fetcher = BlockFetcher::new(provider.clone(), store.clone(), Arc::new(Hints::default()), config, runtime);
    (provider, store, fetcher)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_byte_drops_every_block_of_a_pinned_file_that_is_open_and_the_second_fetch_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let (provider, store, fetcher) = on_disk(folder.path(), u64::MAX);
    let version = hashed("take.wav", 4 * MIB + 99);
    let open = store.cached(&version).unwrap();
    store.set_pinned(&version, true).unwrap();
    provider.fail_next([Fault::Flip]);
    hydrate(&fetcher, &version).await.unwrap();
    assert!(open.is_complete());
    assert_holds_pattern(&open, ByteRange::new(0, version.size));
    assert!(provider.bytes_asked() >= 2 * version.size, "everything was fetched again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_only_missing_blocks_are_fetched_and_the_whole_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let right = hashed("take.wav", 8 * MIB);
    let wrong = Version { hash: hashed("x", 1).hash, ..right.clone() };
    for (version, outcome) in [(right, Ok(())), (wrong, Err(FetchError::Corrupt))] {
        let half = ByteRange::new(0, version.size / 2);
        {
            let (_provider, store, _fetcher) = on_disk(folder.path(), u64::MAX);
            store.evict(&version).unwrap();
            store.cached(&version).unwrap().fill(BlockIndex(0), &pattern(half)).unwrap();
        }
        let (provider, store, fetcher) = on_disk(folder.path(), u64::MAX);
        assert_eq!(hydrate(&fetcher, &version).await, outcome);
        let first = provider.ranges().first().copied().unwrap();
        assert!(first.start >= half.end, "{first:?}");
        assert_eq!(store.cached(&version).unwrap().is_complete(), outcome.is_ok());
        if outcome.is_ok() {
            assert_eq!(provider.bytes_asked(), version.size - half.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_rots_on_disk_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let (provider, store, fetcher) = on_disk(folder.path(), u64::MAX);
    let version = hashed("take.wav", 2 * MIB);
    hydrate(&fetcher, &version).await.unwrap();
    flip_a_byte_of_each_data_file(&folder.path().join("blocks"));
    let open = store.cached(&version).unwrap();
    let mut buffer = vec![0; usize::try_from(version.size).unwrap()];
    let ReadOutcome::Missing(missing) = open.read(0, &mut buffer).unwrap() else { panic!("rot was served") };
    assert_eq!(missing.len(), 1);
    let before = provider.ranges().len();
    hydrate(&fetcher, &version).await.unwrap();
    assert_eq!(provider.ranges()[before..], [missing[0].bytes(version.size)]);
    assert_holds_pattern(&open, ByteRange::new(0, version.size));
}

fn flip_a_byte_of_each_data_file(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            flip_a_byte_of_each_data_file(&entry.path());
        } else if entry.path().extension().is_some_and(|extension| extension == "data") {
            let file = std::fs::OpenOptions::new().read(true).write(true).open(entry.path()).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, 1_000_000).unwrap();
            file.write_all_at(&[byte[0] ^ 1], 1_000_000).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_larger_than_the_cache_is_an_error_and_its_parts_can_still_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let (_provider, store, fetcher) = on_disk(folder.path(), 2 * MIB);
    let version = hashed("take.wav", 12 * MIB);
    assert_eq!(hydrate(&fetcher, &version).await, Err(FetchError::NoSpace));
    let open = store.cached(&version).unwrap();
    for start in [0, 5 * MIB, 11 * MIB] {
        let range = ByteRange::at(start, 100 * KIB);
        // What was still on its way when the whole was given up may push these blocks out again: a reader asks again, as the mount does.
        let mut buffer = vec![0; usize::try_from(range.len()).unwrap()];
        while open.read(range.start, &mut buffer).unwrap() != ReadOutcome::Complete {
            let (answer, answered) = tokio::sync::oneshot::channel();
            let request = FetchRequest {
                version: version.clone(),
                runs: open.missing(range),
                stream: start,
                urgency: Urgency::Demand,
                caller: None,
            };
            fetcher.fetch(request, Box::new(move |result| answer.send(result).unwrap_or_default()));
            answered.await.unwrap().unwrap();
        }
        assert!(buffer == pattern(range), "wrong bytes in {range:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_room_in_the_cache_files_can_still_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let (provider, store, fetcher) = on_disk(folder.path(), 0);
    let version = hashed("take.wav", 3 * MIB + 5);
    let open = store.cached(&version).unwrap();
    let read = async |range: ByteRange| {
        let mut buffer = vec![0; usize::try_from(range.len()).unwrap()];
        // As the filesystem core does: read, fetch what is missing, read again.
        while let ReadOutcome::Missing(runs) = open.read(range.start, &mut buffer).unwrap() {
            let (answer, answered) = tokio::sync::oneshot::channel();
            let request =
                FetchRequest { version: version.clone(), runs, stream: 1, urgency: Urgency::Demand, caller: None };
            fetcher.fetch(request, Box::new(move |result| answer.send(result).unwrap_or_default()));
            answered.await.unwrap().unwrap();
        }
        assert!(buffer == pattern(range), "wrong bytes in {range:?}");
    };
    for start in (0..version.size).step_by(300_000) {
        read(ByteRange::at(start, 300_000).clamp_to(version.size)).await;
    }
    let asked = provider.ranges().len();
    read(ByteRange::new(0, version.size)).await;
    assert_eq!(provider.ranges().len(), asked, "held for a while");
    assert_eq!((store.cached_bytes(&version), store.cache_usage()), (0, 0), "not on the disk, and not said to be");
    assert_eq!(hydrate(&fetcher, &version).await, Err(FetchError::NoSpace));
    store.reject(&version).unwrap();
    assert!(matches!(open.read(0, &mut [0; 10]).unwrap(), ReadOutcome::Missing(_)), "what proved wrong is not held");
}
