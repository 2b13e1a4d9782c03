//! What leaves the provider but not this machine (a file that got a local-only name, or was put into the trash folder of a file
//! manager): its bytes are brought here before the provider lets go of them.

use super::engine::Engine;
use super::error::Result;
use super::plan::Content;
use super::ports::LocalChange;
use super::trees::{Sides, sides};
use crate::catalog::{LocalContent, LocalRow, StagedRow, Version};
use crate::content::StagedRecord;
use crate::types::{NodeId, StagedId};

impl Engine {
    /// Makes sure that the provider's deletion of a node takes away nothing that L shows. True if the rows changed: then the plan is
    /// old.
    pub(super) async fn keep_here(&self, node: NodeId, expected: &Sides) -> Result<bool> {
        match expected.local.as_ref().map(|side| &side.content) {
            Some(Content::Version { .. }) => {}
            Some(Content::Staged { .. }) => {
                // An edit of a part: the rest of it is still the provider's.
                if let Some(LocalRow { content: LocalContent::Staged { staged, .. }, .. }) = self.local_row(node)? {
                    self.complete(&self.content.staged(staged)?).await?;
                }
                return Ok(false);
            }
            Some(Content::Folder | Content::Symlink(_)) | None => return Ok(false),
        }
        let Some(LocalRow { content: LocalContent::Clean(version), .. }) = self.local_row(node)? else {
            return Ok(true);
        };
        let id = StagedId::random();
        let kept = self.bring_here(node, expected, id, &version).await;
        if !matches!(kept, Ok(true)) {
            self.content.discard(id)?;
        }
        kept.map(|_| true)
    }

    fn local_row(&self, node: NodeId) -> Result<Option<LocalRow>> {
        Ok(self.catalog.read(|view| view.local(node))?)
    }

    /// True if the staged bytes are the node's content now.
    async fn bring_here(&self, node: NodeId, expected: &Sides, id: StagedId, version: &Version) -> Result<bool> {
        let file = self.content.stage(id, Some(version))?;
        self.complete(&file).await?;
        let (row, path) = self.catalog.read(|view| Ok((view.local(node)?, view.local_path(node)?)))?;
        if let Some(row) = &row {
            file.set_modified(row.attr.mtime)?;
        }
        // Durable, with its record, before the only other copy goes.
        self.off_thread(version.size, {
            let file = std::sync::Arc::clone(&file);
            move || file.sync()
        })
        .await??;
        if let (Some(row), Some(path)) = (row, path) {
            let (vault, mode, mtime) = (self.content.vault(), row.attr.mode, row.attr.mtime);
            file.write_record(&StagedRecord { vault, id, path, based_on: None, mode, mtime })?;
        }
        self.in_local_transaction(|txn, announce| {
            let Some(mut row) = txn.local(node)? else { return Ok(false) };
            if sides(txn, node)?.as_ref() != Some(expected) {
                return Ok(false);
            }
            let (size, created) = (version.size, txn.now());
            txn.put_staged(&StagedRow { id, node, size, hashed: version.hash, session: None, created })?;
            row.content = LocalContent::Staged { staged: id, based_on: Some(version.clone()) };
            txn.update_local(&row)?;
            // The same bytes from another place: who has the file open need not notice.
            announce.add(LocalChange::Settled { ino: row.ino, node });
            Ok(true)
        })
    }
}
