//! Reading: a consistent view of the catalog. Each tree's queries are in the tree's own file (`local.rs`, `remote.rs`, ...); here is
//! what is about a node rather than a tree.

use rusqlite::Connection;

use super::encode::{all, get_node, get_optional_time, get_time, get_u64, ino, node, one, value};
use super::{CatalogError, DirtyRow, FeedState, Result, SyncState};
use crate::provider::Cursor;
use crate::types::{InodeNo, NameRules, NodeId};

/// A consistent view of the catalog: one committed state ([`super::Catalog::read`]), or the state inside a transaction.
pub struct View<'a> {
    pub(super) connection: &'a Connection,
    pub(super) rules: &'a NameRules,
}

const SELECT_SYNC_STATE: &str =
    "SELECT node, attempts, not_before, problem_kind, problem_message, held, priority FROM sync_state";

fn sync_state(row: &rusqlite::Row<'_>) -> Result<(NodeId, SyncState)> {
    let kind: Option<String> = row.get(3)?;
    let message: Option<String> = row.get(4)?;
    let state = SyncState {
        attempts: row.get(1)?,
        not_before: get_optional_time(row, 2)?,
        problem: kind.zip(message),
        held: row.get(5)?,
        priority: row.get(6)?,
    };
    Ok((get_node(row, 0)?, state))
}

impl View<'_> {
    /// Dirty nodes, oldest touch first.
    pub fn dirty(&self) -> Result<Vec<DirtyRow>> {
        all(self.connection, "SELECT node, touched FROM dirty ORDER BY touched, node", &[], |row| {
            Ok(DirtyRow { node: get_node(row, 0)?, touched: get_time(row, 1)? })
        })
    }

    /// True if the node's trees may differ.
    pub fn is_dirty(&self, id: NodeId) -> Result<bool> {
        value(self.connection, "SELECT EXISTS (SELECT 1 FROM dirty WHERE node = ?1)", &[&node(id)?])
    }

    /// The stored state of a node, or the default.
    pub fn sync_state(&self, id: NodeId) -> Result<SyncState> {
        let found = one(self.connection, &format!("{SELECT_SYNC_STATE} WHERE node = ?1"), &[&node(id)?], sync_state)?;
        Ok(found.map_or_else(SyncState::default, |(_, state)| state))
    }

    /// Every node with a stored state, for `queue` and `status`.
    pub fn all_sync_states(&self) -> Result<Vec<(NodeId, SyncState)>> {
        all(self.connection, &format!("{SELECT_SYNC_STATE} ORDER BY node"), &[], sync_state)
    }

    /// Position in the change feed.
    pub fn feed(&self) -> Result<FeedState> {
        let found = one(self.connection, "SELECT cursor, last_full, last_pull FROM feed WHERE id = 0", &[], |row| {
            Ok(FeedState {
                cursor: row.get::<_, Option<String>>(0)?.map(Cursor),
                last_full: get_optional_time(row, 1)?,
                last_pull: get_optional_time(row, 2)?,
            })
        })?;
        found.ok_or_else(|| CatalogError::Corrupt("the row of the change feed is missing".to_owned()))
    }

    /// An extended attribute.
    pub fn xattr(&self, number: InodeNo, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT value FROM xattr WHERE ino = ?1 AND name = ?2";
        one(self.connection, sql, &[&ino(number)?, &name], |row| Ok(row.get(0)?))
    }

    /// Names of the extended attributes, in byte order.
    pub fn xattr_names(&self, number: InodeNo) -> Result<Vec<Vec<u8>>> {
        let sql = "SELECT name FROM xattr WHERE ino = ?1 ORDER BY name";
        all(self.connection, sql, &[&ino(number)?], |row| Ok(row.get(0)?))
    }

    /// True if the node itself is pinned.
    pub fn is_pinned(&self, id: NodeId) -> Result<bool> {
        value(self.connection, "SELECT EXISTS (SELECT 1 FROM pin WHERE node = ?1)", &[&node(id)?])
    }

    /// Pinned nodes, in the order of ids.
    pub fn pins(&self) -> Result<Vec<NodeId>> {
        all(self.connection, "SELECT node FROM pin ORDER BY node", &[], |row| get_node(row, 0))
    }

    /// A small value by key: settings and counters of this vault on this device.
    pub fn meta(&self, key: &str) -> Result<Option<String>> {
        one(self.connection, "SELECT value FROM meta WHERE key = ?1", &[&key], |row| Ok(row.get(0)?))
    }

    /// Number of rows in L without the root, and the sum of their sizes. Kept by triggers: one row, whatever the size of the vault.
    pub fn totals(&self) -> Result<(u64, u64)> {
        let sql = "SELECT nodes, bytes_high, bytes_low FROM totals";
        let found = one(self.connection, sql, &[], |row| {
            let bytes = (u128::from(get_u64(row, 1)?) << 32) + u128::from(get_u64(row, 2)?);
            Ok((get_u64(row, 0)?, u64::try_from(bytes).unwrap_or(u64::MAX)))
        })?;
        found.ok_or_else(|| CatalogError::Corrupt("the row of totals is missing".to_owned()))
    }
}
