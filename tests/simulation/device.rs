//! One device: a real engine on a real catalog and content store, and the operations of its user, written as the mount writes them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use vaultfs::catalog::{Attr, Catalog, CatalogError, LocalContent, LocalRow, StagedRow, SyncedBody, Txn, View};
use vaultfs::content::{Budget, ContentDirs, ContentError, ContentStore, ReadOutcome, StagedFile, StagedRecord};
use vaultfs::provider::Provider;
use vaultfs::sync::ports::Hydrate;
use vaultfs::sync::{Engine, EngineConfig, EngineParts, recover};
use vaultfs::types::{ByteRange, Clock, EntryName, NodeId, NodeKind, StagedId, VaultId};

use crate::filter::SimFilter;
use crate::parts::{SimHydrate, SimMount};
use crate::power::log_end;
use crate::provider::SimProvider;

/// The running parts.
pub(crate) struct Running {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) content: Arc<ContentStore>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) mount: Arc<SimMount>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// A device, running or not.
pub(crate) struct Device<P = SimProvider> {
    pub(crate) name: String,
    pub(crate) provider: Arc<P>,
    folder: tempfile::TempDir,
    clock: Arc<dyn Clock>,
    seed: u64,
    quiet: Duration,
    pub(crate) filter: Arc<SimFilter>,
    running: Option<Running>,
    /// Bytes of the catalog's log that a power cut leaves.
    durable: Arc<AtomicUsize>,
    /// Decisions of engines that have ended.
    cells: BTreeMap<&'static str, u64>,
}

pub(crate) const VAULT: VaultId = VaultId(uuid::Uuid::from_u128(7));

/// Where temporary folders are cheap.
fn scratch() -> tempfile::TempDir {
    let shm = PathBuf::from("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm).unwrap() } else { tempfile::tempdir().unwrap() }
}

impl Device {
    pub(crate) fn calls(&self) -> u64 {
        self.provider.calls.load(Ordering::Relaxed)
    }
}

impl<P: Provider> Device<P> {
    pub(crate) fn new(name: &str, provider: P, clock: impl Clock, quiet: Duration, seed: u64) -> Self {
        let mut device = Self {
            name: name.to_owned(),
            provider: Arc::new(provider),
            folder: scratch(),
            clock: Arc::new(clock),
            seed,
            quiet,
            filter: Arc::default(),
            running: None,
            durable: Arc::default(),
            cells: BTreeMap::new(),
        };
        device.start();
        device
    }

    pub(crate) fn start(&mut self) {
        let state = self.folder.path().join("state");
        let names = self.provider.capabilities().names;
        let clock = Arc::clone(&self.clock);
        let (catalog, opened) = Catalog::open(&state, VAULT, names, Arc::clone(&clock)).unwrap();
        let (log, durable) = (state.join("catalog.db-wal"), Arc::clone(&self.durable));
        catalog.flush_first(move || log_end(&log).map(|end| durable.store(end, Ordering::Release)));
        let dirs = ContentDirs {
            blocks: self.folder.path().join("blocks"),
            staging: state.join("staging"),
            history: state.join("history"),
        };
        let budget = Budget { cache_bytes: 64 << 20, ..Budget::UNBOUNDED };
        let content = Arc::new(ContentStore::open(dirs, VAULT, budget, Arc::clone(&clock)).unwrap());
        recover(&catalog, &content, &names, &self.name, &opened).unwrap();
        let catalog = Arc::new(catalog);
        let mount = Arc::new(SimMount::default());
        self.seed += 1;
        // Small portions now and then: the trees here are small, and what is done for large ones must be met.
        let portion = if self.seed.is_multiple_of(2) { 3 } else { 5_000 };
        let config =
            EngineConfig { quiet: self.quiet, portion, seed: self.seed, ..EngineConfig::for_device(self.name.clone()) };
        let hydrate = SimHydrate { provider: Arc::clone(&self.provider), content: Arc::clone(&content) };
        let parts = EngineParts {
            catalog: Arc::clone(&catalog),
            content: Arc::clone(&content),
            provider: Arc::<P>::clone(&self.provider),
            local: Arc::<SimMount>::clone(&mount),
            hydrate: Arc::new(hydrate),
            selection: Arc::<SimFilter>::clone(&self.filter),
            clock,
        };
        let engine = Arc::new(Engine::new(parts, config));
        engine.judge_again().unwrap();
        let (stop, stopped) = watch::channel(false);
        let run = Arc::clone(&engine);
        let task = tokio::spawn(async move { run.run(stopped).await.unwrap() });
        self.running = Some(Running { catalog, content, engine, mount, stop, task });
    }

    pub(crate) fn run(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Decisions of all engines of this device.
    pub(crate) fn cells(&self) -> BTreeMap<&'static str, u64> {
        let mut cells = self.cells.clone();
        for (cell, count) in self.running.iter().flat_map(|running| running.engine.decided_cells()) {
            *cells.entry(cell).or_default() += count;
        }
        cells
    }

    /// An orderly end.
    pub(crate) async fn stop(&mut self) {
        self.cells = self.cells();
        let running = self.running.take().unwrap();
        running.stop.send_replace(true);
        running.task.await.unwrap();
        drop(running.engine);
        Arc::into_inner(running.catalog).unwrap().close().unwrap();
    }

    /// The process dies: whatever it was doing, it no longer does.
    pub(crate) async fn crash(&mut self) {
        self.halt().await;
        self.running = None;
    }

    /// The power goes: the process dies, and its disk forgets what the catalog has not made durable.
    pub(crate) async fn cut_power(&mut self) {
        self.halt().await;
        let [database, log] = ["catalog.db", "catalog.db-wal"].map(|name| self.folder.path().join("state").join(name));
        let (kept, mut kept_log) = (std::fs::read(&database).unwrap(), std::fs::read(&log).unwrap());
        kept_log.truncate(self.durable.load(Ordering::Acquire));
        // The last connection moves the log into the database when it closes, as no power cut would.
        self.running = None;
        std::fs::write(database, kept).unwrap();
        std::fs::write(log, kept_log).unwrap();
    }

    async fn halt(&mut self) {
        self.cells = self.cells();
        let running = self.running.as_mut().unwrap();
        running.task.abort();
        match (&mut running.task).await {
            Ok(()) => {}
            Err(error) if error.is_cancelled() => {}
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Another connection to the same provider, for a device that does not run.
    pub(crate) fn reconnect(&mut self, provider: P) {
        assert!(self.running.is_none());
        self.provider = Arc::new(provider);
    }

    /// The catalog is lost with everything that was known; staged bytes and the cache are not.
    pub(crate) fn lose_catalog(&mut self) {
        assert!(self.running.is_none());
        let state = self.folder.path().join("state");
        for entry in std::fs::read_dir(&state).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with("catalog.db") && path.is_file() {
                std::fs::write(&path, b"this is not a database, it is noise").unwrap();
            }
        }
    }

    fn read<T>(&self, read: impl FnOnce(&View<'_>) -> vaultfs::catalog::Result<T>) -> T {
        self.run().catalog.read(read).unwrap()
    }

    /// A change of the mount: the namespace lock, a transaction, a kick.
    fn change<T>(&self, change: impl FnOnce(&Txn<'_>) -> vaultfs::catalog::Result<T>) -> T {
        let running = self.run();
        let guard = running.mount.namespace.lock().unwrap();
        let done = running.catalog.write(change).unwrap();
        drop(guard);
        running.engine.kick();
        done
    }

    /// Everything in L by path, without local-only entries.
    pub(crate) fn rows(&self) -> BTreeMap<String, LocalRow> {
        self.read(|view| {
            let (mut found, mut pending) = (BTreeMap::new(), vec![(NodeId::ROOT, String::new())]);
            while let Some((folder, path)) = pending.pop() {
                for row in view.local_children(folder, NodeId(0), usize::MAX >> 1)? {
                    let path = if path.is_empty() { row.name.to_string() } else { format!("{path}/{}", row.name) };
                    if row.kind == NodeKind::Folder {
                        pending.push((row.node, path.clone()));
                    }
                    found.insert(path, row);
                }
            }
            Ok(found)
        })
    }

    /// True if a name (by the rules of the provider) is free for anybody but `besides`.
    fn is_free(view: &View<'_>, device: &Self, parent: NodeId, name: &EntryName, besides: Option<NodeId>) -> bool {
        let key = device.provider.capabilities().names.key(name);
        view.local_by_key(parent, &key).unwrap().iter().all(|row| Some(row.node) == besides)
    }

    pub(crate) fn mkdir(&self, parent: NodeId, name: &EntryName) -> Option<NodeId> {
        self.change(|txn| {
            if txn.local(parent)?.is_none() || !Self::is_free(txn, self, parent, name, None) {
                return Ok(None);
            }
            let node = txn.new_node(NodeKind::Folder)?;
            let mut row = new_row(txn, node, parent, name, NodeKind::Folder, LocalContent::None, 0)?;
            row.local_only = self.filter.keeps(txn, parent, name, row.kind)?;
            txn.insert_local(&row)?;
            Ok(Some(node))
        })
    }

    /// Creates a file; a place that a synced file has just left gives its identity back (unlink and create again, atomic saves).
    pub(crate) fn create(
        &self,
        parent: NodeId,
        name: &EntryName,
        bytes: &[u8],
        synced_to_disk: bool,
    ) -> Option<NodeId> {
        let free = self.read(|view| Ok(view.local(parent)?.is_some() && Self::is_free(view, self, parent, name, None)));
        if !free {
            return None;
        }
        let file = self.stage(bytes);
        let key = self.provider.capabilities().names.key(name);
        let node = self.change(|txn| {
            let local_only = self.filter.keeps(txn, parent, name, NodeKind::File)?;
            let orphan = txn.synced_orphans_at(parent, &key)?.into_iter().find_map(|row| match row.body {
                SyncedBody::File(version) => Some((row.node, version)).filter(|_| !local_only),
                SyncedBody::Folder | SyncedBody::Symlink { .. } => None,
            });
            let (node, based_on) = match orphan {
                Some((node, version)) => (node, Some(version)),
                None => (txn.new_node(NodeKind::File)?, None),
            };
            put_staged(txn, &file, node)?;
            let content = LocalContent::Staged { staged: file.id(), based_on };
            let row = new_row(txn, node, parent, name, NodeKind::File, content, bytes.len() as u64)?;
            txn.insert_local(&LocalRow { local_only, ..row })?;
            Ok(node)
        });
        if synced_to_disk {
            self.record(&file, node);
        }
        Some(node)
    }

    fn stage(&self, bytes: &[u8]) -> Arc<StagedFile> {
        let file = self.run().content.stage(StagedId::random(), None).unwrap();
        file.write(0, bytes).unwrap();
        file
    }

    /// What fsync does: bytes, then the record that says what they are.
    fn record(&self, file: &StagedFile, node: NodeId) {
        file.sync().unwrap();
        let (row, path) = self.read(|view| Ok((view.local(node)?.unwrap(), view.local_path(node)?.unwrap())));
        let LocalContent::Staged { based_on, .. } = row.content else { return };
        let record =
            StagedRecord { vault: VAULT, id: file.id(), path, based_on, mode: row.attr.mode, mtime: row.attr.mtime };
        file.write_record(&record).unwrap();
        self.run().catalog.sync().unwrap();
    }

    /// Replaces the content of a file.
    pub(crate) fn write(&self, node: NodeId, bytes: &[u8], synced_to_disk: bool) -> bool {
        let Some(row) = self.read(|view| view.local(node)).filter(|row| row.kind == NodeKind::File) else {
            return false;
        };
        let (file, based_on) = match &row.content {
            LocalContent::Staged { staged, based_on } => {
                let file = self.run().content.staged(*staged).unwrap();
                file.truncate(0).unwrap();
                file.write(0, bytes).unwrap();
                (file, based_on.clone())
            }
            LocalContent::Clean(version) => (self.stage(bytes), Some(version.clone())),
            LocalContent::None | LocalContent::Symlink(_) => return false,
        };
        self.change(|txn| {
            put_staged(txn, &file, node)?;
            let attr = Attr { size: bytes.len() as u64, mtime: txn.now(), ..row.attr };
            txn.set_local_content(node, &LocalContent::Staged { staged: file.id(), based_on }, &attr)
        });
        if synced_to_disk {
            self.record(&file, node);
        }
        true
    }

    /// Writes at the end of a file without having the rest of it: an overlay.
    pub(crate) fn append_over(&self, node: NodeId, bytes: &[u8]) -> Option<StagedId> {
        let row = self.read(|view| view.local(node))?;
        let LocalContent::Clean(version) = &row.content else { return None };
        let cached = self.run().content.cached_if_present(version).unwrap();
        if version.size == 0 || !cached.is_some_and(|file| file.is_complete()) {
            return None;
        }
        let file = self.run().content.stage(StagedId::random(), Some(version)).unwrap();
        let cached = self.run().content.cached(version).unwrap();
        for run in file.missing_for_write(ByteRange::at(version.size, bytes.len() as u64)) {
            let range = run.bytes(version.size);
            let mut base = vec![0; usize::try_from(range.len()).unwrap()];
            assert_eq!(cached.read(range.start, &mut base).unwrap(), ReadOutcome::Complete);
            file.fill_base(run.start, &base).unwrap();
        }
        file.write(version.size, bytes).unwrap();
        self.change(|txn| {
            put_staged(txn, &file, node)?;
            let attr = Attr { size: file.size(), mtime: txn.now(), ..row.attr };
            let content = LocalContent::Staged { staged: file.id(), based_on: Some(version.clone()) };
            txn.set_local_content(node, &content, &attr)
        });
        Some(file.id())
    }

    /// Renames; over a file if there is one. A file that was never synced hands its bytes to the file that it replaces.
    pub(crate) fn rename(&self, node: NodeId, parent: NodeId, name: &EntryName) -> bool {
        self.change(|txn| {
            let Some(mut row) = txn.local(node)? else { return Ok(false) };
            if txn.local(parent)?.is_none() || txn.is_local_ancestor(node, parent)? {
                return Ok(false);
            }
            let local_only = self.filter.keeps_after_move(txn, &row, parent, name)?;
            let key = self.provider.capabilities().names.key(name);
            let target = txn.local_by_key(parent, &key)?.into_iter().find(|target| target.node != node);
            if let Some(mut target) = target {
                if target.kind != NodeKind::File || row.kind != NodeKind::File {
                    return Ok(false);
                }
                if let (None, None, LocalContent::Staged { staged, .. }) =
                    (txn.remote(node)?, txn.synced(node)?, &row.content)
                    && !local_only
                    && !target.local_only
                {
                    let based_on = match &target.content {
                        LocalContent::Clean(version) => Some(version.clone()),
                        LocalContent::Staged { based_on, .. } => based_on.clone(),
                        LocalContent::None | LocalContent::Symlink(_) => None,
                    };
                    let mut moved = txn.staged(*staged)?.unwrap();
                    moved.node = target.node;
                    txn.put_staged(&moved)?;
                    target.content = LocalContent::Staged { staged: *staged, based_on };
                    target.attr.size = row.attr.size;
                    txn.remove_local(node)?;
                    txn.update_local(&target)?;
                    txn.forget_node_if_absent(node)?;
                    return Ok(true);
                }
                txn.remove_local(target.node)?;
            }
            row.parent = Some(parent);
            row.name = name.clone();
            row.local_only = local_only;
            txn.update_local(&row)?;
            self.filter.inherit(txn, &row)?;
            Ok(true)
        })
    }

    /// Deletes with everything below. Never-synced bytes go as the mount lets them go.
    pub(crate) fn delete(&self, node: NodeId) -> bool {
        self.change(|txn| {
            if txn.local(node)?.is_none() {
                return Ok(false);
            }
            delete_below(txn, node)?;
            Ok(true)
        })
    }

    /// Opens or closes a file for writing.
    pub(crate) fn set_writing(&self, node: NodeId, writing: bool) {
        let Some(row) = self.read(|view| view.local(node)) else { return };
        let mut open = self.run().mount.writing.lock().unwrap();
        if writing {
            open.insert(row.ino)
        } else {
            open.remove(&row.ino)
        };
        drop(open);
        self.run().engine.kick();
    }

    pub(crate) fn close_all(&self) {
        self.run().mount.writing.lock().unwrap().clear();
        self.run().engine.kick();
    }

    /// Reads a file as an application does; `None` if the bytes cannot be had now.
    pub(crate) async fn open_and_read(&self, row: &LocalRow) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(row.attr.size).unwrap()];
        match &row.content {
            LocalContent::Clean(version) => {
                let hydrate =
                    SimHydrate { provider: Arc::clone(&self.provider), content: Arc::clone(&self.run().content) };
                hydrate.hydrate(version).await.ok()?;
                assert_eq!(version.size, row.attr.size, "{}: size of the row", row.name);
                let file = self.run().content.cached(version).unwrap();
                assert_eq!(file.read(0, &mut bytes).unwrap(), ReadOutcome::Complete);
            }
            LocalContent::Staged { staged, .. } => {
                let file = match self.run().content.staged(*staged) {
                    Ok(file) => file,
                    // It became clean after the row was read.
                    Err(ContentError::StagedMissing(_)) => return None,
                    Err(error) => panic!("{}: {error}", row.name),
                };
                if file.read(0, &mut bytes).unwrap() != ReadOutcome::Complete {
                    return None;
                }
            }
            LocalContent::None | LocalContent::Symlink(_) => return None,
        }
        Some(bytes)
    }

    /// Contents of every kept version.
    pub(crate) fn history(&self) -> Vec<Vec<u8>> {
        self.read(|view| view.history(None))
            .iter()
            .map(|row| {
                let mut bytes = Vec::new();
                let mut file = self.run().content.open_kept(&row.file).unwrap();
                std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
                bytes
            })
            .collect()
    }
}

fn put_staged(txn: &Txn<'_>, file: &StagedFile, node: NodeId) -> Result<(), CatalogError> {
    let (id, size, created) = (file.id(), file.size(), txn.now());
    txn.put_staged(&StagedRow { id, node, size, hashed: None, session: None, created })
}

fn new_row(
    txn: &Txn<'_>,
    node: NodeId,
    parent: NodeId,
    name: &EntryName,
    kind: NodeKind,
    content: LocalContent,
    size: u64,
) -> Result<LocalRow, CatalogError> {
    let now = txn.now();
    let mode = if kind == NodeKind::Folder { 0o755 } else { 0o644 };
    let attr = Attr { mode, uid: 0, gid: 0, rdev: 0, special: 0, size, atime: now, mtime: now, ctime: now, btime: now };
    let (ino, name) = (txn.new_ino()?, name.clone());
    Ok(LocalRow { node, parent: Some(parent), name, kind, ino, attr, content, local_only: false })
}

fn delete_below(txn: &Txn<'_>, node: NodeId) -> Result<(), CatalogError> {
    for child in txn.local_children(node, NodeId(0), usize::MAX >> 1)? {
        delete_below(txn, child.node)?;
    }
    txn.remove_local(node)?;
    txn.forget_node_if_absent(node)
}
