//! Attributes: `stat`, and changing mode, owner, times and size.

use std::sync::Arc;

use super::handles::{FileState, OpenContent};
use super::lend::Opened;
use super::ports::serve_here;
use super::wait::{Done, Step, Waiter};
use super::{FsError, OpenFile, OpenIntent, Result, VaultFs, arc_file};
use crate::catalog::{Attr, LocalContent, LocalRow};
use crate::types::{HandleNo, InodeNo, NodeKind, ThreadNo, Timestamp};

/// What `stat` shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Inode number.
    pub ino: InodeNo,
    /// What it is.
    pub kind: NodeKind,
    /// Attributes.
    pub attr: Attr,
    /// Links: 1 for files (0 once unlinked), 2 and one per child folder for folders.
    pub nlink: u32,
    /// Allocated 512-byte blocks. Bytes that are still at the provider count as allocated: archivers take a file with fewer blocks
    /// than bytes for a sparse one and skip its content.
    pub blocks: u64,
}

/// A time to set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetTime {
    /// The clock's.
    Now,
    /// This one.
    To(Timestamp),
}

/// What to change; `None` stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SetAttr {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Size.
    pub size: Option<u64>,
    /// Last access.
    pub atime: Option<SetTime>,
    /// Last change of content.
    pub mtime: Option<SetTime>,
}

/// Staged files from this size on report the blocks that they really have, so that sparse ones stay cheap in `du`.
const SPARSE_FROM_BYTES: u64 = 1024 * 1024;

/// Largest file: what a signed 64-bit offset can address.
pub(super) const MAX_FILE_BYTES: u64 = i64::MAX as u64;

/// How a file is opened for the moment of a truncation.
const FOR_TRUNCATE: OpenIntent = OpenIntent { read: false, write: true };

impl VaultFs {
    /// `stat` of an inode, open or not, with or without a name.
    pub fn getattr(&self, ino: InodeNo) -> Result<Stat> {
        if let Some(file) = arc_file(&self.open, ino) {
            file.follow(self.parts.clock.now())?;
            return Ok(self.stat_open(ino, &file.read()));
        }
        self.stat_row(&self.row(ino)?)
    }

    /// `stat` of a row; an open file's newer attributes win.
    pub(super) fn stat_row(&self, row: &LocalRow) -> Result<Stat> {
        if row.kind == NodeKind::File
            && let Some(file) = arc_file(&self.open, row.ino)
        {
            file.follow(self.parts.clock.now())?;
            return Ok(self.stat_open(row.ino, &file.read()));
        }
        let nlink = match row.kind {
            NodeKind::Folder => {
                let folders = self.parts.catalog.read(|view| view.count_local_folders(row.node))?;
                u32::try_from(folders.saturating_add(2)).unwrap_or(u32::MAX)
            }
            NodeKind::File | NodeKind::Symlink | NodeKind::Special => 1,
        };
        let allocated = match &row.content {
            LocalContent::Staged { staged, .. } if row.attr.size >= SPARSE_FROM_BYTES => {
                self.parts.content.staged(*staged).map_or(row.attr.size, |file| file.allocated_bytes())
            }
            LocalContent::Staged { .. } | LocalContent::Clean(_) | LocalContent::Symlink(_) | LocalContent::None => {
                row.attr.size
            }
        };
        Ok(Stat { ino: row.ino, kind: row.kind, attr: row.attr, nlink, blocks: allocated.div_ceil(512) })
    }

    fn stat_open(&self, ino: InodeNo, state: &FileState) -> Stat {
        let allocated = match &state.content {
            OpenContent::Staged { file, .. } if state.attr.size >= SPARSE_FROM_BYTES => file.allocated_bytes(),
            OpenContent::Staged { .. } | OpenContent::Clean(_) | OpenContent::Lost(_) => state.attr.size,
        };
        Stat {
            ino,
            kind: NodeKind::File,
            attr: state.attr,
            nlink: u32::from(state.node.is_some()),
            blocks: allocated.div_ceil(512),
        }
    }

    /// Changes attributes. A change of size may have to wait for the bytes of one block, hence the completion.
    pub fn setattr(
        self: &Arc<Self>,
        ino: InodeNo,
        handle: Option<HandleNo>,
        set: SetAttr,
        caller: Option<ThreadNo>,
        done: Done<Stat>,
    ) {
        let Some(size) = set.size else {
            return done(self.set_attributes(ino, set));
        };
        // A handle of its own if the caller has none: whoever opens the file meanwhile shares its state.
        let opened = match handle {
            Some(handle) => Ok((handle, None)),
            None => self.open(ino, FOR_TRUNCATE, &serve_here).map(|Opened { handle, .. }| (handle, Some(handle))),
        };
        let (handle, to_close) = match opened {
            Ok(opened) => opened,
            Err(error) => return done(Err(error)),
        };
        let handle = match self.writable_handle(handle) {
            Ok(handle) => handle,
            Err(error) => return done(Err(error)),
        };
        let (vfs, file) = (Arc::clone(self), Arc::clone(&handle.file));
        self.with_blocks(
            Waiter { handle, caller },
            move |vfs| vfs.truncate_step(&file, size),
            Box::new(move |truncated| {
                let only_size = set == SetAttr { size: set.size, ..SetAttr::default() };
                let rest = |()| if only_size { vfs.getattr(ino) } else { vfs.set_attributes(ino, set) };
                let outcome = truncated.and_then(rest);
                if let Some(handle) = to_close {
                    vfs.release(handle);
                }
                done(outcome);
            }),
        );
    }

    /// Cuts or grows an open file, and stores the outcome.
    pub(super) fn truncate_step(&self, file: &Arc<OpenFile>, size: u64) -> Result<Step<()>> {
        if size > MAX_FILE_BYTES {
            return Err(FsError::TooLarge);
        }
        self.ensure_staged(file, size == 0)?;
        file.follow(self.parts.clock.now())?;
        let mut state = file.write();
        let OpenContent::Staged { file: staged, .. } = &state.content else {
            return Err(FsError::ChangedUnderHandle);
        };
        // Growing uncovers the tail of the last block as zeros, shrinking keeps the head of the new last block: either way the
        // block at the smaller size must be here if it is kept in part.
        let edge = size.min(staged.size());
        if !edge.is_multiple_of(crate::types::BLOCK_BYTES) {
            let missing = staged.missing_for_write(crate::types::ByteRange::at(edge, 1));
            if !missing.is_empty() {
                return Ok(Step::NeedBase(missing));
            }
        }
        staged.truncate(size)?;
        state.attr.size = size;
        let now = self.parts.clock.now();
        state.attr.mtime = now;
        state.attr.ctime = now;
        state.unsaved = true;
        drop(state);
        self.save(file)?;
        Ok(Step::Done(()))
    }

    pub(super) fn set_attributes(&self, ino: InodeNo, set: SetAttr) -> Result<Stat> {
        let now = self.parts.clock.now();
        let change = |attr: &mut Attr| {
            let time = |to: SetTime| match to {
                SetTime::Now => now,
                SetTime::To(time) => time,
            };
            attr.mode = set.mode.map_or(attr.mode, |mode| mode & 0o7777);
            attr.uid = set.uid.unwrap_or(attr.uid);
            attr.gid = set.gid.unwrap_or(attr.gid);
            attr.atime = set.atime.map_or(attr.atime, time);
            attr.mtime = set.mtime.map_or(attr.mtime, time);
            attr.ctime = now;
        };
        let changes_content_time = set.mtime.is_some();
        if let Some(file) = arc_file(&self.open, ino) {
            file.follow(now)?;
            let mut state = file.write();
            change(&mut state.attr);
            state.attributes_set += 1;
            if let (true, OpenContent::Staged { file: staged, .. }) = (changes_content_time, &state.content) {
                staged.set_modified(state.attr.mtime)?;
                if let Some(loan) = &file.loan {
                    loan.look(staged.observe()?);
                }
            }
            if let Some(node) = state.node {
                if changes_content_time && matches!(state.content, OpenContent::Staged { .. }) {
                    state.unsaved = true;
                } else {
                    self.parts.catalog.write(|txn| txn.set_local_attr(node, &state.attr))?;
                }
            }
            let stat = self.stat_open(ino, &state);
            drop(state);
            self.save(&file)?;
            return Ok(stat);
        }
        let row = self.parts.catalog.write(|txn| {
            let mut row = txn.local_by_ino(ino)?.ok_or(FsError::NotFound)?;
            change(&mut row.attr);
            txn.set_local_attr(row.node, &row.attr)?;
            Ok::<_, FsError>(row)
        })?;
        if let (true, LocalContent::Staged { staged, .. }) = (changes_content_time, &row.content) {
            self.parts.content.staged(*staged)?.set_modified(row.attr.mtime)?;
        }
        self.stat_row(&row)
    }
}
