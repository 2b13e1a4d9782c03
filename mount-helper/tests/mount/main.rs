//! `mount.vaultfs` as mount(8) runs it, with a stand-in for vaultfs that tells how it was called. That a vault is really mounted is
//! tested where vaultfs is (`tests/mount`).
//!
//! Each test has a mount namespace, in which the stand-in, the helper and two users are installed. That needs root; for others the
//! tests say that they were skipped.
#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on fails, one that cannot begin says so, and nobody outside uses a test crate"
)]

mod hostile;
mod support;
mod usual;
