//! Linux: the mount table is `/proc/self/mountinfo`; mounts are taken away by `fusermount3` or `umount`.

use std::path::Path;

use fuser::{InitFlags, RenameFlags};

use super::table::Row;
use crate::vfs::RenameMode;

/// What the kernel is asked for; it may lack some.
///
/// Not `FUSE_ATOMIC_O_TRUNC`: with it the open itself cuts the file, and only then does the kernel find that the file is a program that
/// runs and refuse with `ETXTBSY`.
/// Not `FUSE_ASYNC_DIO`: with it `fuse_direct_IO` (fs/fuse/file.c) waits for the answer to a direct read where no signal ends the wait.
pub(super) const CAPABILITIES: &[InitFlags] = &[
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_NO_OPENDIR_SUPPORT,
    InitFlags::FUSE_EXPLICIT_INVAL_DATA,
    InitFlags::FUSE_PASSTHROUGH,
];

/// Programs that take a mount away, in the order in which they are tried.
pub(super) const DETACH: &[(&str, &[&str])] = &[("fusermount3", &["-u"]), ("fusermount", &["-u"]), ("umount", &[])];
/// The same for a mount that is in use or whose daemon is dead.
pub(super) const DETACH_LAZY: &[(&str, &[&str])] =
    &[("fusermount3", &["-u", "-z", "-q"]), ("fusermount", &["-u", "-z", "-q"]), ("umount", &["-l"])];

/// Threads that answer the kernel: between 4 and 8. Four stream more than twice as fast as one (`reference/fuse.md` 7.5).
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(4, |cores| cores.get().clamp(4, 8))
}

/// What the flags of a rename ask for; `None` if it is nothing that we know.
pub(super) fn rename_mode(flags: RenameFlags) -> Option<RenameMode> {
    if flags == RenameFlags::empty() {
        Some(RenameMode::Replace)
    } else if flags == RenameFlags::RENAME_NOREPLACE {
        Some(RenameMode::NoReplace)
    } else if flags == RenameFlags::RENAME_EXCHANGE {
        Some(RenameMode::Exchange)
    } else {
        None
    }
}

/// Why this machine cannot mount, if so.
pub(super) fn missing_fuse() -> Option<&'static str> {
    (!Path::new("/dev/fuse").exists()).then_some("/dev/fuse is missing; load the kernel module with `modprobe fuse`")
}

/// Every mount that this process sees.
pub(super) fn mounts() -> std::io::Result<Vec<Row>> {
    Ok(parse(&std::fs::read_to_string("/proc/self/mountinfo")?))
}

/// Mount point, file system type and source of each line (format: `Documentation/filesystems/proc.rst` 3.5).
fn parse(mountinfo: &str) -> Vec<Row> {
    let row = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let dir = before.split(' ').nth(4)?;
        let mut after = after.split(' ');
        Some(Row { dir: unescape(dir).into(), kind: after.next()?.to_owned(), source: unescape(after.next()?) })
    };
    mountinfo.lines().filter_map(row).collect()
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|octal| u8::from_str_radix(std::str::from_utf8(octal).ok()?, 8).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped() {
        let text = "36 35 98:0 / /mnt/My\\040Vault rw,nosuid shared:1 - fuse vaultfs:My\\040Vault rw,user_id=0\n";
        let expected = Row { dir: "/mnt/My Vault".into(), kind: "fuse".into(), source: "vaultfs:My Vault".into() };
        assert_eq!(parse(text), [expected]);
    }
}
