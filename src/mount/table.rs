//! What is mounted where, as the operating system knows it.

use std::path::{Path, PathBuf};

use super::platform;

/// A mount of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mounted {
    /// Where.
    pub dir: PathBuf,
    /// The vault's name.
    pub vault_name: String,
}

/// One line of the mount table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) dir: PathBuf,
    pub(super) kind: String,
    pub(super) source: String,
}

/// The source that our mounts show, without the vault's name.
pub(super) const SOURCE_PREFIX: &str = "vaultfs:";

/// Every mount of vaultfs that this process can see, alive or dead.
pub fn mounted() -> std::io::Result<Vec<Mounted>> {
    Ok(platform::mounts()?.into_iter().filter_map(ours).collect())
}

/// True if something is mounted at exactly this folder.
pub fn is_mount_point(dir: &Path) -> std::io::Result<bool> {
    Ok(platform::mounts()?.iter().any(|row| row.dir == dir))
}

fn ours(row: Row) -> Option<Mounted> {
    let vault_name = row.kind.starts_with("fuse").then(|| row.source.strip_prefix(SOURCE_PREFIX)).flatten()?.to_owned();
    Some(Mounted { dir: row.dir, vault_name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_mounts_are_known_by_type_and_source() {
        let row = |kind: &str, source: &str| Row { dir: "/mnt".into(), kind: kind.into(), source: source.into() };
        assert_eq!(ours(row("fuse.vaultfs", "vaultfs:Work")).unwrap().vault_name, "Work");
        assert_eq!(ours(row("fuse.sshfs", "host:/")), None);
        assert_eq!(ours(row("ext4", "vaultfs:Work")), None);
    }
}
