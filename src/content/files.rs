//! Names and modes of the store's files, the table of open ones, and io errors with their context.
//!
//! Folders are 0700, files 0600. Temporary files have one prefix and are dropped when the store is opened.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::Hash;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use super::{ContentError, Result, Shortage};
use crate::sys::disk;

/// Prefix of files that are not finished.
pub(super) const TEMPORARY_PREFIX: &str = ".tmp-";

/// Blocks of provider versions, in messages.
pub(super) const CACHED: &str = "cached bytes";
/// Bytes that the provider does not have, in messages.
pub(super) const STAGED: &str = "staged bytes";
/// Earlier versions, in messages.
pub(super) const KEPT: &str = "kept versions";

/// Adds to an io error what was tried, for what and where.
pub(super) trait IoContext<T> {
    /// A full disk becomes [`ContentError::NoSpace`] for `what`.
    fn context(self, what: &'static str, operation: &'static str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn context(self, what: &'static str, operation: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| {
            // By kind: an error of a temporary file names its path and has no number any more.
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                ContentError::NoSpace { what, why: Shortage::Disk }
            } else {
                ContentError::Io { operation, path: path.to_owned(), source }
            }
        })
    }
}

/// A call that breaks this module's contract.
pub(super) fn invalid(operation: &'static str, path: &Path, reason: &'static str) -> ContentError {
    ContentError::Io { operation, path: path.to_owned(), source: io::Error::new(io::ErrorKind::InvalidInput, reason) }
}

/// Creates a folder and its parents for this user only.
pub(super) fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates a file that must not exist.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Opens an existing regular file of ours; `None` if there is none.
pub(super) fn open_existing(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A temporary file that can be given its name when it is finished.
pub(super) fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(folder)
}

/// Copies the first `size` bytes of a file; holes stay holes.
pub(super) fn copy_sparse(from: &File, to: &File, size: u64) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while let Some(data) = disk::seek_data(from, at)?.filter(|data| *data < size) {
        let hole = disk::seek_hole(from, data)?.unwrap_or(size).min(size);
        at = data;
        while at < hole {
            let count = usize::try_from(hole - at).unwrap_or(buffer.len()).min(buffer.len());
            from.read_exact_at(&mut buffer[..count], at)?;
            to.write_all_at(&buffer[..count], at)?;
            at += u64::try_from(count).map_err(io::Error::other)?;
        }
    }
    to.set_len(size)
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Takes a mutex. Poison is ignored: a panic elsewhere must not turn every later request into another panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a shared lock, ignoring poison.
pub(super) fn shared<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes an exclusive lock, ignoring poison.
pub(super) fn exclusive<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Objects that somebody holds, by name. Keeps none of them alive.
pub(super) struct LiveTable<K, V> {
    entries: HashMap<K, Weak<V>>,
    prune_at: usize,
}

impl<K: Eq + Hash, V> LiveTable<K, V> {
    const SMALLEST_PRUNE: usize = 64;

    pub(super) fn new() -> Self {
        Self { entries: HashMap::new(), prune_at: Self::SMALLEST_PRUNE }
    }

    pub(super) fn get(&self, key: &K) -> Option<Arc<V>> {
        self.entries.get(key)?.upgrade()
    }

    pub(super) fn insert(&mut self, key: K, value: &Arc<V>) {
        if self.entries.len() >= self.prune_at {
            self.entries.retain(|_, value| value.strong_count() > 0);
            self.prune_at = (self.entries.len() * 2).max(Self::SMALLEST_PRUNE);
        }
        self.entries.insert(key, Arc::downgrade(value));
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<Arc<V>> {
        self.entries.remove(key)?.upgrade()
    }
}
