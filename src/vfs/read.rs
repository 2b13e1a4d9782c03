//! Reading: staged over direct or cached over cold.

use std::sync::Arc;

use super::handles::OpenContent;
use super::wait::{Done, Step};
use super::{FsError, OpenFile, Result, VaultFs};
use crate::content::{ContentError, ReadOutcome};
use crate::types::{ByteRange, HandleNo};

impl VaultFs {
    /// Reads up to `size` bytes at `offset`; shorter at the end of the file. Bytes that are here are delivered on this thread.
    pub fn read(self: &Arc<Self>, handle: HandleNo, offset: u64, size: u32, done: Done<Vec<u8>>) {
        let handle = match self.handle(handle) {
            Ok(handle) if handle.readable || handle.writable => handle,
            Ok(_) => return done(Err(FsError::BadHandle)),
            Err(error) => return done(Err(error)),
        };
        let (file, reader) = (Arc::clone(&handle.file), Some(handle.number));
        self.with_blocks(handle, move |vfs| vfs.read_step(&file, reader, offset, size), done);
    }

    /// `reader`: the handle that reads, if there is one to read ahead for.
    pub(super) fn read_step(
        &self,
        file: &OpenFile,
        reader: Option<HandleNo>,
        offset: u64,
        size: u32,
    ) -> Result<Step<Vec<u8>>> {
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
