//! Recording outcomes: what the provider confirmed becomes R and S, and for uploads L, in one transaction.
//!
//! Invariants: S never names a content that the provider did not have; staged bytes lose their row only in the transaction that
//! makes the node clean at the committed version; bytes go after the row that points to them.

use super::agree::agree;
use super::announce::Announce;
use super::attempts::agree_on_content;
use super::engine::Engine;
use super::error::Result;
use super::observe::Batch;
use super::ports::LocalChange;
use super::pull::Freeze;
use super::step::Outcome;
use super::trees::{Sides, sides};
use crate::catalog::{LocalContent, Txn, Version};
use crate::content::{ContentError, StagedFile};
use crate::provider::{EntryBody, ErrorKind, RemoteEntry};
use crate::sys::failpoint;
use crate::types::{ContentHash, NodeId, RemoteId};

/// Local bytes that the provider has confirmed, or was found to have.
pub(super) struct Sent<'a> {
    pub(super) file: &'a StagedFile,
    pub(super) generation: u64,
}

impl Engine {
    /// Records what the provider answered to a call about `node`. If R changed while the call ran, the answer may be older than R:
    /// then the provider is asked again. Returns the batch to be applied.
    async fn answer(&self, node: NodeId, expected: &Sides, entry: RemoteEntry) -> Result<Batch> {
        let (rid, answered) = (entry.id.clone(), entry.body.clone());
        let mut batch = Batch::looked_at([entry]);
        let now = self.catalog.read(|view| sides(view, node))?;
        if now.and_then(|now| now.remote) != expected.remote {
            match self.provider.stat(&rid).await {
                Ok(mut entry) => {
                    keep_hash(&mut entry.body, &answered);
                    batch.confirm(entry);
                }
                Err(error) if error.kind == ErrorKind::NotFound => batch.confirm_gone(rid.clone()),
                Err(error) => return Err(error.into()),
            }
        }
        batch.owners.insert(rid, node);
        Ok(batch)
    }

    /// After a folder or link was made, or an entry was moved: R as answered, and with it S.
    pub(super) async fn record_place(&self, node: NodeId, expected: &Sides, entry: RemoteEntry) -> Result<Outcome> {
        let rid = entry.id.clone();
        let batch = self.answer(node, expected, entry).await?;
        let (_, outcome) = self
            .observe(batch, Freeze::No, |txn, _| {
                txn.remove_attempt(node)?;
                if !owns(txn, node, &rid)? {
                    return Ok(Outcome::Refreshed);
                }
                agree(txn, self.names(), node)?;
                self.look_below(txn, node)?;
                Ok(Outcome::Done)
            })
            .await?;
        Ok(outcome)
    }

    /// After a deletion: R and S forget the node.
    pub(super) async fn record_deletion(&self, node: NodeId, rid: &RemoteId) -> Result<Outcome> {
        let mut batch = Batch::default();
        batch.confirm_gone(rid.clone());
        let (_, outcome) = self
            .observe(batch, Freeze::No, |txn, _| {
                if txn.remote(node)?.is_some() {
                    return Ok(Outcome::Refreshed);
                }
                agree(txn, self.names(), node)?;
                Ok(Outcome::Done)
            })
            .await?;
        Ok(outcome)
    }

    /// After an upload: R and S hold the committed version, and L becomes clean at it unless it was edited meanwhile.
    pub(super) async fn record_upload(
        &self,
        node: NodeId,
        expected: &Sides,
        mut entry: RemoteEntry,
        sent: Option<Sent<'_>>,
        sent_hash: ContentHash,
    ) -> Result<Outcome> {
        let EntryBody::File { revision, size, hash, .. } = &mut entry.body else { return Ok(Outcome::Refreshed) };
        // What the provider does not hash is hashed by us, so that an echo and an equal edit are recognised later.
        let agreed = *hash.get_or_insert(sent_hash) == sent_hash;
        let version = Version { rid: entry.id.clone(), revision: revision.clone(), size: *size, hash: *hash };
        let batch = self.answer(node, expected, entry).await?;
        if !agreed {
            self.observe_only(batch).await?;
            return Ok(Outcome::Refreshed);
        }
        failpoint::reach("upload-answered");
        if let Some(sent) = &sent {
            self.promote(&version, sent);
        }
        let (_, outcome) = self
            .observe(batch, Freeze::Yes, |txn, announce| {
                txn.remove_attempt(node)?;
                if !owns(txn, node, &version.rid)? {
                    return Ok(Outcome::Refreshed);
                }
                agree_on_content(txn, node, &version)?;
                match (&sent, txn.local(node)?) {
                    (Some(sent), _) => {
                        self.settle_staged(txn, announce, node, &version, sent)?;
                    }
                    (None, Some(row)) if matches!(row.content, LocalContent::Clean(_)) => {
                        txn.set_local_content(node, &LocalContent::Clean(version.clone()), &row.attr)?;
                    }
                    (None, _) => {}
                }
                agree(txn, self.names(), node)?;
                Ok(Outcome::Done)
            })
            .await?;
        // What was written meanwhile has a quiet time of its own.
        self.state().unrest.remove(&node);
        self.announce_node(super::event::EventKind::Uploaded, node);
        Ok(outcome)
    }

    /// L of a node whose staged bytes are now `version`: clean, or, if they were edited meanwhile, based on that version.
    /// True if it is clean.
    pub(super) fn settle_staged(
        &self,
        txn: &Txn<'_>,
        announce: &mut Announce<'_>,
        node: NodeId,
        version: &Version,
        sent: &Sent<'_>,
    ) -> Result<bool> {
        let Some(row) = txn.local(node)? else { return Ok(false) };
        let LocalContent::Staged { staged, .. } = row.content else { return Ok(false) };
        if staged != sent.file.id() {
            return Ok(false);
        }
        if !announce.is_open_for_writing(row.ino) && sent.file.generation() == sent.generation {
            txn.set_local_content(node, &LocalContent::Clean(version.clone()), &row.attr)?;
            txn.remove_staged(staged)?;
            announce.discard(staged);
            announce.add(LocalChange::Settled { ino: row.ino, node });
            return Ok(true);
        }
        let content = LocalContent::Staged { staged, based_on: Some(version.clone()) };
        txn.set_local_content(node, &content, &row.attr)?;
        if let Some(mut staged_row) = txn.staged(staged)? {
            staged_row.session = None;
            staged_row.hashed = None;
            txn.put_staged(&staged_row)?;
        }
        Ok(false)
    }

    /// Sent bytes become cache blocks without a copy, before the row says so. Where content is direct there is no cache.
    pub(super) fn promote(&self, version: &Version, sent: &Sent<'_>) {
        if self.provider.capabilities().direct || sent.file.generation() != sent.generation {
            return;
        }
        match self.content.promote(sent.file, version) {
            Ok(_) | Err(ContentError::Superseded(_)) => {}
            // The bytes are safe at the provider: they can be fetched again.
            Err(error) => tracing::warn!(%error, "uploaded bytes did not become cache blocks"),
        }
        if sent.file.generation() != sent.generation
            && let Err(error) = self.content.evict(version)
        {
            // Written to in between: what was promoted may be the newer bytes. Nobody reads this version yet.
            tracing::error!(%error, "cache blocks of unknown origin could not be dropped");
        }
    }
}

/// A hash that only we know is that of the revision, whoever tells of it.
fn keep_hash(told: &mut EntryBody, answered: &EntryBody) {
    if let (EntryBody::File { revision, hash, .. }, EntryBody::File { revision: ours, hash: our_hash, .. }) =
        (told, answered)
        && revision == ours
    {
        *hash = hash.or(*our_hash);
    }
}

/// True if R knows the entry under this node (and not, because somebody else has put it elsewhere meanwhile, under another one).
fn owns(txn: &Txn<'_>, node: NodeId, rid: &RemoteId) -> Result<bool> {
    Ok(txn.remote(node)?.is_some_and(|row| row.rid == *rid))
}
