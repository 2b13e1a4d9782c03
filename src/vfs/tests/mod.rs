//! The core without a kernel, a network or a daemon: real catalog and content store, ports that write down what they are asked.

mod ports_are_told;

use std::ffi::OsStr;
use std::fs::File;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::ports::{BlockSource, ChangeSink, FetchDone, FetchRequest, KernelNotices, NamePolicy};
use super::*;
use crate::catalog::{Attr, RemoteBody, RemoteRow, Version};
use crate::content::{Budget, ContentDirs};
use crate::types::{BLOCK_BYTES, ByteRange, NodeKind, RemoteId, Revision, SystemClock, Timestamp};
use crate::vaults::layout::LayoutKind;

/// What the ports were told, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Told {
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

    fn problem(&self, node: NodeId, operation: &'static str, cause: &dyn std::error::Error) {
        panic!("{operation} of {node}: {cause}");
    }
}

impl KernelNotices for Recorder {
    fn entry(&self, _parent: InodeNo, _name: &EntryName) {}

    fn inode(&self, ino: InodeNo, data: bool) {
        if data {
            self.tell(Told::Pages(ino));
        }
    }
}

impl NamePolicy for Recorder {
    fn is_local_only(&self, _name: &EntryName) -> bool {
        false
    }
}

/// The byte at a place of every file at the provider.
pub(super) fn byte_at(offset: u64) -> u8 {
    u8::try_from(offset / BLOCK_BYTES % 251).unwrap()
}

/// A mounted vault as the core sees it.
pub(super) struct World {
    pub(super) vfs: Arc<VaultFs>,
    recorder: Arc<Recorder>,
    _folder: tempfile::TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (vault, clock) = (VaultId(uuid::Uuid::from_u128(7)), Arc::new(SystemClock));
        let (catalog, _) = Catalog::open(&path("state"), vault, NameRules::EXACT, clock.clone()).unwrap();
        let dirs = ContentDirs { blocks: path("blocks"), staging: path("staging"), history: path("history") };
        let budget = Budget { cache_bytes: 64 << 20, ..Budget::UNBOUNDED };
        let content = Arc::new(ContentStore::open(dirs, vault, budget, clock.clone()).unwrap());
        let recorder = Arc::new(Recorder { content: Arc::clone(&content), told: Mutex::default() });
        let vfs = Arc::new(VaultFs::new(VfsParts {
            vault,
            catalog: Arc::new(catalog),
            content,
            source: recorder.clone(),
            sink: recorder.clone(),
            policy: recorder.clone(),
            layout: LayoutKind::Plain.layout(),
            names: NameRules::EXACT,
            symlinks: true,
            clock,
        }));
        vfs.set_notices(recorder.clone());
        Self { vfs, recorder, _folder: folder }
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
        self.vfs.open(row.ino, OpenIntent { read: true, write: false }).unwrap()
    }

    pub(super) fn read(&self, handle: HandleNo, offset: u64, size: u32) -> Vec<u8> {
        let (answer, answered) = channel();
        self.vfs.read(handle, offset, size, Box::new(move |bytes| answer.send(bytes).unwrap()));
        answered.recv().unwrap().unwrap()
    }

    pub(super) fn set(&self, ino: InodeNo, set: SetAttr) -> Result<Stat> {
        let (answer, answered) = channel();
        self.vfs.setattr(ino, None, set, Box::new(move |stat| answer.send(stat).unwrap()));
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
