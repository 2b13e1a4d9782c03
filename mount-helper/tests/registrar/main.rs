//! The registrar on the real kernel, against daemons that mean ill.
//!
//! Everything that needs a file capability or another user needs root; for others those tests say that they were skipped.
#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on fails, one that cannot begin says so, and nobody outside uses a test crate"
)]

mod daemon;
mod files;
mod hostile;
mod start;
mod support;
mod whole;
