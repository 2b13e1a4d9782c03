//! Free space: what a write could use now of the disk that holds staged bytes. The provider is never asked here.

use super::{Result, VaultFs};

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
        let room = self.parts.content.room()?;
        let (files, _) = self.parts.catalog.read(|view| view.totals())?;
        Ok(Space { total: room.total, free: room.free, files })
    }
}
