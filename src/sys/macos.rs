//! macOS side of [`super`].

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::disk::DiskSpace;
use super::process::PeerCredentials;
use super::{file_offset, retry};
use crate::types::{ByteRange, ThreadNo};

/// APFS frees whole blocks only and refuses unaligned holes.
const HOLE_ALIGNMENT: u64 = 4096;

pub(super) fn space_of(stat: &libc::statvfs) -> DiskSpace {
    DiskSpace {
        total: u64::from(stat.f_blocks).saturating_mul(stat.f_frsize),
        available: u64::from(stat.f_bavail).saturating_mul(stat.f_frsize),
    }
}

pub(super) fn allocate(file: &File, range: ByteRange, keep_size: bool) -> io::Result<()> {
    // F_PREALLOCATE reserves beyond the physical end only, and knows no position inside the file.
    let size = file.metadata()?.len();
    if range.end > size {
        let mut request = libc::fstore_t {
            fst_flags: libc::F_ALLOCATEALL,
            fst_posmode: libc::F_PEOFPOSMODE,
            fst_offset: 0,
            fst_length: file_offset(range.end - size)?,
            fst_bytesalloc: 0,
        };
        // SAFETY: the descriptor is open for the life of `file`; `request` is the structure that F_PREALLOCATE takes.
        retry(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PREALLOCATE, &raw mut request) })?;
        if !keep_size {
            file.set_len(range.end)?;
        }
    }
    Ok(())
}

pub(super) fn punch_hole(file: &File, range: ByteRange) -> io::Result<()> {
    // Whole blocks are freed, the rims are overwritten with zeros.
    let range = range.clamp_to(file.metadata()?.len());
    let whole = ByteRange::new(
        range.start.next_multiple_of(HOLE_ALIGNMENT).min(range.end),
        range.end / HOLE_ALIGNMENT * HOLE_ALIGNMENT,
    );
    if whole.is_empty() {
        return write_zeros(file, range);
    }
    write_zeros(file, ByteRange::new(range.start, whole.start))?;
    write_zeros(file, ByteRange::new(whole.end, range.end))?;
    let request = libc::fpunchhole_t {
        fp_flags: 0,
        reserved: 0,
        fp_offset: file_offset(whole.start)?,
        fp_length: file_offset(whole.len())?,
    };
    // SAFETY: the descriptor is open for the life of `file`; `request` is the structure that F_PUNCHHOLE takes.
    retry(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PUNCHHOLE, &raw const request) }).map(|_| ())
}

fn write_zeros(file: &File, range: ByteRange) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    // At most two block rims, each shorter than the alignment.
    let zeros = vec![0; usize::try_from(range.len()).map_err(io::Error::other)?];
    file.write_all_at(&zeros, range.start)
}

pub(super) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the descriptor is borrowed and so open; both out-parameters are alive over the call.
    retry(|| unsafe { libc::getpeereid(socket.as_raw_fd(), &mut uid, &mut gid) })?;
    let mut pid: libc::pid_t = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::pid_t>()).map_err(io::Error::other)?;
    // SAFETY: as above; `pid` has room for `length` bytes, which the kernel fills at most.
    let told = retry(|| unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_LOCAL, libc::LOCAL_PEERPID, (&raw mut pid).cast(), &mut length)
    });
    Ok(PeerCredentials { uid, gid, pid: told.ok().map(|_| pid) })
}

pub(super) fn boot_id() -> Option<String> {
    let mut text = [0_u8; 64];
    let mut length = text.len();
    // SAFETY: the name is NUL-terminated; the buffer has room for `length` bytes, which the kernel fills at most; nothing is set.
    retry(|| unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            text.as_mut_ptr().cast(),
            &mut length,
            std::ptr::null_mut(),
            0,
        )
    })
    .ok()?;
    let id = std::ffi::CStr::from_bytes_until_nul(&text).ok()?;
    Some(id.to_str().ok()?.to_owned())
}

pub(super) fn has_ended(thread: ThreadNo) -> bool {
    // macFUSE tells the process.
    let Ok(process) = libc::pid_t::try_from(thread.0) else { return false };
    // SAFETY: signal 0 is sent to nobody; the call only asks.
    retry(|| unsafe { libc::kill(process, 0) }).is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
}

/// The errno for an extended attribute that does not exist.
pub(super) const NO_ATTRIBUTE: i32 = libc::ENOATTR;

/// See [`super::host::BROWSER_OPENER`].
pub(super) const BROWSER_OPENER: &str = "open";

/// See [`super::host::BROWSER_NEEDS_DISPLAY`].
pub(super) const BROWSER_NEEDS_DISPLAY: bool = false;

pub(super) fn forbid_tracing() -> io::Result<()> {
    // SAFETY: takes numbers only; this request uses neither address nor data.
    retry(|| unsafe { libc::ptrace(libc::PT_DENY_ATTACH, 0, std::ptr::null_mut(), 0) }).map(|_| ())
}
