//! Position in the provider's change feed, and small values.

use rusqlite::Connection;

use super::encode::{execute, get_optional_time, one};
use super::{CatalogError, FeedState, Result, Txn, View};
use crate::provider::Cursor;

impl View<'_> {
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

    /// A small value by key: settings and counters of this vault on this device.
    pub fn meta(&self, key: &str) -> Result<Option<String>> {
        one(self.connection, "SELECT value FROM meta WHERE key = ?1", &[&key], |row| Ok(row.get(0)?))
    }
}

impl Txn<'_> {
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
