//! Whole-engine simulation: real engines with real catalogs and content stores, a simulated cloud, virtual time, several devices and a
//! web user, faults. Everything follows from one seed; a failure prints it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test that cannot go on fails, and nobody outside uses a test crate"
)]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and reports on its standard output"
)]

mod clock;
mod cloud;
mod control;
mod device;
mod filter;
mod folder;
mod gate;
mod happy;
mod kills;
mod lost;
mod oracle;
mod parts;
mod power;
mod provider;
mod saves;
mod seeds;
mod spread;
mod struck;
mod world;
