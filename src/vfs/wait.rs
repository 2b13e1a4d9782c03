//! Operations that may need bytes which are not here. Each is written as a step that either finishes or names the blocks it needs;
//! the step is run again when they have arrived. The caller's thread never waits.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::handles::{CleanContent, CleanSource, Handle, OpenContent};
use super::ports::{FetchRequest, Urgency};
use super::{FsError, OpenFile, Result, VaultFs, arc_file};
use crate::content::{ReadOutcome, StagedFile};
use crate::types::{BlockRun, ByteRange, HandleNo, InodeNo, ThreadNo};

/// Receives the outcome of an operation, on the calling thread or on another one.
pub type Done<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// Who waits.
pub(super) struct Waiter {
    /// Through which handle.
    pub(super) handle: Handle,
    /// Which thread of a program; `None` if it is the daemon itself.
    pub(super) caller: Option<ThreadNo>,
}

/// Outcome of one attempt.
pub(super) enum Step<T> {
    /// Finished.
    Done(T),
    /// These blocks of the clean content must be in the block cache.
    NeedCached(Vec<BlockRun>),
    /// These blocks of the version below an overlay must be in the staged file.
    NeedBase(Vec<BlockRun>),
}

/// An operation that is tried until it finishes.
type StepFn<T> = Box<dyn FnMut(&Arc<VaultFs>) -> Result<Step<T>> + Send>;

/// How often a step is run again because blocks that had arrived were evicted or found damaged before it came to use them.
const MAX_ATTEMPTS: u32 = 8;

impl VaultFs {
    /// Runs `step` until it finishes, fetching what it needs in between.
    pub(super) fn with_blocks<T: Send + 'static>(
        self: &Arc<Self>,
        waiter: Waiter,
        step: impl FnMut(&Arc<Self>) -> Result<Step<T>> + Send + 'static,
        done: Done<T>,
    ) {
        self.attempt(waiter, Box::new(step), done, 0);
    }

    fn attempt<T: Send + 'static>(self: &Arc<Self>, waiter: Waiter, mut step: StepFn<T>, done: Done<T>, attempts: u32) {
        for attempts in attempts..MAX_ATTEMPTS {
            let request = match step(self) {
                Ok(Step::Done(value)) => return done(Ok(value)),
                Ok(Step::NeedCached(runs)) => self.fetch_request(&waiter, runs),
                Ok(Step::NeedBase(runs)) => match self.fill_base(&waiter.handle, &runs) {
                    Ok(BaseFill::Filled) => continue,
                    Ok(BaseFill::Missing(runs)) => self.fetch_request(&waiter, runs),
                    Err(error) => return done(Err(error)),
                },
                Err(error) => return done(Err(error)),
            };
            let Some(request) = request else { continue };
            let vfs = Arc::clone(self);
            let waits = Waits::begin(self, &waiter.handle.file);
            return self.parts.source.fetch(
                request,
                Box::new(move |fetched| {
                    match fetched {
                        Ok(()) => vfs.attempt(waiter, step, done, attempts + 1),
                        Err(error) => done(Err(error.into())),
                    }
                    drop(waits);
                }),
            );
        }
        done(Err(FsError::Fetch(super::ports::FetchError::Failed(
            "the bytes arrived but did not stay: the cache is too small or its disk is failing".into(),
        ))));
    }

    /// The request for blocks of the clean content of a file, or of the version below its overlay. `None` if the file has meanwhile
    /// no such content: the step looks again.
    fn fetch_request(&self, waiter: &Waiter, runs: Vec<BlockRun>) -> Option<FetchRequest> {
        let state = waiter.handle.file.read();
        let clean = match &state.content {
            OpenContent::Clean(clean) => clean,
            OpenContent::Staged { base: Some(base), .. } => base,
            OpenContent::Staged { base: None, .. } | OpenContent::Lost(_) => return None,
        };
        Some(FetchRequest {
            version: clean.version.clone(),
            runs,
            stream: waiter.handle.number.0,
            urgency: Urgency::Demand,
            caller: waiter.caller,
        })
    }

    /// Where a clean version is read from, decided once per open file.
    pub(super) fn source_of<'a>(&self, clean: &'a CleanContent) -> Result<&'a CleanSource> {
        if let Some(source) = clean.source.get() {
            return Ok(source);
        }
        let source = match self.parts.source.open_direct(&clean.version) {
            Some(file) => CleanSource::Direct(file),
            None => CleanSource::Cached(self.parts.content.cached(&clean.version)?),
        };
        Ok(clean.source.get_or_init(|| source))
    }

    /// Reads bytes of a clean version, all or nothing. `reader` is whom the fetcher reads ahead for.
    pub(super) fn read_clean(
        &self,
        clean: &CleanContent,
        reader: Option<HandleNo>,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<ReadOutcome> {
        match self.source_of(clean)? {
            CleanSource::Direct(direct) => {
                direct.read_exact_at(buffer, offset).map_err(|error| {
                    if error.kind() == std::io::ErrorKind::UnexpectedEof {
                        FsError::ChangedUnderHandle
                    } else {
                        FsError::Direct(error)
                    }
                })?;
                if self.parts.source.direct_is_current(direct, &clean.version) {
                    Ok(ReadOutcome::Complete)
                } else {
                    Err(FsError::ChangedUnderHandle)
                }
            }
            CleanSource::Cached(cached) => {
                let outcome = cached.read(offset, buffer)?;
                if let Some(reader) = reader
                    && outcome == ReadOutcome::Complete
                    && !cached.is_complete()
                {
                    let range = ByteRange::at(offset, buffer.len() as u64);
                    self.parts.source.read_on(&clean.version, reader.0, range);
                }
                Ok(outcome)
            }
        }
    }

    /// Copies blocks of the version below an overlay into the staged file, as far as they are on this machine.
    fn fill_base(&self, handle: &Handle, runs: &[BlockRun]) -> Result<BaseFill> {
        let state = handle.file.read();
        let OpenContent::Staged { file: staged, base, .. } = &state.content else {
            return Ok(BaseFill::Filled);
        };
        let Some(base) = base else { return Ok(BaseFill::Filled) };
        self.copy_base(staged, base, handle.number, runs)
    }

    fn copy_base(
        &self,
        staged: &StagedFile,
        base: &CleanContent,
        reader: HandleNo,
        runs: &[BlockRun],
    ) -> Result<BaseFill> {
        let mut missing = Vec::new();
        for run in runs {
            let ByteRange { start, end } = run.bytes(base.version.size);
            if start == end {
                continue;
            }
            let mut bytes = vec![0; usize::try_from(end - start).map_err(|_| FsError::TooLarge)?];
            match self.read_clean(base, Some(reader), start, &mut bytes)? {
                ReadOutcome::Complete => staged.fill_base(run.start, &bytes)?,
                ReadOutcome::Missing(runs) => missing.extend(runs),
            }
        }
        Ok(if missing.is_empty() { BaseFill::Filled } else { BaseFill::Missing(missing) })
    }
}

/// An operation that waits for bytes of an open file, until it is dropped. The kernel's pages of the file are locked meanwhile: a
/// thread that has them dropped waits too, out of reach of any signal, and an unmount waits for it. So pages are dropped when nobody waits.
struct Waits {
    vfs: Arc<VaultFs>,
    file: Arc<OpenFile>,
}

impl Waits {
    fn begin(vfs: &Arc<VaultFs>, file: &Arc<OpenFile>) -> Self {
        file.waiting().operations += 1;
        Self { vfs: Arc::clone(vfs), file: Arc::clone(file) }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut waiting = self.file.waiting();
        waiting.operations -= 1;
        if waiting.operations == 0 && std::mem::take(&mut waiting.pages_changed) {
            drop(waiting);
            self.vfs.pages_changed(self.file.ino);
        }
    }
}

impl VaultFs {
    /// The bytes of an inode are others, or elsewhere: the kernel asks for them again.
    pub(super) fn pages_changed(&self, ino: InodeNo) {
        if let Some(notices) = self.notices() {
            notices.pages(ino);
        }
    }

    /// Whether the kernel can drop the pages of an inode at once. If not, it is told anew when it can.
    pub fn pages_are_free(&self, ino: InodeNo) -> bool {
        let Some(file) = arc_file(&self.open, ino) else { return true };
        let mut waiting = file.waiting();
        waiting.pages_changed |= waiting.operations > 0;
        waiting.operations == 0
    }
}

enum BaseFill {
    Filled,
    Missing(Vec<BlockRun>),
}
