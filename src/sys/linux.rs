//! Linux side of [`super`].

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::disk::DiskSpace;
use super::process::PeerCredentials;
use super::{file_offset, retry};
use crate::types::{ByteRange, ThreadNo};

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

pub(super) fn boot_id() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

pub(super) fn has_ended(thread: ThreadNo) -> bool {
    match std::fs::read_to_string(format!("/proc/{}/status", thread.0)) {
        Ok(status) => ends(&status),
        Err(error) => error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH),
    }
}

/// Reads the status of a thread (format: `proc_pid_status(5)`): it is gone but for its exit code, or SIGKILL waits for it, which is
/// what every signal becomes that ends a process.
fn ends(status: &str) -> bool {
    const KILLED: u64 = 1 << (libc::SIGKILL - 1);
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    field("State:").is_some_and(|state| state.starts_with(['Z', 'X']))
        || field("SigPnd:").and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & KILLED != 0)
}

/// The errno for an extended attribute that does not exist.
pub(super) const NO_ATTRIBUTE: i32 = libc::ENODATA;

/// See [`super::host::BROWSER_OPENER`].
pub(super) const BROWSER_OPENER: &str = "xdg-open";

/// See [`super::host::BROWSER_NEEDS_DISPLAY`].
pub(super) const BROWSER_NEEDS_DISPLAY: bool = true;

pub(super) fn forbid_tracing() -> io::Result<()> {
    // SAFETY: takes numbers only and changes a flag of this process.
    retry(|| unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }).map(|_| ())
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_sleeps_in_a_call_ends_if_sigkill_waits_for_it() {
        let status = |state, pending| {
            format!(
                "Name:\tcat\nUmask:\t0022\nState:\t{state}\nTgid:\t7\nSigPnd:\t{pending}\nShdPnd:\t0000000000000100\n"
            )
        };
        assert!(super::ends(&status("D (disk sleep)", "0000000000000100")));
        assert!(super::ends(&status("Z (zombie)", "0000000000000000")));
        assert!(!super::ends(&status("D (disk sleep)", "0000000000000000")));
        // A signal that the program may handle after the call.
        assert!(!super::ends(&status("S (sleeping)", "0000000000004000")));
        assert!(!super::ends(""));
    }
}
