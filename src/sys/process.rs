//! Who we are, who is at the other end of a socket, and which boot of the machine this is.

use std::io;
use std::os::fd::AsFd;

use super::{platform, retry};
use crate::types::ThreadNo;

/// The process at the other end of a Unix socket, as the kernel vouches for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerCredentials {
    /// Effective user at the time of `connect` or `listen`.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Process id, where the platform tells it. For messages only: a pid may be used again.
    pub pid: Option<i32>,
}

/// Credentials of the peer of a connected Unix stream socket.
pub fn peer_credentials(socket: &impl AsFd) -> io::Result<PeerCredentials> {
    platform::peer_credentials(socket.as_fd())
}

/// Effective user id of this process.
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

/// Effective group id of this process.
pub fn effective_gid() -> u32 {
    // SAFETY: getegid has no arguments and cannot fail.
    unsafe { libc::getegid() }
}

/// From now on no core file of this process is written, and no other program of this user may read its memory: it holds access tokens.
pub fn keep_memory_private() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a structure that outlives the call, which only reads it.
    retry(|| unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) })?;
    platform::forbid_tracing()
}

/// Identifies the running boot of the machine: equal until power loss or restart. `None` where it cannot be told.
pub fn boot_id() -> Option<String> {
    platform::boot_id()
}

/// Asks a child of this process that has not been waited for to end.
pub fn terminate(child: u32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(child).map_err(io::Error::other)?;
    // SAFETY: sends a signal; touches no memory of ours. The child was not waited for, so the id is still its own.
    if unsafe { libc::kill(pid, libc::SIGTERM) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// True if a thread of another process has ended, or has been killed and ends as soon as the call in which it waits returns.
pub fn has_ended(thread: ThreadNo) -> bool {
    platform::has_ended(thread)
}

/// Ends this process at once, running nothing: what a crash test means by a crash.
pub(super) fn kill_self() -> ! {
    // SAFETY: signals this process only; touches no memory of ours.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    loop {
        std::thread::park();
    }
}
