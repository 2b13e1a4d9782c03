//! The kernel's caches, dropped before a cold measurement: pages, names and attributes, of all file systems.

use std::fs;
use std::process::Command;

const CONTROL: &str = "/proc/sys/vm/drop_caches";

/// True if this user may.
pub(crate) fn can_drop() -> bool {
    fs::OpenOptions::new().write(true).open(CONTROL).is_ok()
}

/// Writes what is dirty, then drops everything.
pub(crate) fn drop_all() {
    assert!(Command::new("sync").status().expect("sync").success());
    fs::write(CONTROL, "3").expect("only root comes here");
}
