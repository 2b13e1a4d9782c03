//! Open inodes and handles. One [`OpenFile`] per inode while anybody has it open: all its handles, and the kernel's page cache, see
//! one line of content. Detached inodes (unlinked, replaced) live here until their last handle closes.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::Result;
use super::ports::Backing;
use crate::catalog::{Attr, LocalContent, LocalRow, Version};
use crate::content::{CachedFile, Seen, StagedFile, StagedRecord};
use crate::types::{ByteRange, HandleNo, InodeNo, NodeId, Timestamp};

/// An inode that is open.
pub(super) struct OpenFile {
    /// Its number.
    pub(super) ino: InodeNo,
    /// Bytes that the kernel reads and writes by itself. Decided at the first open: the kernel does not mix both ways at one inode.
    pub(super) loan: Option<Loan>,
    state: RwLock<FileState>,
    waiting: Mutex<Waiting>,
}

/// Staged bytes that are lent to the kernel while the inode is open.
pub(super) struct Loan {
    /// The bytes.
    pub(super) staged: Arc<StagedFile>,
    /// What the kernel knows them by.
    pub(super) backing: Backing,
    /// Their size and time when [`OpenFile::follow`] last looked.
    pub(super) seen: Mutex<Option<Seen>>,
}

/// Operations on an open inode that wait for bytes.
#[derive(Default)]
pub(super) struct Waiting {
    /// How many.
    pub(super) operations: u32,
    /// The kernel is to drop its pages when none is left.
    pub(super) pages_changed: bool,
}

/// What an open inode is now.
pub(super) struct FileState {
    /// The node that has this inode; `None` once the inode has left the tree.
    pub(super) node: Option<NodeId>,
    /// Attributes, ahead of the catalog while `unsaved`.
    pub(super) attr: Attr,
    /// Attributes or size changed since they were stored.
    pub(super) unsaved: bool,
    /// Bytes.
    pub(super) content: OpenContent,
    /// How often mode, owner or times were set.
    pub(super) attributes_set: u64,
    /// What the last `fsync` promised.
    pub(super) promised: Option<Promise>,
    /// The last reads that ended at their bound.
    pub(super) timed_out: Option<TimedOut>,
}

/// Reads that ended at their bound, a moment ago.
#[derive(Clone, Copy)]
pub(super) struct TimedOut {
    /// What they wanted.
    pub(super) range: ByteRange,
    /// The bound.
    pub(super) bound: Duration,
    /// When they ended.
    pub(super) at: Instant,
}

/// What an `fsync` has made durable: this record, and the row that points to the staged bytes it names. While it is true, only the bytes and
/// the time of their last write can be others than then, and the staged file has both.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Promise {
    /// The record.
    pub(super) record: StagedRecord,
    /// [`FileState::attributes_set`] then.
    pub(super) attributes_set: u64,
}

/// Bytes of an open inode.
pub(super) enum OpenContent {
    /// A provider version.
    Clean(CleanContent),
    /// Edited here; an overlay's missing blocks come from `base`.
    Staged {
        /// The bytes.
        file: Arc<StagedFile>,
        /// The version that the overlay lies over.
        base: Option<CleanContent>,
        /// The version that the edit replaces, for the record that the staged bytes carry.
        based_on: Option<Version>,
    },
    /// A local row whose staged bytes could not be opened: every access says so.
    Lost(crate::types::StagedId),
}

/// A provider version and where it is read from, found at the first read.
pub(super) struct CleanContent {
    pub(super) version: Version,
    pub(super) source: OnceLock<CleanSource>,
}

/// Where a provider version is read from.
pub(super) enum CleanSource {
    /// The provider's own file.
    Direct(File),
    /// The block cache, filled by fetch.
    Cached(Arc<CachedFile>),
}

impl CleanContent {
    pub(super) fn new(version: Version) -> Self {
        Self { version, source: OnceLock::new() }
    }
}

impl OpenFile {
    pub(super) fn new(row: &LocalRow, content: OpenContent, loan: Option<Loan>) -> Self {
        Self {
            ino: row.ino,
            loan,
            waiting: Mutex::default(),
            state: RwLock::new(FileState {
                node: Some(row.node),
                attr: row.attr,
                unsaved: false,
                content,
                attributes_set: 0,
                promised: None,
                timed_out: None,
            }),
        }
    }

    /// Who waits. Nothing else is locked while this is held.
    pub(super) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Shared access to the state. A panic elsewhere does not poison an open file.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, FileState> {
        self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes over what the kernel has done to the bytes by itself. True if it has done something since the last look.
    pub(super) fn follow(&self, now: Timestamp) -> Result<bool> {
        let Some(loan) = &self.loan else { return Ok(false) };
        let mut state = self.write();
        let seen = loan.staged.observe()?;
        let before = loan.look(seen);
        if before.is_none_or(|before| before == seen) || !loan.is_of(&state.content) {
            return Ok(false);
        }
        state.attr.size = seen.size;
        state.attr.mtime = seen.modified;
        state.attr.ctime = now;
        state.unsaved = true;
        Ok(true)
    }

    /// Exclusive access to the state. Taken after the namespace lock, before the catalog's writer.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, FileState> {
        self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Loan {
    /// Notes what was seen, and returns what was seen before.
    pub(super) fn look(&self, seen: Seen) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).replace(seen)
    }

    /// True while these are the inode's bytes; sent and settled they are still what its readers have.
    pub(super) fn is_of(&self, content: &OpenContent) -> bool {
        matches!(content, OpenContent::Staged { file, .. } if Arc::ptr_eq(file, &self.staged))
    }
}

impl FileState {
    /// The content as the catalog stores it.
    pub(super) fn stored_content(&self) -> LocalContent {
        match &self.content {
            OpenContent::Clean(clean) => LocalContent::Clean(clean.version.clone()),
            OpenContent::Staged { file, based_on, .. } => {
                LocalContent::Staged { staged: file.id(), based_on: based_on.clone() }
            }
            OpenContent::Lost(staged) => LocalContent::Staged { staged: *staged, based_on: None },
        }
    }
}

/// A handle of an open inode.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) number: HandleNo,
    pub(super) file: Arc<OpenFile>,
    pub(super) readable: bool,
    pub(super) writable: bool,
}

struct Entry {
    file: Arc<OpenFile>,
    handles: u32,
    writers: u32,
}

/// Every open inode and handle of a mount.
#[derive(Default)]
pub(super) struct OpenTable {
    files: HashMap<InodeNo, Entry>,
    handles: HashMap<HandleNo, Handle>,
    last_handle: u64,
}

/// Inodes that were open at one moment.
pub(super) struct OpenInodes {
    pub(super) all: HashSet<InodeNo>,
    pub(super) writing: HashSet<InodeNo>,
}

/// What closing a handle ended.
pub(super) struct Closed {
    pub(super) file: Arc<OpenFile>,
    pub(super) last_writer: bool,
    pub(super) last_handle: bool,
}

impl OpenTable {
    pub(super) fn file(&self, ino: InodeNo) -> Option<Arc<OpenFile>> {
        self.files.get(&ino).map(|entry| Arc::clone(&entry.file))
    }

    pub(super) fn handle(&self, handle: HandleNo) -> Option<Handle> {
        self.handles.get(&handle).cloned()
    }

    /// Adds a handle. `prepared` is used if the inode is not open yet; `None` if it is neither open nor prepared.
    pub(super) fn open(
        &mut self,
        ino: InodeNo,
        readable: bool,
        writable: bool,
        prepared: Option<OpenFile>,
    ) -> Option<Handle> {
        let entry = match self.files.entry(ino) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Entry { file: Arc::new(prepared?), handles: 0, writers: 0 })
            }
        };
        entry.handles += 1;
        entry.writers += u32::from(writable);
        self.last_handle += 1;
        let number = HandleNo(self.last_handle);
        let file = Arc::clone(&entry.file);
        let handle = Handle { number, file, readable, writable };
        self.handles.insert(number, handle.clone());
        Some(handle)
    }

    pub(super) fn close(&mut self, handle: HandleNo) -> Option<Closed> {
        let Handle { file, writable, .. } = self.handles.remove(&handle)?;
        let entry = self.files.get_mut(&file.ino)?;
        entry.handles -= 1;
        entry.writers -= u32::from(writable);
        let (last_handle, last_writer) = (entry.handles == 0, writable && entry.writers == 0);
        if last_handle {
            self.files.remove(&file.ino);
        }
        Some(Closed { file, last_writer, last_handle })
    }

    pub(super) fn is_open(&self, ino: InodeNo) -> bool {
        self.files.contains_key(&ino)
    }

    /// Which inodes are open now.
    pub(super) fn open_inodes(&self) -> OpenInodes {
        let writing = self.files.iter().filter(|(_, entry)| entry.writers > 0).map(|(ino, _)| *ino).collect();
        OpenInodes { all: self.files.keys().copied().collect(), writing }
    }

    pub(super) fn all_files(&self) -> Vec<Arc<OpenFile>> {
        self.files.values().map(|entry| Arc::clone(&entry.file)).collect()
    }
}
