//! Steps that survive a clash: two contents become two files, and a loss is made visible instead of silent.

use super::agree::{agree, version_of};
use super::announce::Announce;
use super::engine::Engine;
use super::error::Result;
use super::event::EventKind;
use super::local_step::{announce_entry, changed_attr, clean_content, put_base, remove_from_mount};
use super::plan::Place;
use super::ports::LocalChange;
use super::step::{Outcome, is_staged, provider_kind};
use super::trees::{Sides, sides};
use crate::catalog::{CatalogError, ConflictRow, LocalContent, LocalRow, SyncedBody, Txn};
use crate::telemetry::metrics;
use crate::types::{NodeId, NodeKind};

/// What clashed, and what was done about it.
pub(super) struct Clash {
    pub(super) other: Option<NodeId>,
    pub(super) what: &'static str,
    pub(super) ours: Option<String>,
    pub(super) theirs: Option<String>,
    pub(super) strategy: &'static str,
    pub(super) result: String,
}

impl Clash {
    /// One of which no more is known.
    pub(super) fn of(what: &'static str) -> Self {
        Self { other: None, what, ours: None, theirs: None, strategy: "", result: String::new() }
    }

    /// As it is stored.
    pub(super) fn row(self, txn: &Txn<'_>, device: &str, node: NodeId, path: String) -> ConflictRow {
        let Self { other, what, ours, theirs, strategy, result } = self;
        ConflictRow {
            id: 0,
            node,
            other,
            path,
            what: what.to_owned(),
            device: device.to_owned(),
            found_at: txn.now(),
            resolved_at: None,
            ours,
            theirs,
            strategy: strategy.to_owned(),
            result,
        }
    }
}

/// A content in a word: its revision, or the hash of bytes that the provider has never had.
fn name_of_content(txn: &Txn<'_>, content: &LocalContent) -> std::result::Result<Option<String>, CatalogError> {
    Ok(match content {
        LocalContent::Clean(version) => Some(version.revision.0.clone()),
        LocalContent::Staged { staged, .. } => {
            txn.staged(*staged)?.and_then(|row| row.hashed).map(|hash| hash.to_hex())
        }
        LocalContent::None | LocalContent::Symlink(_) => None,
    })
}

impl Engine {
    /// `KeepBoth`: the local bytes become a new node at `ours`, `node` gets R's version.
    pub(super) async fn keep_both(&self, node: NodeId, expected: &Sides, ours: &Place) -> Result<Outcome> {
        if self.learn_remote_hash(node).await? {
            return Ok(Outcome::Refreshed);
        }
        if is_staged(expected) {
            self.complete_while_possible(node).await?;
        }
        let outcome = self.in_local_transaction(|txn, announce| {
            if sides(txn, node)?.as_ref() != Some(expected) {
                return Ok(Outcome::Stale);
            }
            self.split(txn, announce, node, ours)
        })?;
        if outcome == Outcome::Done {
            metrics().conflicts.add(1);
            self.announce_node(EventKind::Conflict, node);
        }
        Ok(outcome)
    }

    /// An edited file whose unwritten blocks are still at the provider gets them before it becomes a file of its own. If they cannot
    /// be had any more the file is kept all the same, and its upload will say what is missing.
    async fn complete_while_possible(&self, node: NodeId) -> Result<()> {
        let row = self.catalog.read(|view| view.local(node))?;
        let Some(LocalContent::Staged { staged, .. }) = row.map(|row| row.content) else { return Ok(()) };
        let file = self.content.staged(staged)?;
        match self.complete(&file).await {
            Err(error) if !provider_kind(&error).is_some_and(crate::provider::ErrorKind::is_transient) => {
                tracing::warn!(%error, %node, "a conflicting edit is incomplete");
                Ok(())
            }
            other => other,
        }
    }

    fn split(&self, txn: &Txn<'_>, announce: &mut Announce<'_>, node: NodeId, ours: &Place) -> Result<Outcome> {
        let (Some(mut theirs), Some(remote)) = (txn.local(node)?, txn.remote(node)?) else { return Ok(Outcome::Stale) };
        if version_of(&remote).is_none() {
            return Ok(Outcome::Stale);
        }
        if announce.is_open_for_writing(theirs.ino) {
            return Ok(Outcome::Deferred);
        }
        if txn.local_child(ours.parent, &ours.name)?.is_some() {
            return Ok(Outcome::Stale);
        }
        let path = txn.local_path(node)?.unwrap_or_default();
        let ours_content = name_of_content(txn, &theirs.content)?;
        let copy = txn.new_node(NodeKind::File)?;
        let mut mine = LocalRow { node: copy, parent: Some(ours.parent), name: ours.name.clone(), ..theirs.clone() };
        // Whoever has the file open goes on with the bytes that he knows, which are ours.
        theirs.ino = txn.new_ino()?;
        theirs.content = clean_content(&remote);
        theirs.attr = changed_attr(theirs.attr, &remote, txn.now());
        txn.update_local(&theirs)?;
        if let LocalContent::Staged { staged, based_on } = &mut mine.content {
            *based_on = None;
            if let Some(mut row) = txn.staged(*staged)? {
                row.node = copy;
                row.session = None;
                txn.put_staged(&row)?;
            }
        }
        txn.insert_local(&mine)?;
        put_base(txn, &remote)?;
        agree(txn, self.names(), node)?;
        let other_path = txn.local_path(copy)?.unwrap_or_default();
        let clash = Clash {
            other: Some(copy),
            what: "edited here and at the provider",
            ours: ours_content,
            theirs: version_of(&remote).map(|version| version.revision.0),
            strategy: "keep both",
            result: format!("the provider's version keeps the name; yours is {other_path}"),
        };
        self.add_conflict(txn, node, path, clash)?;
        announce_entry(txn, announce, &theirs)?;
        announce_entry(txn, announce, &mine)?;
        Ok(Outcome::Done)
    }

    /// A file that was to be brought back to the provider, but whose bytes were never here and are gone there: the deletion stands.
    pub(super) fn give_up_content(&self, node: NodeId) -> Result<Outcome> {
        self.in_local_transaction(|txn, announce| {
            let Some(local) = txn.local(node)? else { return Ok(Outcome::Stale) };
            let path = txn.local_path(node)?.unwrap_or_default();
            let clash = Clash {
                ours: name_of_content(txn, &local.content)?,
                strategy: "the deletion stands",
                result: "it is gone on both sides".to_owned(),
                ..Clash::of("moved here, deleted at the provider before its bytes had arrived")
            };
            self.add_conflict(txn, node, path, clash)?;
            remove_from_mount(txn, announce, &local)?;
            agree(txn, self.names(), node)?;
            Ok(Outcome::Done)
        })
    }

    /// Staged bytes that a row points to are not there. This must never happen; it is shown, and the node gets back the last version
    /// that the provider has had.
    pub(super) fn mend_missing_staged(&self, node: NodeId) -> Result<()> {
        self.in_local_transaction(|txn, announce| {
            let Some(mut local) = txn.local(node)? else { return Ok(()) };
            let LocalContent::Staged { staged, .. } = local.content else { return Ok(()) };
            let path = txn.local_path(node)?.unwrap_or_default();
            let clash = Clash {
                ours: Some(staged.to_string()),
                strategy: "the last version of the provider comes back",
                ..Clash::of("lost-staged")
            };
            self.add_conflict(txn, node, path, clash)?;
            match txn.synced(node)?.map(|row| row.body) {
                Some(SyncedBody::File(version)) => {
                    local.attr.size = version.size;
                    txn.set_local_content(node, &LocalContent::Clean(version), &local.attr)?;
                    announce.add(LocalChange::Content { ino: local.ino });
                }
                Some(SyncedBody::Folder | SyncedBody::Symlink { .. }) | None => {
                    remove_from_mount(txn, announce, &local)?;
                }
            }
            txn.remove_staged(staged)?;
            Ok(agree(txn, self.names(), node)?)
        })
    }

    pub(super) fn add_conflict(
        &self,
        txn: &Txn<'_>,
        node: NodeId,
        path: String,
        clash: Clash,
    ) -> std::result::Result<(), CatalogError> {
        txn.add_conflict(&clash.row(txn, &self.config.device, node, path))?;
        Ok(())
    }

    /// Tells listeners about a node by its path.
    pub(super) fn announce_node(&self, kind: EventKind, node: NodeId) {
        match self.catalog.read(|view| view.local_path(node)) {
            Ok(path) => self.events.send(kind, path),
            Err(error) => tracing::warn!(%error, %node, "no path for an event"),
        }
    }
}
