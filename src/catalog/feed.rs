//! Position in the provider's change feed, what is known better than a late page of it could, and small values.

use std::time::Duration;

use rusqlite::Connection;

use super::encode::{all, execute, get_optional_time, one};
use super::{CatalogError, FeedState, Result, Txn, View};
use crate::provider::Cursor;
use crate::types::RemoteId;

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

    /// Ids that were known for certain a short while ago.
    pub fn certain(&self) -> Result<Vec<RemoteId>> {
        all(self.connection, "SELECT rid FROM certain ORDER BY rid", &[], |row| Ok(RemoteId(row.get(0)?)))
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

    /// What R holds of this id, or that it does not, is known for certain now.
    pub fn put_certain(&self, rid: &RemoteId) -> Result<()> {
        let sql = "INSERT INTO certain (rid, at) VALUES (?1, ?2) ON CONFLICT (rid) DO UPDATE SET at = excluded.at";
        execute(self.connection, sql, &[&rid.0, &self.now().0])?;
        Ok(())
    }

    /// Forgets certainty of longer ago; and of after now, which only a clock that was set back can have made.
    pub fn prune_certain(&self, age: Duration) -> Result<()> {
        let now = self.now().0;
        let before = now.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
        execute(self.connection, "DELETE FROM certain WHERE at < ?1 OR at > ?2", &[&before, &now])?;
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
