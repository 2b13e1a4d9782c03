//! What of the vault takes part on this device, when that changes: rows are judged again, and what was left out is looked at anew.
//!
//! Invariants: a row of L that the provider does not know is marked as staying here exactly if the selection keeps it here; what the
//! provider knows is never marked because of a rule or filter that is younger than it. So no change of the settings deletes anything,
//! anywhere, and each is undone by the change back.

use super::announce::Announce;
use super::engine::Engine;
use super::error::Result;
use super::local_step::remove_from_mount;
use super::step::Outcome;
use super::trees::local_children;
use crate::catalog::{CatalogError, LocalContent, LocalRow, Pending, Txn, View};
use crate::types::{NodeId, NodeKind};

/// Meta key: the selection by which the rows were judged last.
const JUDGED_BY: &str = "sync.selection";

/// Rows that are judged in one transaction: the namespace lock is held for milliseconds.
const BATCH: usize = 1_000;

impl Engine {
    /// Brings the catalog up to the selection if it is another one than the last time. Returns how many rows have to be looked at.
    pub fn judge_again(&self) -> Result<u64> {
        let fingerprint = self.selection.fingerprint();
        if self.catalog.read(|view| view.meta(JUDGED_BY))?.as_deref() == Some(&fingerprint) {
            return Ok(0);
        }
        // What rested may be on its way now; the next plan knows.
        self.state().resting.clear();
        // Whoever judged by the selection before does so in a transaction; it has ended now, and what it wrote is seen below.
        self.in_local_transaction(|_, _| Ok(()))?;
        let affected = self.catalog.read(|view| {
            let mut affected = self.hidden_no_more(view)?;
            self.wrong_below(view, NodeId::ROOT, "", false, &mut affected)?;
            Ok(affected)
        })?;
        for batch in affected.chunks(BATCH) {
            self.in_local_transaction(|txn, _| batch.iter().try_for_each(|node| Ok(self.judge(txn, *node)?)))?;
        }
        self.catalog.write(|txn| txn.set_meta(JUDGED_BY, &fingerprint))?;
        self.kick();
        Ok(u64::try_from(affected.len()).unwrap_or(u64::MAX))
    }

    /// True if the filter leaves out the place where L has a node, or where it would appear.
    pub(super) fn is_left_out(&self, node: NodeId) -> Result<bool> {
        if !self.selection.is_filter() {
            return Ok(false);
        }
        Ok(self.catalog.read(|view| {
            let kind = match (view.local(node)?, view.remote(node)?) {
                (Some(row), _) => row.kind,
                (None, Some(row)) => row.kind(),
                (None, None) => return Ok(false),
            };
            Ok(self.selection.leaves_out(&shown_path(view, node)?, kind))
        })?)
    }

    /// A step has ended well. It may have been planned by another selection than the one of now, by which its node is to be looked at.
    pub(super) fn look_again_if_left_out(&self, node: NodeId) -> Result<()> {
        if self.is_left_out(node)? {
            self.catalog.write(|txn| match txn.local(node)? {
                Some(row) if !row.local_only => txn.mark_dirty(node),
                Some(_) | None => Ok(()),
            })?;
        }
        Ok(())
    }

    /// Local changes that rest because the filter leaves them out.
    pub fn resting(&self) -> Vec<NodeId> {
        self.state().resting.iter().copied().collect()
    }

    /// What waits to be sent or shown, and beside it how many changes rest.
    pub(super) fn pending(&self) -> Result<(Pending, u64)> {
        let rested = self.resting();
        let (Pending { outgoing, incoming }, resting) = self.catalog.read(|view| {
            let mut resting = 0;
            for node in rested {
                // What was sent since the last plan rests no longer.
                resting += u64::from(view.is_dirty(node)?);
            }
            Ok((view.pending()?, resting))
        })?;
        let changed_here = resting.min(outgoing);
        let told = resting - changed_here;
        Ok((Pending { outgoing: outgoing - changed_here, incoming: incoming.saturating_sub(told) }, resting))
    }

    /// Nodes that were left out, and are no longer.
    fn hidden_no_more(&self, view: &View<'_>) -> crate::catalog::Result<Vec<NodeId>> {
        let mut shown = Vec::new();
        for node in view.left_out()? {
            let Some(row) = view.remote(node)? else { continue };
            if !self.selection.leaves_out(&shown_path(view, node)?, row.kind()) {
                shown.push(node);
            }
        }
        Ok(shown)
    }

    /// Rows of L below a folder whose mark is not what it should be, or that have to go from the mount.
    fn wrong_below(
        &self,
        view: &View<'_>,
        folder: NodeId,
        path: &str,
        stays: bool,
        affected: &mut Vec<NodeId>,
    ) -> crate::catalog::Result<()> {
        for row in local_children(view, folder)? {
            let path = if path.is_empty() { row.name.to_string() } else { format!("{path}/{}", row.name) };
            let left_out = self.selection.leaves_out(&path, row.kind);
            let is_known = is_known(view, row.node)?;
            let should_stay = self.should_stay(&row, stays, left_out, is_known);
            if should_stay != row.local_only || left_out && is_known {
                affected.push(row.node);
            }
            if row.kind == NodeKind::Folder {
                self.wrong_below(view, row.node, &path, should_stay, affected)?;
            }
        }
        Ok(())
    }

    fn should_stay(&self, row: &LocalRow, folder_stays: bool, left_out: bool, is_known: bool) -> bool {
        let wanted = folder_stays || left_out || row.kind == NodeKind::Special || self.selection.keeps_here(&row.name);
        wanted && (row.local_only || !is_known)
    }

    /// Marks one row as it should be, and makes the planner look at it.
    fn judge(&self, txn: &Txn<'_>, node: NodeId) -> crate::catalog::Result<()> {
        let Some(mut row) = txn.local(node)? else {
            return if txn.remote(node)?.is_some() { txn.mark_told(node) } else { Ok(()) };
        };
        let folder_stays = match row.parent {
            Some(parent) => txn.local(parent)?.is_some_and(|folder| folder.local_only),
            None => false,
        };
        let left_out = self.selection.leaves_out(&shown_path(txn, node)?, row.kind);
        let should_stay = self.should_stay(&row, folder_stays, left_out, is_known(txn, node)?);
        if should_stay == row.local_only {
            return txn.mark_dirty(node);
        }
        row.local_only = should_stay;
        txn.update_local(&row)
    }

    /// After a folder came or moved: what is below it may be at a place now that the filter judges in another way.
    pub(super) fn look_below(&self, txn: &Txn<'_>, folder: NodeId) -> Result<()> {
        if !self.selection.is_filter() {
            return Ok(());
        }
        let mut open = vec![folder];
        while let Some(folder) = open.pop() {
            for child in txn.remote_children(folder)?.into_iter().filter(|child| child.node != NodeId::ROOT) {
                txn.mark_told(child.node)?;
                if child.kind() == NodeKind::Folder {
                    open.push(child.node);
                }
            }
            for child in local_children(txn, folder)? {
                self.judge(txn, child.node)?;
                if child.kind == NodeKind::Folder && txn.remote(child.node)?.is_none() {
                    open.push(child.node);
                }
            }
        }
        Ok(())
    }

    /// `LeaveOut`: the mount no longer shows what the provider keeps. Its bytes go from the cache once that is committed.
    pub(super) fn leave_out(&self, txn: &Txn<'_>, announce: &mut Announce<'_>, node: NodeId) -> Result<Outcome> {
        let (Some(local), Some(_)) = (txn.local(node)?, txn.remote(node)?) else { return Ok(Outcome::Stale) };
        // The selection may be another one by now, and then nobody would look for this node any more.
        if txn.has_local_children(node)? || !self.selection.leaves_out(&shown_path(txn, node)?, local.kind) {
            return Ok(Outcome::Stale);
        }
        if announce.is_open_for_writing(local.ino) {
            return Ok(Outcome::Deferred);
        }
        if let LocalContent::Staged { staged, .. } = local.content {
            // The planner saw that the provider has these bytes; whoever wrote since has cleared their hash, and then the rows differ.
            txn.remove_staged(staged)?;
            announce.discard(staged);
        }
        remove_from_mount(txn, announce, &local)?;
        txn.remove_synced(node)?;
        txn.leave_out(node)?;
        if let LocalContent::Clean(version) = local.content {
            self.content.set_pinned(&version, false)?;
            self.content.evict(&version)?;
        }
        Ok(Outcome::Done)
    }
}

fn is_known(view: &View<'_>, node: NodeId) -> crate::catalog::Result<bool> {
    Ok(view.remote(node)?.is_some() || view.synced(node)?.is_some())
}

/// The path at which the mount has a node, or would have it.
fn shown_path(view: &View<'_>, node: NodeId) -> std::result::Result<String, CatalogError> {
    let (mut names, mut at) = (Vec::new(), Some(node));
    while let Some(node) = at.filter(|node| *node != NodeId::ROOT && names.len() < DEEPEST) {
        let (name, parent) = match (view.local(node)?, view.remote(node)?) {
            (Some(row), _) => (row.name, row.parent),
            (None, Some(row)) => (row.name, row.parent),
            (None, None) => break,
        };
        names.push(name.to_string());
        at = parent;
    }
    names.reverse();
    Ok(names.join("/"))
}

/// Deepest path: rows of different trees may lead in a circle.
const DEEPEST: usize = 4_096;
