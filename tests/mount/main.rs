//! What applications do, on a real mount of a real daemon: one file per theme of the conformance list. The public suites
//! (pjdfstest, fsx) run beside this one: `scripts/conformance.sh`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test that cannot go on fails, and nobody outside uses a test crate"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test binary uses its part of the harness")]
mod support;

mod attributes;
mod data;
mod devices;
mod filters;
mod fstab;
mod full_disk;
mod layout;
mod lazy;
mod lent;
mod lifecycle;
mod locks;
mod maps;
mod names;
mod pins;
mod programs;
mod registrar;
mod saves;
mod small_disk;
mod stalled;
mod staying;
mod syncing;
mod system;
