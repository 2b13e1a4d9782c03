//! The provider's memory of folders: the service tells changes by path, the trait by id. A small SQLite database of its own, safe to
//! delete: the feed then starts from a full listing.
//!
//! A deletion is told by path alone, and means whatever was at that path: so the index also remembers which folders *were* at a path
//! since each place of the feed that can still be continued; what our own calls moved counts as having been there until the feed has told
//! of it, however late that is. It holds at least every folder that the provider has told anybody of; what
//! our own calls change is written before they return. A place of the feed that it does not know cannot be continued.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::provider::{Cursor, ErrorKind, ProviderError, index_file};
use crate::types::RemoteId;

type Result<T> = rusqlite::Result<T>;

const SCHEMA: i64 = 1;
/// Places of the feed that are remembered.
const KEPT_CURSORS: i64 = 64;

/// Number of a change that we know and the feed has not told yet.
const UNTOLD: i64 = i64::MAX;

/// What a run of the feed does to the folders. Removals come first.
#[derive(Default, Debug)]
pub(super) struct FolderChanges {
    /// Whatever was at these paths, and below, is gone.
    pub(super) removed: Vec<String>,
    /// These folders are there.
    pub(super) present: Vec<(String, RemoteId)>,
}

/// The database.
pub(super) struct Index {
    connection: Connection,
}

impl Index {
    /// Opens the index; makes a new one if there is none or if it cannot be used.
    pub(super) fn open(path: &Path) -> Result<Self> {
        index_file::open_or_renew(path, Self::try_open)
    }

    fn try_open(path: &Path) -> Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Flushed before the catalog is (`Provider::flush_memory`).
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let schema: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if schema == 0 {
            let txn = connection.transaction()?;
            txn.execute_batch(include_str!("index.sql"))?;
            txn.pragma_update(None, "user_version", SCHEMA)?;
            txn.commit()?;
        } else if schema != SCHEMA {
            return Err(rusqlite::Error::InvalidQuery);
        }
        connection.query_row("SELECT count(*) FROM cursors", [], |row| row.get::<_, i64>(0))?;
        Ok(Self { connection })
    }

    /// The number of the last change before a place of the feed; `None` if the place is unknown.
    pub(super) fn place(&self, cursor: &Cursor) -> Result<Option<i64>> {
        let mut find = self.connection.prepare_cached("SELECT seq FROM cursors WHERE cursor = ?1")?;
        find.query_row([&cursor.0], |row| row.get(0)).optional()
    }

    /// The folder at a path.
    pub(super) fn folder_at(&self, path: &str) -> Result<Option<RemoteId>> {
        let mut find = self.connection.prepare_cached("SELECT id FROM folders WHERE path = ?1")?;
        find.query_row([path], |row| row.get(0).map(RemoteId)).optional()
    }

    /// Every folder that has been at a path since the change numbered `since`.
    pub(super) fn folders_since(&self, path: &str, since: i64) -> Result<Vec<RemoteId>> {
        let sql = "SELECT id FROM past WHERE path = ?1 AND seq > ?2 UNION SELECT id FROM folders WHERE path = ?1";
        let mut find = self.connection.prepare_cached(sql)?;
        find.query_map(params![path, since], |row| row.get(0).map(RemoteId))?.collect()
    }

    /// A run of the feed, and the place after it.
    pub(super) fn apply(&mut self, changes: &FolderChanges, cursor: &Cursor) -> Result<()> {
        let txn = self.connection.transaction()?;
        let seq = next_seq(&txn)?;
        for path in &changes.removed {
            remove(&txn, seq, path)?;
        }
        for (path, id) in &changes.present {
            put(&txn, seq, path, id)?;
            txn.prepare_cached("UPDATE OR IGNORE past SET seq = ?1 WHERE seq = ?2 AND id = ?3")?
                .execute(params![seq, UNTOLD, id.0])?;
        }
        remember(&txn, seq, cursor)?;
        txn.commit()
    }

    /// A full listing, and the place after it.
    pub(super) fn replace(&mut self, all: &[(String, RemoteId)], cursor: &Cursor) -> Result<()> {
        let txn = self.connection.transaction()?;
        let seq = next_seq(&txn)?;
        txn.execute("UPDATE OR IGNORE past SET seq = ?1 WHERE seq = ?2", [seq, UNTOLD])?;
        txn.execute("INSERT OR IGNORE INTO past SELECT path, ?1, id FROM folders", [seq])?;
        txn.execute("DELETE FROM folders", [])?;
        {
            let mut insert = txn.prepare_cached("INSERT OR REPLACE INTO folders VALUES (?1, ?2)")?;
            for (path, id) in all {
                insert.execute(params![path, id.0])?;
            }
        }
        remember(&txn, seq, cursor)?;
        txn.commit()
    }

    /// A folder was seen or put at a path; what was known below its former path is below this one now.
    pub(super) fn learn(&mut self, path: &str, id: &RemoteId) -> Result<()> {
        let known: Option<String> = {
            let mut find = self.connection.prepare_cached("SELECT path FROM folders WHERE id = ?1")?;
            find.query_row([&id.0], |row| row.get(0)).optional()?
        };
        if known.as_deref() == Some(path) {
            return Ok(());
        }
        let txn = self.connection.transaction()?;
        let below = match &known {
            Some(old) => {
                let below = subtree(&txn, old)?;
                remove(&txn, UNTOLD, old)?;
                below.into_iter().map(|(below, id)| (format!("{path}{}", &below[old.len()..]), id)).collect()
            }
            None => Vec::new(),
        };
        remove(&txn, UNTOLD, path)?;
        put(&txn, UNTOLD, path, id)?;
        for (path, id) in below {
            put(&txn, UNTOLD, &path, &id)?;
        }
        txn.commit()
    }

    /// A folder was found or made to be gone.
    pub(super) fn forget(&mut self, id: &RemoteId) -> Result<()> {
        let txn = self.connection.transaction()?;
        let paths: Vec<String> = {
            let mut find = txn.prepare_cached("SELECT path FROM folders WHERE id = ?1")?;
            find.query_map([&id.0], |row| row.get(0))?.collect::<Result<_>>()?
        };
        for path in paths {
            remove(&txn, UNTOLD, &path)?;
        }
        txn.commit()
    }
}

fn next_seq(txn: &Transaction<'_>) -> Result<i64> {
    txn.query_row("UPDATE meta SET value = value + 1 WHERE key = 'seq' RETURNING value", [], |row| row.get(0))
}

/// The end of the range of paths below `path`: `/` is followed by `0`.
fn below(path: &str) -> (String, String) {
    (format!("{path}/"), format!("{path}0"))
}

fn subtree(txn: &Transaction<'_>, path: &str) -> Result<Vec<(String, RemoteId)>> {
    let (from, to) = below(path);
    let mut find = txn.prepare_cached("SELECT path, id FROM folders WHERE path >= ?1 AND path < ?2")?;
    find.query_map([from, to], |row| Ok((row.get(0)?, row.get(1).map(RemoteId)?)))?.collect()
}

fn remove(txn: &Transaction<'_>, seq: i64, path: &str) -> Result<()> {
    let (from, to) = below(path);
    let place = "WHERE path = ?1 OR (path >= ?2 AND path < ?3)";
    let keep = format!("INSERT OR IGNORE INTO past SELECT path, ?4, id FROM folders {place}");
    txn.prepare_cached(&keep)?.execute(params![path, from, to, seq])?;
    txn.prepare_cached(&format!("DELETE FROM folders {place}"))?.execute(params![path, from, to])?;
    Ok(())
}

fn put(txn: &Transaction<'_>, seq: i64, path: &str, id: &RemoteId) -> Result<()> {
    // Whoever was there, and wherever the folder was.
    let other = "WHERE (path = ?1 AND id <> ?2) OR (id = ?2 AND path <> ?1)";
    let keep = format!("INSERT OR IGNORE INTO past SELECT path, ?3, id FROM folders {other}");
    txn.prepare_cached(&keep)?.execute(params![path, id.0, seq])?;
    txn.prepare_cached(&format!("DELETE FROM folders {other}"))?.execute(params![path, id.0])?;
    txn.prepare_cached("INSERT OR IGNORE INTO folders VALUES (?1, ?2)")?.execute(params![path, id.0])?;
    Ok(())
}

/// Remembers a place, and forgets what only older places needed.
fn remember(txn: &Transaction<'_>, seq: i64, cursor: &Cursor) -> Result<()> {
    // A place that is given out again is the same place.
    let sql = "INSERT INTO cursors VALUES (?1, ?2, ?2) ON CONFLICT (cursor) DO UPDATE SET given = excluded.given";
    txn.execute(sql, params![cursor.0, seq])?;
    let kept = "SELECT cursor FROM cursors ORDER BY given DESC LIMIT ?1";
    txn.execute(&format!("DELETE FROM cursors WHERE cursor NOT IN ({kept})"), [KEPT_CURSORS])?;
    txn.execute("DELETE FROM past WHERE seq <= (SELECT min(seq) FROM cursors)", [])?;
    Ok(())
}

/// The index fails: a full or dying disk.
pub(super) fn index_error(operation: &'static str, error: rusqlite::Error) -> ProviderError {
    let kind = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => ErrorKind::NoSpace,
        Some(_) | None => ErrorKind::Busy,
    };
    ProviderError::new(kind, operation, "the index of folders on this machine fails").caused_by(error)
}
