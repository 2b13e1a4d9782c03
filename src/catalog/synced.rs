//! The synced tree S: what both sides last agreed on, node by node. It is a memory, not a tree that must hang together at every moment:
//! a folder may leave it before its entries, and two nodes may remember one place.

use rusqlite::Row;

use super::encode::{
    all, execute, get_kind, get_name, get_node, get_optional_node, get_required, get_version, hash, integer, kind,
    node, one, optional_node,
};
use super::{CatalogError, Result, SyncedBody, SyncedRow, Txn, View};
use crate::types::{NameKey, NodeId, NodeKind};

macro_rules! select_synced {
    ($rest:literal) => {
        concat!("SELECT node, parent, name, kind, rid, revision, size, hash, target FROM synced ", $rest)
    };
}

fn synced_row(row: &Row<'_>) -> Result<SyncedRow> {
    Ok(SyncedRow {
        node: get_node(row, 0)?,
        parent: get_optional_node(row, 1)?,
        name: get_name(row, 2)?,
        body: match get_kind(row, 3)? {
            NodeKind::Folder => SyncedBody::Folder,
            NodeKind::File => SyncedBody::File(
                get_version(row, 4)?
                    .ok_or_else(|| CatalogError::Corrupt("a synced file without a version".to_owned()))?,
            ),
            NodeKind::Symlink => SyncedBody::Symlink { target: get_required(row, 8, "a link target")? },
            NodeKind::Special => return Err(CatalogError::Corrupt("a special file in the synced tree".to_owned())),
        },
    })
}

impl View<'_> {
    /// A node of S.
    pub fn synced(&self, id: NodeId) -> Result<Option<SyncedRow>> {
        one(self.connection, select_synced!("WHERE node = ?1"), &[&node(id)?], synced_row)
    }

    /// Nodes that S has at this place (by key) and L does not have at all: candidates for the identity of a new file there.
    pub fn synced_orphans_at(&self, parent: NodeId, key: &NameKey) -> Result<Vec<SyncedRow>> {
        let sql = select_synced!(
            "WHERE parent = ?1 AND key = ?2 AND NOT EXISTS (SELECT 1 FROM local WHERE local.node = synced.node) ORDER BY node"
        );
        all(self.connection, sql, &[&node(parent)?, &key.0], synced_row)
    }

    /// What S remembers in a folder, in the order of node ids.
    pub fn synced_children(&self, parent: NodeId) -> Result<Vec<SyncedRow>> {
        all(self.connection, select_synced!("WHERE parent = ?1 ORDER BY node"), &[&node(parent)?], synced_row)
    }
}

const UPSERT: &str = "INSERT INTO synced (node, parent, name, key, kind, rid, revision, size, hash, target) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (node) DO UPDATE SET parent = excluded.parent, \
    name = excluded.name, key = excluded.key, kind = excluded.kind, rid = excluded.rid, revision = excluded.revision, \
    size = excluded.size, hash = excluded.hash, target = excluded.target";

impl Txn<'_> {
    /// Inserts or replaces; marks dirty without touching. `NoSuchNode` if the node or its folder does not exist.
    pub fn put_synced(&self, row: &SyncedRow) -> Result<()> {
        let (node_kind, version, target) = match &row.body {
            SyncedBody::Folder => (NodeKind::Folder, None, None),
            SyncedBody::File(version) => (NodeKind::File, Some(version), None),
            SyncedBody::Symlink { target } => (NodeKind::Symlink, None, Some(target)),
        };
        let done = execute(
            self.connection,
            UPSERT,
            &[
                &node(row.node)?,
                &optional_node(row.parent)?,
                &row.name.as_str(),
                &self.rules.key(&row.name).0,
                &kind(node_kind),
                &version.map(|version| &version.rid.0),
                &version.map(|version| &version.revision.0),
                &version.map(|version| integer(version.size)).transpose()?,
                &hash(version.and_then(|version| version.hash.as_ref())),
                &target,
            ],
        );
        self.of_node(row.node, done)?;
        self.mark_dirty(row.node)
    }

    /// Marks dirty. A node that S does not have is no error.
    pub fn remove_synced(&self, id: NodeId) -> Result<()> {
        if execute(self.connection, "DELETE FROM synced WHERE node = ?1", &[&node(id)?])? > 0 {
            self.mark_dirty(id)?;
        }
        Ok(())
    }
}
