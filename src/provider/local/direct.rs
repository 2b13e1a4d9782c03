//! The vault's own files as open descriptors: nothing is copied. Answers from the index's reader and the disk, never waits
//! for a scan.

use std::fs::File;

use crate::types::{NodeKind, RemoteId, Revision};

use super::index::{self, Row};
use super::root::{Root, Stat, open_file, stat_name};
use super::state::Local;

impl Local {
    /// Opens a file that is where the index has it, exactly as the index has it, at `revision`.
    pub(super) fn open_current(&self, root: &Root, id: &RemoteId, revision: &Revision) -> Option<(File, Row)> {
        let (row, chain) = {
            let reader = self.reader();
            let row = index::by_id(&reader, id).ok()??;
            let chain = index::chain(&reader, row.parent).ok()??;
            (row, chain)
        };
        if row.stat.kind != NodeKind::File || row.revision() != *revision {
            return None;
        }
        let folder = root.open_folder(&chain).ok()?;
        let file = open_file(&folder, row.name.as_str()).ok()?.into_std();
        (Stat::of_file(&file).ok()? == row.stat).then_some((file, row))
    }

    /// True if an open file still holds `revision`.
    pub(super) fn is_current(&self, file: &File, revision: &Revision) -> bool {
        let Ok(stat) = Stat::of_file(file) else { return false };
        let Ok(rows) = index::by_ident(&self.reader(), stat.ident) else { return false };
        let Some(row) = rows.into_iter().find(|row| row.revision() == *revision) else { return false };
        // A rename that has not been noticed yet touches the change time, but no byte.
        stat == row.stat || (stat.same_content(&row.stat) && self.has_left(&row))
    }

    fn has_left(&self, row: &Row) -> bool {
        let Some(root) = self.root_at_hand() else { return false };
        let chain = index::chain(&self.reader(), row.parent);
        let Ok(Some(chain)) = chain else { return false };
        let Ok(folder) = root.open_folder(&chain) else { return false };
        stat_name(&folder, &row.name).is_ok_and(|stat| stat.is_none_or(|stat| stat.ident != row.stat.ident))
    }
}
