//! Free space: that of the disk which holds staged bytes, because that is what a write needs now. The provider is never asked here.

use super::{Result, VaultFs};
use crate::content::ContentError;
use crate::sys::disk::disk_space;

/// Space as `statfs` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that can be written.
    pub free: u64,
    /// Entries in the vault.
    pub files: u64,
}

impl VaultFs {
    /// Space of the mount.
    pub fn space(&self) -> Result<Space> {
        let disk = disk_space(&self.parts.staging_dir).map_err(|source| ContentError::Io {
            operation: "statfs",
            path: self.parts.staging_dir.clone(),
            source,
        })?;
        let (files, _) = self.parts.catalog.read(|view| view.totals())?;
        Ok(Space { total: disk.total, free: disk.available, files })
    }
}
