//! Which nodes sync must look at, and what it knows of those that fail. The dirty marks are set by every change of a tree; they are
//! cleared by whoever has seen that the trees agree.
//!
//! A node that only R has is marked in a table of its own: at the first listing that is the whole vault, and whoever looks at what is
//! dirty must not read all of it again and again. Invariant: a node is in one of the two tables at most.

use rusqlite::Row;

use super::encode::{all, execute, get_node, get_optional_time, get_time, get_u64, node, one, value};
use super::{DirtyRow, Pending, Result, SyncState, Txn, View};
use crate::types::NodeId;

const SELECT_SYNC_STATE: &str =
    "SELECT node, attempts, not_before, problem_kind, problem_message, held, priority FROM sync_state";

fn sync_state(row: &Row<'_>) -> Result<(NodeId, SyncState)> {
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
    /// Dirty nodes that L or S knows, oldest touch first.
    pub fn dirty(&self) -> Result<Vec<DirtyRow>> {
        all(self.connection, "SELECT node, touched FROM dirty ORDER BY touched, node", &[], |row| {
            Ok(DirtyRow { node: get_node(row, 0)?, touched: get_time(row, 1)? })
        })
    }

    /// Up to `limit` dirty nodes that only R has, in the order of node ids after `after`.
    pub fn arriving(&self, after: NodeId, limit: usize) -> Result<Vec<NodeId>> {
        let sql = "SELECT node FROM arriving WHERE node > ?1 ORDER BY node LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        all(self.connection, sql, &[&node(after)?, &limit], |row| get_node(row, 0))
    }

    /// How many nodes are dirty.
    pub fn pending(&self) -> Result<Pending> {
        let sql = "SELECT (SELECT count(*) FROM dirty WHERE touched <> 0), (SELECT count(*) FROM dirty WHERE touched = 0) \
            + (SELECT count(*) FROM arriving)";
        let counted = one(self.connection, sql, &[], |row| {
            Ok(Pending { outgoing: get_u64(row, 0)?, incoming: get_u64(row, 1)? })
        })?;
        Ok(counted.unwrap_or_default())
    }

    /// True if the node's trees may differ.
    pub fn is_dirty(&self, id: NodeId) -> Result<bool> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM dirty WHERE node = ?1) OR EXISTS (SELECT 1 FROM arriving WHERE node = ?1)";
        value(self.connection, sql, &[&node(id)?])
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
}

impl Txn<'_> {
    /// A node is clean: L, R and S agree.
    pub fn clear_dirty(&self, id: NodeId) -> Result<()> {
        execute(self.connection, "DELETE FROM dirty WHERE node = ?1", &[&node(id)?])?;
        self.has_arrived(id)
    }

    fn has_arrived(&self, id: NodeId) -> Result<()> {
        execute(self.connection, "DELETE FROM arriving WHERE node = ?1", &[&node(id)?])?;
        Ok(())
    }

    /// Makes a node dirty and touches it, so that the planner looks at it.
    pub fn touch(&self, id: NodeId) -> Result<()> {
        let sql = "INSERT INTO dirty (node, touched) VALUES (?1, ?2) ON CONFLICT (node) DO UPDATE SET touched = excluded.touched";
        self.of_node(id, execute(self.connection, sql, &[&node(id)?, &self.now().0]))?;
        self.has_arrived(id)
    }

    /// After a local change. A row that never leaves this machine differs from nothing, unless the provider has its node.
    pub(super) fn touch_local(&self, id: NodeId, local_only: bool) -> Result<()> {
        if local_only && !self.is_known_to_provider(id)? {
            return self.clear_dirty(id);
        }
        self.touch(id)
    }

    fn is_known_to_provider(&self, id: NodeId) -> Result<bool> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM remote WHERE node = ?1) OR EXISTS (SELECT 1 FROM synced WHERE node = ?1)";
        value(self.connection, sql, &[&node(id)?])
    }

    /// After a change of R or S, or of what the trees mean: dirty, but an existing time of the last local change stays.
    pub fn mark_dirty(&self, id: NodeId) -> Result<()> {
        let sql = "INSERT INTO dirty (node, touched) VALUES (?1, 0) ON CONFLICT (node) DO NOTHING";
        self.of_node(id, execute(self.connection, sql, &[&node(id)?]))?;
        self.has_arrived(id)
    }

    /// After a change of R: arriving if R alone has it, else as [`Txn::mark_dirty`].
    pub fn mark_told(&self, id: NodeId) -> Result<()> {
        let sql = "INSERT INTO arriving (node) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM local WHERE node = ?1) \
            AND NOT EXISTS (SELECT 1 FROM synced WHERE node = ?1) AND NOT EXISTS (SELECT 1 FROM dirty WHERE node = ?1) \
            ON CONFLICT (node) DO NOTHING";
        self.of_node(id, execute(self.connection, sql, &[&node(id)?]))?;
        let is_arriving =
            value(self.connection, "SELECT EXISTS (SELECT 1 FROM arriving WHERE node = ?1)", &[&node(id)?])?;
        if is_arriving { Ok(()) } else { self.mark_dirty(id) }
    }

    /// Storing the default removes the row.
    pub fn set_sync_state(&self, id: NodeId, state: &SyncState) -> Result<()> {
        let id_sql = node(id)?;
        if *state == SyncState::default() {
            execute(self.connection, "DELETE FROM sync_state WHERE node = ?1", &[&id_sql])?;
            return Ok(());
        }
        let (problem_kind, problem_message) = state.problem.as_ref().map(|(kind, message)| (kind, message)).unzip();
        let sql = "INSERT INTO sync_state (node, attempts, not_before, problem_kind, problem_message, held, priority) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (node) DO UPDATE SET \
            attempts = excluded.attempts, not_before = excluded.not_before, problem_kind = excluded.problem_kind, \
            problem_message = excluded.problem_message, held = excluded.held, priority = excluded.priority";
        let done = execute(
            self.connection,
            sql,
            &[
                &id_sql,
                &state.attempts,
                &state.not_before.map(|time| time.0),
                &problem_kind,
                &problem_message,
                &state.held,
                &state.priority,
            ],
        );
        self.of_node(id, done)
    }
}
