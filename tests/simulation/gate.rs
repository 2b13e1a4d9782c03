//! A provider that can be stopped at any boundary of a call: before it has its effect, or after the effect and before the answer. What
//! else happens at that moment, and whether the answer comes, is lost or finds nobody, is up to the test.

use std::fs::File;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use vaultfs::provider::{
    Capabilities, ChangePage, Cursor, ErrorKind, Provider, ProviderError, RemoteEntry, Result, Space, Upload,
    UploadTarget,
};
use vaultfs::types::{ByteRange, EntryName, RemoteId, Revision};

/// Where a call stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// It has had no effect.
    Before,
    /// It has had its effect.
    After,
}

/// A call that is stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stopped {
    pub(crate) operation: &'static str,
    /// The name that it is about, where it has one.
    pub(crate) name: Option<EntryName>,
    pub(crate) side: Side,
}

/// What becomes of a stopped call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Release {
    /// It stays as it is.
    Held,
    /// It goes on.
    GoOn,
    /// It fails without telling whether it had its effect.
    Lose,
}

/// Where to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum StopAt {
    Nowhere,
    /// After so many boundaries.
    Boundary(u64),
    /// At the first one of this kind.
    Call(&'static str, Side),
}

/// A provider with a gate.
pub(crate) struct Gated<P> {
    pub(crate) inner: P,
    /// Boundaries passed.
    passed: AtomicU64,
    stop_at: Mutex<StopAt>,
    stopped: watch::Sender<Option<Stopped>>,
    release: watch::Sender<Release>,
    /// Every call is held at its next boundary.
    frozen: watch::Sender<bool>,
    /// Calls that are between their boundaries.
    inside: watch::Sender<u64>,
    /// What is where, for the names of calls by id.
    names: Mutex<std::collections::BTreeMap<RemoteId, EntryName>>,
}

impl<P: Provider> Gated<P> {
    pub(crate) fn new(inner: P) -> Self {
        Self {
            inner,
            passed: AtomicU64::new(0),
            stop_at: Mutex::new(StopAt::Nowhere),
            stopped: watch::Sender::new(None),
            release: watch::Sender::new(Release::Held),
            frozen: watch::Sender::new(false),
            inside: watch::Sender::new(0),
            names: Mutex::default(),
        }
    }

    /// Counts from here; the call at boundary `at` is stopped.
    pub(crate) fn arm(&self, at: u64) {
        self.stop_at(StopAt::Boundary(at));
    }

    /// The next such call is stopped.
    pub(crate) fn arm_call(&self, operation: &'static str, side: Side) {
        self.stop_at(StopAt::Call(operation, side));
    }

    fn stop_at(&self, at: StopAt) {
        self.stopped.send_replace(None);
        self.release.send_replace(Release::Held);
        self.passed.store(0, Ordering::Relaxed);
        *self.stop_at.lock().unwrap() = at;
    }

    /// Stops nothing any more. Returns how many boundaries were passed.
    pub(crate) fn disarm(&self) -> u64 {
        *self.stop_at.lock().unwrap() = StopAt::Nowhere;
        self.passed.load(Ordering::Relaxed)
    }

    /// Waits until a call is stopped.
    pub(crate) async fn stopped(&self) -> Stopped {
        let mut stopped = self.stopped.subscribe();
        let stopped = stopped.wait_for(Option::is_some).await.unwrap().clone();
        stopped.unwrap()
    }

    pub(crate) fn release(&self, how: Release) {
        self.release.send_replace(how);
    }

    /// Stops everything: calls that are having their effect end it, and no other call gets anywhere.
    pub(crate) async fn freeze(&self) {
        self.frozen.send_replace(true);
        self.release(Release::GoOn);
        let mut inside = self.inside.subscribe();
        inside.wait_for(|inside| *inside == 0).await.unwrap();
    }

    async fn pass(&self, operation: &'static str, name: Option<&EntryName>, side: Side) -> Result<()> {
        let passed = self.passed.fetch_add(1, Ordering::Relaxed);
        let is_here = match *self.stop_at.lock().unwrap() {
            StopAt::Nowhere => false,
            StopAt::Boundary(at) => at == passed,
            StopAt::Call(wanted, wanted_side) => (wanted, wanted_side) == (operation, side),
        };
        if !is_here {
            self.frozen.subscribe().wait_for(|frozen| !frozen).await.unwrap();
            return Ok(());
        }
        self.stopped.send_replace(Some(Stopped { operation, name: name.cloned(), side }));
        let mut release = self.release.subscribe();
        let how = *release.wait_for(|how| *how != Release::Held).await.unwrap();
        match how {
            Release::Lose => Err(ProviderError::new(ErrorKind::Ambiguous, operation, "the answer is lost")),
            Release::GoOn | Release::Held => Ok(()),
        }
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        name: Option<&EntryName>,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.pass(operation, name, Side::Before).await?;
        self.inside.send_modify(|inside| *inside += 1);
        let answer = call.await;
        self.inside.send_modify(|inside| *inside -= 1);
        self.pass(operation, name, Side::After).await?;
        answer
    }

    fn name_of(&self, id: &RemoteId) -> Option<EntryName> {
        self.names.lock().unwrap().get(id).cloned()
    }

    fn learn(&self, answer: &Result<RemoteEntry>) {
        if let Ok(entry) = answer {
            self.names.lock().unwrap().insert(entry.id.clone(), entry.name.clone());
        }
    }
}

#[async_trait]
impl<P: Provider> Provider for Gated<P> {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn root(&self) -> Result<RemoteEntry> {
        self.inner.root().await
    }

    async fn changes(&self, cursor: Option<&Cursor>) -> Result<ChangePage> {
        self.call("changes", None, self.inner.changes(cursor)).await
    }

    async fn wait_for_changes(&self, cursor: &Cursor, timeout: Duration) -> Result<()> {
        self.inner.wait_for_changes(cursor, timeout).await
    }

    async fn stat(&self, id: &RemoteId) -> Result<RemoteEntry> {
        let name = self.name_of(id);
        self.call("stat", name.as_ref(), self.inner.stat(id)).await
    }

    async fn find(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>> {
        self.call("find", Some(name), self.inner.find(parent, name)).await
    }

    async fn read(&self, id: &RemoteId, revision: &Revision, range: ByteRange) -> Result<Bytes> {
        self.inner.read(id, revision, range).await
    }

    async fn create_folder(&self, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry> {
        self.call("create folder", Some(name), async {
            let made = self.inner.create_folder(parent, name).await;
            self.learn(&made);
            made
        })
        .await
    }

    async fn create_symlink(&self, parent: &RemoteId, name: &EntryName, target: &str) -> Result<RemoteEntry> {
        self.call("create link", Some(name), self.inner.create_symlink(parent, name, target)).await
    }

    async fn upload(&self, upload: Upload<'_>) -> Result<RemoteEntry> {
        let name = match &upload.target {
            UploadTarget::Create { name, .. } => Some(name.clone()),
            UploadTarget::Replace { id, .. } => self.name_of(id),
        };
        self.call("upload", name.as_ref(), async {
            let stored = self.inner.upload(upload).await;
            self.learn(&stored);
            stored
        })
        .await
    }

    async fn relocate(&self, id: &RemoteId, to_parent: &RemoteId, to_name: &EntryName) -> Result<RemoteEntry> {
        self.call("move", Some(to_name), async {
            let moved = self.inner.relocate(id, to_parent, to_name).await;
            self.learn(&moved);
            moved
        })
        .await
    }

    async fn delete(&self, id: &RemoteId, expected: Option<&Revision>) -> Result<()> {
        let name = self.name_of(id);
        self.call("delete", name.as_ref(), self.inner.delete(id, expected)).await
    }

    fn open_direct(&self, id: &RemoteId, revision: &Revision) -> Option<File> {
        self.inner.open_direct(id, revision)
    }

    fn direct_is_current(&self, file: &File, revision: &Revision) -> bool {
        self.inner.direct_is_current(file, revision)
    }

    fn flush_memory(&self) -> std::io::Result<()> {
        self.inner.flush_memory()
    }

    async fn space(&self) -> Result<Space> {
        self.inner.space().await
    }
}
