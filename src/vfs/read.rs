//! Reading: staged over direct or cached over cold.

use std::sync::Arc;
use std::time::Duration;

use super::handles::{OpenContent, TimedOut};
use super::ports::FetchError;
use super::wait::{Done, Step, Waiter};
use super::{FsError, OpenFile, Result, VaultFs};
use crate::content::{ContentError, ReadOutcome};
use crate::types::{ByteRange, HandleNo, ThreadNo};

/// For how long after a read that ended at its bound the same bytes are not waited for again.
const SECOND_WAIT_REFUSED: Duration = Duration::from_secs(1);

impl VaultFs {
    /// Reads up to `size` bytes at `offset`; shorter at the end of the file. Bytes that are here are delivered on this thread.
    pub fn read(
        self: &Arc<Self>,
        handle: HandleNo,
        offset: u64,
        size: u32,
        caller: Option<ThreadNo>,
        done: Done<Vec<u8>>,
    ) {
        let handle = match self.handle(handle) {
            Ok(handle) if handle.readable || handle.writable => handle,
            Ok(_) => return done(Err(FsError::BadHandle)),
            Err(error) => return done(Err(error)),
        };
        let (file, reader) = (Arc::clone(&handle.file), Some(handle.number));
        let (vfs, range) = (Arc::clone(self), ByteRange::at(offset, u64::from(size)));
        let asked = Arc::clone(&file);
        let done = Box::new(move |result: Result<Vec<u8>>| {
            if let Err(FsError::Fetch(FetchError::TimedOut(bound))) = &result {
                vfs.remember_timeout(&asked, range, *bound);
            }
            done(result);
        });
        let step = move |vfs: &Arc<Self>| match vfs.read_step(&file, reader, offset, size)? {
            Step::Done(bytes) => Ok(Step::Done(bytes)),
            waits @ (Step::NeedCached(_) | Step::NeedBase(_)) => vfs.refuse_second_wait(&file, range).map(|()| waits),
        };
        self.with_blocks(Waiter { handle, caller }, step, done);
    }

    fn remember_timeout(&self, file: &OpenFile, range: ByteRange, bound: Duration) {
        let at = self.parts.clock.monotonic();
        let mut state = file.write();
        // The kernel has several requests of one reader under way.
        let range = match state.timed_out {
            Some(last) if at.duration_since(last.at) < SECOND_WAIT_REFUSED => {
                ByteRange::new(last.range.start.min(range.start), last.range.end.max(range.end))
            }
            Some(_) | None => range,
        };
        state.timed_out = Some(TimedOut { range, bound, at });
    }

    /// When reading ahead has failed the kernel asks at once for the page that its caller wants. To wait again would double the
    /// promised bound, and this second wait is one out of which a caller cannot be killed.
    fn refuse_second_wait(&self, file: &OpenFile, range: ByteRange) -> Result<()> {
        let Some(last) = file.read().timed_out else { return Ok(()) };
        let again = last.range.start <= range.start && range.start < last.range.end;
        if again && self.parts.clock.monotonic().duration_since(last.at) < SECOND_WAIT_REFUSED {
            return Err(FetchError::TimedOut(last.bound).into());
        }
        Ok(())
    }

    /// `reader`: the handle that reads, if there is one to read ahead for.
    pub(super) fn read_step(
        &self,
        file: &OpenFile,
        reader: Option<HandleNo>,
        offset: u64,
        size: u32,
    ) -> Result<Step<Vec<u8>>> {
        file.follow(self.parts.clock.now())?;
        let state = file.read();
        let range = ByteRange::at(offset, u64::from(size)).clamp_to(state.attr.size);
        let mut buffer = vec![0; usize::try_from(range.len()).map_err(|_| FsError::TooLarge)?];
        if range.is_empty() {
            return Ok(Step::Done(buffer));
        }
        match &state.content {
            OpenContent::Clean(clean) => Ok(match self.read_clean(clean, reader, range.start, &mut buffer)? {
                ReadOutcome::Complete => Step::Done(buffer),
                ReadOutcome::Missing(runs) => Step::NeedCached(runs),
            }),
            OpenContent::Staged { file: staged, .. } => Ok(match staged.read(range.start, &mut buffer)? {
                ReadOutcome::Complete => Step::Done(buffer),
                ReadOutcome::Missing(runs) => Step::NeedBase(runs),
            }),
            OpenContent::Lost(staged) => Err(ContentError::StagedMissing(*staged).into()),
        }
    }

    /// SEEK_DATA (`data`) or SEEK_HOLE from `offset`. Bytes that are still at the provider are data.
    pub fn seek(&self, handle: HandleNo, offset: u64, data: bool) -> Result<u64> {
        let file = self.handle(handle)?.file;
        file.follow(self.parts.clock.now())?;
        let state = file.read();
        if offset >= state.attr.size {
            return Err(FsError::NoSuchOffset);
        }
        match (&state.content, data) {
            (OpenContent::Staged { file: staged, .. }, true) => staged.seek_data(offset)?.ok_or(FsError::NoSuchOffset),
            (OpenContent::Staged { file: staged, .. }, false) => Ok(staged.seek_hole(offset)?),
            (OpenContent::Clean(_) | OpenContent::Lost(_), true) => Ok(offset),
            (OpenContent::Clean(_) | OpenContent::Lost(_), false) => Ok(state.attr.size),
        }
    }
}
