//! Finding entries by name. Exact names only: what is listed is what is found.

use std::ffi::OsStr;

use super::{FsError, Result, Stat, VaultFs};
use crate::catalog::LocalContent;
use crate::types::{EntryName, InodeNo, NodeId, NodeKind};

impl VaultFs {
    /// The entry of a name; `None` if there is none, which may be remembered until a change is announced.
    pub fn lookup(&self, parent: InodeNo, name: &OsStr) -> Result<Option<Stat>> {
        let name = match EntryName::from_os(name) {
            Ok(name) => name,
            Err(error @ crate::types::NameError::TooLong { .. }) => return Err(error.into()),
            // No entry can have such a name.
            Err(_) => return Ok(None),
        };
        let row = self.parts.catalog.read(|view| match view.local_by_ino(parent)? {
            Some(folder) => Ok(Some(view.local_child(folder.node, &name)?)),
            None => Ok(None),
        })?;
        let row = row.ok_or(FsError::NotFound)?;
        row.map(|row| self.stat_row(&row)).transpose()
    }

    /// The node that has this inode, for `status` and xattrs.
    pub fn node_of(&self, ino: InodeNo) -> Result<NodeId> {
        Ok(self.row(ino)?.node)
    }

    /// The target of a symbolic link.
    pub fn readlink(&self, ino: InodeNo) -> Result<String> {
        let row = self.row(ino)?;
        match (row.kind, row.content) {
            (NodeKind::Symlink, LocalContent::Symlink(target)) => Ok(target),
            (NodeKind::Symlink | NodeKind::File | NodeKind::Folder | NodeKind::Special, _) => {
                Err(FsError::Invalid("not a symbolic link"))
            }
        }
    }
}
