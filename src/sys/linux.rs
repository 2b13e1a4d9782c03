//! Linux side of [`super`].

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::disk::DiskSpace;
use super::process::PeerCredentials;
use super::{file_offset, retry};
use crate::types::ByteRange;

pub(super) fn space_of(stat: &libc::statvfs) -> DiskSpace {
    DiskSpace {
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
        available: stat.f_bavail.saturating_mul(stat.f_frsize),
    }
}

pub(super) fn allocate(file: &File, range: ByteRange, keep_size: bool) -> io::Result<()> {
    fallocate(file, range, if keep_size { libc::FALLOC_FL_KEEP_SIZE } else { 0 })
}

pub(super) fn punch_hole(file: &File, range: ByteRange) -> io::Result<()> {
    fallocate(file, range, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE)
}

fn fallocate(file: &File, range: ByteRange, mode: libc::c_int) -> io::Result<()> {
    let (start, len) = (file_offset(range.start)?, file_offset(range.len())?);
    // SAFETY: the descriptor is open for the life of `file`; fallocate touches no memory of ours.
    retry(|| unsafe { libc::fallocate(file.as_raw_fd(), mode, start, len) }).map(|_| ())
}

pub(super) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let mut credentials = MaybeUninit::<libc::ucred>::uninit();
    let expected = size_of::<libc::ucred>();
    let mut length = libc::socklen_t::try_from(expected).map_err(io::Error::other)?;
    // SAFETY: the descriptor is borrowed and so open; `credentials` has room for `length` bytes, which the kernel fills at most.
    retry(|| unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            credentials.as_mut_ptr().cast(),
            &mut length,
        )
    })?;
    if usize::try_from(length).ok() != Some(expected) {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    // SAFETY: the kernel has filled all of the structure, as the length says; every bit pattern of it is valid.
    let credentials = unsafe { credentials.assume_init() };
    // The kernel answers pid 0 and uid -1 for a socket that has no peer.
    if credentials.uid == u32::MAX {
        return Err(io::Error::from(io::ErrorKind::NotConnected));
    }
    Ok(PeerCredentials { uid: credentials.uid, gid: credentials.gid, pid: Some(credentials.pid) })
}

pub(super) fn set_umask(mask: u16) -> u16 {
    // SAFETY: umask takes a number and cannot fail.
    let old = unsafe { libc::umask(libc::mode_t::from(mask)) };
    // Linux gives nine bits back.
    u16::try_from(old & 0o777).unwrap_or(0o777)
}

pub(super) fn boot_id() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}
