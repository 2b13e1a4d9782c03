//! Deleting. A deleted file stays usable by those who have it open; its bytes go with the last handle.

use std::ffi::OsStr;
use std::sync::Arc;

use super::handles::OpenContent;
use super::identity::Transfer;
use super::{FsError, Result, VaultFs, arc_file, folder_by_ino};
use crate::catalog::{LocalContent, LocalRow, Txn};
use crate::types::{EntryName, InodeNo, NodeKind, StagedId};

impl VaultFs {
    /// Deletes a file, link or special file.
    pub fn unlink(&self, parent: InodeNo, name: &OsStr) -> Result<()> {
        let name = EntryName::from_os(name)?;
        let _namespace = self.namespace.lock();
        let (removed, adopted) = self.parts.catalog.write(|txn| {
            let folder = folder_by_ino(txn, parent)?;
            let row = txn.local_child(folder.node, &name)?.ok_or(FsError::NotFound)?;
            if row.kind == NodeKind::Folder {
                return Err(FsError::IsFolder);
            }
            self.remove_row(txn, &row)?;
            let adopted = self.adopt_replacement(txn, &row)?;
            txn.forget_node_if_absent(row.node)?;
            self.touch_folder(txn, folder.node)?;
            Ok((row, adopted))
        })?;
        self.detach(&removed);
        if let Some(row) = adopted {
            self.adopt_open_file(&row);
        }
        self.parts.sink.changed(removed.node);
        Ok(())
    }

    /// Deletes an empty folder.
    pub fn rmdir(&self, parent: InodeNo, name: &OsStr) -> Result<()> {
        let name = EntryName::from_os(name)?;
        let _namespace = self.namespace.lock();
        let (node, furniture) = self.parts.catalog.write(|txn| {
            let folder = folder_by_ino(txn, parent)?;
            let row = txn.local_child(folder.node, &name)?.ok_or(FsError::NotFound)?;
            if row.kind != NodeKind::Folder {
                return Err(FsError::NotFolder);
            }
            let furniture = self.furniture(txn, &row)?.unwrap_or_default();
            for child in &furniture {
                self.remove_row(txn, child)?;
                txn.forget_node_if_absent(child.node)?;
            }
            txn.remove_local(row.node)?;
            txn.forget_node_if_absent(row.node)?;
            self.touch_folder(txn, folder.node)?;
            Ok::<_, FsError>((row.node, furniture))
        })?;
        for row in &furniture {
            self.detach(row);
            self.parts.sink.changed(row.node);
        }
        self.parts.sink.changed(node);
        Ok(())
    }

    /// Takes a row and its staged row out of the catalog. The staged bytes are dropped by [`VaultFs::detach`] after the commit.
    pub(super) fn remove_row(&self, txn: &Txn<'_>, row: &LocalRow) -> Result<()> {
        if let LocalContent::Staged { staged, .. } = &row.content {
            txn.remove_staged(*staged)?;
        }
        Ok(txn.remove_local(row.node)?)
    }

    /// Save style (b): the old file was moved to a backup name, a new one was written at its place, and now the backup is deleted.
    /// The new content takes over the node of the backup.
    fn adopt_replacement(&self, txn: &Txn<'_>, removed: &LocalRow) -> Result<Option<LocalRow>> {
        if !Self::has_identity(txn, removed)? {
            return Ok(None);
        }
        let Some(synced) = txn.synced(removed.node)? else { return Ok(None) };
        let Some(parent) = synced.parent else { return Ok(None) };
        let Some(replacement) = txn.local_child(parent, &synced.name)? else { return Ok(None) };
        let takes_over = replacement.kind == NodeKind::File
            && !replacement.local_only
            && matches!(replacement.content, LocalContent::Staged { .. })
            && Self::never_synced(txn, replacement.node)?;
        if !takes_over {
            return Ok(None);
        }
        let transfer = Transfer {
            from: &replacement,
            to: removed.node,
            based_on: Self::base_of(removed),
            parent,
            name: replacement.name.clone(),
        };
        Self::transfer_identity(txn, &transfer).map(Some)
    }

    /// After the commit: an open file of the row has no name any more; staged bytes that nobody has open are dropped.
    pub(super) fn detach(&self, row: &LocalRow) {
        if let Some(file) = arc_file(&self.open, row.ino) {
            let mut state = file.write();
            state.node = None;
            state.attr.ctime = self.parts.clock.now();
            let kept = matches!(state.content, OpenContent::Staged { .. });
            drop(state);
            // The last handle may have been closed before the node was taken off: look again.
            if kept && !self.open.lock().is_open(row.ino) {
                self.discard_staged_of(row);
            }
            return;
        }
        self.discard_staged_of(row);
    }

    fn discard_staged_of(&self, row: &LocalRow) {
        if let LocalContent::Staged { staged, .. } = &row.content {
            self.discard_staged(*staged);
        }
    }

    /// Drops bytes that nobody refers to any more, once that is durable: a power cut must not bring back a name without its bytes.
    /// Failing to drop them loses nothing: the next start collects them.
    pub(super) fn discard_staged(&self, staged: StagedId) {
        let content = Arc::clone(&self.parts.content);
        self.parts.catalog.when_durable(move || {
            if let Err(error) = content.discard(staged) {
                tracing::warn!(%error, %staged, "staged bytes of a deleted file are left for the next start");
            }
        });
    }
}
