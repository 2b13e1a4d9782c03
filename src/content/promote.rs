//! Staged bytes that the provider has now become cached blocks.
//!
//! Order of the caller: promote, commit the catalog (the node is clean), discard. The staged name stays until the discard, so a crash
//! at any point leaves the staged bytes, the cached ones, or both; `blocks/` never matters. The data is shared by a hard link, no byte
//! is copied unless the two folders are on different file systems. Afterwards the inode is never written: the cache does not
//! write adopted files, and the staged file moves to a copy before its next change.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::cached::CachedFile;
use super::files::{self, CACHED, invalid};
use super::staged::StagedFile;
use super::{ContentError, ContentStore, Result};
use crate::catalog::Version;
use crate::sys::disk;

impl ContentStore {
    /// After an upload: the staged bytes (complete, and of the size of `version`) become the cached blocks of `version`, without a copy.
    /// Blocks are checksummed on the way. Open handles keep reading. `Superseded` if the bytes change while that happens. The
    /// staged file stays where it is until [`ContentStore::discard`].
    pub fn promote(&self, staged: &StagedFile, version: &Version) -> Result<Arc<CachedFile>> {
        let generation = staged.ensure_checksums()?;
        let cached = self.core.open_cached(version)?;
        {
            let mut state = staged.freeze();
            let path = staged.path();
            if staged.generation() != generation {
                return Err(ContentError::Superseded(staged.id()));
            }
            if staged.size() != version.size {
                return Err(invalid("promote", &path, "the staged bytes and the version differ in size"));
            }
            let Some(checksums) = &state.checksums else { return Err(ContentError::Superseded(staged.id())) };
            let linkable = !state.discarded;
            cached.adopt(checksums, |target| place(&state.data, linkable.then_some(&path), target, version.size))?;
            state.inode_shared = true;
        }
        self.trim()?;
        Ok(cached)
    }

    /// Back under the budget, as far as pins allow.
    fn trim(&self) -> Result<()> {
        let over = self.core.usage().saturating_sub(self.core.space.budget().cache_bytes);
        if over > 0 {
            let freed = self.core.evict_least_recent(over)?;
            tracing::debug!(what = CACHED, over, freed, "uploaded bytes joined the cache");
        }
        Ok(())
    }
}

/// Puts the staged data at `target`.
fn place(data: &File, name: Option<&impl AsRef<Path>>, target: &Path, size: u64) -> io::Result<()> {
    let Some(name) = name else { return copy(data, target, size) };
    match fs::hard_link(name, target) {
        // Another file system, or one without hard links.
        Err(error)
            if matches!(error.raw_os_error(), Some(libc::EXDEV | libc::EPERM | libc::EMLINK | libc::EOPNOTSUPP)) =>
        {
            copy(data, target, size)
        }
        result => result,
    }
}

fn copy(data: &File, target: &Path, size: u64) -> io::Result<()> {
    let folder = target.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    // Asked for in full: a copy that would fill the disk is not worth having.
    let needed = disk::allocated_bytes(data)?;
    if disk::disk_space(folder)?.available < needed {
        return Err(io::Error::from_raw_os_error(libc::ENOSPC));
    }
    let temporary = files::temporary_in(folder)?;
    files::copy_sparse(data, temporary.as_file(), size)?;
    temporary.persist(target).map(|_| ()).map_err(|error| error.error)
}
