//! The core without a kernel, a network or a daemon: real catalog and content store, ports that write down what they are asked.

mod bounds;
mod ports_are_told;
mod promises;
mod refused;

use std::ffi::OsStr;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::ports::{
    BlockSource, ChangeSink, FetchDone, FetchError, FetchRequest, KernelNotices, NamePolicy, serve_here,
};
use super::*;
use crate::catalog::{Attr, RemoteBody, RemoteRow, Version};
use crate::content::{Budget, ContentDirs};
use crate::types::{BLOCK_BYTES, ByteRange, NodeKind, RemoteId, Revision, Timestamp};
use crate::vaults::layout::LayoutKind;

/// What the ports were told, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// A folder was listed.
    Listed(NodeId),
    /// The kernel drops the listing of a folder.
    Listing(InodeNo),
    /// A reader needs blocks.
    Fetch { stream: u64 },
    /// A reader was served from what is here.
    ReadOn { stream: u64 },
    /// Sync may look at a node.
    Changed(NodeId),
    /// The kernel drops attributes and pages of an inode.
    Pages(InodeNo),
}

/// All ports at once. The provider answers at once, with blocks that hold their own number.
struct Recorder {
    content: Arc<ContentStore>,
    told: Mutex<Vec<Told>>,
    /// Whether the provider hangs: then reads end at their bound.
    hangs: AtomicBool,
    /// Whether it takes its time: then answers wait here.
    slow: AtomicBool,
    unanswered: Mutex<Vec<FetchDone>>,
}

impl Recorder {
    fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }
}

impl BlockSource for Recorder {
    fn open_direct(&self, _version: &Version) -> Option<File> {
        None
    }

    fn direct_is_current(&self, _file: &File, _version: &Version) -> bool {
        true
    }

    fn fetch(&self, request: FetchRequest, done: FetchDone) {
        self.tell(Told::Fetch { stream: request.stream });
        if self.hangs.load(Ordering::Relaxed) {
            return done(Err(FetchError::TimedOut(Duration::from_secs(30))));
        }
        if self.slow.load(Ordering::Relaxed) {
            return self.unanswered.lock().unwrap().push(done);
        }
        let cached = self.content.cached(&request.version).unwrap();
        for run in request.runs {
            let ByteRange { start, end } = run.bytes(request.version.size);
            let bytes: Vec<u8> = (start..end).map(byte_at).collect();
            cached.fill(run.start, &bytes).unwrap();
        }
        done(Ok(()));
    }

    fn read_on(&self, _version: &Version, stream: u64, _range: ByteRange) {
        self.tell(Told::ReadOn { stream });
    }
}

impl ChangeSink for Recorder {
    fn changed(&self, node: NodeId) {
        self.tell(Told::Changed(node));
    }

    fn listed(&self, folder: NodeId) {
        self.tell(Told::Listed(folder));
    }

    fn problem(&self, node: NodeId, operation: &'static str, cause: &dyn std::error::Error) {
        panic!("{operation} of {node}: {cause}");
    }
}

impl KernelNotices for Recorder {
    fn entry(&self, _parent: InodeNo, _name: &EntryName) {}

    fn listing(&self, folder: InodeNo) {
        self.tell(Told::Listing(folder));
    }

    fn attributes(&self, _ino: InodeNo) {}

    fn pages(&self, ino: InodeNo) {
        self.tell(Told::Pages(ino));
    }
}

impl NamePolicy for Recorder {
    fn is_local_only(&self, _name: &EntryName) -> bool {
        false
    }

    fn is_filter(&self) -> bool {
        false
    }

    fn leaves_out(&self, _path: &str, _kind: NodeKind) -> bool {
        false
    }
}

impl StateWords for Recorder {
    fn of_entry(&self, _node: NodeId) -> Option<&'static str> {
        None
    }

    fn of_vault(&self) -> Option<&'static str> {
        None
    }
}

/// The byte at a place of every file at the provider.
pub(super) fn byte_at(offset: u64) -> u8 {
    u8::try_from(offset / BLOCK_BYTES % 251).unwrap()
}

/// A clock that moves when it is told to.
#[derive(Default)]
pub(super) struct StandingClock {
    passed: Mutex<Duration>,
    started: std::sync::OnceLock<Instant>,
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp(1).plus(*self.passed.lock().unwrap())
    }

    fn monotonic(&self) -> Instant {
        *self.started.get_or_init(Instant::now) + *self.passed.lock().unwrap()
    }
}

/// A mounted vault as the core sees it.
pub(super) struct World {
    pub(super) vfs: Arc<VaultFs>,
    recorder: Arc<Recorder>,
    clock: Arc<StandingClock>,
    folder: tempfile::TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(NameRules::EXACT, true)
    }

    /// Of a provider with these rules of names, and with symbolic links or without.
    fn with(names: NameRules, symlinks: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (vault, clock) = (VaultId(uuid::Uuid::from_u128(7)), Arc::new(StandingClock::default()));
        let (catalog, _) = Catalog::open(&path("state"), vault, names, clock.clone()).unwrap();
        let dirs = ContentDirs { blocks: path("blocks"), staging: path("staging"), history: path("history") };
        let budget = Budget { cache_bytes: 64 << 20, ..Budget::UNBOUNDED };
        let content = Arc::new(ContentStore::open(dirs, vault, budget, clock.clone()).unwrap());
        let recorder = Arc::new(Recorder {
            content: Arc::clone(&content),
            told: Mutex::default(),
            hangs: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            unanswered: Mutex::default(),
        });
        let vfs = Arc::new(VaultFs::new(VfsParts {
            vault,
            catalog: Arc::new(catalog),
            content,
            source: recorder.clone(),
            sink: recorder.clone(),
            policy: recorder.clone(),
            words: recorder.clone(),
            layout: LayoutKind::Plain.layout(),
            names,
            symlinks,
            clock: clock.clone(),
        }));
        vfs.set_notices(recorder.clone());
        Self { vfs, recorder, clock, folder }
    }

    /// A file of the root that is at the provider and not here.
    pub(super) fn cold_file(&self, name: &str, size: u64) -> LocalRow {
        let catalog = &self.vfs.parts.catalog;
        let add = |txn: &Txn<'_>| {
            let node = txn.new_node(NodeKind::File)?;
            let version =
                Version { rid: RemoteId(name.to_owned()), revision: Revision("1".to_owned()), size, hash: None };
            let now = Timestamp(1);
            let row = LocalRow {
                node,
                parent: Some(NodeId::ROOT),
                name: EntryName::new(name).unwrap(),
                kind: NodeKind::File,
                ino: txn.new_ino()?,
                attr: Attr {
                    mode: 0o644,
                    uid: 0,
                    gid: 0,
                    rdev: 0,
                    special: 0,
                    size,
                    atime: now,
                    mtime: now,
                    ctime: now,
                    btime: now,
                },
                content: LocalContent::Clean(version.clone()),
                local_only: false,
            };
            txn.insert_local(&row)?;
            let root = RemoteRow {
                node: NodeId::ROOT,
                parent: None,
                name: EntryName::new("root").unwrap(),
                rid: RemoteId("/".to_owned()),
                body: RemoteBody::Folder,
            };
            let body = RemoteBody::File { revision: version.revision, size, hash: None, modified: None };
            let file = RemoteRow { node, parent: row.parent, name: row.name.clone(), rid: version.rid, body };
            txn.put_remote(&root)?;
            txn.put_remote(&file)?;
            crate::catalog::Result::Ok(row)
        };
        catalog.write(add).unwrap()
    }

    pub(super) fn open(&self, row: &LocalRow) -> HandleNo {
        self.vfs.open(row.ino, OpenIntent { read: true, write: false }, &serve_here).unwrap().handle
    }

    pub(super) fn try_read(&self, handle: HandleNo, offset: u64, size: u32) -> Result<Vec<u8>> {
        let (answer, answered) = channel();
        self.vfs.read(handle, offset, size, None, Box::new(move |bytes| answer.send(bytes).unwrap()));
        answered.recv().unwrap()
    }

    pub(super) fn read(&self, handle: HandleNo, offset: u64, size: u32) -> Vec<u8> {
        self.try_read(handle, offset, size).unwrap()
    }

    /// From now on answers of the provider are on their way until [`World::answers_arrive`].
    pub(super) fn provider_is_slow(&self) {
        self.recorder.slow.store(true, Ordering::Relaxed);
    }

    /// What is on its way arrives, without bytes.
    pub(super) fn answers_arrive(&self) {
        self.recorder.slow.store(false, Ordering::Relaxed);
        for done in std::mem::take(&mut *self.recorder.unanswered.lock().unwrap()) {
            done(Err(FetchError::Gone));
        }
    }

    /// From now on the provider hangs, or answers again.
    pub(super) fn provider_hangs(&self, hangs: bool) {
        self.recorder.hangs.store(hangs, Ordering::Relaxed);
    }

    pub(super) fn time_passes(&self, time: Duration) {
        *self.clock.passed.lock().unwrap() += time;
    }

    pub(super) fn set(&self, ino: InodeNo, set: SetAttr) -> Result<Stat> {
        let (answer, answered) = channel();
        self.vfs.setattr(ino, None, set, None, Box::new(move |stat| answer.send(stat).unwrap()));
        answered.recv().unwrap()
    }

    /// What the ports were told since the last look.
    pub(super) fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.recorder.told.lock().unwrap())
    }

    pub(super) fn lookup(&self, name: &str) -> Stat {
        self.vfs.lookup(InodeNo::ROOT, OsStr::new(name)).unwrap().unwrap()
    }
}
