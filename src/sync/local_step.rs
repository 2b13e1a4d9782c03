//! Steps that change only this machine. They run under the namespace lock, many in one transaction, and prove inside it that their
//! rows are still those they were planned from.

use std::sync::Arc;

use super::agree::{agree, synced_body, version_of};
use super::announce::Announce;
use super::engine::Engine;
use super::error::{Result, SyncError};
use super::event::EventKind;
use super::history::Kept;
use super::plan::{Place, Planned, Step};
use super::ports::LocalChange;
use super::step::Outcome;
use super::trees::{Sides, sides};
use crate::catalog::{
    Attr, CatalogError, HistoryReason, LocalContent, LocalRow, RemoteBody, RemoteRow, SyncedBody, SyncedRow, Txn,
};
use crate::types::{NodeId, NodeKind, StagedId, Timestamp};

/// A local step with what was prepared for it outside the lock.
pub(super) struct Prepared<'a> {
    pub(super) planned: &'a Planned,
    pub(super) expected: &'a Sides,
    pub(super) kept: Option<Kept>,
}

/// Why bytes are kept before this step, if it replaces or removes any.
pub(super) fn keeps(step: &Step) -> Option<HistoryReason> {
    match step {
        Step::UpdateLocal => Some(HistoryReason::ReplacedByRemote),
        Step::DeleteLocal => Some(HistoryReason::DeletedByRemote),
        Step::HashLocal
        | Step::CreateRemoteFolder(_)
        | Step::CreateRemoteSymlink(_)
        | Step::UploadNew(_)
        | Step::UploadOver { .. }
        | Step::MoveRemote(_)
        | Step::MoveRemoteAside
        | Step::DeleteRemote { .. }
        | Step::CreateLocal(_)
        | Step::MoveLocal(_)
        | Step::LeaveOut
        | Step::KeepBoth { .. }
        | Step::Adopt { .. }
        | Step::MarkSynced
        | Step::DropSynced => None,
    }
}

impl Engine {
    /// A transaction that changes L: namespace lock, catalog, notices, in this order.
    pub(super) fn in_local_transaction<T>(
        &self,
        work: impl FnOnce(&Txn<'_>, &mut Announce<'_>) -> Result<T>,
    ) -> Result<T> {
        let frozen = self.local.freeze();
        let mut announce = Announce::new(Some(&*frozen));
        let done = self.catalog.write(|txn| work(txn, &mut announce))?;
        self.discard_staged(announce.send());
        Ok(done)
    }

    /// No row names these bytes any more. They go once that is durable, so that not even a power cut brings back a row without bytes.
    pub(super) fn discard_staged(&self, garbage: Vec<StagedId>) {
        if garbage.is_empty() {
            return;
        }
        let content = Arc::clone(&self.content);
        self.catalog.when_durable(move || {
            for id in garbage {
                if let Err(error) = content.discard(id) {
                    tracing::warn!(%error, %id, "staged bytes that nobody needs are left for the next start");
                }
            }
        });
    }

    /// Runs one local step by itself.
    pub(super) fn run_local(&self, planned: &Planned, expected: &Sides, kept: Option<Kept>) -> Result<Outcome> {
        let prepared = Prepared { planned, expected, kept };
        self.in_local_transaction(|txn, announce| self.apply_local(txn, announce, prepared))
    }

    /// Runs local steps in one transaction. If one fails the transaction is undone and each is tried by itself, so that the failure
    /// has an owner.
    pub(super) fn run_local_batch(&self, batch: Vec<Prepared<'_>>) -> Vec<Result<Outcome>> {
        let steps: Vec<(&Planned, &Sides)> = batch.iter().map(|step| (step.planned, step.expected)).collect();
        let together = self.in_local_transaction(|txn, announce| {
            batch.into_iter().map(|step| self.apply_local(txn, announce, step)).collect::<Result<Vec<_>>>()
        });
        match together {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            // The copies of the batch are garbage now, found and dropped by the next collection.
            Err(error) if steps.len() == 1 => vec![Err(error)],
            Err(_) => steps.into_iter().map(|(planned, expected)| self.run_local(planned, expected, None)).collect(),
        }
    }

    fn apply_local(&self, txn: &Txn<'_>, announce: &mut Announce<'_>, step: Prepared<'_>) -> Result<Outcome> {
        let Prepared { planned, expected, kept } = step;
        let node = planned.node;
        if sides(txn, node)?.as_ref() != Some(expected) {
            self.drop_kept(kept);
            return Ok(Outcome::Stale);
        }
        let outcome = match &planned.step {
            Step::CreateLocal(place) => self.create_local(txn, announce, node, place)?,
            Step::UpdateLocal => self.update_local(txn, announce, node, kept)?,
            Step::MoveLocal(place) => self.move_local(txn, announce, node, place)?,
            Step::LeaveOut => self.leave_out(txn, announce, node)?,
            Step::DeleteLocal => self.delete_local(txn, announce, node, kept)?,
            Step::Adopt { remote } => adopt(txn, node, *remote)?,
            Step::MarkSynced => mark_synced(txn, node)?,
            Step::DropSynced => {
                txn.remove_synced(node)?;
                Outcome::Done
            }
            Step::HashLocal
            | Step::CreateRemoteFolder(_)
            | Step::CreateRemoteSymlink(_)
            | Step::UploadNew(_)
            | Step::UploadOver { .. }
            | Step::MoveRemote(_)
            | Step::MoveRemoteAside
            | Step::DeleteRemote { .. }
            | Step::KeepBoth { .. } => Outcome::Stale,
        };
        if outcome == Outcome::Done {
            agree(txn, self.names(), node)?;
            if let Step::CreateLocal(place) | Step::MoveLocal(place) = &planned.step {
                self.look_below(txn, node)?;
                self.note_arrival(txn, node, &place.name)?;
            }
            self.events.send(EventKind::Applied, txn.local_path(node)?);
        }
        Ok(outcome)
    }

    fn create_local(&self, txn: &Txn<'_>, announce: &mut Announce<'_>, node: NodeId, place: &Place) -> Result<Outcome> {
        let Some(remote) = txn.remote(node)? else { return Ok(Outcome::Stale) };
        let Some(parent) = txn.local(place.parent)?.filter(|row| row.kind == NodeKind::Folder) else {
            return Ok(Outcome::Stale);
        };
        let row = LocalRow {
            node,
            parent: Some(place.parent),
            name: place.name.clone(),
            kind: remote.kind(),
            ino: txn.new_ino()?,
            attr: self.fresh_attr(&remote, txn.now()),
            content: clean_content(&remote),
            local_only: false,
        };
        if let Some(refused) = refused(txn.insert_local(&row))? {
            return Ok(refused);
        }
        let (from, name) = (remote.parent, remote.name.clone());
        txn.put_synced(&SyncedRow { node, parent: from, name, body: synced_body(&remote) })?;
        announce.add(LocalChange::Entry { parent: parent.ino, name: place.name.clone() });
        Ok(Outcome::Done)
    }

    fn update_local(
        &self,
        txn: &Txn<'_>,
        announce: &mut Announce<'_>,
        node: NodeId,
        kept: Option<Kept>,
    ) -> Result<Outcome> {
        let (Some(mut local), Some(remote)) = (txn.local(node)?, txn.remote(node)?) else { return Ok(Outcome::Stale) };
        if announce.is_open_for_writing(local.ino) {
            self.drop_kept(kept);
            return Ok(Outcome::Deferred);
        }
        if let LocalContent::Staged { staged, .. } = local.content {
            if !is_unchanged(txn, node, staged)? {
                self.drop_kept(kept);
                return Ok(Outcome::Stale);
            }
            txn.remove_staged(staged)?;
            announce.discard(staged);
        }
        if let Some(kept) = kept {
            kept.record(txn, &local)?;
        }
        local.content = clean_content(&remote);
        local.attr = changed_attr(local.attr, &remote, txn.now());
        replace_inode_if_open(txn, announce, &mut local)?;
        txn.update_local(&local)?;
        put_base(txn, &remote)?;
        Ok(Outcome::Done)
    }

    fn move_local(&self, txn: &Txn<'_>, announce: &mut Announce<'_>, node: NodeId, place: &Place) -> Result<Outcome> {
        let Some(mut local) = txn.local(node)? else { return Ok(Outcome::Stale) };
        let (from, old_name) = (local.parent, local.name.clone());
        local.parent = Some(place.parent);
        local.name = place.name.clone();
        if let Some(refused) = refused(txn.update_local(&local))? {
            return Ok(refused);
        }
        for (parent, name) in [(from, old_name), (local.parent, local.name)] {
            if let Some(parent) = parent.map(|parent| txn.local(parent)).transpose()?.flatten() {
                announce.add(LocalChange::Entry { parent: parent.ino, name });
            }
        }
        Ok(Outcome::Done)
    }

    fn delete_local(
        &self,
        txn: &Txn<'_>,
        announce: &mut Announce<'_>,
        node: NodeId,
        kept: Option<Kept>,
    ) -> Result<Outcome> {
        let Some(local) = txn.local(node)? else { return Ok(Outcome::Stale) };
        if announce.is_open_for_writing(local.ino) {
            self.drop_kept(kept);
            return Ok(Outcome::Deferred);
        }
        if txn.has_local_children(node)? {
            return Ok(Outcome::Stale);
        }
        if let LocalContent::Staged { staged, .. } = local.content {
            if !kept.as_ref().is_some_and(|kept| kept.is_of(staged)) {
                self.drop_kept(kept);
                return Ok(Outcome::Stale);
            }
            txn.remove_staged(staged)?;
            announce.discard(staged);
        }
        if let Some(kept) = kept {
            kept.record(txn, &local)?;
        }
        remove_from_mount(txn, announce, &local)?;
        Ok(Outcome::Done)
    }

    /// Attributes of a node that comes from the provider.
    pub(super) fn fresh_attr(&self, remote: &RemoteRow, now: Timestamp) -> Attr {
        let mode = match remote.body {
            RemoteBody::Folder => self.config.folder_mode,
            RemoteBody::File { .. } => self.config.file_mode,
            RemoteBody::Symlink { .. } => 0o777,
        };
        let (uid, gid) = (self.config.uid, self.config.gid);
        let blank =
            Attr { mode, uid, gid, rdev: 0, special: 0, size: 0, atime: now, mtime: now, ctime: now, btime: now };
        changed_attr(blank, remote, now)
    }
}

/// True if staged bytes are S's. Only while nobody has them open for writing: whoever writes clears the stored hash.
fn is_unchanged(txn: &Txn<'_>, node: NodeId, staged: StagedId) -> Result<bool> {
    let hashed = txn.staged(staged)?.and_then(|row| row.hashed);
    let synced = match txn.synced(node)?.map(|row| row.body) {
        Some(SyncedBody::File(version)) => version.hash,
        Some(SyncedBody::Folder | SyncedBody::Symlink { .. }) | None => None,
    };
    Ok(hashed.is_some() && hashed == synced)
}

/// L has R's content now: S holds it, too, at the place that S already remembers, or at R's.
pub(super) fn put_base(txn: &Txn<'_>, remote: &RemoteRow) -> Result<()> {
    let (parent, name) = match txn.synced(remote.node)? {
        Some(row) => (row.parent, row.name),
        None => (remote.parent, remote.name.clone()),
    };
    Ok(txn.put_synced(&SyncedRow { node: remote.node, parent, name, body: synced_body(remote) })?)
}

/// A name that is taken, or a folder that is not empty (any more), is a stale plan.
fn refused(result: crate::catalog::Result<()>) -> Result<Option<Outcome>> {
    match result {
        Ok(()) => Ok(None),
        Err(CatalogError::NameTaken | CatalogError::NotEmpty) => Ok(Some(Outcome::Stale)),
        Err(error) => Err(SyncError::Catalog(error)),
    }
}

/// Local content that is equal to what R has.
pub(super) fn clean_content(remote: &RemoteRow) -> LocalContent {
    match (version_of(remote), &remote.body) {
        (Some(version), _) => LocalContent::Clean(version),
        (None, RemoteBody::Symlink { target }) => LocalContent::Symlink(target.clone()),
        (None, RemoteBody::Folder | RemoteBody::File { .. }) => LocalContent::None,
    }
}

pub(super) fn changed_attr(mut attr: Attr, remote: &RemoteRow, now: Timestamp) -> Attr {
    attr.ctime = now;
    match &remote.body {
        RemoteBody::Folder => {}
        RemoteBody::File { size, modified, .. } => {
            attr.size = *size;
            attr.mtime = modified.unwrap_or(now);
        }
        RemoteBody::Symlink { target } => {
            attr.size = u64::try_from(target.len()).unwrap_or(0);
            attr.mtime = now;
        }
    }
    attr
}

/// Content under an open inode never changes: the name gets another inode, open handles keep the old one.
pub(super) fn replace_inode_if_open(txn: &Txn<'_>, announce: &mut Announce<'_>, local: &mut LocalRow) -> Result<()> {
    if !announce.is_open(local.ino) {
        announce.add(LocalChange::Content { ino: local.ino });
        return Ok(());
    }
    let old = local.ino;
    local.ino = txn.new_ino()?;
    announce.add(LocalChange::Detached { ino: old });
    announce_entry(txn, announce, local)
}

/// The name of a row shows something else now.
pub(super) fn announce_entry(txn: &Txn<'_>, announce: &mut Announce<'_>, local: &LocalRow) -> Result<()> {
    if let Some(parent) = local.parent.map(|parent| txn.local(parent)).transpose()?.flatten() {
        announce.add(LocalChange::Entry { parent: parent.ino, name: local.name.clone() });
    }
    Ok(())
}

/// Takes a row out of L and tells the mount.
pub(super) fn remove_from_mount(txn: &Txn<'_>, announce: &mut Announce<'_>, local: &LocalRow) -> Result<()> {
    announce_entry(txn, announce, local)?;
    announce.add(LocalChange::Detached { ino: local.ino });
    Ok(txn.remove_local(local.node)?)
}

/// `node` takes over what R knows as `other`, with everything below it.
fn adopt(txn: &Txn<'_>, node: NodeId, other: NodeId) -> Result<Outcome> {
    let (Some(local), Some(remote)) = (txn.local(node)?, txn.remote(other)?) else { return Ok(Outcome::Stale) };
    let is_free = txn.remote(node)?.is_none() && txn.local(other)?.is_none() && txn.synced(other)?.is_none();
    if !is_free || remote.kind() != local.kind {
        return Ok(Outcome::Stale);
    }
    txn.put_remote(&RemoteRow { node, ..remote })?;
    for child in txn.remote_children(other)? {
        txn.put_remote(&RemoteRow { parent: Some(node), ..child })?;
    }
    txn.remove_remote(other)?;
    txn.forget_node_if_absent(other)?;
    Ok(Outcome::Done)
}

/// `MarkSynced` of a folder, a link, or clean content.
fn mark_synced(txn: &Txn<'_>, node: NodeId) -> Result<Outcome> {
    let (Some(local), Some(remote)) = (txn.local(node)?, txn.remote(node)?) else { return Ok(Outcome::Stale) };
    if let (LocalContent::Clean(version), Some(told)) = (&local.content, version_of(&remote))
        && *version != told
    {
        txn.set_local_content(node, &LocalContent::Clean(told), &local.attr)?;
    }
    Ok(Outcome::Done)
}
