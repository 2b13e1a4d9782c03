//! macOS with macFUSE: the mount table is what `mount` prints; mounts are taken away by `umount` or `diskutil`.

use std::path::Path;
use std::process::Command;

use super::table::Row;

/// Programs that take a mount away, in the order in which they are tried.
pub(super) const DETACH: &[(&str, &[&str])] = &[("umount", &[]), ("diskutil", &["unmount"])];
/// The same for a mount that is in use or whose daemon is dead.
pub(super) const DETACH_LAZY: &[(&str, &[&str])] = &[("umount", &["-f"]), ("diskutil", &["unmount", "force"])];

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
