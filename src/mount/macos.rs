//! macOS with macFUSE: the mount table is what `mount` prints; mounts are taken away by `umount` or `diskutil`.

use std::path::Path;
use std::process::Command;

use fuser::{InitFlags, RenameFlags};

use super::table::Row;
use crate::vfs::RenameMode;

/// What macFUSE is asked for. It gives several bits a meaning of its own, so nothing of the list for Linux is asked for here.
///
/// Bit 26 is its "exclusive renames" (`FUSE_RENAME_EXCL`, a name that fuser 0.18 does not have). Once it is granted, every version of macFUSE sends
/// renames in the long form, which is the only one that fuser 0.18 reads. That the target of an exclusive rename is free
/// is checked by macOS before it calls.
pub(super) const CAPABILITIES: &[InitFlags] = &[InitFlags::from_bits_retain(1 << 26)];

/// Programs that take a mount away, in the order in which they are tried.
pub(super) const DETACH: &[(&str, &[&str])] = &[("umount", &[]), ("diskutil", &["unmount"])];
/// The same for a mount that is in use or whose daemon is dead.
pub(super) const DETACH_LAZY: &[(&str, &[&str])] = &[("umount", &["-f"]), ("diskutil", &["unmount", "force"])];

/// Threads that answer the kernel: fuser refuses more than one here.
pub(super) fn threads() -> usize {
    1
}

/// What the flags of a rename ask for. fuser 0.18 passes none on, so any is one that we do not know.
pub(super) fn rename_mode(flags: RenameFlags) -> Option<RenameMode> {
    (flags == RenameFlags::empty()).then_some(RenameMode::Replace)
}

/// Why this machine cannot mount, if so.
pub(super) fn missing_fuse() -> Option<&'static str> {
    (!Path::new("/Library/Filesystems/macfuse.fs").exists()).then_some("macFUSE is not installed")
}

/// Every mount that this process sees.
pub(super) fn mounts() -> std::io::Result<Vec<Row>> {
    let output = Command::new("/sbin/mount").output()?;
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

/// Lines of the form `SOURCE on DIR (TYPE, option, ...)`.
fn parse(printed: &str) -> Vec<Row> {
    let row = |line: &str| {
        let (place, options) = line.rsplit_once(" (")?;
        let (source, dir) = place.split_once(" on ")?;
        let kind = options.split([',', ')']).next()?;
        // macFUSE calls its type `macfuse`; callers look for `fuse`.
        let kind = if kind.contains("fuse") { "fuse" } else { kind };
        Some(Row { dir: dir.into(), kind: kind.to_owned(), source: source.to_owned() })
    };
    printed.lines().filter_map(row).collect()
}
