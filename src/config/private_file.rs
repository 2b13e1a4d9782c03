//! Small files that only their owner reads: replaced as a whole, changed by one process at a time.
//!
//! A reader sees the old bytes or the new ones, never a mixture, also after a power cut. Who changes a file holds
//! [`ChangeLock`] from its read to its write; the lock is a file of its own beside it, because the file itself is replaced.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any change takes; who holds the lock beyond it has stopped.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries for the lock: `flock` has no deadline of its own.
const LOCK_RETRY: Duration = Duration::from_millis(5);

/// The right to change one file, given up on drop and when the process ends.
#[derive(Debug)]
pub struct ChangeLock {
    _held: File,
}

impl ChangeLock {
    /// Waits for the right to change `path`, for ten seconds at most ([`io::ErrorKind::TimedOut`]). Makes the folder.
    pub fn acquire(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside(path, ".lock"))?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { _held: lock }),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_PATIENCE => thread::sleep(LOCK_RETRY),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "another process is changing it"));
                }
            }
        }
    }
}

/// The bytes of a file; `None` if there is no such file.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `bytes` in place of the file, durably and at once. A symbolic link stays and its target is replaced, so that
/// settings may live in a folder of dot-files. New files get mode 0600; existing ones keep theirs if `keep_mode`.
pub fn replace(path: &Path, bytes: &[u8], keep_mode: bool) -> io::Result<()> {
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    create_folder(folder)?;
    let mode = match fs::metadata(&target) {
        Ok(metadata) if keep_mode => metadata.mode() & 0o777,
        _ => 0o600,
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(".vaultfs-")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Makes a folder and the missing ones above it, open to their owner only.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn replaced_files_are_private_and_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file");
        assert_eq!(read(&path).unwrap(), None);
        replace(&path, b"one", false).unwrap();
        replace(&path, b"two", false).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link_and_a_mode_can_be_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("dotfiles/config"), folder.path().join("config"));
        replace(&real, b"one", false).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&link, b"two", true).unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(mode(&real), 0o644);
        replace(&link, b"three", false).unwrap();
        assert_eq!(mode(&real), 0o600);
    }

    #[test]
    fn only_one_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let held = ChangeLock::acquire(&path).unwrap();
        let second = OpenOptions::new().write(true).open(beside(&path, ".lock")).unwrap();
        assert!(matches!(second.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        drop(ChangeLock::acquire(&path).unwrap());
    }
}
