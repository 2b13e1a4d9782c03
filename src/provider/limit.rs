//! Bounds of calls: at most as many at once as the provider says, and none without an end. Waiting for a turn, or for a limit
//! of bandwidth, is part of no deadline. Trying again is the caller's decision.

use std::fs::File;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::{
    Capabilities, ChangePage, Cursor, ErrorKind, Operation, Provider, ProviderError, RemoteEntry, Result, Space,
    Upload, UploadObserver, UploadSession,
};
use crate::types::{ByteRange, EntryName, RemoteId, Revision};

/// One in this many turns, and one at least, is left to other calls by uploads.
const UPLOADS_LEAVE: usize = 4;

/// How long calls may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadlines {
    /// Calls about one entry.
    pub metadata: Duration,
    /// One page of changes.
    pub listing: Duration,
    /// One ranged read.
    pub read: Duration,
    /// An upload without progress.
    pub upload_stall: Duration,
    /// How much longer than asked for a wait for changes may take.
    pub wait_grace: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            metadata: Duration::from_secs(30),
            listing: Duration::from_secs(120),
            read: Duration::from_secs(30),
            upload_stall: Duration::from_secs(60),
            wait_grace: Duration::from_secs(30),
        }
    }
}

/// A provider whose calls are bounded in number and time.
pub struct Limited<P> {
    inner: P,
    turns: Semaphore,
    /// Fewer: uploads take long, and readers must not wait for them.
    uploads: Semaphore,
    deadlines: Deadlines,
}

impl<P: Provider> Limited<P> {
    /// Bounds the calls of `inner` by its own limits and by `deadlines`.
    pub fn new(inner: P, deadlines: Deadlines) -> Self {
        let turns = inner.capabilities().limits.parallel_calls.max(1);
        let uploads = (turns - turns.div_ceil(UPLOADS_LEAVE)).max(1);
        Self { inner, turns: Semaphore::new(turns), uploads: Semaphore::new(uploads), deadlines }
    }

    /// The bounded provider.
    pub fn inner(&self) -> &P {
        &self.inner
    }

    async fn call<T>(
        &self,
        operation: Operation,
        deadline: Duration,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let _turn = self.turn(operation).await?;
        tokio::time::timeout(deadline, call).await.unwrap_or_else(|_| Err(too_long(operation, deadline)))
    }

    async fn metadata<T>(&self, operation: Operation, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.call(operation, self.deadlines.metadata, call).await
    }

    async fn turn(&self, operation: Operation) -> Result<SemaphorePermit<'_>> {
        self.turns.acquire().await.map_err(|error| closed(operation, error))
    }
}

fn closed(operation: Operation, error: AcquireError) -> ProviderError {
    ProviderError::new(ErrorKind::Busy, operation.name(), "shutting down").caused_by(error)
}

fn too_long(operation: Operation, deadline: Duration) -> ProviderError {
    let kind = if operation.has_effect() { ErrorKind::Ambiguous } else { ErrorKind::Busy };
    ProviderError::new(kind, operation.name(), format!("no answer within {deadline:?}"))
}

/// Remembers when an upload last moved.
struct Pulse<'a> {
    observer: &'a dyn UploadObserver,
    /// `None`: it waits for our own limit of bandwidth, which is no stall.
    last: Mutex<Option<Instant>>,
}

impl Pulse<'_> {
    fn set(&self, last: Option<Instant>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    fn beat(&self) {
        self.set(Some(Instant::now()));
    }

    /// Returns when nothing has moved for `stall`.
    async fn stopped(&self, stall: Duration) {
        loop {
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let end = last.unwrap_or_else(Instant::now) + stall;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

#[async_trait]
impl UploadObserver for Pulse<'_> {
    fn progressed(&self, sent: u64) {
        self.beat();
        self.observer.progressed(sent);
    }

    fn session(&self, session: &UploadSession) {
        self.beat();
        self.observer.session(session);
    }

    async fn grant(&self, wanted: u64) -> u64 {
        self.set(None);
        let granted = self.observer.grant(wanted).await;
        self.beat();
        granted
    }
}

#[async_trait]
impl<P: Provider> Provider for Limited<P> {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn root(&self) -> Result<RemoteEntry> {
        self.metadata(Operation::Root, self.inner.root()).await
    }

    async fn changes(&self, cursor: Option<&Cursor>) -> Result<ChangePage> {
        self.call(Operation::Changes, self.deadlines.listing, self.inner.changes(cursor)).await
    }

    async fn wait_for_changes(&self, cursor: &Cursor, timeout: Duration) -> Result<()> {
        // Takes no turn: it would keep one for ever.
        let deadline = timeout.saturating_add(self.deadlines.wait_grace);
        tokio::time::timeout(deadline, self.inner.wait_for_changes(cursor, timeout))
            .await
            .unwrap_or_else(|_| Err(too_long(Operation::WaitForChanges, deadline)))
    }

    async fn stat(&self, id: &RemoteId) -> Result<RemoteEntry> {
        self.metadata(Operation::Stat, self.inner.stat(id)).await
    }

    async fn find(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>> {
        self.metadata(Operation::Find, self.inner.find(parent, name)).await
    }

    async fn children(&self, folder: &RemoteId) -> Result<Vec<RemoteEntry>> {
        self.call(Operation::Changes, self.deadlines.listing, self.inner.children(folder)).await
    }

    async fn read(&self, id: &RemoteId, revision: &Revision, range: ByteRange) -> Result<Bytes> {
        self.call(Operation::Read, self.deadlines.read, self.inner.read(id, revision, range)).await
    }

    async fn create_folder(&self, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry> {
        self.metadata(Operation::CreateFolder, self.inner.create_folder(parent, name)).await
    }

    async fn create_symlink(&self, parent: &RemoteId, name: &EntryName, target: &str) -> Result<RemoteEntry> {
        self.metadata(Operation::CreateSymlink, self.inner.create_symlink(parent, name, target)).await
    }

    async fn upload(&self, upload: Upload<'_>) -> Result<RemoteEntry> {
        let _upload = self.uploads.acquire().await.map_err(|error| closed(Operation::Upload, error))?;
        let _turn = self.turn(Operation::Upload).await?;
        let stall = self.deadlines.upload_stall;
        let pulse = Pulse { observer: upload.observer, last: Mutex::new(Some(Instant::now())) };
        tokio::select! {
            result = self.inner.upload(Upload { observer: &pulse, ..upload }) => result,
            () = pulse.stopped(stall) => Err(too_long(Operation::Upload, stall)),
        }
    }

    async fn relocate(&self, id: &RemoteId, to_parent: &RemoteId, to_name: &EntryName) -> Result<RemoteEntry> {
        self.metadata(Operation::Relocate, self.inner.relocate(id, to_parent, to_name)).await
    }

    async fn delete(&self, id: &RemoteId, expected: Option<&Revision>) -> Result<()> {
        self.metadata(Operation::Delete, self.inner.delete(id, expected)).await
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
        self.metadata(Operation::Space, self.inner.space()).await
    }
}
