//! Extended attributes. `user.*` are kept on this machine with the inode; `user.vaultfs.*` are read-only answers about the file.

use super::{FsError, Result, VaultFs, arc_file};
use crate::catalog::{LocalContent, LocalRow, Txn, Version};
use crate::types::{InodeNo, NodeKind, Timestamp};

/// What must be true for a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XattrMode {
    /// Nothing.
    Set,
    /// It must not exist (XATTR_CREATE).
    Create,
    /// It must exist (XATTR_REPLACE).
    Replace,
}

const KEPT_PREFIX: &[u8] = b"user.";
const OURS_PREFIX: &[u8] = b"user.vaultfs.";
/// Longest name and value that Linux passes on (`XATTR_NAME_MAX`, `XATTR_SIZE_MAX`).
const MAX_NAME_BYTES: usize = 255;
const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Of files.
const STATUS: [&[u8]; 4] =
    [b"user.vaultfs.status", b"user.vaultfs.local", b"user.vaultfs.cloud", b"user.vaultfs.vault"];
/// What is said when nobody knows: the vault is being opened or closed.
const UNKNOWN: &str = "unknown";

impl VaultFs {
    /// The value of an attribute.
    pub fn xattr(&self, ino: InodeNo, name: &[u8]) -> Result<Vec<u8>> {
        if !name.starts_with(KEPT_PREFIX) {
            // Asked before every write (`security.capability`): answered without a look at the catalog.
            return Err(FsError::Unsupported);
        }
        if name.starts_with(OURS_PREFIX) {
            return self.status_attribute(ino, name);
        }
        self.parts.catalog.read(|view| view.xattr(ino, name))?.ok_or(FsError::NoAttribute)
    }

    /// Names of all attributes.
    pub fn xattr_names(&self, ino: InodeNo) -> Result<Vec<Vec<u8>>> {
        let row = self.row(ino)?;
        let mut names = self.parts.catalog.read(|view| view.xattr_names(ino))?;
        if row.kind == NodeKind::File {
            names.extend(STATUS.iter().map(|name| name.to_vec()));
        }
        Ok(names)
    }

    /// Sets an attribute.
    pub fn set_xattr(&self, ino: InodeNo, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        Self::check_settable(name)?;
        if name.len() > MAX_NAME_BYTES || value.len() > MAX_VALUE_BYTES {
            return Err(FsError::BufferTooSmall);
        }
        let changed = self.parts.catalog.write(|txn| {
            let row = txn.local_by_ino(ino)?.ok_or(FsError::NotFound)?;
            let exists = txn.xattr(ino, name)?.is_some();
            match (mode, exists) {
                (XattrMode::Create, true) => return Err(FsError::Exists),
                (XattrMode::Replace, false) => return Err(FsError::NoAttribute),
                (XattrMode::Set, _) | (XattrMode::Create, false) | (XattrMode::Replace, true) => {}
            }
            txn.set_xattr(ino, name, value)?;
            Self::stamp(txn, row)
        })?;
        self.stamp_open_file(ino, changed);
        Ok(())
    }

    /// Removes an attribute.
    pub fn remove_xattr(&self, ino: InodeNo, name: &[u8]) -> Result<()> {
        Self::check_settable(name)?;
        let changed = self.parts.catalog.write(|txn| {
            let row = txn.local_by_ino(ino)?.ok_or(FsError::NotFound)?;
            if !txn.remove_xattr(ino, name)? {
                return Err(FsError::NoAttribute);
            }
            Self::stamp(txn, row)
        })?;
        self.stamp_open_file(ino, changed);
        Ok(())
    }

    /// An attribute changed: so did the inode.
    fn stamp(txn: &Txn<'_>, mut row: LocalRow) -> Result<Timestamp> {
        row.attr.ctime = txn.now();
        txn.set_local_attr(row.node, &row.attr)?;
        Ok(row.attr.ctime)
    }

    /// Tells an open file of a change of its inode, so that it does not store the old time over it.
    pub(super) fn stamp_open_file(&self, ino: InodeNo, changed: Timestamp) {
        if let Some(file) = arc_file(&self.open, ino) {
            file.write().attr.ctime = changed;
        }
    }

    fn check_settable(name: &[u8]) -> Result<()> {
        if !name.starts_with(KEPT_PREFIX) {
            return Err(FsError::Unsupported);
        }
        if name.starts_with(OURS_PREFIX) {
            return Err(FsError::NotPermitted("user.vaultfs.* is written by vaultfs alone"));
        }
        Ok(())
    }

    fn status_attribute(&self, ino: InodeNo, name: &[u8]) -> Result<Vec<u8>> {
        let row = self.row(ino)?;
        let value = match name {
            b"user.vaultfs.status" => self.status_word(&row),
            b"user.vaultfs.vault" => self.parts.words.of_vault().unwrap_or(UNKNOWN).to_owned(),
            b"user.vaultfs.local" => match &row.content {
                LocalContent::Staged { staged, .. } => match self.parts.content.staged(*staged)?.overlay_base() {
                    Some(base) if !self.is_here(&base) => {
                        "what was written is on this machine, the rest is at the provider".to_owned()
                    }
                    Some(_) | None => "safe: all bytes are on this machine".to_owned(),
                },
                LocalContent::Clean(version) => {
                    format!("{} of {} bytes here", self.bytes_here(&row), version.size)
                }
                LocalContent::None | LocalContent::Symlink(_) => "safe".to_owned(),
            },
            b"user.vaultfs.cloud" => match &row.content {
                LocalContent::Clean(version) => format!("safe: revision {}", version.revision),
                LocalContent::Staged { based_on: Some(version), .. } => {
                    format!("not yet: the provider has revision {}", version.revision)
                }
                LocalContent::Staged { based_on: None, .. } => "not yet".to_owned(),
                LocalContent::None | LocalContent::Symlink(_) => self.status_word(&row),
            },
            _ => return Err(FsError::NoAttribute),
        };
        Ok(value.into_bytes())
    }

    fn status_word(&self, row: &LocalRow) -> String {
        self.parts.words.of_entry(row.node).unwrap_or(UNKNOWN).to_owned()
    }

    /// True if a version can be read without the provider.
    fn is_here(&self, version: &Version) -> bool {
        self.parts.source.open_direct(version).is_some() || self.parts.content.cached_bytes(version) >= version.size
    }

    /// Bytes of a file that can be read without the provider.
    fn bytes_here(&self, row: &LocalRow) -> u64 {
        match &row.content {
            LocalContent::Clean(version) if self.parts.source.open_direct(version).is_some() => version.size,
            LocalContent::Clean(version) => self.parts.content.cached_bytes(version),
            LocalContent::Staged { .. } | LocalContent::None | LocalContent::Symlink(_) => row.attr.size,
        }
    }
}
