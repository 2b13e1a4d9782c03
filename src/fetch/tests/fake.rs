//! A provider with a link (latency, bandwidth, faults) and a store in memory. Time is tokio's, paused by the tests.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::catalog::Version;
use crate::content::{self, ContentError, FetchError, FetchRequest, ReadOutcome, Urgency};
use crate::fetch::{BlockFetcher, BlockStore, CachedBlocks, FetchConfig, FetchEvents, Ticket};
use crate::provider::*;
use crate::types::*;

pub(super) const KIB: u64 = 1024;
pub(super) const MIB: u64 = 1024 * KIB;

/// What the next calls do instead of answering.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Error(ErrorKind, Option<Duration>),
    /// Half of the bytes.
    Short,
    /// All bytes, one of them wrong.
    Flip,
    /// Never answers.
    Stall,
    Panic,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) range: ByteRange,
    pub(super) at: Instant,
}

pub(super) struct FakeProvider {
    capabilities: Capabilities,
    latency: Duration,
    bytes_per_second: u64,
    link_free: Mutex<Option<Instant>>,
    pub(super) calls: Mutex<Vec<Call>>,
    pub(super) faults: Mutex<VecDeque<Fault>>,
    running: AtomicUsize,
    pub(super) most_running: AtomicUsize,
}

impl FakeProvider {
    pub(super) fn new() -> Self {
        let limits = Limits { max_file_bytes: u64::MAX, parallel_calls: 4, max_read_bytes: 8 * MIB };
        let capabilities = Capabilities {
            direct: false,
            ranged_read: true,
            stable_ids: true,
            conditional_write: true,
            overwrite_keeps_id: true,
            folder_move: true,
            server_copy: false,
            reports_case_rename: true,
            symlinks: false,
            change_feed: ChangeFeed::Notified,
            content_hash: Some(HashKind::Blake3),
            names: NameRules::EXACT,
            limits,
        };
        Self {
            capabilities,
            latency: Duration::from_millis(50),
            bytes_per_second: 0,
            link_free: Mutex::default(),
            calls: Mutex::default(),
            faults: Mutex::default(),
            running: AtomicUsize::default(),
            most_running: AtomicUsize::default(),
        }
    }

    pub(super) fn parallel(mut self, calls: usize) -> Self {
        self.capabilities.limits.parallel_calls = calls;
        self
    }

    pub(super) fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    pub(super) fn unranged(mut self) -> Self {
        self.capabilities.ranged_read = false;
        self
    }

    pub(super) fn bandwidth(mut self, bytes_per_second: u64) -> Self {
        self.bytes_per_second = bytes_per_second;
        self
    }

    pub(super) fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    pub(super) fn ranges(&self) -> Vec<ByteRange> {
        self.calls.lock().unwrap().iter().map(|call| call.range).collect()
    }

    pub(super) fn bytes_asked(&self) -> u64 {
        self.ranges().iter().map(|range| range.len()).sum()
    }

    async fn cross_the_link(&self, bytes: u64) {
        let mut arrival = Instant::now() + self.latency;
        if let Some(nanos) = (bytes * 1_000_000_000).checked_div(self.bytes_per_second) {
            let mut free = self.link_free.lock().unwrap();
            let starts = free.unwrap_or(arrival).max(arrival);
            arrival = starts + Duration::from_nanos(nanos);
            *free = Some(arrival);
        }
        tokio::time::sleep_until(arrival).await;
    }
}

/// The content of every file: bytes with a period (251 * 253) that no block boundary shares.
pub(super) fn pattern(range: ByteRange) -> Vec<u8> {
    const PERIOD: usize = 251 * 253;
    static TILE: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..PERIOD).map(|at| u8::try_from((at + at / 251) % 253).unwrap()).collect());
    let length = usize::try_from(range.len()).unwrap();
    let mut bytes = Vec::with_capacity(length + PERIOD);
    bytes.extend_from_slice(&TILE[usize::try_from(range.start).unwrap() % PERIOD..]);
    while bytes.len() < length {
        bytes.extend_from_slice(&TILE);
    }
    bytes.truncate(length);
    bytes
}

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Provider for FakeProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn read(&self, _id: &RemoteId, _revision: &Revision, range: ByteRange) -> Result<Bytes> {
        self.calls.lock().unwrap().push(Call { range, at: Instant::now() });
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        let _running = Running(&self.running);
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let fault = self.faults.lock().unwrap().pop_front();
        self.cross_the_link(range.len()).await;
        let mut bytes = pattern(range);
        match fault {
            None => {}
            Some(Fault::Error(kind, pause)) => {
                let error = ProviderError::new(kind, "read", format!("{kind:?}"));
                return Err(ProviderError { retry_after: pause, ..error });
            }
            Some(Fault::Short) => bytes.truncate(bytes.len() / 2),
            Some(Fault::Flip) => bytes[0] ^= 1,
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::Panic) => panic!("a bug in the provider"),
        }
        Ok(bytes.into())
    }

    async fn root(&self) -> Result<RemoteEntry> {
        unimplemented!()
    }
    async fn changes(&self, _: Option<&Cursor>) -> Result<ChangePage> {
        unimplemented!()
    }
    async fn wait_for_changes(&self, _: &Cursor, _: Duration) -> Result<()> {
        unimplemented!()
    }
    async fn stat(&self, _: &RemoteId) -> Result<RemoteEntry> {
        unimplemented!()
    }
    async fn find(&self, _: &RemoteId, _: &EntryName) -> Result<Option<RemoteEntry>> {
        unimplemented!()
    }
    async fn create_folder(&self, _: &RemoteId, _: &EntryName) -> Result<RemoteEntry> {
        unimplemented!()
    }
    async fn create_symlink(&self, _: &RemoteId, _: &EntryName, _: &str) -> Result<RemoteEntry> {
        unimplemented!()
    }
    async fn upload(&self, _: Upload<'_>) -> Result<RemoteEntry> {
        unimplemented!()
    }
    async fn relocate(&self, _: &RemoteId, _: &RemoteId, _: &EntryName) -> Result<RemoteEntry> {
        unimplemented!()
    }
    async fn delete(&self, _: &RemoteId, _: Option<&Revision>) -> Result<()> {
        unimplemented!()
    }
    fn open_direct(&self, _: &RemoteId, _: &Revision) -> Option<File> {
        None
    }
    fn direct_is_current(&self, _: &File, _: &Revision) -> bool {
        false
    }
    async fn space(&self) -> Result<Space> {
        unimplemented!()
    }
}

/// Blocks in memory, sparse.
#[derive(Default)]
pub(super) struct MemoryStore {
    files: Mutex<HashMap<String, Arc<MemoryFile>>>,
    pub(super) full: Arc<Mutex<bool>>,
}

pub(super) struct MemoryFile {
    size: u64,
    blocks: Mutex<HashMap<u64, Vec<u8>>>,
    pub(super) held: Mutex<Vec<ByteRange>>,
    full: Arc<Mutex<bool>>,
}

impl MemoryStore {
    pub(super) fn file(&self, version: &Version) -> Arc<MemoryFile> {
        let fresh = || {
            let full = Arc::clone(&self.full);
            MemoryFile { size: version.size, blocks: Mutex::default(), held: Mutex::default(), full }.into()
        };
        Arc::clone(self.files.lock().unwrap().entry(format!("{version:?}")).or_insert_with(fresh))
    }
}

impl MemoryFile {
    pub(super) fn present(&self) -> BTreeSet<u64> {
        self.blocks.lock().unwrap().keys().copied().collect()
    }

    pub(super) fn assert_pattern(&self, range: ByteRange) {
        let mut buffer = vec![0; usize::try_from(range.len()).unwrap()];
        assert_eq!(self.read(range.start, &mut buffer).unwrap(), ReadOutcome::Complete);
        assert!(buffer == pattern(range), "wrong bytes in {range:?}");
    }
}

impl BlockStore for MemoryStore {
    fn cached(&self, version: &Version) -> content::Result<Arc<dyn CachedBlocks>> {
        Ok(self.file(version))
    }

    fn reject(&self, version: &Version) -> content::Result<()> {
        self.file(version).blocks.lock().unwrap().clear();
        Ok(())
    }

    fn cached_bytes(&self, version: &Version) -> u64 {
        self.file(version).present_bytes()
    }
}

impl CachedBlocks for MemoryFile {
    fn missing(&self, range: ByteRange) -> Vec<BlockRun> {
        let blocks = self.blocks.lock().unwrap();
        let mut runs: Vec<BlockRun> = Vec::new();
        for block in range.clamp_to(self.size).blocks().iter().filter(|block| !blocks.contains_key(&block.0)) {
            match runs.last_mut() {
                Some(last) if last.end == block => last.end.0 += 1,
                _ => runs.push(BlockRun { start: block, end: BlockIndex(block.0 + 1) }),
            }
        }
        runs
    }

    fn present_bytes(&self) -> u64 {
        self.blocks.lock().unwrap().values().map(|block| u64::try_from(block.len()).unwrap()).sum()
    }

    fn fill(&self, start: BlockIndex, bytes: &[u8]) -> content::Result<()> {
        if *self.full.lock().unwrap() {
            return Err(ContentError::NoSpace { what: "cached bytes", why: content::Shortage::Disk });
        }
        let mut blocks = self.blocks.lock().unwrap();
        for (index, block) in (start.0..).zip(bytes.chunks(usize::try_from(BLOCK_BYTES).unwrap())) {
            assert_eq!(u64::try_from(block.len()).unwrap(), BlockIndex(index).bytes(self.size).len(), "whole blocks");
            assert!(blocks.insert(index, block.to_vec()).is_none(), "block {index} is filled twice");
        }
        Ok(())
    }

    fn hold(&self, start: BlockIndex, bytes: &[u8]) {
        let range = ByteRange::at(start.start(), u64::try_from(bytes.len()).unwrap());
        self.held.lock().unwrap().push(range);
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> content::Result<ReadOutcome> {
        let range = ByteRange::at(offset, u64::try_from(buffer.len()).unwrap());
        let missing = self.missing(range);
        if !missing.is_empty() {
            return Ok(ReadOutcome::Missing(missing));
        }
        let blocks = self.blocks.lock().unwrap();
        for block in range.blocks().iter() {
            let part = block.bytes(self.size).intersect(range);
            let at = |base: u64| usize::try_from(part.start - base).unwrap()..usize::try_from(part.end - base).unwrap();
            buffer[at(offset)].copy_from_slice(&blocks[&block.0][at(block.start())]);
        }
        Ok(ReadOutcome::Complete)
    }
}

#[derive(Default)]
pub(super) struct Hints {
    pub(super) gone: AtomicUsize,
    pub(super) corrupt: AtomicUsize,
    pub(super) refused: AtomicUsize,
    pub(super) unreachable: AtomicUsize,
}

impl FetchEvents for Hints {
    fn revision_gone(&self, _: &Version) {
        self.gone.fetch_add(1, Ordering::SeqCst);
    }
    fn corrupt(&self, _: &Version) {
        self.corrupt.fetch_add(1, Ordering::SeqCst);
    }
    fn refused(&self, _: &Version, _: &ProviderError) {
        self.refused.fetch_add(1, Ordering::SeqCst);
    }
    fn unreachable(&self) {
        self.unreachable.fetch_add(1, Ordering::SeqCst);
    }
}

/// A fetcher in its world.
pub(super) struct World {
    pub(super) provider: Arc<FakeProvider>,
    pub(super) store: Arc<MemoryStore>,
    pub(super) hints: Arc<Hints>,
    pub(super) fetcher: BlockFetcher,
}

pub(super) type Answer = oneshot::Receiver<std::result::Result<(), FetchError>>;

impl World {
    pub(super) fn new(provider: FakeProvider) -> Self {
        Self::with_config(provider, FetchConfig::default())
    }

    pub(super) fn with_config(provider: FakeProvider, config: FetchConfig) -> Self {
        let (provider, store, hints) =
            (Arc::new(provider), Arc::new(MemoryStore::default()), Arc::new(Hints::default()));
        let runtime = tokio::runtime::Handle::current();
        let fetcher = BlockFetcher::new(provider.clone(), store.clone(), hints.clone(), config, runtime);
        Self { provider, store, hints, fetcher }
    }

    pub(super) fn request(
        &self,
        version: &Version,
        range: ByteRange,
        stream: u64,
        urgency: Urgency,
    ) -> (Ticket, Answer) {
        let (answer, answered) = oneshot::channel();
        let request =
            FetchRequest { version: version.clone(), runs: vec![range.blocks()], stream, urgency, caller: None };
        let done = move |result| answer.send(result).unwrap_or_default();
        (self.fetcher.request(request, Box::new(done)), answered)
    }

    /// Reads as the filesystem does: asks for what is missing, else tells of the hit.
    pub(super) async fn read(
        &self,
        version: &Version,
        range: ByteRange,
        stream: u64,
    ) -> std::result::Result<(), FetchError> {
        if self.store.file(version).missing(range).is_empty() {
            self.fetcher.read_on(version, stream, range);
            return Ok(());
        }
        let (_ticket, answer) = self.request(version, range, stream, Urgency::Demand);
        let result = answer.await.expect("answered");
        if result.is_ok() {
            assert!(self.store.file(version).missing(range).is_empty(), "answered before the bytes are here");
        }
        result
    }
}

/// A version without a hash.
pub(super) fn unhashed(name: &str, size: u64) -> Version {
    Version { rid: RemoteId(name.to_owned()), revision: Revision("1".to_owned()), size, hash: None }
}

/// A version whose hash is right.
pub(super) fn hashed(name: &str, size: u64) -> Version {
    let hash = ContentHash::of(HashKind::Blake3, &pattern(ByteRange::new(0, size)));
    Version { hash: Some(hash), ..unhashed(name, size) }
}
