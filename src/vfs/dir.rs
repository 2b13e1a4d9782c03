//! Listing folders. The position in a listing is the node id of the last entry told, so it holds while entries come and go: whatever
//! was there all the time is told exactly once.

use super::{FsError, Result, Stat, VaultFs};
use crate::types::{EntryName, InodeNo, NodeId, NodeKind};

/// One entry of a listing.
#[derive(Clone, Debug)]
pub struct DirEntry {
    /// Give this back to continue after this entry.
    pub position: u64,
    /// Its name.
    pub name: EntryName,
    /// Its inode number.
    pub ino: InodeNo,
    /// What it is.
    pub kind: NodeKind,
    /// File type bits of a special file.
    pub special: u32,
    /// Its attributes, if they were asked for.
    pub stat: Option<Stat>,
}

/// How many rows one step of a listing reads from the catalog.
const PAGE_ROWS: usize = 512;

impl VaultFs {
    /// Tells entries of a folder after `position` (0: from the start) until `tell` answers true (full) or all are told.
    pub fn list(
        &self,
        folder: InodeNo,
        position: u64,
        with_stat: bool,
        mut tell: impl FnMut(DirEntry) -> bool,
    ) -> Result<()> {
        let row = self.row(folder)?;
        if row.kind != NodeKind::Folder {
            return Err(FsError::NotFolder);
        }
        if position == 0 {
            self.parts.sink.listed(row.node);
        }
        let mut after = NodeId(position);
        loop {
            let page = self.parts.catalog.read(|view| view.local_children(row.node, after, PAGE_ROWS))?;
            let last_page = page.len() < PAGE_ROWS;
            for child in page {
                after = child.node;
                let stat = if with_stat { Some(self.stat_row(&child)?) } else { None };
                let entry = DirEntry {
                    position: child.node.0,
                    name: child.name,
                    ino: child.ino,
                    kind: child.kind,
                    special: child.attr.special,
                    stat,
                };
                if tell(entry) {
                    return Ok(());
                }
            }
            if last_page {
                return Ok(());
            }
        }
    }

    /// The inode of the folder that holds this folder; the root holds itself.
    pub fn parent_of(&self, folder: InodeNo) -> Result<InodeNo> {
        let row = self.row(folder)?;
        let Some(parent) = row.parent else { return Ok(row.ino) };
        let parent = self.parts.catalog.read(|view| view.local(parent))?.ok_or(FsError::NotFound)?;
        Ok(parent.ino)
    }
}
