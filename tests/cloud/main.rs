//! A vault in a cloud from end to end: real mounts and daemons of two devices, one simulated Dropbox account over real HTTP.
//!
//! `recording` follows a take from one device to the other, `apart` what two devices do while one is cut off and killed, `large` uploads
//! that are killed at half, `outage` how a lost network is told and ended, `secrets` where no token may ever be found. `world` has the
//! account and its devices, `seen` what the service's request log proves.
//!
//! `VAULTFS_CLOUD_UPLOAD_MIB` is the size of the largest upload; `scripts/scale.sh upload` runs it at 5 GiB.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that cannot go on fails, and nobody outside uses a test crate"
)]

#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "each test binary uses its part of the harness")]
mod harness;
#[path = "../cli/accounts/person.rs"]
#[allow(dead_code, reason = "each test binary uses its part of the harness")]
mod person;

mod apart;
mod large;
mod outage;
mod recording;
mod secrets;
mod seen;
mod world;
