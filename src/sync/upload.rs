//! Sending content: from complete, hashed, unchanging bytes; conditional on what the bytes were based on; never twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::agree::{agree, version_of};
use super::bytes::{Progress, Source};
use super::commit::Sent;
use super::engine::Engine;
use super::error::{Result, SyncError};
use super::observe::Batch;
use super::plan::Place;
use super::pull::Freeze;
use super::recover::was_begun_with;
use super::step::Outcome;
use super::trees::Sides;
use crate::catalog::{LocalContent, Made, RemoteBody, RemoteRow, SyncedBody, Version};
use crate::content::{ContentError, StagedFile};
use crate::provider::{
    CopySource, EntryBody, ErrorKind, ProviderError, RemoteEntry, Upload, UploadSession, UploadSource, UploadTarget,
};
use crate::telemetry::metrics;
use crate::types::{ContentHash, NodeId, RemoteId, Revision, StagedId, Timestamp};

/// Bytes ready to be sent.
struct Ready {
    source: Source,
    hash: ContentHash,
    modified: Timestamp,
    resume: Option<UploadSession>,
}

impl Ready {
    fn sent(&self) -> Option<Sent<'_>> {
        match &self.source {
            Source::Staged { file, generation, .. } => Some(Sent { file, generation: *generation }),
            Source::Cached(_) | Source::Direct { .. } => None,
        }
    }

    fn made(&self) -> Made {
        Made::File { size: self.source_size(), hash: self.hash }
    }

    fn source_size(&self) -> u64 {
        self.source.size()
    }
}

impl Engine {
    /// The staged bytes of a node, if L has some. Bytes that are missing are dealt with here.
    fn staged_of(&self, node: NodeId) -> Result<Option<Arc<StagedFile>>> {
        let Some(row) = self.catalog.read(|view| view.local(node))? else { return Ok(None) };
        let LocalContent::Staged { staged, .. } = row.content else { return Ok(None) };
        match self.content.staged(staged) {
            Ok(file) => Ok(Some(file)),
            Err(ContentError::StagedMissing(_)) => {
                self.mend_missing_staged(node)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the hash of a generation into the staged row. False: the bytes changed meanwhile.
    fn store_hash(&self, node: NodeId, file: &StagedFile, hash: ContentHash, generation: u64) -> Result<bool> {
        let frozen = self.local.freeze();
        if file.generation() != generation {
            return Ok(false);
        }
        self.catalog
            .write(|txn| {
                let Some(mut row) = txn.staged(file.id())? else { return Ok(false) };
                if row.hashed != Some(hash) {
                    // A session belongs to the bytes that it was begun with.
                    row.session = row.session.filter(|_| row.hashed.is_none());
                    if row.session.is_some() && !was_begun_with(txn, file.id(), hash)? {
                        row.session = None;
                    }
                    row.hashed = Some(hash);
                    row.node = node;
                    txn.put_staged(&row)?;
                }
                Ok::<_, SyncError>(true)
            })
            .inspect(|_| drop(frozen))
    }

    /// `HashLocal`.
    pub(super) async fn hash_local(&self, node: NodeId) -> Result<Outcome> {
        let Some(file) = self.staged_of(node)? else { return Ok(Outcome::Stale) };
        let Some((hash, generation)) = self.hash_now(node, &file).await? else { return Ok(Outcome::Stale) };
        Ok(if self.store_hash(node, &file, hash, generation)? { Outcome::Done } else { Outcome::Stale })
    }

    /// Completes and hashes; `None` if somebody wrote meanwhile.
    async fn hash_now(&self, node: NodeId, file: &Arc<StagedFile>) -> Result<Option<(ContentHash, u64)>> {
        self.complete(file).await?;
        match self.hashed(node, file).await {
            Ok(found) => Ok(Some(found)),
            Err(SyncError::Content(ContentError::Superseded(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `MarkSynced` of a staged file: its bytes are already at the provider.
    pub(super) async fn mark_synced_staged(&self, node: NodeId) -> Result<Outcome> {
        let Some(file) = self.staged_of(node)? else { return Ok(Outcome::Stale) };
        let Some((hash, generation)) = self.hash_now(node, &file).await? else { return Ok(Outcome::Stale) };
        let (remote, synced) = self.catalog.read(|view| Ok((view.remote(node)?, view.synced(node)?)))?;
        let Some(mut version) = remote.as_ref().and_then(version_of) else { return Ok(Outcome::Stale) };
        if let Some(SyncedBody::File(known)) = synced.map(|row| row.body)
            && known.revision == version.revision
        {
            version.hash = version.hash.or(known.hash);
        }
        if version.hash != Some(hash) || version.size != file.size() {
            self.store_hash(node, &file, hash, generation)?;
            return Ok(Outcome::Stale);
        }
        let sent = Sent { file: &file, generation };
        self.promote(&version, &sent);
        let settled = self.in_local_transaction(|txn, announce| {
            if txn.remote(node)? != remote {
                return Ok(false);
            }
            let settled = self.settle_staged(txn, announce, node, &version, &sent)?;
            agree(txn, self.names(), node)?;
            Ok(settled)
        })?;
        Ok(if settled { Outcome::Done } else { Outcome::Deferred })
    }

    /// `UploadNew`: a file that the provider does not have.
    pub(super) async fn upload_new(&self, node: NodeId, expected: &Sides, place: &Place) -> Result<Outcome> {
        let Some(parent) = self.parent_rid(place)? else { return Ok(Outcome::Stale) };
        let ready = match self.ready(node).await {
            Ok(Some(ready)) => ready,
            Ok(None) => return Ok(Outcome::Stale),
            Err(SyncError::ContentLost(_)) => return self.give_up_content(node),
            Err(error) => return Err(error),
        };
        let target = UploadTarget::Create { parent: parent.clone(), name: place.name.clone() };
        if self.begin_attempt(node, None, &parent, place, ready.made()).await?.is_none() {
            return Ok(Outcome::Refreshed);
        }
        let error = match self.send(node, &ready, target).await? {
            Ok(entry) => return self.record_upload(node, expected, entry, ready.sent(), ready.hash).await,
            Err(error) => error,
        };
        if error.kind != ErrorKind::Ambiguous {
            self.end_attempt(node)?;
        }
        if error.kind == ErrorKind::NotFound {
            self.refresh(&parent).await?;
            return Ok(Outcome::Refreshed);
        }
        if !matches!(error.kind, ErrorKind::Exists | ErrorKind::Ambiguous) {
            return Err(error.into());
        }
        let Some(entry) = self.find(&parent, &place.name).await? else {
            return if error.kind == ErrorKind::Exists { Ok(Outcome::Refreshed) } else { Err(error.into()) };
        };
        // A lost answer, or somebody stored the same bytes: either way they are there.
        if self.holds(&entry, ready.source_size(), ready.hash).await? {
            return self.record_upload(node, expected, entry, ready.sent(), ready.hash).await;
        }
        self.observe_only(Batch::looked_at([entry])).await?;
        Ok(Outcome::Refreshed)
    }

    /// `UploadOver`: the next version of a file.
    pub(super) async fn upload_over(&self, node: NodeId, expected: &Sides, revision: &Revision) -> Result<Outcome> {
        let Some(rid) = expected.remote.as_ref().and_then(|side| side.rid.clone()) else { return Ok(Outcome::Stale) };
        let Some(ready) = self.ready(node).await? else { return Ok(Outcome::Stale) };
        let known = self.catalog.read(|view| view.remote(node))?;
        if known.as_ref().is_some_and(|row| has_content(row, ready.source_size(), ready.hash)) {
            // Nothing to transfer: with the hash stored, the planner sees that both sides agree.
            return match ready.sent() {
                Some(_) => self.mark_synced_staged(node).await,
                None => Ok(Outcome::Stale),
            };
        }
        if !self.provider.capabilities().conditional_write {
            let found = self.current(&rid, expected).await?;
            if !found.as_ref().is_some_and(|entry| entry.id == rid && is_at(entry, revision)) {
                return self.found_otherwise(node, expected, &rid, found, &ready).await;
            }
        }
        let Some(place) = expected.remote.as_ref().map(|side| &side.place) else { return Ok(Outcome::Stale) };
        let Some(parent) = self.parent_rid(place)? else { return Ok(Outcome::Stale) };
        let target = UploadTarget::Replace { id: rid.clone(), expected: revision.clone() };
        if self.begin_attempt(node, Some(&rid), &parent, place, ready.made()).await?.is_none() {
            return Ok(Outcome::Refreshed);
        }
        let error = match self.send(node, &ready, target).await? {
            Ok(entry) => return self.record_upload(node, expected, entry, ready.sent(), ready.hash).await,
            Err(error) => error,
        };
        if error.kind != ErrorKind::Ambiguous {
            self.end_attempt(node)?;
        }
        if !matches!(
            error.kind,
            ErrorKind::RevisionMismatch | ErrorKind::NotFound | ErrorKind::Exists | ErrorKind::Ambiguous
        ) {
            return Err(error.into());
        }
        let found = self.current(&rid, expected).await?;
        let unchanged = found.as_ref().is_some_and(|entry| is_at(entry, revision));
        let outcome = self.found_otherwise(node, expected, &rid, found, &ready).await?;
        // Nothing happened: the same call may be made again, after a pause.
        if unchanged && error.kind == ErrorKind::Ambiguous { Err(error.into()) } else { Ok(outcome) }
    }

    /// The file is not at the revision that the edit is based on: either because these very bytes are already there (a lost answer),
    /// or because somebody else changed it.
    async fn found_otherwise(
        &self,
        node: NodeId,
        expected: &Sides,
        rid: &RemoteId,
        found: Option<RemoteEntry>,
        ready: &Ready,
    ) -> Result<Outcome> {
        if let Some(entry) = &found
            && self.holds(entry, ready.source_size(), ready.hash).await?
        {
            return self.record_upload(node, expected, entry.clone(), ready.sent(), ready.hash).await;
        }
        let mut batch = Batch::default();
        if found.as_ref().is_none_or(|entry| entry.id != *rid) {
            batch.confirm_gone(rid.clone());
        }
        if let Some(entry) = found {
            batch.confirm(entry);
        }
        self.observe_only(batch).await?;
        Ok(Outcome::Refreshed)
    }

    /// The file as it is now: by id, or, where a new version may have another id, by place.
    async fn current(&self, rid: &RemoteId, expected: &Sides) -> Result<Option<RemoteEntry>> {
        match self.provider.stat(rid).await {
            Ok(entry) => return Ok(Some(entry)),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        if self.provider.capabilities().overwrite_keeps_id {
            return Ok(None);
        }
        let Some(side) = &expected.remote else { return Ok(None) };
        let Some(parent) = self.parent_rid(&side.place)? else { return Ok(None) };
        let found = self.find(&parent, &side.place.name).await?;
        Ok(found.filter(|entry| matches!(entry.body, EntryBody::File { .. })))
    }

    /// True if the entry holds these bytes. Without a provider hash, equal sizes are settled by reading.
    pub(super) async fn holds(&self, entry: &RemoteEntry, size: u64, hash: ContentHash) -> Result<bool> {
        let EntryBody::File { revision, size: told, hash: told_hash, .. } = &entry.body else { return Ok(false) };
        if *told != size {
            return Ok(false);
        }
        if let Some(told_hash) = told_hash {
            return Ok(*told_hash == hash);
        }
        let version = Version { rid: entry.id.clone(), revision: revision.clone(), size, hash: None };
        Ok(self.hash_version(&version).await? == hash)
    }

    /// Gets the bytes of a node ready: complete, hashed, and with the hash stored. `None`: they changed meanwhile.
    async fn ready(&self, node: NodeId) -> Result<Option<Ready>> {
        let Some(row) = self.catalog.read(|view| view.local(node))? else { return Ok(None) };
        if let LocalContent::Clean(version) = &row.content {
            return self.ready_clean(node, version, row.attr.mtime).await.map(Some);
        }
        let Some(file) = self.staged_of(node)? else { return Ok(None) };
        let Some((hash, generation)) = self.hash_now(node, &file).await? else { return Ok(None) };
        if !self.store_hash(node, &file, hash, generation)? {
            return Ok(None);
        }
        // The provider must not be ahead of this disk: after a power cut its version would meet bytes that were half written.
        let synced = Arc::clone(&file);
        self.off_thread(u64::MAX, move || synced.sync()).await??;
        let resume = self.catalog.read(|view| view.staged(file.id()))?.and_then(|row| row.session);
        let source = Source::Staged { file, generation, superseded: AtomicBool::new(false) };
        Ok(Some(Ready { source, hash, modified: row.attr.mtime, resume }))
    }

    /// A file that comes back to a provider that lost it: its clean bytes must be here, or still be had.
    async fn ready_clean(&self, node: NodeId, version: &Version, modified: Timestamp) -> Result<Ready> {
        let kind = self.provider.capabilities().hash_kind();
        if let Some(file) = self.provider.open_direct(&version.rid, &version.revision) {
            let hash = self.hash_version(version).await?;
            return Ok(Ready { source: Source::Direct { file, size: version.size }, hash, modified, resume: None });
        }
        let complete = self.content.cached_if_present(version)?.is_some_and(|file| file.is_complete());
        if !complete {
            match self.hydrate.hydrate(version).await {
                Ok(()) => {}
                Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::RevisionGone) => {
                    return Err(SyncError::ContentLost(node));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let hash = match version.hash {
            Some(hash) if hash.kind == kind => hash,
            Some(_) | None => self.hash_version(version).await?,
        };
        Ok(Ready { source: Source::Cached(self.content.cached(version)?), hash, modified, resume: None })
    }

    /// A file that the provider was last seen to hold with the same bytes, if it can copy it. Whether it still does is for the provider
    /// to find out.
    fn copy_source(&self, ready: &Ready) -> Result<Option<CopySource>> {
        if !self.provider.capabilities().server_copy {
            return Ok(None);
        }
        let row = self.catalog.read(|view| view.remote_by_content(&ready.hash, ready.source_size()))?;
        let version = row.as_ref().and_then(version_of);
        Ok(version.map(|version| CopySource { id: version.rid, revision: version.revision }))
    }

    /// One upload call. The outer error is ours, the inner one the provider's.
    async fn send(
        &self,
        node: NodeId,
        ready: &Ready,
        target: UploadTarget,
    ) -> Result<std::result::Result<RemoteEntry, ProviderError>> {
        let staged = ready.sent().map(|sent| sent.file.id());
        let copy_of = match &target {
            UploadTarget::Create { .. } => self.copy_source(ready)?,
            UploadTarget::Replace { .. } => None,
        };
        let progress = Progress {
            catalog: Arc::clone(&self.catalog),
            staged,
            sent: self.count_bytes(node, ready.source_size()),
            bandwidth: Arc::clone(&self.config.bandwidth),
        };
        let upload = Upload {
            target,
            source: &ready.source,
            hash: ready.hash,
            modified: ready.modified,
            observer: &progress,
            resume: ready.resume.clone(),
            copy_of,
        };
        let started = self.clock.monotonic();
        let answer = self.provider.upload(upload).await;
        match &answer {
            Ok(_) => {
                metrics().uploads.add(1);
                // Nothing, of what the provider copied.
                metrics().uploaded.add(progress.sent.load(Ordering::Relaxed));
                metrics().upload_time.observe(self.clock.monotonic().saturating_duration_since(started));
            }
            Err(_) => metrics().upload_failures.add(1),
        }
        if let Err(error) = &answer
            && ready.source.was_superseded()
            && error.kind != ErrorKind::Ambiguous
        {
            // The bytes that were being sent are no longer wanted; the next plan sends the new ones.
            return Err(SyncError::Content(ContentError::Superseded(staged.unwrap_or_else(StagedId::random))));
        }
        Ok(answer)
    }

    /// If sizes are equal and the provider tells no hash: finds R's hash by reading, so that the planner can compare. True if learned.
    pub(super) async fn learn_remote_hash(&self, node: NodeId) -> Result<bool> {
        let (local, remote) = self.catalog.read(|view| Ok((view.local(node)?, view.remote(node)?)))?;
        let (Some(local), Some(mut row)) = (local, remote) else { return Ok(false) };
        let Some(version) = version_of(&row) else { return Ok(false) };
        if version.hash.is_some() || version.size != local.attr.size {
            return Ok(false);
        }
        let found = self.hash_version(&version).await?;
        self.observe(Batch::default(), Freeze::No, |txn, _| {
            if txn.remote(node)?.as_ref() == Some(&row) {
                if let RemoteBody::File { hash, .. } = &mut row.body {
                    *hash = Some(found);
                }
                txn.put_remote(&row)?;
            }
            Ok(())
        })
        .await?;
        Ok(true)
    }
}

fn is_at(entry: &RemoteEntry, expected: &Revision) -> bool {
    matches!(&entry.body, EntryBody::File { revision, .. } if revision == expected)
}

fn has_content(row: &RemoteRow, size: u64, hash: ContentHash) -> bool {
    version_of(row).is_some_and(|version| version.size == size && version.hash == Some(hash))
}
