//! After the catalog was lost: once everything was listed, staged bytes are attached again by their own records.
//!
//! Never overwrites: bytes whose base is still what the provider has become an edit of it; other bytes meet the planner as an edit of an
//! older version, or as a new file, and clash there like any other.

use super::engine::Engine;
use super::error::Result;
use super::recover::last_change;
use crate::catalog::{Attr, LocalContent, LocalRow, RemoteBody, RemoteRow, StagedRow, SyncedBody, SyncedRow, Txn};
use crate::content::{ContentError, StagedFile, StagedRecord};
use crate::types::{EntryName, NodeId, NodeKind};

/// Meta key: `1` from the loss of the catalog until staged bytes are attached again.
pub(super) const REBUILD_PENDING: &str = "sync.rebuild_pending";

impl Engine {
    /// Attaches staged bytes that no row names. Runs after a complete listing, before anything is planned.
    pub(super) fn attach_staged(&self) -> Result<()> {
        if self.catalog.read(|view| view.meta(REBUILD_PENDING))?.as_deref() != Some("1") {
            return Ok(());
        }
        for id in self.content.staged_ids()? {
            if self.catalog.read(|view| view.staged(id))?.is_some() {
                continue;
            }
            let Some(record) = self.content.record(id)? else { continue };
            let file = match self.content.staged(id) {
                Err(ContentError::StagedDamaged { .. }) => {
                    self.content.set_aside(id)?;
                    continue;
                }
                file => file?,
            };
            self.in_local_transaction(|txn, _| self.attach(txn, &file, &record))?;
            tracing::info!(%id, path = record.path, "staged bytes attached again");
        }
        self.catalog.write(|txn| txn.set_meta(REBUILD_PENDING, "0"))?;
        Ok(())
    }

    fn attach(&self, txn: &Txn<'_>, file: &StagedFile, record: &StagedRecord) -> Result<()> {
        let mut names: Vec<EntryName> = record.path.split('/').filter_map(|name| EntryName::new(name).ok()).collect();
        let Some(name) = names.pop() else { return Ok(()) };
        let mut parent = NodeId::ROOT;
        for name in &names {
            parent = self.folder(txn, parent, name)?;
        }
        let remote = txn.remote_by_key(parent, &self.names().key(&name))?;
        let owner = match (&record.based_on, remote) {
            (Some(base), _) if txn.remote_by_rid(&base.rid)?.is_some() => txn.remote_by_rid(&base.rid)?,
            (_, Some(row)) if matches!(row.body, RemoteBody::File { .. }) => Some(row),
            (_, _) => None,
        };
        // Only the file that the bytes are an edit of is taken over; any other of the name is a rival.
        let owner = owner.filter(|row| record.based_on.as_ref().is_some_and(|base| base.rid == row.rid));
        let node = match &owner {
            Some(row) => row.node,
            None => txn.new_node(NodeKind::File)?,
        };
        let based_on = record.based_on.clone().filter(|_| owner.is_some());
        txn.put_staged(&StagedRow {
            id: file.id(),
            node,
            size: file.size(),
            hashed: None,
            session: None,
            created: txn.now(),
        })?;
        let content = LocalContent::Staged { staged: file.id(), based_on: based_on.clone() };
        let attr = self.recorded_attr(file, record, txn)?;
        if txn.local(node)?.is_some() {
            txn.set_local_content(node, &content, &attr)?;
        } else {
            let place = owner.as_ref().map_or((Some(parent), name.clone()), |row| (row.parent, row.name.clone()));
            self.insert(txn, node, place, attr, content)?;
        }
        if let (Some(row), Some(base)) = (owner, based_on) {
            let body = SyncedBody::File(base);
            txn.put_synced(&SyncedRow { node, parent: row.parent, name: row.name, body })?;
        }
        Ok(())
    }

    /// Inserts a file row; a taken name gets a marker, as in a conflict.
    fn insert(
        &self,
        txn: &Txn<'_>,
        node: NodeId,
        (parent, name): (Option<NodeId>, EntryName),
        attr: Attr,
        content: LocalContent,
    ) -> Result<()> {
        let parent = match parent {
            Some(parent) => self.local_folder(txn, parent)?,
            None => NodeId::ROOT,
        };
        let taken = txn.local_child(parent, &name)?.is_some();
        let name = if taken { name.with_marker(" (recovered)") } else { name };
        let kind = NodeKind::File;
        let row =
            LocalRow { node, parent: Some(parent), name, kind, ino: txn.new_ino()?, attr, content, local_only: false };
        Ok(txn.insert_local(&row)?)
    }

    /// The folder `name` in `parent`: in L, else the one that R knows, brought to L, else a new one.
    fn folder(&self, txn: &Txn<'_>, parent: NodeId, name: &EntryName) -> Result<NodeId> {
        if let Some(row) = txn.local_child(parent, name)?.filter(|row| row.kind == NodeKind::Folder) {
            return Ok(row.node);
        }
        let known = txn.remote_by_key(parent, &self.names().key(name))?;
        if let Some(row) = known.filter(|row| matches!(row.body, RemoteBody::Folder)) {
            return self.local_folder(txn, row.node);
        }
        let node = txn.new_node(NodeKind::Folder)?;
        self.insert_folder(txn, node, parent, name.clone())?;
        Ok(node)
    }

    /// Makes sure that L has a folder of R, with those above it.
    fn local_folder(&self, txn: &Txn<'_>, node: NodeId) -> Result<NodeId> {
        if txn.local(node)?.is_some() {
            return Ok(node);
        }
        let Some(RemoteRow { parent: Some(parent), name, .. }) = txn.remote(node)? else { return Ok(NodeId::ROOT) };
        let parent = self.local_folder(txn, parent)?;
        self.insert_folder(txn, node, parent, name)?;
        Ok(node)
    }

    fn insert_folder(&self, txn: &Txn<'_>, node: NodeId, parent: NodeId, name: EntryName) -> Result<()> {
        let now = txn.now();
        let name = if txn.local_child(parent, &name)?.is_some() { name.with_marker(" (recovered)") } else { name };
        let (mode, uid, gid) = (self.config.folder_mode, self.config.uid, self.config.gid);
        let attr =
            Attr { mode, uid, gid, rdev: 0, special: 0, size: 0, atime: now, mtime: now, ctime: now, btime: now };
        txn.insert_local(&LocalRow {
            node,
            parent: Some(parent),
            name,
            kind: NodeKind::Folder,
            ino: txn.new_ino()?,
            attr,
            content: LocalContent::None,
            local_only: false,
        })?;
        Ok(super::agree::agree(txn, self.names(), node)?)
    }

    fn recorded_attr(&self, file: &StagedFile, record: &StagedRecord, txn: &Txn<'_>) -> Result<Attr> {
        let (now, at) = (txn.now(), last_change(file, record.mtime, txn.now())?);
        let (mode, uid, gid, size) = (record.mode, self.config.uid, self.config.gid, file.size());
        Ok(Attr { mode, uid, gid, rdev: 0, special: 0, size, atime: at, mtime: at, ctime: now, btime: at })
    }
}
