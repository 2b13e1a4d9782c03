//! What is known of the bytes under `staging/`. A row outlives the local row of its node: whoever collects the bytes removes it.

use rusqlite::Row;

use super::encode::{
    all, execute, get_hash, get_node, get_optional_u64, get_staged, get_time, get_u64, hash, integer, node, one,
};
use super::{Result, StagedRow, Txn, View};
use crate::provider::UploadSession;
use crate::types::{NodeId, StagedId};

macro_rules! select_staged {
    ($rest:literal) => {
        concat!("SELECT id, node, size, hash, session_id, session_offset, created FROM staged ", $rest)
    };
}

fn staged_row(row: &Row<'_>) -> Result<StagedRow> {
    let session_id: Option<String> = row.get(4)?;
    let session = session_id.zip(get_optional_u64(row, 5)?).map(|(id, offset)| UploadSession { id, offset });
    Ok(StagedRow {
        id: get_staged(row, 0)?,
        node: get_node(row, 1)?,
        size: get_u64(row, 2)?,
        hashed: get_hash(row, 3)?,
        session,
        created: get_time(row, 6)?,
    })
}

impl View<'_> {
    /// Staged bytes by id.
    pub fn staged(&self, id: StagedId) -> Result<Option<StagedRow>> {
        one(self.connection, select_staged!("WHERE id = ?1"), &[&id.0.into_bytes()], staged_row)
    }

    /// How many bytes are staged, holes included.
    pub fn staged_bytes(&self) -> Result<u64> {
        // In two halves, because SQLite's sum stops at 63 bits.
        let sql = "SELECT coalesce(sum(size >> 32), 0), coalesce(sum(size & 4294967295), 0) FROM staged";
        let sum = one(self.connection, sql, &[], |row| Ok((get_u64(row, 0)?, get_u64(row, 1)?)))?;
        let (high, low) = sum.unwrap_or_default();
        Ok(high.saturating_mul(1 << 32).saturating_add(low))
    }

    /// Files whose bytes the provider does not have, with their sizes.
    pub fn unsent(&self) -> Result<Vec<(NodeId, u64)>> {
        let sql = "SELECT local.node, staged.size FROM dirty JOIN local ON local.node = dirty.node \
            JOIN staged ON staged.id = local.staged ORDER BY local.node";
        all(self.connection, sql, &[], |row| Ok((get_node(row, 0)?, get_u64(row, 1)?)))
    }

    /// All staged bytes, oldest first.
    pub fn all_staged(&self) -> Result<Vec<StagedRow>> {
        all(self.connection, select_staged!("ORDER BY created, id"), &[], staged_row)
    }

    /// Staged bytes that no row of L names, oldest first. They are told in one look, because a rename gives bytes to another node in one
    /// transaction: whoever compared a row of one moment with one of another would take them for nobody's.
    pub fn unowned_staged(&self) -> Result<Vec<StagedRow>> {
        let sql = select_staged!(
            "WHERE NOT EXISTS (SELECT 1 FROM local WHERE local.node = staged.node AND local.staged = staged.id) \
            ORDER BY created, id"
        );
        all(self.connection, sql, &[], staged_row)
    }
}

impl Txn<'_> {
    /// Inserts or replaces. `NoSuchNode` if the node does not exist.
    pub fn put_staged(&self, row: &StagedRow) -> Result<()> {
        let (session_id, session_offset) = match &row.session {
            Some(session) => (Some(&session.id), Some(integer(session.offset)?)),
            None => (None, None),
        };
        let sql = "INSERT INTO staged (id, node, size, hash, session_id, session_offset, created) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET node = excluded.node, size = excluded.size, \
            hash = excluded.hash, session_id = excluded.session_id, session_offset = excluded.session_offset, \
            created = excluded.created";
        let done = execute(
            self.connection,
            sql,
            &[
                &row.id.0.into_bytes(),
                &node(row.node)?,
                &integer(row.size)?,
                &hash(row.hashed.as_ref()),
                &session_id,
                &session_offset,
                &row.created.0,
            ],
        );
        self.of_node(row.node, done)
    }

    /// Removes the row; the commit fails while its node's content still names it. A row that does not exist is no error.
    pub fn remove_staged(&self, id: StagedId) -> Result<()> {
        let sql = "DELETE FROM staged WHERE id = ?1 RETURNING node";
        if let Some(owner) = one(self.connection, sql, &[&id.0.into_bytes()], |row| get_node(row, 0))? {
            self.staged_changed.borrow_mut().push(owner);
        }
        Ok(())
    }
}
