//! Attempts: calls that make something at the provider. Each is noted before it is made; what a crash or a lost answer leaves open is
//! looked up before the provider's changes are read, so that our own work is never taken for somebody else's: no duplicate, no
//! conflict with ourselves, nothing that was deleted here meanwhile comes back (promise P22).

use super::agree::agree;
use super::engine::Engine;
use super::error::{Result, SyncError};
use super::observe::Batch;
use super::plan::Place;
use super::pull::Freeze;
use crate::catalog::{Attempt, LocalContent, Made, SyncedBody, SyncedRow, Txn, Version};
use crate::provider::{EntryBody, ErrorKind, RemoteEntry};
use crate::types::{NodeId, RemoteId};

impl Engine {
    /// Notes an attempt. Its call must follow.
    pub(super) fn begin_attempt(
        &self,
        node: NodeId,
        over: Option<&RemoteId>,
        parent: &RemoteId,
        place: &Place,
        made: Made,
    ) -> Result<()> {
        let attempt = Attempt { node, over: over.cloned(), parent: parent.clone(), name: place.name.clone(), made };
        Ok(self.catalog.write(|txn| txn.put_attempt(&attempt))?)
    }

    /// The outcome of a call is known and recorded.
    pub(super) fn end_attempt(&self, node: NodeId) -> Result<()> {
        Ok(self.catalog.write(|txn| txn.remove_attempt(node))?)
    }

    /// Looks up what became of attempts whose outcome was never recorded. Those that are under way are left alone.
    pub(super) async fn settle_attempts(&self) -> Result<()> {
        for attempt in self.catalog.read(|view| view.attempts())? {
            if self.state().active.contains_key(&attempt.node) {
                continue;
            }
            let known = self.catalog.read(|view| view.remote(attempt.node))?;
            if attempt.over.is_none() && known.is_some() {
                // The outcome became known in another way.
                self.end_attempt(attempt.node)?;
                continue;
            }
            if let Some(entry) = self.found_of(&attempt).await?
                && self.is_outcome(&entry, &attempt).await?
            {
                self.record_found(&attempt, entry).await?;
            }
            self.end_attempt(attempt.node)?;
        }
        Ok(())
    }

    /// The feed may tell of what a call under way has made before its answer is recorded: such an entry belongs to the node that
    /// the call is for.
    pub(super) fn claim_attempts(&self, batch: &mut Batch) -> Result<()> {
        let attempts = self.catalog.read(|view| view.attempts())?;
        for attempt in attempts.into_iter().filter(|attempt| attempt.over.is_none()) {
            let made = batch.present.values().find(|entry| {
                let is_kind = match (&attempt.made, &entry.body) {
                    (Made::Folder, EntryBody::Folder) => true,
                    (Made::Symlink(wanted), EntryBody::Symlink { target }) => wanted == target,
                    (Made::File { size, .. }, EntryBody::File { size: told, .. }) => size == told,
                    (Made::Folder | Made::Symlink(_) | Made::File { .. } | Made::Moved, _) => false,
                };
                is_kind && entry.parent.as_ref() == Some(&attempt.parent) && entry.name == attempt.name
            });
            if let Some(rid) = made.map(|entry| entry.id.clone())
                && self
                    .catalog
                    .read(|view| Ok(view.remote_by_rid(&rid)?.is_none() && view.remote(attempt.node)?.is_none()))?
            {
                batch.owners.insert(rid, attempt.node);
            }
        }
        Ok(())
    }

    /// What is now where the attempt would have put its outcome.
    async fn found_of(&self, attempt: &Attempt) -> Result<Option<RemoteEntry>> {
        if let Some(rid) = &attempt.over {
            match self.provider.stat(rid).await {
                Ok(entry) => return Ok(Some(entry)),
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        if attempt.made == Made::Moved {
            return Ok(None);
        }
        match self.provider.find(&attempt.parent, &attempt.name).await {
            Ok(found) => Ok(found),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn is_outcome(&self, entry: &RemoteEntry, attempt: &Attempt) -> Result<bool> {
        match (&attempt.made, &entry.body) {
            (Made::Folder, EntryBody::Folder) => Ok(true),
            (Made::Symlink(wanted), EntryBody::Symlink { target }) => Ok(wanted == target),
            (Made::File { size, hash }, EntryBody::File { .. }) => self.holds(entry, *size, *hash).await,
            (Made::Moved, _) => Ok(entry.parent.as_ref() == Some(&attempt.parent) && entry.name == attempt.name),
            (Made::Folder | Made::Symlink(_) | Made::File { .. }, _) => Ok(false),
        }
    }

    /// R and S learn what the attempt made, under its own node; an edit that was made here since is based on it.
    async fn record_found(&self, attempt: &Attempt, mut entry: RemoteEntry) -> Result<()> {
        let (node, rid) = (attempt.node, entry.id.clone());
        if let (EntryBody::File { hash: told, .. }, Made::File { hash, .. }) = (&mut entry.body, &attempt.made) {
            told.get_or_insert(*hash);
        }
        let (body, moved) = (synced_body(&entry), attempt.made == Made::Moved);
        let mut batch = Batch::looked_at([entry]);
        batch.owners.insert(rid.clone(), node);
        self.fresh.mark(&rid, self.clock.monotonic());
        self.observe(batch, Freeze::Yes, |txn, _| {
            let Some(remote) = txn.remote(node)?.filter(|row| row.rid == rid) else { return Ok(()) };
            // A move changes the place alone: what was agreed on about the content stays.
            let agreed = if moved { txn.synced(node)?.map(|row| row.body) } else { None };
            let body = agreed.unwrap_or_else(|| body.clone());
            let row = SyncedRow { node, parent: remote.parent, name: remote.name, body };
            txn.put_synced(&row)?;
            if let (SyncedBody::File(version), false) = (&row.body, moved) {
                rebase(txn, node, version)?;
            }
            agree(txn, self.names(), node)?;
            Ok(txn.touch(node)?)
        })
        .await
        .map(|_| ())
    }
}

/// Staged bytes of a node are now based on this version.
fn rebase(txn: &Txn<'_>, node: NodeId, version: &Version) -> Result<()> {
    let Some(row) = txn.local(node)? else { return Ok(()) };
    if let LocalContent::Staged { staged, .. } = row.content {
        let content = LocalContent::Staged { staged, based_on: Some(version.clone()) };
        txn.set_local_content(node, &content, &row.attr)?;
    }
    Ok::<_, SyncError>(())
}

fn synced_body(entry: &RemoteEntry) -> SyncedBody {
    match &entry.body {
        EntryBody::Folder => SyncedBody::Folder,
        EntryBody::Symlink { target } => SyncedBody::Symlink { target: target.clone() },
        EntryBody::File { revision, size, hash, .. } => {
            SyncedBody::File(Version { rid: entry.id.clone(), revision: revision.clone(), size: *size, hash: *hash })
        }
    }
}
