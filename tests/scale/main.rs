//! Scale: a folder of many entries, a vault of many nodes, a sparse file beyond 4 GiB, a long queue. Real mounts, real daemons.
//!
//! What must hold at any size is asserted: the trees are equal, the daemon's memory stays within its bound, a sync makes no more calls
//! than it has changes. Times are printed and asserted nowhere. The sizes here take seconds; `scripts/scale.sh` runs the full ones.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that cannot go on fails, its figures are its result, and nobody outside uses a test crate"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test binary uses its part of the harness")]
mod support;

use support::api;

mod folder;
mod probe;
mod queue;
mod sparse;
mod vault;

/// A size: `name` in the environment, or the one that takes seconds.
pub(crate) fn size(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

/// A device whose vault is a folder; nothing is mounted yet.
pub(crate) fn device(name: &str, remote: impl FnOnce(&std::path::Path)) -> (support::Device, std::path::PathBuf) {
    let device = support::Device::new(name);
    let folder = device.path("remote");
    remote(&folder);
    device.ok(["vault", "add", "vault", "--provider", "local", "--path", folder.to_str().unwrap()]);
    (device, folder)
}

/// Prints one figure of a run.
pub(crate) fn figure(what: &str, value: impl std::fmt::Display) {
    println!("{what:<64} {value}");
}
