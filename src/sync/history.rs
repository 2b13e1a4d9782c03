//! Keeping what is about to be replaced: bytes that are here go to history before the row that points to them goes.

use std::sync::Arc;

use super::bytes::{Sequential, read_cached, read_staged};
use super::engine::Engine;
use super::error::Result;
use crate::catalog::{HistoryReason, HistoryRow, LocalContent, LocalRow, Txn};
use crate::content::StagedFile;
use crate::types::StagedId;

/// Bytes that were copied to history and have no row yet.
pub(super) struct Kept {
    pub(super) file: String,
    pub(super) size: u64,
    pub(super) reason: HistoryReason,
    /// Of staged bytes: what was copied. Holding the file keeps its generations comparable.
    copied: Option<(Arc<StagedFile>, u64)>,
}

impl Kept {
    /// True if these staged bytes are what was copied.
    pub(super) fn is_of(&self, staged: StagedId) -> bool {
        self.copied.as_ref().is_some_and(|(file, generation)| file.id() == staged && file.generation() == *generation)
    }

    /// Writes the row, in the transaction that replaces or removes the bytes.
    pub(super) fn record(self, txn: &Txn<'_>, row: &LocalRow) -> Result<()> {
        let path = txn.local_path(row.node)?.unwrap_or_else(|| row.name.to_string());
        let (node, kept_at) = (row.node, txn.now());
        let Self { file, size, reason, copied: _ } = self;
        txn.add_history(&HistoryRow { id: 0, node, path, reason, size, file, kept_at })?;
        Ok(())
    }
}

impl Engine {
    /// Copies the content of a local row to history if its bytes are completely here. Durable before it returns.
    pub(super) async fn keep(&self, row: &LocalRow, reason: HistoryReason) -> Result<Option<Kept>> {
        let content = Arc::clone(&self.content);
        let copied = match &row.content {
            LocalContent::None | LocalContent::Symlink(_) => return Ok(None),
            LocalContent::Clean(version) => {
                let Some(file) = self.content.cached_if_present(version)?.filter(|file| file.is_complete()) else {
                    return Ok(None);
                };
                let size = version.size;
                self.off_thread(size, move || {
                    let read = |at: u64, buffer: &mut [u8]| read_cached(&file, at, buffer);
                    content.keep_copy(&mut Sequential { read: &read, size, at: 0 }).map(|name| (name, size))
                })
                .await?
                .map(|(name, size)| (name, size, None))
            }
            LocalContent::Staged { staged, .. } => {
                let file = self.content.staged(*staged)?;
                self.complete(&file).await?;
                let (size, generation) = (file.size(), file.generation());
                let of = Arc::clone(&file);
                self.off_thread(size, move || {
                    let read = |at: u64, buffer: &mut [u8]| read_staged(&of, at, buffer);
                    content.keep_copy(&mut Sequential { read: &read, size, at: 0 }).map(|name| (name, size))
                })
                .await?
                .map(|(name, size)| (name, size, Some((file, generation))))
            }
        };
        let (file, size, copied) = copied?;
        Ok(Some(Kept { file, size, reason, copied }))
    }

    /// A copy that turned out not to be needed.
    pub(super) fn drop_kept(&self, kept: Option<Kept>) {
        if let Some(kept) = kept
            && let Err(error) = self.content.discard_kept(&kept.file)
        {
            tracing::warn!(%error, "an unneeded copy stays in history");
        }
    }
}
