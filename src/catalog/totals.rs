//! How many nodes L has and how many bytes they show. Asked by every `statfs`, so that it is kept in memory and followed by
//! every transaction; a clean shutdown stores it, and after a crash it is counted anew while the pages are checked anyway.
//!
//! Invariant: what is shared is the sum over the committed rows of L without the root. It changes right after a commit, so that
//! a view that began before may see it newer than its rows.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::encode::one;
use super::feed::set_meta;
use super::{CatalogError, Result, View};

/// Meta key: the totals at the last clean shutdown.
const META_TOTALS: &str = "catalog.totals";

/// A count and a sum, or what is added to them. Bytes are wide: the sum of sparse sizes may exceed 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Totals {
    pub(super) nodes: i64,
    pub(super) bytes: i128,
}

impl Totals {
    /// Both together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { nodes: self.nodes + other.nodes, bytes: self.bytes + other.bytes }
    }

    /// What a row with this size adds.
    pub(super) fn of_row(size: u64) -> Self {
        Self { nodes: 1, bytes: i128::from(size) }
    }

    /// What leaving takes away.
    pub(super) fn negated(self) -> Self {
        Self { nodes: -self.nodes, bytes: -self.bytes }
    }

    /// Counts the rows.
    pub(super) fn count(connection: &Connection) -> Result<Self> {
        // In two halves, because SQLite's sum stops at 63 bits.
        let sql = "SELECT count(*), coalesce(sum(size >> 32), 0), coalesce(sum(size & 4294967295), 0) \
            FROM local WHERE parent IS NOT NULL";
        let counted = one(connection, sql, &[], |row| {
            let (nodes, high, low): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Self { nodes, bytes: (i128::from(high) << 32) + i128::from(low) })
        })?;
        counted.ok_or_else(|| CatalogError::Corrupt("the rows of the local tree cannot be counted".to_owned()))
    }

    /// Stores them for the next start.
    pub(super) fn store(self, connection: &Connection) -> Result<()> {
        set_meta(connection, META_TOTALS, &format!("{} {}", self.nodes, self.bytes))
    }

    /// What the last clean shutdown stored, if it can be read.
    pub(super) fn stored(text: &str) -> Option<Self> {
        let (nodes, bytes) = text.split_once(' ')?;
        Some(Self { nodes: nodes.parse().ok()?, bytes: bytes.parse().ok()? })
    }

    /// As callers see them.
    pub(super) fn shown(self) -> (u64, u64) {
        let bytes = u64::try_from(self.bytes.max(0)).unwrap_or(u64::MAX);
        (u64::try_from(self.nodes).unwrap_or(0), bytes)
    }
}

/// The totals of all committed rows.
pub(super) struct SharedTotals(Mutex<Totals>);

impl SharedTotals {
    /// Reads what a clean shutdown stored, or counts.
    pub(super) fn open(connection: &Connection, was_clean: bool) -> Result<Self> {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        let stored: Option<String> = one(connection, sql, &[&META_TOTALS], |row| Ok(row.get(0)?))?;
        let totals = match stored.as_deref().and_then(Totals::stored) {
            Some(totals) if was_clean => totals,
            Some(_) | None => Totals::count(connection)?,
        };
        Ok(Self(Mutex::new(totals)))
    }

    /// After a commit.
    pub(super) fn add(&self, added: Totals) {
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *totals = totals.plus(added);
    }

    /// Now.
    pub(super) fn get(&self) -> Totals {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View<'_> {
    /// Number of rows in L without the root, and the sum of their sizes, as of now: in memory, whatever the size of the vault.
    pub fn totals(&self) -> Result<(u64, u64)> {
        Ok(self.totals.get().plus(self.added.get()).shown())
    }

    /// Inside a transaction: follows a change of L.
    pub(super) fn add_to_totals(&self, added: Totals) {
        self.added.set(self.added.get().plus(added));
    }
}
