//! Writing: a transaction, from `BEGIN IMMEDIATE` to `COMMIT`, and what every change has in common: dirty marks, fresh numbers, rows
//! set aside for a swap, extended attributes that lost their inode. Each tree's changes are in the tree's own file.
//!
//! A `Txn` that is dropped without a commit, by an error or a panic, is rolled back.

use std::cell::{Cell, RefCell};

use rusqlite::Connection;

use super::encode::{execute, ino, kind, node, one, value};
use super::error::Constraint;
use super::{CatalogError, FeedState, Result, SyncState, View};
use crate::types::{InodeNo, NameRules, NodeId, NodeKind, Timestamp};

/// Meta key: every inode number below this may have been given out.
pub(super) const META_INODES_RESERVED: &str = "catalog.inodes_reserved";

/// Inode numbers are reserved on disk in runs of this many, so that most creations do not write the counter.
const INODES_PER_RESERVATION: u64 = 1000;

/// Inode numbers: those below `next` were given out, those below `reserved` are covered by the stored counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct InodeNumbers {
    pub(super) next: u64,
    pub(super) reserved: u64,
}

/// The writer connection and what belongs to it.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) inodes: Cell<InodeNumbers>,
}

/// A transaction. Every method marks the nodes that it changes as dirty where their trees may now differ.
pub struct Txn<'a> {
    view: View<'a>,
    now: Timestamp,
    inodes: &'a Cell<InodeNumbers>,
    /// What the stored counter says if this is rolled back.
    reserved_before: u64,
    /// Inodes that a row gave up in this transaction.
    pub(super) released: RefCell<Vec<InodeNo>>,
    /// True once a row was set aside.
    pub(super) has_aside: Cell<bool>,
    is_open: bool,
}

impl<'a> std::ops::Deref for Txn<'a> {
    type Target = View<'a>;
    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl Drop for Txn<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        // Numbers that were given out are not given out again, but the counter on disk is back where it was.
        let InodeNumbers { next, .. } = self.inodes.get();
        self.inodes.set(InodeNumbers { next, reserved: self.reserved_before });
        // After a full disk or an I/O error SQLite has rolled back by itself.
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = execute(self.connection, "ROLLBACK", &[]) {
            tracing::error!(%error, "a catalog transaction could not be rolled back");
        }
    }
}

impl<'a> Txn<'a> {
    /// Begins. The caller holds the writer's lock.
    pub(super) fn begin(writer: &'a Writer, rules: &'a NameRules, now: Timestamp) -> Result<Self> {
        execute(&writer.connection, "BEGIN IMMEDIATE", &[])?;
        Ok(Self {
            view: View { connection: &writer.connection, rules },
            now,
            inodes: &writer.inodes,
            reserved_before: writer.inodes.get().reserved,
            released: RefCell::default(),
            has_aside: Cell::new(false),
            is_open: true,
        })
    }

    /// Commits. What the schema defers to this moment may refuse: orphans in R, a name or id that two rows still claim.
    pub(super) fn commit(mut self) -> Result<()> {
        self.put_back_rows_set_aside()?;
        self.drop_xattrs_of_released_inodes()?;
        if let Err(error) = execute(self.connection, "COMMIT", &[]) {
            return Err(if error.constraint() == Some(Constraint::ForeignKey) {
                self.explain_orphans(error)
            } else {
                error
            });
        }
        self.is_open = false;
        Ok(())
    }

    /// A row whose rival has moved on has its place again; one whose place is still taken means that the name is.
    fn put_back_rows_set_aside(&self) -> Result<()> {
        if !self.has_aside.get() {
            return Ok(());
        }
        for (put_back, is_any_left) in [
            (
                "UPDATE OR IGNORE local SET aside = 0 WHERE aside <> 0",
                "SELECT EXISTS (SELECT 1 FROM local WHERE aside <> 0)",
            ),
            (
                "UPDATE OR IGNORE remote SET aside = 0 WHERE aside <> 0",
                "SELECT EXISTS (SELECT 1 FROM remote WHERE aside <> 0)",
            ),
        ] {
            execute(self.connection, put_back, &[])?;
            if value(self.connection, is_any_left, &[])? {
                return Err(CatalogError::NameTaken);
            }
        }
        Ok(())
    }

    fn drop_xattrs_of_released_inodes(&self) -> Result<()> {
        for released in self.released.take() {
            let sql = "DELETE FROM xattr WHERE ino = ?1 AND NOT EXISTS (SELECT 1 FROM local WHERE ino = ?1)";
            execute(self.connection, sql, &[&ino(released)?])?;
        }
        Ok(())
    }

    /// Only a bug of a caller comes here, so that the scan of all tables is worth the name of the culprit.
    fn explain_orphans(&self, refusal: CatalogError) -> CatalogError {
        let describe = |row: &rusqlite::Row<'_>| {
            let (table, id, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(format!("row {} of {table} refers to a row of {parent} that does not exist", id.unwrap_or_default()))
        };
        match one(self.connection, "PRAGMA foreign_key_check", &[], describe) {
            Ok(Some(culprit)) => {
                let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY);
                CatalogError::Sqlite(rusqlite::Error::SqliteFailure(code, Some(culprit)))
            }
            Ok(None) | Err(_) => refusal,
        }
    }

    /// The time of this transaction: the same for everything in it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A node that no tree has yet.
    pub fn new_node(&self, node_kind: NodeKind) -> Result<NodeId> {
        execute(self.connection, "INSERT INTO node (kind) VALUES (?1)", &[&kind(node_kind)])?;
        u64::try_from(self.connection.last_insert_rowid())
            .map(NodeId)
            .map_err(|_| CatalogError::Corrupt("node ids have become negative".to_owned()))
    }

    /// An inode number that was never given out before in the life of this database.
    pub fn new_ino(&self) -> Result<InodeNo> {
        let mut numbers = self.inodes.get();
        if numbers.next >= numbers.reserved {
            numbers.reserved = numbers.next + INODES_PER_RESERVATION;
            self.set_meta(META_INODES_RESERVED, &numbers.reserved.to_string())?;
        }
        let number = InodeNo(numbers.next);
        numbers.next += 1;
        self.inodes.set(numbers);
        Ok(number)
    }

    /// A node is clean: L, R and S agree.
    pub fn clear_dirty(&self, id: NodeId) -> Result<()> {
        execute(self.connection, "DELETE FROM dirty WHERE node = ?1", &[&node(id)?])?;
        Ok(())
    }

    /// Makes a node dirty and touches it, so that the planner looks at it.
    pub fn touch(&self, id: NodeId) -> Result<()> {
        let sql = "INSERT INTO dirty (node, touched) VALUES (?1, ?2) ON CONFLICT (node) DO UPDATE SET touched = excluded.touched";
        self.of_node(id, execute(self.connection, sql, &[&node(id)?, &self.now.0]))
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

    /// After a change of R or S: dirty, but an existing time of the last local change stays.
    pub(super) fn mark_dirty(&self, id: NodeId) -> Result<()> {
        let sql = "INSERT INTO dirty (node, touched) VALUES (?1, 0) ON CONFLICT (node) DO NOTHING";
        self.of_node(id, execute(self.connection, sql, &[&node(id)?]))
    }

    /// Turns a refusal by foreign key into the name of the missing node.
    pub(super) fn of_node(&self, id: NodeId, done: Result<usize>) -> Result<()> {
        match done {
            Ok(_) => Ok(()),
            Err(error) if error.constraint() == Some(Constraint::ForeignKey) => Err(CatalogError::NoSuchNode(id)),
            Err(error) => Err(error),
        }
    }

    /// Deletes the node if no tree has it, S does not remember it as a folder, and no staged bytes are its. Its history and conflict
    /// rows stay.
    pub fn forget_node_if_absent(&self, id: NodeId) -> Result<()> {
        let sql = "DELETE FROM node WHERE id = ?1 \
            AND NOT EXISTS (SELECT 1 FROM local WHERE node = ?1) \
            AND NOT EXISTS (SELECT 1 FROM remote WHERE node = ?1) \
            AND NOT EXISTS (SELECT 1 FROM synced WHERE node = ?1) \
            AND NOT EXISTS (SELECT 1 FROM synced WHERE parent = ?1) \
            AND NOT EXISTS (SELECT 1 FROM staged WHERE node = ?1)";
        execute(self.connection, sql, &[&node(id)?])?;
        Ok(())
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

    /// Commit this together with the rows of the page that ends here.
    pub fn set_feed(&self, feed: &FeedState) -> Result<()> {
        let sql = "UPDATE feed SET cursor = ?1, last_full = ?2, last_pull = ?3 WHERE id = 0";
        let cursor = feed.cursor.as_ref().map(|cursor| &cursor.0);
        execute(
            self.connection,
            sql,
            &[&cursor, &feed.last_full.map(|time| time.0), &feed.last_pull.map(|time| time.0)],
        )?;
        Ok(())
    }

    /// Sets an extended attribute. Refused (`QueryReturnedNoRows`) if no name stands for this inode: nobody would ever remove it.
    pub fn set_xattr(&self, number: InodeNo, name: &[u8], value: &[u8]) -> Result<()> {
        let sql = "INSERT INTO xattr (ino, name, value) SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM local WHERE ino = ?1) \
            ON CONFLICT (ino, name) DO UPDATE SET value = excluded.value";
        if execute(self.connection, sql, &[&ino(number)?, &name, &value])? == 0 {
            return Err(CatalogError::Sqlite(rusqlite::Error::QueryReturnedNoRows));
        }
        Ok(())
    }

    /// False if there was none.
    pub fn remove_xattr(&self, number: InodeNo, name: &[u8]) -> Result<bool> {
        let sql = "DELETE FROM xattr WHERE ino = ?1 AND name = ?2";
        Ok(execute(self.connection, sql, &[&ino(number)?, &name])? > 0)
    }

    /// Pins or unpins the node itself.
    pub fn set_pinned(&self, id: NodeId, pinned: bool) -> Result<()> {
        let sql = if pinned {
            "INSERT INTO pin (node) VALUES (?1) ON CONFLICT (node) DO NOTHING"
        } else {
            "DELETE FROM pin WHERE node = ?1"
        };
        self.of_node(id, execute(self.connection, sql, &[&node(id)?]))
    }

    /// Stores a small value. Keys that start with `catalog.` are the catalog's own.
    pub fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        set_meta(self.connection, key, value)
    }
}

/// As [`Txn::set_meta`], while a database is being opened.
pub(super) fn set_meta(connection: &Connection, key: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    execute(connection, sql, &[&key, &value])?;
    Ok(())
}
