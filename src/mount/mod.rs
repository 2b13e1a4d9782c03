//! The FUSE side: one mount shows one vault. `adapter` decodes requests, calls the core and replies; `invalidate` keeps the kernel's
//! caches right from a thread of its own; `session` starts and ends a mount; `table` reads what is mounted where. `registrar` talks to
//! the helper that has files read and written below the mount, and `passthrough` tells why it cannot.
//!
//! Everything that the kernel may cache it caches for a year, and is told when it changes (`docs/decisions/`). The writeback cache is
//! never used: with it the kernel would ignore sizes and times that come from the provider.

mod adapter;
mod convert;
mod invalidate;
mod reply;
mod session;
pub mod table;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;

#[cfg(target_os = "linux")]
pub mod passthrough;
#[cfg(target_os = "linux")]
pub mod registrar;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as platform;

pub use session::{Access, MountError, MountOptions, MountedVault, is_dead, take_away_dead};

/// Why this machine cannot mount, if so.
pub fn missing_fuse() -> Option<&'static str> {
    platform::missing_fuse()
}
