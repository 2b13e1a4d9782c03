//! A provider over a bad link: the inner one, with faults, delays and an off switch under the control of a
//! [`FaultControl`], and with capabilities taken away.
//!
//! Used by tests, by vaults with a simulated link and by the offline command. An error that it makes obeys the contract of the
//! trait: nothing was done, or the error is `Ambiguous`.

use std::fs::File;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Capabilities, ChangePage, Cursor, EntryBody, ErrorKind, Fault, FaultControl, Operation, Provider, ProviderError,
    RemoteEntry, Result, Space, Upload, UploadObserver, UploadSession, UploadTarget,
};
use crate::types::{ByteRange, EntryName, RemoteId, Revision};

/// A provider over a bad link.
pub struct Faulty<P> {
    inner: P,
    capabilities: Capabilities,
    control: FaultControl,
}

impl<P: Provider> Faulty<P> {
    /// Puts `inner` behind a link under `control`.
    pub fn new(inner: P, control: FaultControl) -> Self {
        Self { capabilities: inner.capabilities().clone(), inner, control }
    }

    /// Claims less than the inner provider can do. Without `direct` nothing is opened directly, without `conditional_write`
    /// conditions are not checked, without `ranged_read` only whole files are read; other flags change the claim alone.
    #[must_use]
    pub fn with_capabilities(mut self, change: impl FnOnce(&mut Capabilities)) -> Self {
        change(&mut self.capabilities);
        self
    }

    /// The provider behind the link.
    pub fn inner(&self) -> &P {
        &self.inner
    }

    /// The handle of the link.
    pub fn control(&self) -> &FaultControl {
        &self.control
    }

    /// A call starts. With the plug out nothing is asked, so that no outcome is unknown.
    fn begin(&self, operation: Operation) -> Result<Fate> {
        let (fault, latency) = self.control.begin(operation);
        if self.control.is_offline() {
            self.control.count_failure(operation);
            return Err(offline(operation));
        }
        Ok(Fate { operation, fault, latency })
    }

    /// One call over the link. `call` is not polled at all if the request does not arrive.
    async fn run<T>(&self, fate: &Fate, call: impl Future<Output = Result<T>>) -> Result<T> {
        let operation = fate.operation;
        let _running = self.control.running(operation);
        let attempt = async {
            if fate.latency > Duration::ZERO {
                tokio::time::sleep(fate.latency).await;
            }
            fate.before()?;
            let answer = call.await?;
            if fate.fault == Some(Fault::LoseReply) { Err(reply_lost(operation)) } else { Ok(answer) }
        };
        let result = tokio::select! {
            biased;
            () = self.control.offline() => Err(reply_lost(operation)),
            result = attempt => result,
        };
        result.inspect_err(|_| self.control.count_failure(operation))
    }

    async fn call<T>(&self, operation: Operation, call: impl Future<Output = Result<T>>) -> Result<T> {
        let fate = self.begin(operation)?;
        self.run(&fate, call).await
    }

    /// What `upload` is conditional on, if this provider checks no conditions: whatever is there now.
    async fn without_condition(&self, target: UploadTarget) -> Result<UploadTarget> {
        let (false, UploadTarget::Replace { id, .. }) = (self.capabilities.conditional_write, &target) else {
            return Ok(target);
        };
        match self.inner.stat(id).await?.body {
            EntryBody::File { revision, .. } => Ok(UploadTarget::Replace { id: id.clone(), expected: revision }),
            EntryBody::Folder | EntryBody::Symlink { .. } => Ok(target),
        }
    }

    /// Refuses to read a part, if this provider only has whole files.
    async fn require_whole(&self, id: &RemoteId, range: ByteRange) -> Result<()> {
        match self.inner.stat(id).await?.body {
            EntryBody::File { size, .. } if range != ByteRange::new(0, size) => {
                Err(ProviderError::new(ErrorKind::Unsupported, Operation::Read.name(), "only whole files can be read"))
            }
            EntryBody::File { .. } | EntryBody::Folder | EntryBody::Symlink { .. } => Ok(()),
        }
    }
}

/// What the link does to one call.
struct Fate {
    operation: Operation,
    fault: Option<Fault>,
    latency: Duration,
}

impl Fate {
    /// Fails if the request does not get through to an effect.
    fn before(&self) -> Result<()> {
        let fail = |kind, text: &str| Err(ProviderError::new(kind, self.operation.name(), text));
        match self.fault {
            Some(Fault::DropRequest) => Err(offline(self.operation)),
            Some(Fault::Busy(pause)) => Err(busy(self.operation, pause)),
            Some(Fault::CursorReset) if self.operation == Operation::Changes => {
                fail(ErrorKind::CursorReset, "the feed was reset")
            }
            Some(Fault::Corrupt) if matches!(self.operation, Operation::Read | Operation::Upload) => {
                fail(ErrorKind::Corrupt, "the bytes were damaged")
            }
            Some(Fault::Crash) => panic!("{}: a crash that was asked for", self.operation.name()),
            Some(Fault::LoseReply | Fault::Corrupt | Fault::CursorReset | Fault::DuplicatePage) | None => Ok(()),
        }
    }
}

fn offline(operation: Operation) -> ProviderError {
    ProviderError::new(ErrorKind::Offline, operation.name(), "the link is down")
}

fn busy(operation: Operation, pause: Option<Duration>) -> ProviderError {
    let error = ProviderError::new(ErrorKind::Busy, operation.name(), "too many requests");
    match pause {
        Some(pause) => error.retry_after(pause),
        None => error,
    }
}

fn reply_lost(operation: Operation) -> ProviderError {
    if operation.has_effect() {
        return ProviderError::new(ErrorKind::Ambiguous, operation.name(), "the reply was lost");
    }
    offline(operation)
}

/// Hands sessions on. The link, whose pace it is, has asked for leave to send, and told the progress.
struct SessionsOnly<'a>(&'a dyn UploadObserver);

#[async_trait]
impl UploadObserver for SessionsOnly<'_> {
    fn progressed(&self, _sent: u64) {}

    fn session(&self, session: &UploadSession) {
        self.0.session(session);
    }
}

#[async_trait]
impl<P: Provider> Provider for Faulty<P> {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn root(&self) -> Result<RemoteEntry> {
        self.call(Operation::Root, self.inner.root()).await
    }

    async fn changes(&self, cursor: Option<&Cursor>) -> Result<ChangePage> {
        let mut fate = self.begin(Operation::Changes)?;
        if cursor.is_none() && fate.fault == Some(Fault::CursorReset) {
            fate.fault = None; // a listing from the start has no cursor to be reset
        }
        let mut page = self.run(&fate, self.inner.changes(cursor)).await?;
        if fate.fault == Some(Fault::DuplicatePage) {
            page.changes.extend_from_within(..);
        }
        Ok(page)
    }

    async fn wait_for_changes(&self, cursor: &Cursor, timeout: Duration) -> Result<()> {
        self.call(Operation::WaitForChanges, self.inner.wait_for_changes(cursor, timeout)).await
    }

    async fn stat(&self, id: &RemoteId) -> Result<RemoteEntry> {
        self.call(Operation::Stat, self.inner.stat(id)).await
    }

    async fn find(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>> {
        self.call(Operation::Find, self.inner.find(parent, name)).await
    }

    async fn children(&self, folder: &RemoteId) -> Result<Vec<RemoteEntry>> {
        self.call(Operation::Changes, self.inner.children(folder)).await
    }

    async fn read(&self, id: &RemoteId, revision: &Revision, range: ByteRange) -> Result<Bytes> {
        self.call(Operation::Read, async {
            if !self.capabilities.ranged_read {
                self.require_whole(id, range).await?;
            }
            if self.control.is_unreadable(id) {
                return Err(ProviderError::new(
                    ErrorKind::Protocol,
                    Operation::Read.name(),
                    "the disk is damaged there",
                ));
            }
            let bytes = self.inner.read(id, revision, range).await?;
            self.control.transfer(Operation::Read, range.len(), |_| {}).await;
            Ok(bytes)
        })
        .await
    }

    async fn create_folder(&self, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry> {
        self.call(Operation::CreateFolder, self.inner.create_folder(parent, name)).await
    }

    async fn create_symlink(&self, parent: &RemoteId, name: &EntryName, target: &str) -> Result<RemoteEntry> {
        self.call(Operation::CreateSymlink, self.inner.create_symlink(parent, name, target)).await
    }

    async fn upload(&self, upload: Upload<'_>) -> Result<RemoteEntry> {
        self.call(Operation::Upload, async {
            let size = upload.source.size();
            let mut sent = upload.resume.as_ref().map_or(0, |session| session.offset).min(size);
            while sent < size {
                let granted = upload.observer.grant(size - sent).await;
                let progressed = |passed| upload.observer.progressed(sent + passed);
                self.control.transfer(Operation::Upload, granted, progressed).await;
                sent += granted;
            }
            let observer = SessionsOnly(upload.observer);
            let target = self.without_condition(upload.target).await?;
            self.inner.upload(Upload { target, observer: &observer, ..upload }).await
        })
        .await
    }

    async fn relocate(&self, id: &RemoteId, to_parent: &RemoteId, to_name: &EntryName) -> Result<RemoteEntry> {
        self.call(Operation::Relocate, self.inner.relocate(id, to_parent, to_name)).await
    }

    async fn delete(&self, id: &RemoteId, expected: Option<&Revision>) -> Result<()> {
        let expected = expected.filter(|_| self.capabilities.conditional_write);
        self.call(Operation::Delete, self.inner.delete(id, expected)).await
    }

    fn open_direct(&self, id: &RemoteId, revision: &Revision) -> Option<File> {
        if !self.capabilities.direct {
            return None;
        }
        self.begin(Operation::OpenDirect).ok()?;
        self.inner.open_direct(id, revision)
    }

    fn direct_is_current(&self, file: &File, revision: &Revision) -> bool {
        self.inner.direct_is_current(file, revision)
    }

    fn flush_memory(&self) -> std::io::Result<()> {
        self.inner.flush_memory()
    }

    async fn space(&self) -> Result<Space> {
        self.call(Operation::Space, self.inner.space()).await
    }
}
