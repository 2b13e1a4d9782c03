//! A filter that comes and goes on a device, and what the mount does under it.

use std::sync::{Mutex, PoisonError};

use vaultfs::catalog::{CatalogError, LocalRow, Txn, View};
use vaultfs::provider::Provider;
use vaultfs::sync::ports::Selection;
use vaultfs::types::{EntryName, NodeId, NodeKind};

use crate::device::Device;

/// Leaves out what is called, or lies in, one of these names.
#[derive(Default)]
pub(crate) struct SimFilter(Mutex<Vec<String>>);

impl SimFilter {
    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these.
    pub(crate) fn replace(&self, names: &[&str]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names.iter().map(|name| (*name).to_owned()).collect();
    }

    /// Whether a new entry stays here.
    pub(crate) fn keeps(
        &self,
        view: &View<'_>,
        parent: NodeId,
        name: &EntryName,
        kind: NodeKind,
    ) -> Result<bool, CatalogError> {
        let stays = view.local(parent)?.is_some_and(|folder| folder.local_only);
        Ok(stays || self.is_left_out(view, parent, name, kind)?)
    }

    fn is_left_out(
        &self,
        view: &View<'_>,
        parent: NodeId,
        name: &EntryName,
        kind: NodeKind,
    ) -> Result<bool, CatalogError> {
        let folder = view.local_path(parent)?.unwrap_or_default();
        Ok(self.leaves_out(&format!("{folder}/{name}"), kind))
    }

    /// Whether an entry stays here at its new place.
    pub(crate) fn keeps_after_move(
        &self,
        txn: &Txn<'_>,
        row: &LocalRow,
        parent: NodeId,
        name: &EntryName,
    ) -> Result<bool, CatalogError> {
        let stays = self.keeps(txn, parent, name, row.kind)?;
        let is_in_what_stays = txn.local(parent)?.is_some_and(|folder| folder.local_only);
        if !stays || is_in_what_stays || row.local_only || never_synced(txn, row.node)? {
            return Ok(stays);
        }
        Ok(!self.is_left_out(txn, row.parent.unwrap_or(NodeId::ROOT), &row.name, row.kind)?)
    }

    /// What is below a folder that moved.
    pub(crate) fn inherit(&self, txn: &Txn<'_>, folder: &LocalRow) -> Result<(), CatalogError> {
        for mut child in txn.local_children(folder.node, NodeId(0), usize::MAX >> 1)? {
            let left_out = self.is_left_out(txn, folder.node, &child.name, child.kind)?;
            let stays = folder.local_only || left_out && never_synced(txn, child.node)?;
            if child.local_only != stays {
                child.local_only = stays;
                txn.update_local(&child)?;
            }
            self.inherit(txn, &child)?;
        }
        Ok(())
    }
}

fn never_synced(view: &View<'_>, node: NodeId) -> Result<bool, CatalogError> {
    Ok(view.remote(node)?.is_none() && view.synced(node)?.is_none())
}

impl Selection for SimFilter {
    fn fingerprint(&self) -> String {
        self.names().join("/")
    }

    fn keeps_here(&self, _name: &EntryName) -> bool {
        false
    }

    fn is_filter(&self) -> bool {
        !self.names().is_empty()
    }

    fn leaves_out(&self, path: &str, _kind: NodeKind) -> bool {
        let names = self.names();
        path.split('/').any(|part| names.iter().any(|name| name == part))
    }
}

impl<P: Provider> Device<P> {
    /// The user leaves out these names; none: everything takes part again.
    pub(crate) fn leave_out(&self, names: &[&str]) {
        self.filter.replace(names);
        self.run().engine.judge_again().unwrap();
    }
}
