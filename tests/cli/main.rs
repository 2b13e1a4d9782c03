//! The program from outside: every command, its texts, its exit codes, a real daemon, real mounts.
//!
//! `words` checks texts that need no daemon, `vaults`, `settings` and `registry` the registry, `many` several vaults at once, `music` folders
//! of recordings, `daemon` its life, `mounts` mounting and unmounting, `files`
//! what becomes of files, `manual` syncing only when told to, `limits` what is limited, `damage` what is damaged, `accounts` signing in and out, `trouble` bad input,
//! `demo` the demonstration. Each test is a device of its own ([`harness::Device`]).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test that cannot go on fails, and nobody outside uses a test crate"
)]

mod accounts;
mod cases;
mod copies;
mod daemon;
mod damage;
mod demo;
mod files;
mod golden;
mod harness;
mod limits;
mod manual;
mod many;
mod mounts;
mod music;
mod overrule;
#[path = "../support/proxy.rs"]
mod proxy;
mod registry;
mod settings;
mod states;
mod trouble;
mod vaults;
mod verify;
mod words;
