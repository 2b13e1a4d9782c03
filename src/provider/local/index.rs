//! The provider's memory: which id is at which place with which inode, and in which order things changed. A small SQLite
//! database of its own, safe to delete.
//!
//! Invariants: one row per entry, found by id, by place and by inode; the root is row [`ROOT`]. `seq` grows with every
//! reported change, and each start of the program begins a new session far above the last one, so that changes which a
//! power cut took from the database are reported again under numbers that no reader has seen. Removals keep their number
//! until pruned; a cursor below the oldest kept one is of no use. Times and inode numbers are stored bit for bit. What the index lost
//! in a power cut is never older than what the catalog still knows ([`crate::provider::Provider::flush_memory`]).

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Params, params};
use uuid::Uuid;

use crate::provider::index_file;
use crate::types::{ContentHash, EntryName, RemoteId};

use super::root::Stat;
pub(super) use super::rows::*;

type Result<T> = rusqlite::Result<T>;

const SCHEMA: i64 = 1;
/// Numbers of one session.
const SESSION: i64 = 1 << 32;
/// How many removals are remembered.
const KEPT_REMOVALS: i64 = 200_000;

/// One line of the change log.
pub(super) enum Logged {
    Changed(Box<Row>),
    Removed { seq: i64, id: RemoteId },
}

impl Logged {
    pub(super) fn seq(&self) -> i64 {
        match self {
            Self::Changed(row) => row.seq,
            Self::Removed { seq, .. } => *seq,
        }
    }
}

/// The writing connection. Its lock is the commit lock of the vault: whoever changes the folder through us holds it from
/// the last check to the row that records the change.
pub(super) struct Index {
    connection: Connection,
    epoch: String,
    seq: i64,
    floor: i64,
}

impl Index {
    /// Opens the index; makes a new one if there is none or if it cannot be used.
    pub(super) fn open(path: &Path) -> Result<Self> {
        index_file::open_or_renew(path, Self::try_open)
    }

    fn try_open(path: &Path) -> Result<Self> {
        let mut connection = connect(path)?;
        let schema: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if schema == 0 {
            let txn = connection.transaction()?;
            txn.execute_batch(include_str!("index.sql"))?;
            txn.execute(
                "INSERT INTO meta VALUES ('epoch', ?1), ('session', '0')",
                [Uuid::new_v4().simple().to_string()],
            )?;
            txn.pragma_update(None, "user_version", SCHEMA)?;
            txn.commit()?;
        } else if schema != SCHEMA {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let epoch = required_meta(&connection, "epoch")?;
        let session: i64 = required_meta(&connection, "session")?.parse().unwrap_or(0) + 1;
        // The session number must be on disk before any number of the session is given out.
        connection.pragma_update(None, "synchronous", "FULL")?;
        set_meta(&connection, "session", &session.to_string())?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute(
            "DELETE FROM removed WHERE seq <= (SELECT seq FROM removed ORDER BY seq DESC LIMIT 1 OFFSET ?1)",
            [KEPT_REMOVALS],
        )?;
        let pruned = connection.changes() > 0;
        if pruned {
            let floor: i64 = connection.query_row("SELECT min(seq) - 1 FROM removed", [], |row| row.get(0))?;
            set_meta(&connection, "floor", &floor.to_string())?;
        }
        let floor = meta(&connection, "floor")?.and_then(|floor| floor.parse().ok()).unwrap_or(0);
        Ok(Self { connection, epoch, seq: session * SESSION, floor })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Names this database: a cursor of another one cannot be continued.
    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The number of the newest change.
    pub(super) fn seq(&self) -> i64 {
        self.seq
    }

    /// True if every change after `seq` is still known.
    pub(super) fn reaches_back_to(&self, seq: i64) -> bool {
        (self.floor..=self.seq).contains(&seq)
    }

    /// Which root the vault has, once it had one.
    pub(super) fn known_root(&self) -> Result<Option<Uuid>> {
        Ok(meta(&self.connection, "root")?.and_then(|root| Uuid::parse_str(&root).ok()))
    }

    /// Remembers the root.
    pub(super) fn set_root(&self, root: Uuid, stat: &Stat) -> Result<()> {
        set_meta(&self.connection, "root", &root.to_string())?;
        self.connection.execute(
            "INSERT INTO entry (row, id, parent, name, kind, ino, born, size, mtime, ctime, minted, seq)
             VALUES (?1, ?2, 0, 'root', 0, ?3, ?4, 0, 0, 0, 0, 0)
             ON CONFLICT (row) DO UPDATE SET ino = ?3, born = ?4",
            params![ROOT, ROOT_ID, stat.ident.ino.cast_signed(), stat.ident.born],
        )?;
        Ok(())
    }

    /// Runs `work` as one transaction.
    pub(super) fn batch<T, E: From<rusqlite::Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let result = work(self);
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        match self.connection.execute_batch(end) {
            Ok(()) => result,
            Err(error) => {
                if !self.connection.is_autocommit() {
                    self.connection.execute_batch("ROLLBACK")?;
                }
                Err(result.err().unwrap_or_else(|| error.into()))
            }
        }
    }

    /// Within [`Index::batch`]: keeps what was done so far, whatever becomes of the rest. A transaction larger than the page cache
    /// writes the same pages again and again.
    pub(super) fn keep_so_far(&mut self) -> Result<()> {
        self.connection.execute_batch("COMMIT; BEGIN IMMEDIATE")
    }

    fn next_seq(&mut self) -> i64 {
        self.seq += 1;
        self.seq
    }

    /// Adds an entry that was not known. Its id follows from the inode, so that a lost index gives the same ids again.
    pub(super) fn insert(
        &mut self,
        parent: i64,
        name: &EntryName,
        stat: &Stat,
        target: Option<String>,
        hash: Option<ContentHash>,
    ) -> Result<Row> {
        let plain = format!("{:x}-{:x}", stat.ident.ino, stat.ident.born);
        let mut id = RemoteId(plain.clone());
        let mut twin = 1;
        while by_id(&self.connection, &id)?.is_some() {
            twin += 1; // a hard link, or a number that came back on a file system without birth times
            id = RemoteId(format!("{plain}-{twin}"));
        }
        let seq = self.next_seq();
        let mut row =
            Row { row: 0, id, parent, name: name.clone(), stat: *stat, minted: stat.ctime, hash, target, seq };
        self.run("DELETE FROM removed WHERE id = ?1", [&row.id.0])?;
        self.write(&row)?;
        row.row = self.connection.last_insert_rowid();
        Ok(row)
    }

    /// Stores a changed row as a new change of the feed.
    pub(super) fn update(&mut self, row: &mut Row) -> Result<()> {
        row.seq = self.next_seq();
        self.write(row)
    }

    fn write(&mut self, row: &Row) -> Result<()> {
        let Stat { ident, kind, size, mtime, ctime } = row.stat;
        self.connection
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO entry ({COLUMNS})
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
            ))?
            .execute(params![
                (row.row != 0).then_some(row.row),
                row.id.0,
                row.parent,
                row.name.as_str(),
                kind_number(kind),
                ident.ino.cast_signed(),
                ident.born,
                size.cast_signed(),
                mtime,
                ctime,
                row.minted,
                row.hash.map(|hash| hash_number(hash.kind)),
                row.hash.map(|hash| hash.digest),
                row.target,
                row.seq,
            ])?;
        Ok(())
    }

    /// Removes an entry with everything below it; each is reported, for a reader may know it from another place.
    pub(super) fn remove(&mut self, row: &Row) -> Result<()> {
        let mut doomed = vec![(row.row, row.id.clone())];
        let mut next = 0;
        while let Some((parent, _)) = doomed.get(next) {
            let below = children(&self.connection, *parent)?;
            doomed.extend(below.into_iter().map(|child| (child.row, child.id)));
            next += 1;
        }
        for (row, id) in doomed.into_iter().rev() {
            let seq = self.next_seq();
            self.run("DELETE FROM entry WHERE row = ?1", [row])?;
            self.run("INSERT INTO removed (seq, id) VALUES (?1, ?2)", params![seq, id.0])?;
        }
        Ok(())
    }

    fn run(&self, sql: &str, values: impl Params) -> Result<usize> {
        self.connection.prepare_cached(sql)?.execute(values)
    }

    /// Up to `limit` changes after `seq`, oldest first.
    pub(super) fn changes_after(&self, seq: i64, limit: usize) -> Result<Vec<Logged>> {
        let count = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut log: Vec<Logged> =
            select(&self.connection, "WHERE seq > ?1 AND row <> 1 ORDER BY seq LIMIT ?2", params![seq, count])?
                .into_iter()
                .map(|row| Logged::Changed(Box::new(row)))
                .collect();
        let mut statement =
            self.connection.prepare_cached("SELECT seq, id FROM removed WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let removed = statement.query_map(params![seq, count], |row| {
            Ok(Logged::Removed { seq: row.get(0)?, id: RemoteId(row.get(1)?) })
        })?;
        for line in removed {
            log.push(line?);
        }
        log.sort_by_key(Logged::seq);
        log.truncate(limit);
        Ok(log)
    }
}

/// A connection with the settings that all of them share.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

fn meta(connection: &Connection, key: &str) -> Result<Option<String>> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

fn required_meta(connection: &Connection, key: &str) -> Result<String> {
    meta(connection, key)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

fn set_meta(connection: &Connection, key: &str, value: &str) -> Result<()> {
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [key, value]).map(|_| ())
}
