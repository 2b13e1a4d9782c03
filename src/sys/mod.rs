//! Safe wrappers over system calls that the standard library lacks. The only module with unsafe code.
//!
//! Owns no state (but the crash-point counter of [`failpoint`]). Every call retries `EINTR` and returns the plain
//! [`std::io::Error`]; callers add what was tried and on what. Platforms differ only in the two files behind the `cfg`s below.

pub mod disk;
pub mod durable;
pub mod failpoint;
pub mod lock;
pub mod process;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod platform;

#[cfg(test)]
mod tests;

use std::io;

/// Repeats a call that reports failure by -1 while it is interrupted by signals.
fn retry(mut call: impl FnMut() -> libc::c_int) -> io::Result<libc::c_int> {
    loop {
        let result = call();
        if result != -1 {
            return Ok(result);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// An offset as the system calls take it.
fn file_offset(bytes: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))
}
