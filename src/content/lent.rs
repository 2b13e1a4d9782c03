//! Staged bytes that the kernel reads and writes by itself, past this process (FUSE passthrough).
//!
//! Invariants: only an inode that is complete and nobody else's is lent. While it is lent, size and time of the file are what the disk says
//! and [`StagedFile::observe`] brings the rest up to that; names and inode stay, even if the bytes are sent and discarded meanwhile,
//! so that whoever opens the file for writing next gets the inode that the readers have.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;

use super::files::{IoContext, STAGED};
use super::staged::{StagedFile, State};
use super::{ContentStore, Result};
use crate::catalog::Version;
use crate::types::Timestamp;

/// What is known of bytes that are lent.
#[derive(Default)]
pub(super) struct Lent {
    /// Nobody refers to them any more: they go when they are given back.
    pub(super) discard: bool,
    /// At the last look.
    seen: Option<Seen>,
}

/// What only the disk knows of bytes that are lent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Bytes.
    pub size: u64,
    /// Last change.
    pub modified: Timestamp,
}

impl StagedFile {
    /// Hands out the file for the kernel to read and to write; `None` if the bytes are not all in one inode that is this file's alone.
    /// To be followed by [`ContentStore::give_back`].
    pub fn lend(&self) -> Result<Option<File>> {
        let mut state = self.freeze();
        if state.overlay.is_some() || state.inode_shared || state.discarded || self.is_suspect() {
            return Ok(None);
        }
        let file = state.data.try_clone().context(STAGED, "open", &self.path())?;
        state.lent = Some(Lent::default());
        self.look(&mut state)?;
        Ok(Some(file))
    }

    /// Somebody may write from now on: nothing that was read before is of this generation.
    pub fn expect_writes(&self) {
        let mut state = self.freeze();
        self.generation.fetch_add(1, Ordering::AcqRel);
        state.checksums = None;
    }

    /// What the disk says of bytes that are lent. If they were changed since the last look, they are another generation.
    pub fn observe(&self) -> Result<Seen> {
        self.look(&mut self.freeze())
    }

    fn look(&self, state: &mut State) -> Result<Seen> {
        let metadata = state.data.metadata().context(STAGED, "stat", &self.path())?;
        let modified = Timestamp::from_parts(metadata.mtime(), metadata.mtime_nsec());
        let seen = Seen { size: metadata.len(), modified };
        let Some(lent) = &mut state.lent else { return Ok(seen) };
        let before = lent.seen.replace(seen);
        if before.is_some_and(|before| before != seen) {
            self.generation.fetch_add(1, Ordering::AcqRel);
            self.size.store(seen.size, Ordering::Release);
            state.checksums = None;
            self.recount(state);
        }
        Ok(seen)
    }
}

impl ContentStore {
    /// The kernel does not use the bytes any more.
    pub fn give_back(&self, staged: &StagedFile) -> Result<()> {
        let mut state = staged.freeze();
        staged.look(&mut state)?;
        let discard = state.lent.take().is_some_and(|lent| lent.discard);
        drop(state);
        if discard { self.discard(staged.id()) } else { Ok(()) }
    }

    /// Bytes that were sent as `version` while the kernel had them, and have no row any more, are to be changed again: from now on they are
    /// nobody else's. False if that cannot be.
    pub fn take_back(&self, staged: &StagedFile, version: &Version) -> Result<bool> {
        self.reject(version)?;
        let mut state = staged.freeze();
        let metadata = state.data.metadata().context(STAGED, "stat", &staged.path())?;
        let State { lent: Some(lent), inode_shared, .. } = &mut *state else { return Ok(false) };
        if metadata.nlink() != 1 {
            return Ok(false);
        }
        lent.discard = false;
        *inode_shared = false;
        Ok(true)
    }
}
