//! What is mounted where, from `/proc/self/mountinfo`, and mounts whose daemon has died.

use std::path::{Path, PathBuf};

/// A mount of ours as the kernel knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mounted {
    /// Where.
    pub dir: PathBuf,
    /// The source: `vaultfs:NAME`.
    pub source: String,
}

/// The source that our mounts show, without the vault's name.
pub const SOURCE_PREFIX: &str = "vaultfs:";

/// Every mount of vaultfs on this machine that this process can see.
pub fn mounted() -> std::io::Result<Vec<Mounted>> {
    Ok(parse(&std::fs::read_to_string("/proc/self/mountinfo")?))
}

/// The mount at exactly this folder, of whatever kind.
pub fn is_mount_point(dir: &Path) -> std::io::Result<bool> {
    let text = std::fs::read_to_string("/proc/self/mountinfo")?;
    Ok(fields(&text).any(|(mounted_at, _, _)| Path::new(&mounted_at) == dir))
}

fn parse(mountinfo: &str) -> Vec<Mounted> {
    fields(mountinfo)
        .filter(|(_, kind, source)| kind.starts_with("fuse") && source.starts_with(SOURCE_PREFIX))
        .map(|(dir, _, source)| Mounted { dir: dir.into(), source })
        .collect()
}

/// Mount point, file system type and source of each line (format: `Documentation/filesystems/proc.rst` 3.5).
fn fields(mountinfo: &str) -> impl Iterator<Item = (String, String, String)> + '_ {
    mountinfo.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let dir = before.split(' ').nth(4)?;
        let mut after = after.split(' ');
        Some((unescape(dir), after.next()?.to_owned(), unescape(after.next()?)))
    })
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
    fn our_mounts_are_found_by_source_and_names_are_unescaped() {
        let text = "36 35 98:0 / /mnt/My\\040Vault rw,nosuid shared:1 - fuse vaultfs:My\\040Vault rw,user_id=0\n\
                    37 35 98:1 / /mnt/other rw - fuse.sshfs host:/ rw\n";
        assert_eq!(parse(text), [Mounted { dir: "/mnt/My Vault".into(), source: "vaultfs:My Vault".into() }]);
    }
}
