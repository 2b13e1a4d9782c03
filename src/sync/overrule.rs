//! What a person decides against the program: a version is sent over whatever the provider has, or kept before it is taken away. The loser of
//! every such choice is in history before it goes.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::agree::version_of;
use super::bytes::{Sequential, read_cached};
use super::engine::Engine;
use super::error::{Result, SyncError};
use super::event::EventKind;
use super::local_step::put_base;
use crate::catalog::{HistoryReason, HistoryRow, LocalContent, LocalRow, SyncState, Version};
use crate::types::NodeId;

impl Engine {
    /// Sends the bytes that were edited here over whatever the provider has now; what it has goes to history first.
    pub async fn force_upload(&self, node: NodeId) -> Result<()> {
        let (local, remote) = self.catalog.read(|view| Ok((view.local(node)?, view.remote(node)?)))?;
        let Some(LocalRow { content: LocalContent::Staged { .. }, .. }) = local else {
            return Err(SyncError::NothingPending(node));
        };
        if let Some(version) = remote.as_ref().and_then(version_of) {
            let path = self.catalog.read(|view| view.local_path(node))?.unwrap_or_default();
            self.keep_version(node, path, &version, HistoryReason::Overruled).await?;
        }
        self.in_local_transaction(|txn, _| {
            let Some(row) = txn.local(node)? else { return Err(SyncError::NoSuchNode(node)) };
            let LocalContent::Staged { staged, .. } = row.content else {
                return Err(SyncError::NothingPending(node));
            };
            // What was kept is what is replaced; had the provider moved on meanwhile, both would clash as ever.
            if txn.remote(node)? != remote {
                return Err(SyncError::Superseded(node));
            }
            if let Some(remote) = &remote {
                let content = LocalContent::Staged { staged, based_on: version_of(remote) };
                txn.set_local_content(node, &content, &row.attr)?;
                put_base(txn, remote)?;
            }
            let state = txn.sync_state(node)?;
            Ok(txn.set_sync_state(node, &SyncState { priority: state.priority, ..SyncState::default() })?)
        })?;
        self.events.send(EventKind::Status, None);
        self.kick();
        Ok(())
    }

    /// Copies what the mount shows of a file to history, with bytes that are not here fetched first.
    pub async fn keep_shown(&self, node: NodeId, reason: HistoryReason) -> Result<()> {
        let (row, path) = self.catalog.read(|view| Ok((view.local(node)?, view.local_path(node)?)))?;
        let (Some(row), path) = (row, path.unwrap_or_default()) else { return Err(SyncError::NoSuchNode(node)) };
        match &row.content {
            LocalContent::Clean(version) => self.keep_version(node, path, version, reason).await,
            LocalContent::Staged { .. } => {
                if let Some(kept) = self.keep(&row, reason).await? {
                    self.catalog.write(|txn| kept.record(txn, &row))?;
                }
                Ok(())
            }
            LocalContent::None | LocalContent::Symlink(_) => Ok(()),
        }
    }

    async fn keep_version(&self, node: NodeId, path: String, version: &Version, reason: HistoryReason) -> Result<()> {
        let (content, size) = (Arc::clone(&self.content), version.size);
        let direct = self.provider.open_direct(&version.rid, &version.revision);
        let file = match direct {
            Some(direct) => {
                self.off_thread(size, move || {
                    let read = |at: u64, buffer: &mut [u8]| direct.read_exact_at(buffer, at);
                    content.keep_copy(&mut Sequential { read: &read, size, at: 0 })
                })
                .await??
            }
            None => {
                self.hydrate.hydrate(version).await?;
                let cached = self.content.cached(version)?;
                self.off_thread(size, move || {
                    let read = |at: u64, buffer: &mut [u8]| read_cached(&cached, at, buffer);
                    content.keep_copy(&mut Sequential { read: &read, size, at: 0 })
                })
                .await??
            }
        };
        self.catalog.write(|txn| {
            let kept_at = txn.now();
            txn.add_history(&HistoryRow { id: 0, node, path, reason, size, file, kept_at }).map(|_| ())
        })?;
        Ok(())
    }
}
