//! vaultfs mounts vaults (local folders, Dropbox, iCloud) as ordinary folders.
//!
//! Modules in dependency order; `tests/architecture` holds the allowed edges.

pub mod types;

#[allow(unsafe_code, reason = "the one module that talks to the operating system directly")]
pub mod sys;

pub mod config;
pub mod rules;
pub mod secrets;
pub mod telemetry;

pub mod provider;

pub mod catalog;
pub mod content;
pub mod vaults;

pub mod accounts;

pub mod fetch;
pub mod sync;
pub mod vfs;

pub mod mount;

pub mod control;
pub mod daemon;

pub mod cli;
