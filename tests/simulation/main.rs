//! Whole-engine simulation: real engines with real catalogs and content stores, a simulated cloud, virtual time, several devices and a
//! web user, faults. Everything follows from one seed; a failure prints it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking and reports on its standard output")]

mod clock;
mod cloud;
mod control;
mod device;
mod folder;
mod happy;
mod oracle;
mod provider;
mod seeds;
mod world;
