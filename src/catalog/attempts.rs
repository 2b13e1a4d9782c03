//! Calls whose outcome is not recorded yet.

use rusqlite::Row;

use super::encode::{all, execute, node, one};
use super::{Attempt, CatalogError, Result, Txn, View};
use crate::types::NodeId;

impl View<'_> {
    /// Every attempt whose outcome is open.
    pub fn attempts(&self) -> Result<Vec<Attempt>> {
        all(self.connection, "SELECT what FROM attempt ORDER BY node", &[], attempt_row)
    }

    /// The attempt of a node, if it has one.
    pub fn attempt(&self, id: NodeId) -> Result<Option<Attempt>> {
        one(self.connection, "SELECT what FROM attempt WHERE node = ?1", &[&node(id)?], attempt_row)
    }
}

fn attempt_row(row: &Row<'_>) -> Result<Attempt> {
    serde_json::from_str(&row.get::<_, String>(0)?)
        .map_err(|error| CatalogError::Corrupt(format!("an attempt cannot be read: {error}")))
}

impl Txn<'_> {
    /// Notes an attempt before its call is made. A node has one at a time.
    pub fn put_attempt(&self, attempt: &Attempt) -> Result<()> {
        let what = serde_json::to_string(attempt)
            .map_err(|error| CatalogError::Corrupt(format!("an attempt cannot be written: {error}")))?;
        let sql = "INSERT INTO attempt (node, what) VALUES (?1, ?2)";
        let done = execute(self.connection, sql, &[&node(attempt.node)?, &what]);
        self.of_node(attempt.node, done)
    }

    /// The outcome is recorded. A node that is in no tree any more is forgotten.
    pub fn remove_attempt(&self, id: NodeId) -> Result<()> {
        execute(self.connection, "DELETE FROM attempt WHERE node = ?1", &[&node(id)?])?;
        self.forget_node_if_absent(id)
    }
}
