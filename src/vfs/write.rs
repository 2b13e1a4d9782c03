//! Opening, writing, and making writes safe.
//!
//! The first write to a clean file stages it: one transaction makes the local row point to staged bytes, which overlay the version
//! that was there. From then on writes go to the staged file alone. Size and times are stored at flush, fsync and release; after a
//! crash before that they are taken from the staged file.

use std::sync::Arc;

use super::attr::MAX_FILE_BYTES;
use super::handles::{CleanContent, Closed, Handle, OpenContent, Promise};
use super::lend::Opened;
use super::ports::Register;
use super::wait::{Done, Step, Waiter};
use super::{FsError, OpenFile, Result, VaultFs, arc_file};
use crate::catalog::{LocalContent, LocalRow, StagedRow, Version};
use crate::content::{ContentError, StagedFile, StagedRecord};
use crate::types::{ByteRange, HandleNo, InodeNo, NodeId, NodeKind, StagedId, ThreadNo};

/// What a handle is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenIntent {
    /// May read.
    pub read: bool,
    /// May write.
    pub write: bool,
}

/// What becomes of a range of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allocation {
    /// Disk space is reserved for it; the file grows to its end.
    Grow,
    /// Disk space is reserved for it; the size stays.
    Reserve,
    /// It reads as zeros and takes no space; the size stays.
    Hole,
}

impl VaultFs {
    /// Opens a file. Never waits for the network.
    pub fn open(&self, ino: InodeNo, intent: OpenIntent, register: &Register<'_>) -> Result<Opened> {
        // The namespace lock keeps names and clean content as they are between reading the row and registering the handle.
        let _namespace = self.namespace.lock();
        loop {
            let prepared = match arc_file(&self.open, ino) {
                Some(file) => {
                    if intent.write {
                        self.expect_kernel_writes(&file)?;
                    }
                    None
                }
                None => {
                    let row = self.row(ino)?;
                    match row.kind {
                        NodeKind::File => {}
                        NodeKind::Folder => return Err(FsError::IsFolder),
                        NodeKind::Symlink | NodeKind::Special => {
                            return Err(FsError::Invalid("only files can be opened"));
                        }
                    }
                    let content = self.open_content(&row);
                    let loan = self.lend(&content, row.attr.size, intent, register)?;
                    Some(OpenFile::new(&row, content, loan))
                }
            };
            // The last handle may have been closed meanwhile: then the row must be read after all.
            if let Some(handle) = self.open.lock().open(ino, intent.read, intent.write, prepared) {
                return Ok(Opened::of(&handle));
            }
        }
    }

    pub(super) fn writable_handle(&self, handle: HandleNo) -> Result<Handle> {
        let handle = self.handle(handle)?;
        if handle.writable { Ok(handle) } else { Err(FsError::BadHandle) }
    }

    /// Writes `bytes` at `offset`. `bytes` is copied only if the write has to wait for a block that it covers in part.
    pub fn write(
        self: &Arc<Self>,
        handle: HandleNo,
        offset: u64,
        bytes: &[u8],
        caller: Option<ThreadNo>,
        done: Done<u32>,
    ) {
        let handle = match self.writable_handle(handle) {
            Ok(handle) => handle,
            Err(error) => return done(Err(error)),
        };
        match self.write_step(&handle.file, offset, bytes) {
            Ok(Step::Done(written)) => done(Ok(written)),
            Err(error) => done(Err(error)),
            Ok(Step::NeedBase(_) | Step::NeedCached(_)) => {
                let (bytes, file) = (bytes.to_vec(), Arc::clone(&handle.file));
                self.with_blocks(Waiter { handle, caller }, move |vfs| vfs.write_step(&file, offset, &bytes), done);
            }
        }
    }

    pub(super) fn write_step(&self, file: &Arc<OpenFile>, offset: u64, bytes: &[u8]) -> Result<Step<u32>> {
        self.with_room(|| self.write_where_room_is(file, offset, bytes))
    }

    /// Deleted bytes keep their space until the deletion is durable. Whoever finds no space does not wait for that moment.
    fn with_room<T>(&self, work: impl Fn() -> Result<T>) -> Result<T> {
        match work() {
            Err(FsError::Content(ContentError::NoSpace { .. })) if self.parts.catalog.settle()? => work(),
            done => done,
        }
    }

    fn write_where_room_is(&self, file: &Arc<OpenFile>, offset: u64, bytes: &[u8]) -> Result<Step<u32>> {
        let len = bytes.len() as u64;
        let written = u32::try_from(len).map_err(|_| FsError::TooLarge)?;
        let range = ByteRange::at(offset, len);
        if range.end > MAX_FILE_BYTES {
            return Err(FsError::TooLarge);
        }
        self.ensure_staged(file, false)?;
        // A write past the end uncovers the tail of the old last block as zeros.
        let mut state = file.write();
        let OpenContent::Staged { file: staged, .. } = &state.content else {
            return Err(FsError::ChangedUnderHandle);
        };
        let missing = staged.missing_for_write(range);
        if !missing.is_empty() {
            return Ok(Step::NeedBase(missing));
        }
        staged.write(offset, bytes)?;
        state.attr.size = staged.size();
        let now = self.parts.clock.now();
        state.attr.mtime = now;
        state.attr.ctime = now;
        state.unsaved = true;
        Ok(Step::Done(written))
    }

    /// posix_fallocate or punch hole. Other modes are refused by the adapter.
    pub fn allocate(
        self: &Arc<Self>,
        handle: HandleNo,
        range: ByteRange,
        how: Allocation,
        caller: Option<ThreadNo>,
        done: Done<()>,
    ) {
        let handle = match self.writable_handle(handle) {
            Ok(handle) => handle,
            Err(error) => return done(Err(error)),
        };
        if range.end > MAX_FILE_BYTES {
            return done(Err(FsError::TooLarge));
        }
        let file = Arc::clone(&handle.file);
        let step = move |vfs: &Arc<Self>| vfs.with_room(|| vfs.allocate_step(&file, range, how));
        self.with_blocks(Waiter { handle, caller }, step, done);
    }

    fn allocate_step(&self, file: &Arc<OpenFile>, range: ByteRange, how: Allocation) -> Result<Step<()>> {
        self.ensure_staged(file, false)?;
        file.follow(self.parts.clock.now())?;
        let mut state = file.write();
        let OpenContent::Staged { file: staged, .. } = &state.content else {
            return Err(FsError::ChangedUnderHandle);
        };
        match how {
            Allocation::Hole => {
                let missing = staged.missing_for_write(range.clamp_to(staged.size()));
                if !missing.is_empty() {
                    return Ok(Step::NeedBase(missing));
                }
                staged.punch(range)?;
            }
            Allocation::Reserve => staged.allocate(range, true)?,
            Allocation::Grow => staged.allocate(range, false)?,
        }
        state.attr.size = staged.size();
        let now = self.parts.clock.now();
        state.attr.mtime = now;
        state.attr.ctime = now;
        state.unsaved = true;
        Ok(Step::Done(()))
    }

    /// Makes sure that a file's bytes are staged. `from_nothing`: the old bytes are not wanted, so there is nothing to overlay.
    pub(super) fn ensure_staged(&self, file: &Arc<OpenFile>, from_nothing: bool) -> Result<()> {
        if matches!(file.read().content, OpenContent::Staged { .. }) {
            return Ok(());
        }
        let _namespace = self.namespace.lock();
        let mut state = file.write();
        let version = match &state.content {
            OpenContent::Staged { .. } => return Ok(()),
            OpenContent::Clean(clean) => clean.version.clone(),
            OpenContent::Lost(staged) => return Err(ContentError::StagedMissing(*staged).into()),
        };
        let id = StagedId::random();
        let over = (!from_nothing && version.size > 0).then_some(&version);
        let staged = self.parts.content.stage(id, over)?;
        if from_nothing {
            state.attr.size = 0;
        }
        if let Some(node) = state.node {
            let stored = self.store_staged(node, &staged, Some(&version), &state.attr);
            if let Err(error) = stored {
                self.parts.content.discard(id)?;
                return Err(error);
            }
        }
        let base = over.is_some().then(|| CleanContent::new(version.clone()));
        state.content = OpenContent::Staged { file: staged, base, based_on: Some(version) };
        state.unsaved = true;
        Ok(())
    }

    pub(super) fn store_staged(
        &self,
        node: NodeId,
        staged: &StagedFile,
        based_on: Option<&Version>,
        attr: &crate::catalog::Attr,
    ) -> Result<()> {
        self.parts.catalog.write(|txn| {
            txn.put_staged(&StagedRow {
                id: staged.id(),
                node,
                size: attr.size,
                hashed: None,
                session: None,
                created: txn.now(),
            })?;
            let content = LocalContent::Staged { staged: staged.id(), based_on: based_on.cloned() };
            txn.set_local_content(node, &content, attr)?;
            Ok::<_, FsError>(())
        })
    }

    /// Stores size, times and content of an open file if they changed since they were last stored.
    pub(super) fn save(&self, file: &Arc<OpenFile>) -> Result<()> {
        file.follow(self.parts.clock.now())?;
        let mut state = file.write();
        let (true, Some(node)) = (state.unsaved, state.node) else { return Ok(()) };
        let content = state.stored_content();
        self.parts.catalog.write(|txn| {
            if let LocalContent::Staged { staged, .. } = &content
                && let Some(row) = txn.staged(*staged)?
            {
                txn.put_staged(&StagedRow { size: state.attr.size, hashed: None, session: None, ..row })?;
            }
            txn.set_local_content(node, &content, &state.attr)
        })?;
        state.unsaved = false;
        Ok(())
    }

    /// A handle was closed somewhere (there may be others): what was written survives the death of the daemon.
    pub fn flush(&self, handle: HandleNo) -> Result<()> {
        self.save(&self.handle(handle)?.file)
    }

    /// What was written survives a power cut: bytes first, then the record that describes them, then the catalog that points to them.
    /// Record and row are left alone if the last `fsync` has made them durable as they should be.
    pub fn fsync(&self, handle: HandleNo) -> Result<()> {
        let file = self.handle(handle)?.file;
        let staged = match &file.read().content {
            OpenContent::Staged { file: staged, .. } => Some(Arc::clone(staged)),
            OpenContent::Clean(_) => None,
            OpenContent::Lost(staged) => return Err(ContentError::StagedMissing(*staged).into()),
        };
        let mut new = None;
        if let Some(staged) = staged {
            let (promise, promised) = self.promise(&file, &staged)?;
            staged.sync()?;
            if promise.is_some() && promise == promised {
                return Ok(self.parts.catalog.sync()?);
            }
            if let Some(promise) = &promise {
                staged.write_record(&promise.record)?;
            }
            new = promise;
        }
        self.save(&file)?;
        self.parts.catalog.sync()?;
        file.write().promised = new;
        Ok(())
    }

    /// What an `fsync` is to promise now, and what the last one has. As long as nobody sets it, the file itself knows when it was written.
    fn promise(&self, file: &OpenFile, staged: &StagedFile) -> Result<(Option<Promise>, Option<Promise>)> {
        let state = file.read();
        let Some(node) = state.node else { return Ok((None, None)) };
        let Some(path) = self.parts.catalog.read(|view| view.local_path(node))? else { return Ok((None, None)) };
        let OpenContent::Staged { based_on, .. } = &state.content else { return Ok((None, None)) };
        let attributes_set = state.attributes_set;
        let promised = state.promised.clone();
        let unset = promised.as_ref().filter(|promised| promised.attributes_set == attributes_set);
        let record = StagedRecord {
            vault: self.parts.vault,
            id: staged.id(),
            path,
            based_on: based_on.clone(),
            mode: state.attr.mode,
            mtime: unset.map_or(state.attr.mtime, |promised| promised.record.mtime),
        };
        Ok((Some(Promise { record, attributes_set }), promised))
    }

    /// Names survive a power cut (`fsync` of a folder, `syncfs`).
    pub fn sync_names(&self) -> Result<()> {
        Ok(self.parts.catalog.sync()?)
    }

    /// The last close of a handle. Nobody hears of a failure here, so it goes to the problem log.
    pub fn release(&self, handle: HandleNo) {
        let Ok(Handle { file, writable, .. }) = self.handle(handle) else { return };
        // Stored before the handle leaves the table: whoever opens the file next reads the stored row.
        if writable {
            let before = file.read().attr.mtime;
            if let Err(error) = self.save(&file) {
                let node = file.read().node;
                node.inspect(|node| self.parts.sink.problem(*node, "close", &error));
            }
            // Stores through a mapping tell the kernel nothing of the new time (`reference/fuse.md` 2.2, 10).
            if file.loan.is_some()
                && file.read().attr.mtime != before
                && let Some(notices) = self.notices()
            {
                notices.attributes(file.ino);
            }
        }
        if let Some(closed) = self.close_handle(handle)
            && closed.last_writer
            && let Some(node) = closed.file.read().node
        {
            self.parts.sink.changed(node);
        }
    }

    /// Takes a handle off the table; bytes of an inode without a name go with its last handle.
    fn close_handle(&self, handle: HandleNo) -> Option<Closed> {
        let closed = self.open.lock().close(handle)?;
        if closed.last_handle {
            if let Some(loan) = &closed.file.loan {
                self.take_loan_back(loan);
            }
            let state = closed.file.read();
            if let (None, OpenContent::Staged { file: staged, .. }) = (state.node, &state.content) {
                self.discard_staged(staged.id());
            }
        }
        Some(closed)
    }

    /// A handle for a file that was just created: its content is known without asking the catalog.
    pub(super) fn open_created(
        &self,
        row: &LocalRow,
        staged: Arc<StagedFile>,
        based_on: Option<Version>,
        intent: OpenIntent,
        register: &Register<'_>,
    ) -> Result<Opened> {
        let content = OpenContent::Staged { file: staged, base: None, based_on };
        let loan = self.lend(&content, row.attr.size, intent, register)?;
        let file = OpenFile::new(row, content, loan);
        let opened = self.open.lock().open(row.ino, intent.read, intent.write, Some(file));
        opened.map(|handle| Opened::of(&handle)).ok_or(FsError::BadHandle)
    }
}
