//! Writing: a transaction, from `BEGIN IMMEDIATE` to `COMMIT`, and what changes of all trees have in common: fresh numbers, nodes that
//! nobody needs any more, and what is put in order just before the commit. Each tree's changes are in the tree's own file.
//!
//! A `Txn` that is dropped without a commit, by an error or a panic, is rolled back.

use std::cell::{Cell, RefCell};

use rusqlite::Connection;

use super::encode::{execute, ino, integer, kind, node, one, value};
use super::error::Constraint;
use super::feed::set_meta;
use super::totals::{SharedTotals, Totals};
use super::{CatalogError, Result, View};
use crate::sys::failpoint;
use crate::types::{InodeNo, NameRules, NodeId, NodeKind, Timestamp};

/// Meta key: every number below this may have been given out as a node id or an inode number.
pub(super) const META_NUMBERS_RESERVED: &str = "catalog.numbers_reserved";

/// Numbers are reserved on disk in runs of this many, so that most creations do not write the counter.
const NUMBERS_PER_RESERVATION: u64 = 1000;

/// One sequence for node ids and inode numbers: those below `next` were given out, those below `reserved` are covered by the stored
/// counter. None is given out twice in the life of the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Numbers {
    pub(super) next: u64,
    pub(super) reserved: u64,
}

/// The writer connection and what belongs to it.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) numbers: Cell<Numbers>,
}

/// A transaction. Every method marks the nodes that it changes as dirty where their trees may now differ.
pub struct Txn<'a> {
    view: View<'a>,
    now: Timestamp,
    numbers: &'a Cell<Numbers>,
    /// What the stored counter says if this is rolled back.
    reserved_before: u64,
    /// Inodes that a row gave up: their extended attributes go if no other row took them over.
    pub(super) released: RefCell<Vec<InodeNo>>,
    /// Nodes whose content names staged bytes, or whose staged row went: each must find its row at the commit.
    pub(super) staged_changed: RefCell<Vec<NodeId>>,
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
        let Numbers { next, .. } = self.numbers.get();
        self.numbers.set(Numbers { next, reserved: self.reserved_before });
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
    pub(super) fn begin(
        writer: &'a Writer,
        rules: &'a NameRules,
        totals: &'a SharedTotals,
        now: Timestamp,
    ) -> Result<Self> {
        execute(&writer.connection, "BEGIN IMMEDIATE", &[])?;
        Ok(Self {
            view: View { connection: &writer.connection, rules, totals, added: Cell::default() },
            now,
            numbers: &writer.numbers,
            reserved_before: writer.numbers.get().reserved,
            released: RefCell::default(),
            staged_changed: RefCell::default(),
            has_aside: Cell::new(false),
            is_open: true,
        })
    }

    /// Commits. What is deferred to this moment may refuse: orphans in R, a name or id that two rows still claim, content whose staged
    /// bytes nobody knows.
    pub(super) fn commit(mut self) -> Result<()> {
        self.put_back_rows_set_aside()?;
        self.refuse_missing_staged_rows()?;
        self.drop_xattrs_of_released_inodes()?;
        failpoint::reach("catalog-changed");
        if let Err(error) = execute(self.connection, "COMMIT", &[]) {
            return Err(if error.constraint() == Some(Constraint::ForeignKey) {
                self.explain_orphans(error)
            } else {
                error
            });
        }
        failpoint::reach("catalog-committed");
        self.is_open = false;
        if self.added.get() != Totals::default() {
            self.view.totals.add(self.added.get());
        }
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

    fn refuse_missing_staged_rows(&self) -> Result<()> {
        for id in self.staged_changed.take() {
            let sql = "SELECT EXISTS (SELECT 1 FROM local WHERE node = ?1 AND staged IS NOT NULL \
                AND NOT EXISTS (SELECT 1 FROM staged WHERE staged.id = local.staged))";
            if value(self.connection, sql, &[&node(id)?])? {
                return Err(orphan(format!("the content of node {id} names staged bytes without a row of staged")));
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
            Ok(Some(culprit)) => orphan(culprit),
            Ok(None) | Err(_) => refusal,
        }
    }

    /// The time of this transaction: the same for everything in it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A node that no tree has yet. Its id was never given out before in the life of this database.
    pub fn new_node(&self, node_kind: NodeKind) -> Result<NodeId> {
        let id = self.next_number()?;
        let sql = "INSERT INTO node (id, kind) VALUES (?1, ?2)";
        execute(self.connection, sql, &[&integer(id)?, &kind(node_kind)])?;
        Ok(NodeId(id))
    }

    /// An inode number that was never given out before in the life of this database.
    pub fn new_ino(&self) -> Result<InodeNo> {
        self.next_number().map(InodeNo)
    }

    fn next_number(&self) -> Result<u64> {
        let mut numbers = self.numbers.get();
        if numbers.next >= numbers.reserved {
            numbers.reserved = numbers.next + NUMBERS_PER_RESERVATION;
            set_meta(self.connection, META_NUMBERS_RESERVED, &numbers.reserved.to_string())?;
        }
        let number = numbers.next;
        numbers.next += 1;
        self.numbers.set(numbers);
        Ok(number)
    }

    /// Deletes the node if no tree has it, S does not remember it as a folder, and no staged bytes are its. Its history and conflict
    /// rows stay.
    pub fn forget_node_if_absent(&self, id: NodeId) -> Result<()> {
        let sql = "DELETE FROM node WHERE id = ?1 \
            AND NOT EXISTS (SELECT 1 FROM local WHERE node = ?1) \
            AND NOT EXISTS (SELECT 1 FROM remote WHERE node = ?1) \
            AND NOT EXISTS (SELECT 1 FROM synced WHERE node = ?1) \
            AND NOT EXISTS (SELECT 1 FROM synced WHERE parent = ?1) \
            AND NOT EXISTS (SELECT 1 FROM staged WHERE node = ?1) \
            AND NOT EXISTS (SELECT 1 FROM attempt WHERE node = ?1)";
        execute(self.connection, sql, &[&node(id)?])?;
        Ok(())
    }

    /// Turns a refusal by foreign key into the name of the missing node.
    pub(super) fn of_node(&self, id: NodeId, done: Result<usize>) -> Result<()> {
        match done {
            Ok(_) => Ok(()),
            Err(error) if error.constraint() == Some(Constraint::ForeignKey) => Err(CatalogError::NoSuchNode(id)),
            Err(error) => Err(error),
        }
    }
}

/// The error of a row that refers to nothing.
fn orphan(what: String) -> CatalogError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY);
    CatalogError::Sqlite(rusqlite::Error::SqliteFailure(code, Some(what)))
}
