//! Advisory whole-file locks between processes.
//!
//! `flock`, not `fcntl`: the lock belongs to the open file, dies with the process however it dies, and is not dropped when some
//! other descriptor of the same file is closed.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Takes the exclusive lock of a file without waiting. False if another open file has it. Released when the file is closed.
pub fn try_lock_exclusive(file: &File) -> io::Result<bool> {
    // SAFETY: the descriptor is open for the life of `file`; flock touches no memory of ours.
    match super::retry(|| unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits for the exclusive lock of a file.
pub fn lock_exclusive(file: &File) -> io::Result<()> {
    // SAFETY: as above.
    super::retry(|| unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }).map(|_| ())
}

/// Releases the lock of a file before it is closed.
pub fn unlock(file: &File) -> io::Result<()> {
    // SAFETY: as above.
    super::retry(|| unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) }).map(|_| ())
}
