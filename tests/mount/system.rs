//! System calls that the standard library does not offer, for tests.
#![expect(unsafe_code, reason = "direct system calls are what is under test")]

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::ptr::NonNull;

fn path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn result(value: libc::c_int) -> io::Result<()> {
    if value == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `renameat2`.
pub(crate) fn rename(from: &Path, to: &Path, flags: libc::c_uint) -> io::Result<()> {
    let (from, to) = (path(from), path(to));
    // SAFETY: both strings end in NUL and live over the call.
    result(unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags) })
}

/// `setxattr`.
pub(crate) fn set_xattr(file: &Path, name: &str, value: &[u8], flags: libc::c_int) -> io::Result<()> {
    let (file, name) = (path(file), CString::new(name).unwrap());
    // SAFETY: the strings end in NUL; the value's length is its own.
    result(unsafe { libc::setxattr(file.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags) })
}

/// `removexattr`.
pub(crate) fn remove_xattr(file: &Path, name: &str) -> io::Result<()> {
    let (file, name) = (path(file), CString::new(name).unwrap());
    // SAFETY: both strings end in NUL and live over the call.
    result(unsafe { libc::removexattr(file.as_ptr(), name.as_ptr()) })
}

/// `listxattr`.
pub(crate) fn xattr_names(file: &Path) -> io::Result<Vec<String>> {
    let file = path(file);
    let mut names = vec![0_u8; 65_536];
    // SAFETY: the string ends in NUL; the buffer's length is its own.
    let len = unsafe { libc::listxattr(file.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    names.truncate(usize::try_from(len).map_err(|_| io::Error::last_os_error())?);
    Ok(String::from_utf8(names).unwrap().split_terminator('\0').map(str::to_owned).collect())
}

/// `getxattr`, whatever its size.
pub(crate) fn xattr(file: &Path, name: &str) -> io::Result<Vec<u8>> {
    xattr_into(file, name, 65_536)
}

/// `getxattr` into a buffer of this size.
pub(crate) fn xattr_into(file: &Path, name: &str, size: usize) -> io::Result<Vec<u8>> {
    let (file, name) = (path(file), CString::new(name).unwrap());
    let mut value = vec![0_u8; size];
    // SAFETY: the strings end in NUL; the buffer's length is its own.
    let len = unsafe { libc::getxattr(file.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(usize::try_from(len).map_err(|_| io::Error::last_os_error())?);
    Ok(value)
}

/// `lseek` with SEEK_DATA or SEEK_HOLE.
pub(crate) fn seek(file: &File, offset: i64, whence: libc::c_int) -> io::Result<i64> {
    // SAFETY: the descriptor is open for the whole call.
    let found = unsafe { libc::lseek(file.as_raw_fd(), offset, whence) };
    if found == -1 { Err(io::Error::last_os_error()) } else { Ok(found) }
}

/// `fallocate`.
pub(crate) fn fallocate(file: &File, mode: libc::c_int, offset: i64, len: i64) -> io::Result<()> {
    // SAFETY: the descriptor is open for the whole call.
    result(unsafe { libc::fallocate(file.as_raw_fd(), mode, offset, len) })
}

/// `truncate`, by path.
pub(crate) fn truncate(file: &Path, size: i64) -> io::Result<()> {
    let file = path(file);
    // SAFETY: the string ends in NUL and lives over the call.
    result(unsafe { libc::truncate(file.as_ptr(), size) })
}

/// Two kinds of lock that know nothing of each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lock {
    /// `flock`.
    WholeFile,
    /// `fcntl`, of all bytes.
    Record,
}

fn record_lock(file: RawFd, command: libc::c_int, kind: libc::c_int) -> io::Result<()> {
    let kind = libc::c_short::try_from(kind).map_err(io::Error::other)?;
    let whence = libc::c_short::try_from(libc::SEEK_SET).map_err(io::Error::other)?;
    let lock = libc::flock { l_type: kind, l_whence: whence, l_start: 0, l_len: 0, l_pid: 0 };
    // SAFETY: the structure outlives the call; a descriptor that is not open is refused.
    result(unsafe { libc::fcntl(file, command, &raw const lock) })
}

/// Takes the exclusive lock of an open file without waiting. Records are locked for the handle, so that one process can compete with
/// itself.
pub(crate) fn try_lock(file: &File, kind: Lock) -> io::Result<()> {
    match kind {
        // SAFETY: the descriptor is open for the whole call.
        Lock::WholeFile => result(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }),
        Lock::Record => record_lock(file.as_raw_fd(), libc::F_OFD_SETLK, libc::F_WRLCK),
    }
}

/// Gives the lock back.
pub(crate) fn unlock(file: &File, kind: Lock) -> io::Result<()> {
    match kind {
        // SAFETY: as above.
        Lock::WholeFile => result(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) }),
        Lock::Record => record_lock(file.as_raw_fd(), libc::F_OFD_SETLK, libc::F_UNLCK),
    }
}

/// Another process that holds the exclusive lock of a file until it is killed. Records are locked for the process.
pub(crate) fn hold_lock(path: &Path, kind: Lock) -> Child {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut holder = Command::new("sleep");
    holder.arg("600");
    // SAFETY: between fork and exec only system calls are made. The descriptor is the child's own copy, and stays open over exec.
    unsafe {
        let descriptor = file.as_raw_fd();
        holder.pre_exec(move || {
            match kind {
                Lock::WholeFile => result(libc::flock(descriptor, libc::LOCK_EX | libc::LOCK_NB))?,
                Lock::Record => record_lock(descriptor, libc::F_SETLK, libc::F_WRLCK)?,
            }
            result(libc::fcntl(descriptor, libc::F_SETFD, 0))
        });
    }
    holder.spawn().unwrap()
}

/// A shared writable mapping of the first bytes of a file.
pub(crate) struct Mapping {
    address: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Maps; the handle may be closed afterwards.
    pub(crate) fn new(file: &File, len: usize) -> Self {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping, whose place the system chooses.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, file.as_raw_fd(), 0) };
        assert_ne!(address, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        Self { address: NonNull::new(address.cast()).unwrap(), len }
    }

    /// To be changed.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is as long as it says and lives as long as this object, of which there is one.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.len) }
    }

    /// As they are now. A copy: others may change the file.
    pub(crate) fn shown(&self) -> Vec<u8> {
        // SAFETY: as above; each byte is read once, as it is then.
        (0..self.len).map(|at| unsafe { self.address.as_ptr().add(at).read_volatile() }).collect()
    }

    /// `msync`.
    pub(crate) fn sync(&self) {
        // SAFETY: the range is that of the mapping.
        result(unsafe { libc::msync(self.address.as_ptr().cast(), self.len, libc::MS_SYNC) }).unwrap();
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the mapping any more.
        assert_eq!(unsafe { libc::munmap(self.address.as_ptr().cast(), self.len) }, 0);
    }
}

/// A time to set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Time {
    /// Seconds and nanoseconds.
    At((i64, i64)),
    /// The clock's.
    Now,
    /// None: it stays.
    Omit,
}

impl Time {
    fn for_system(self) -> libc::timespec {
        let (tv_sec, tv_nsec) = match self {
            Self::At(time) => time,
            Self::Now => (0, libc::UTIME_NOW),
            Self::Omit => (0, libc::UTIME_OMIT),
        };
        libc::timespec { tv_sec, tv_nsec }
    }
}

/// `utimensat`: last access, and last change of content.
pub(crate) fn set_times(file: &Path, access: Time, change: Time) -> io::Result<()> {
    let (file, times) = (path(file), [access.for_system(), change.for_system()]);
    // SAFETY: the string ends in NUL; both live over the call.
    result(unsafe { libc::utimensat(libc::AT_FDCWD, file.as_ptr(), times.as_ptr(), 0) })
}

/// How many pages of a file the kernel holds in memory.
pub(crate) fn pages_in_memory(file: &File, len: u64) -> usize {
    let len = usize::try_from(len).unwrap();
    let mut pages = vec![0_u8; len.div_ceil(4096)];
    // SAFETY: the mapping is never touched, only asked about; `pages` has a byte for each of its pages.
    unsafe {
        let address = libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0);
        assert_ne!(address, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        assert_eq!(libc::mincore(address, len, pages.as_mut_ptr()), 0);
        assert_eq!(libc::munmap(address, len), 0);
    }
    pages.iter().filter(|page| **page & 1 == 1).count()
}
