//! Attempts: calls that make something at the provider. Each is noted before it is made; what a crash or a lost answer leaves open is
//! looked up before the provider's changes are read, so that our own work is never taken for somebody else's: no duplicate, no
//! conflict with ourselves, nothing that was deleted or renamed here meanwhile comes back (promise P22).
//!
//! **Invariant:** the provider is never more than one call per node ahead of what a power cut leaves on this disk: an attempt, and with it
//! everything that was committed before, is durable before its call is made.
//!
//! **Invariant:** R never shows what a call of ours has made without S holding it, too: L was so when the call was made, and whatever L
//! is by now is a later change of L. The answer (`commit`), the feed or a look at a place ([`Engine::take_outcomes`]), and a look after a
//! crash ([`Engine::settle_attempts`]) may each be the first to tell. The transaction that records the answer ends the attempt.

use std::sync::Arc;

use super::agree::{agree, synced_body, version_of};
use super::diff::same_name;
use super::engine::Engine;
use super::error::{Result, SyncError};
use super::observe::{Batch, same_body};
use super::plan::{Place, is_aside};
use super::pull::Freeze;
use super::root::node_of_rid;
use crate::catalog::{Attempt, LocalContent, Made, RemoteBody, RemoteRow, SyncedBody, SyncedRow, Txn, Version};
use crate::provider::{EntryBody, ErrorKind, RemoteEntry};
use crate::types::{NameRules, NodeId, RemoteId};

impl Engine {
    /// Notes an attempt, durably. Its call must follow. `None`: an earlier attempt of the node was still open. Its outcome is known
    /// now, and the plan is to be made again: how the next call ends would say nothing of what that one has made.
    pub(super) async fn begin_attempt(
        &self,
        node: NodeId,
        over: Option<&RemoteId>,
        parent: &RemoteId,
        place: &Place,
        made: Made,
    ) -> Result<Option<Attempt>> {
        if let Some(open) = self.catalog.read(|view| view.attempt(node))? {
            self.settle_attempt(&open).await?;
            self.end_attempt(node)?;
            return Ok(None);
        }
        let attempt = Attempt { node, over: over.cloned(), parent: parent.clone(), name: place.name.clone(), made };
        self.catalog.write(|txn| txn.put_attempt(&attempt))?;
        self.make_durable().await?;
        Ok(Some(attempt))
    }

    /// Makes durable what was committed. Calls that are about to be made at the same time share one flush.
    pub(super) async fn make_durable(&self) -> Result<()> {
        let catalog = Arc::clone(&self.catalog);
        Ok(self.off_thread(u64::MAX, move || catalog.sync()).await??)
    }

    /// The call is known to have made nothing.
    pub(super) fn end_attempt(&self, node: NodeId) -> Result<()> {
        Ok(self.catalog.write(|txn| txn.remove_attempt(node))?)
    }

    /// Looks up what became of attempts whose outcome was never recorded. Those that are under way are left alone.
    pub(super) async fn settle_attempts(&self) -> Result<()> {
        for attempt in self.catalog.read(|view| view.attempts())? {
            if self.state().active.contains_key(&attempt.node) {
                continue;
            }
            self.settle_attempt(&attempt).await?;
            self.end_attempt(attempt.node)?;
        }
        Ok(())
    }

    /// Looks up one attempt and records what is there. True if that is what the attempt was to make.
    pub(super) async fn settle_attempt(&self, attempt: &Attempt) -> Result<bool> {
        let found = self.found_of(attempt).await?;
        tracing::debug!(device = self.config.device, ?attempt, ?found, "an attempt without an outcome");
        let mut batch = Batch::default();
        if let Some(rid) = &attempt.over
            && found.as_ref().is_none_or(|entry| entry.id != *rid)
        {
            batch.confirm_gone(rid.clone());
        }
        let Some(mut entry) = found else {
            self.observe_only(batch).await?;
            return Ok(false);
        };
        if self.is_outcome(&entry, attempt).await? {
            add_hash(&mut entry, attempt);
            batch.owners.insert(entry.id.clone(), attempt.node);
        }
        batch.confirm(entry);
        let (_, taken) = self
            .observe(batch, Freeze::Yes, |txn, _| {
                let taken = take_outcome(txn, self.names(), attempt)?;
                if let (true, Some(SyncedBody::File(version))) = (taken, txn.synced(attempt.node)?.map(|row| row.body))
                {
                    rebase(txn, attempt.node, &version)?;
                }
                Ok(taken)
            })
            .await?;
        Ok(taken)
    }

    /// The feed, or a look at a place, may be the first to tell what a call under way has made: the next version of its file, or a new
    /// entry at its place. If that holds what was sent, it belongs to the node that the call is for.
    pub(super) async fn claim_attempts(&self, batch: &mut Batch) -> Result<()> {
        if batch.present.is_empty() {
            return Ok(());
        }
        for attempt in self.catalog.read(|view| view.attempts())? {
            let Some(mut entry) = self.told_of(&attempt, batch) else { continue };
            if attempt.made == Made::Moved || batch.owners.contains_key(&entry.id) {
                continue;
            }
            let is_news = self.catalog.read(|view| {
                Ok(match view.remote_by_rid(&entry.id)? {
                    Some(known) => attempt.over.as_ref() == Some(&known.rid) && !same_body(&known.body, &entry.body),
                    None => attempt.over.is_some() || view.remote(attempt.node)?.is_none(),
                })
            })?;
            if is_news && self.is_outcome(&entry, &attempt).await? {
                add_hash(&mut entry, &attempt);
                batch.owners.insert(entry.id.clone(), attempt.node);
                batch.present.insert(entry.id.clone(), entry);
            }
        }
        Ok(())
    }

    /// What a batch tells of the file that is stored over, or else of the place.
    fn told_of(&self, attempt: &Attempt, batch: &Batch) -> Option<RemoteEntry> {
        let at_place = |entry: &&RemoteEntry| {
            entry.parent.as_ref() == Some(&attempt.parent)
                && self.names().key(&entry.name) == self.names().key(&attempt.name)
        };
        let over = attempt.over.as_ref().and_then(|rid| batch.present.get(rid));
        over.or_else(|| batch.present.values().find(at_place)).cloned()
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
            (Made::Moved, _) => {
                Ok(entry.parent.as_ref() == Some(&attempt.parent)
                    && same_name(self.names(), &entry.name, &attempt.name))
            }
            (Made::Folder | Made::Symlink(_) | Made::File { .. }, _) => Ok(false),
        }
    }

    /// In the transaction that brings the provider's changes into R: what they tell of our own calls.
    pub(super) fn take_outcomes(&self, txn: &Txn<'_>) -> Result<()> {
        for attempt in txn.attempts()? {
            take_outcome(txn, self.names(), &attempt)?;
        }
        Ok(())
    }
}

/// What the provider does not hash is hashed by us.
fn add_hash(entry: &mut RemoteEntry, attempt: &Attempt) {
    if let (EntryBody::File { hash: told, .. }, Made::File { hash, .. }) = (&mut entry.body, &attempt.made) {
        told.get_or_insert(*hash);
    }
}

/// If R has the node as the attempt was to make it: S takes it over. True if so.
fn take_outcome(txn: &Txn<'_>, names: &NameRules, attempt: &Attempt) -> Result<bool> {
    let Some(remote) = txn.remote(attempt.node)? else { return Ok(false) };
    let Some(parent) = node_of_rid(txn, &attempt.parent)? else { return Ok(false) };
    if !is_made(names, &remote, parent, attempt) {
        return Ok(false);
    }
    match version_of(&remote).filter(|_| attempt.made != Made::Moved) {
        Some(version) => agree_on_content(txn, attempt.node, &version)?,
        None => agree_on_place(txn, &remote)?,
    }
    agree(txn, names, attempt.node)?;
    Ok(true)
}

fn is_made(names: &NameRules, remote: &RemoteRow, parent: NodeId, attempt: &Attempt) -> bool {
    let is_there = remote.parent == Some(parent) && same_name(names, &remote.name, &attempt.name);
    match (&attempt.made, &remote.body) {
        (Made::Moved, _) => attempt.over.as_ref() == Some(&remote.rid) && is_there,
        (Made::Folder, RemoteBody::Folder) => is_there,
        (Made::Symlink(wanted), RemoteBody::Symlink { target }) => is_there && wanted == target,
        (Made::File { size, hash }, RemoteBody::File { size: told, hash: told_hash, .. }) => {
            size == told && *told_hash == Some(*hash)
        }
        (Made::Folder | Made::Symlink(_) | Made::File { .. }, _) => false,
    }
}

/// Our own call has put the node there: both sides have had it there, wherever L has it by now. A reserved name is no place.
fn agree_on_place(txn: &Txn<'_>, remote: &RemoteRow) -> Result<()> {
    if is_aside(&remote.name) {
        return Ok(());
    }
    let body = match (txn.synced(remote.node)?, &remote.body) {
        // A move changes the place alone.
        (Some(row), _) => row.body,
        (None, RemoteBody::Folder | RemoteBody::Symlink { .. }) => synced_body(remote),
        (None, RemoteBody::File { .. }) => return Ok(()),
    };
    let (parent, name) = (remote.parent, remote.name.clone());
    Ok(txn.put_synced(&SyncedRow { node: remote.node, parent, name, body })?)
}

/// Our own call has stored this version: it is what both sides have had, even if L was edited again or R has gone on meanwhile.
pub(super) fn agree_on_content(txn: &Txn<'_>, node: NodeId, version: &Version) -> Result<()> {
    let place = match (txn.synced(node)?, txn.remote(node)?) {
        (Some(row), _) => Some((row.parent, row.name)),
        (None, Some(row)) => Some((row.parent, row.name)),
        (None, None) => None,
    };
    if let Some((parent, name)) = place {
        txn.put_synced(&SyncedRow { node, parent, name, body: SyncedBody::File(version.clone()) })?;
    }
    Ok(())
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
