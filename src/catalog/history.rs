//! Kept versions, conflicts, and what people decided. They outlive the nodes that they are about.

use rusqlite::Row;

use super::encode::{
    all, execute, get_node, get_optional_node, get_optional_time, get_reason, get_time, get_u64, integer, node, one,
    optional_node, reason,
};
use super::{ConflictRow, DecisionRow, HistoryRow, Result, Txn, View};
use crate::types::NodeId;

macro_rules! select_history {
    ($rest:literal) => {
        concat!("SELECT id, node, path, reason, size, file, kept_at FROM history ", $rest)
    };
}

fn history_row(row: &Row<'_>) -> Result<HistoryRow> {
    Ok(HistoryRow {
        id: row.get(0)?,
        node: get_node(row, 1)?,
        path: row.get(2)?,
        reason: get_reason(row, 3)?,
        size: get_u64(row, 4)?,
        file: row.get(5)?,
        kept_at: get_time(row, 6)?,
    })
}

fn conflict_row(row: &Row<'_>) -> Result<ConflictRow> {
    Ok(ConflictRow {
        id: row.get(0)?,
        node: get_node(row, 1)?,
        other: get_optional_node(row, 2)?,
        path: row.get(3)?,
        what: row.get(4)?,
        device: row.get(5)?,
        found_at: get_time(row, 6)?,
        resolved_at: get_optional_time(row, 7)?,
        ours: row.get(8)?,
        theirs: row.get(9)?,
        strategy: row.get(10)?,
        result: row.get(11)?,
    })
}

fn decision_row(row: &Row<'_>) -> Result<DecisionRow> {
    let (path, what, detail) = (row.get(2)?, row.get(3)?, row.get(4)?);
    Ok(DecisionRow { id: row.get(0)?, at: get_time(row, 1)?, path, what, detail })
}

impl View<'_> {
    /// What people decided, oldest first.
    pub fn decisions(&self) -> Result<Vec<DecisionRow>> {
        all(self.connection, "SELECT id, at, path, what, detail FROM decision ORDER BY id", &[], decision_row)
    }

    /// Kept versions of one node or of all, oldest first.
    pub fn history(&self, of: Option<NodeId>) -> Result<Vec<HistoryRow>> {
        match of {
            Some(id) => {
                all(self.connection, select_history!("WHERE node = ?1 ORDER BY id"), &[&node(id)?], history_row)
            }
            None => all(self.connection, select_history!("ORDER BY id"), &[], history_row),
        }
    }

    /// One kept version.
    pub fn history_entry(&self, id: i64) -> Result<Option<HistoryRow>> {
        one(self.connection, select_history!("WHERE id = ?1"), &[&id], history_row)
    }

    /// Conflicts, oldest first.
    pub fn conflicts(&self, include_resolved: bool) -> Result<Vec<ConflictRow>> {
        let sql = "SELECT id, node, other, path, what, device, found_at, resolved_at, ours, theirs, strategy, result FROM conflict \
            WHERE ?1 OR resolved_at IS NULL ORDER BY id";
        all(self.connection, sql, &[&include_resolved], conflict_row)
    }
}

impl Txn<'_> {
    /// Adds a kept version and returns its id; the id in `row` is not used.
    pub fn add_history(&self, row: &HistoryRow) -> Result<i64> {
        let sql = "INSERT INTO history (node, path, reason, size, file, kept_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        execute(
            self.connection,
            sql,
            &[&node(row.node)?, &row.path, &reason(row.reason), &integer(row.size)?, &row.file, &row.kept_at.0],
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Notes what a person decided, now.
    pub fn add_decision(&self, path: &str, what: &str, detail: &str) -> Result<()> {
        let sql = "INSERT INTO decision (at, path, what, detail) VALUES (?1, ?2, ?3, ?4)";
        execute(self.connection, sql, &[&self.now().0, &path, &what, &detail])?;
        Ok(())
    }

    /// Forgets a kept version. One that does not exist is no error.
    pub fn remove_history(&self, id: i64) -> Result<()> {
        execute(self.connection, "DELETE FROM history WHERE id = ?1", &[&id])?;
        Ok(())
    }

    /// Adds a conflict and returns its id; the id in `row` is not used.
    pub fn add_conflict(&self, row: &ConflictRow) -> Result<i64> {
        let sql = "INSERT INTO conflict (node, other, path, what, device, found_at, resolved_at, ours, theirs, strategy, \
            result) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        execute(
            self.connection,
            sql,
            &[
                &node(row.node)?,
                &optional_node(row.other)?,
                &row.path,
                &row.what,
                &row.device,
                &row.found_at.0,
                &row.resolved_at.map(|time| time.0),
                &row.ours,
                &row.theirs,
                &row.strategy,
                &row.result,
            ],
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    /// The version that was missing of a conflict is there: `has_name` has the name, `other` is beside it.
    pub fn pair_conflict(&self, id: i64, has_name: NodeId, other: NodeId, path: &str, result: &str) -> Result<()> {
        let sql = "UPDATE conflict SET node = ?2, other = ?3, path = ?4, result = ?5 WHERE id = ?1 AND other IS NULL";
        execute(self.connection, sql, &[&id, &node(has_name)?, &node(other)?, &path, &result])?;
        Ok(())
    }

    /// Marks a conflict as resolved now, with what became of it, unless it was already.
    pub fn resolve_conflict(&self, id: i64, result: &str) -> Result<()> {
        let sql = "UPDATE conflict SET resolved_at = ?2, result = CASE result WHEN '' THEN ?3 ELSE result || '; ' || ?3 END \
            WHERE id = ?1 AND resolved_at IS NULL";
        execute(self.connection, sql, &[&id, &self.now().0, &result])?;
        Ok(())
    }
}
