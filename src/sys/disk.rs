//! Space and sparseness of files: reserve, free, find holes, and how much the disk has left.
//!
//! Units are bytes. None of these calls moves a file's read position in a way that matters: all readers use `pread`.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::{file_offset, platform};
use crate::types::{BLOCK_BYTES, ByteRange};

/// Space of a file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskSpace {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that an unprivileged process can still write.
    pub available: u64,
}

/// Space of the file system that holds `path`.
pub fn disk_space(path: &Path) -> io::Result<DiskSpace> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` is a NUL-terminated string and `stat` a writable statvfs, both alive over the call.
    super::retry(|| unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled the structure.
    let stat = unsafe { stat.assume_init() };
    Ok(platform::space_of(&stat))
}

/// Bytes of disk that a file occupies.
pub fn allocated_bytes(file: &File) -> io::Result<u64> {
    // POSIX leaves the unit of st_blocks open; Linux and macOS use 512 bytes on every file system.
    Ok(file.metadata()?.blocks() * 512)
}

/// Reserves disk space for `range`, so that writing it cannot fail for want of space. Grows the file to the end of the range
/// unless `keep_size`. Fails with `EOPNOTSUPP` where the file system cannot.
pub fn allocate(file: &File, range: ByteRange, keep_size: bool) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    platform::allocate(file, range, keep_size)
}

/// Zeroes `range` and gives its disk space back; the size stays. Fails with `EOPNOTSUPP` where the file system cannot.
pub fn punch_hole(file: &File, range: ByteRange) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    platform::punch_hole(file, range)
}

/// Writes `bytes` at `offset`; blocks that hold nothing but zeros become holes where the file system has any. Returns how many bytes
/// were written as data.
pub fn write_sparse(file: &File, bytes: &[u8], offset: u64) -> io::Result<u64> {
    let block = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
    let (mut at, mut written) = (offset, 0);
    for run in bytes.chunks(block).collect::<Vec<_>>().chunk_by(|one, next| is_zero(one) == is_zero(next)) {
        let length: usize = run.iter().map(|chunk| chunk.len()).sum();
        let range = ByteRange::at(at, u64::try_from(length).map_err(io::Error::other)?);
        let is_hole = run.first().is_some_and(|chunk| is_zero(chunk)) && punch_hole(file, range).is_ok();
        if !is_hole {
            let start = usize::try_from(at - offset).map_err(io::Error::other)?;
            file.write_all_at(bytes.get(start..start + length).unwrap_or_default(), at)?;
            written += range.len();
        }
        at = range.end;
    }
    Ok(written)
}

fn is_zero(bytes: &[u8]) -> bool {
    static ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|part| *part == ZEROS[..part.len()])
}

/// The first byte at or after `offset` that is data, not hole. `None`: only holes follow, or `offset` is past the end.
pub fn seek_data(file: &File, offset: u64) -> io::Result<Option<u64>> {
    seek(file, offset, libc::SEEK_DATA)
}

/// The first byte at or after `offset` that is in a hole; the end of a file counts as one. `None`: `offset` is past the end.
pub fn seek_hole(file: &File, offset: u64) -> io::Result<Option<u64>> {
    seek(file, offset, libc::SEEK_HOLE)
}

/// Bytes of `range` that are data, rounded out to what the file system tells.
pub fn data_bytes(file: &File, range: ByteRange) -> io::Result<u64> {
    let mut sum = 0;
    let mut at = range.start;
    while at < range.end {
        let Some(data) = seek_data(file, at)?.filter(|data| *data < range.end) else { break };
        let hole = seek_hole(file, data)?.unwrap_or(range.end).min(range.end);
        if hole <= data {
            break;
        }
        sum += hole - data;
        at = hole;
    }
    Ok(sum)
}

fn seek(file: &File, offset: u64, whence: libc::c_int) -> io::Result<Option<u64>> {
    let offset = file_offset(offset)?;
    loop {
        // SAFETY: the descriptor is open for the life of `file`; lseek touches no memory of ours.
        let found = unsafe { libc::lseek(file.as_raw_fd(), offset, whence) };
        if let Ok(found) = u64::try_from(found) {
            return Ok(Some(found));
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::ENXIO) {
            return Ok(None);
        }
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
