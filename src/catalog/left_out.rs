//! Which nodes of the provider's the user's filter keeps out of the mount: known, not shown, and nothing is left to be done for them. A row
//! goes by itself when its node is shown, or gone at the provider.

use super::encode::{all, execute, get_node, node, value};
use super::{Result, Txn, View};
use crate::types::NodeId;

impl View<'_> {
    /// All of them, in the order of node ids.
    pub fn left_out(&self) -> Result<Vec<NodeId>> {
        all(self.connection, "SELECT node FROM left_out ORDER BY node", &[], |row| get_node(row, 0))
    }

    /// How many there are.
    pub fn left_out_count(&self) -> Result<u64> {
        let count: i64 = value(self.connection, "SELECT count(*) FROM left_out", &[])?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// True if this node is one of them.
    pub fn is_left_out(&self, id: NodeId) -> Result<bool> {
        value(self.connection, "SELECT EXISTS (SELECT 1 FROM left_out WHERE node = ?1)", &[&node(id)?])
    }
}

impl Txn<'_> {
    /// The filter keeps this node, which only R has, out of the mount; it is no longer dirty.
    pub fn leave_out(&self, id: NodeId) -> Result<()> {
        let sql = "INSERT INTO left_out (node) VALUES (?1) ON CONFLICT (node) DO NOTHING";
        self.of_node(id, execute(self.connection, sql, &[&node(id)?]))?;
        self.clear_dirty(id)
    }
}
