//! System calls that the standard library does not offer, for tests.
#![expect(unsafe_code, reason = "direct system calls are what is under test")]

use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

/// `getxattr` of up to 4 KiB.
pub(crate) fn xattr(file: &Path, name: &str) -> io::Result<Vec<u8>> {
    let (file, name) = (path(file), CString::new(name).unwrap());
    let mut value = vec![0_u8; 4096];
    // SAFETY: the strings end in NUL; the buffer's length is its own.
    let len = unsafe { libc::getxattr(file.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(usize::try_from(len).map_err(|_| io::Error::last_os_error())?);
    Ok(value)
}

/// `lseek` with SEEK_DATA or SEEK_HOLE.
pub(crate) fn seek(file: &std::fs::File, offset: i64, whence: libc::c_int) -> io::Result<i64> {
    // SAFETY: the descriptor is open for the whole call.
    let found = unsafe { libc::lseek(file.as_raw_fd(), offset, whence) };
    if found == -1 { Err(io::Error::last_os_error()) } else { Ok(found) }
}

/// `fallocate`.
pub(crate) fn fallocate(file: &std::fs::File, mode: libc::c_int, offset: i64, len: i64) -> io::Result<()> {
    // SAFETY: the descriptor is open for the whole call.
    result(unsafe { libc::fallocate(file.as_raw_fd(), mode, offset, len) })
}

/// `truncate`, by path.
pub(crate) fn truncate(file: &Path, size: i64) -> io::Result<()> {
    let file = path(file);
    // SAFETY: the string ends in NUL and lives over the call.
    result(unsafe { libc::truncate(file.as_ptr(), size) })
}

/// A POSIX record lock on the whole file, without waiting.
pub(crate) fn lock(file: &std::fs::File, kind: libc::c_int) -> io::Result<()> {
    let kind = libc::c_short::try_from(kind).unwrap();
    let whence = libc::c_short::try_from(libc::SEEK_SET).unwrap();
    let lock = libc::flock { l_type: kind, l_whence: whence, l_start: 0, l_len: 0, l_pid: 0 };
    // SAFETY: the descriptor is open and the structure outlives the call. An open-file lock, so that one process can compete with itself.
    result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) })
}

/// A shared writable mapping of the first bytes of a file, changed by `change` and flushed by unmapping alone.
pub(crate) fn change_by_mapping(file: &std::fs::File, len: usize, change: impl FnOnce(&mut [u8])) {
    // SAFETY: the file is at least `len` bytes long and the mapping is used inside this function only.
    unsafe {
        let address = libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        assert_ne!(address, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        change(std::slice::from_raw_parts_mut(address.cast(), len));
        assert_eq!(libc::munmap(address, len), 0);
    }
}

/// How many pages of a file the kernel holds in memory.
pub(crate) fn pages_in_memory(file: &std::fs::File, len: u64) -> usize {
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
