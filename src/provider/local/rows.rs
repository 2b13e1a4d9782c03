//! Rows of the index: what an entry is, and the ways to find one. Reads only; both connections use them.

use rusqlite::{Connection, OptionalExtension as _, Params, params};

use crate::types::{ContentHash, EntryName, HashKind, NodeKind, RemoteId, Revision};

use super::root::{Ident, Stat};

type Result<T> = rusqlite::Result<T>;

/// The row of the root folder.
pub(super) const ROOT: i64 = 1;
/// The id of the root folder.
pub(super) const ROOT_ID: &str = "root";

/// All columns, in the order in which they are read and written.
pub(super) const COLUMNS: &str =
    "row, id, parent, name, kind, ino, born, size, mtime, ctime, minted, hash_kind, hash, target, seq";

/// One entry as the index knows it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Row {
    pub(super) row: i64,
    pub(super) id: RemoteId,
    /// Row of the folder; 0 for the root.
    pub(super) parent: i64,
    pub(super) name: EntryName,
    pub(super) stat: Stat,
    /// Change time when this content was first seen: part of the revision, which must outlive a rename.
    pub(super) minted: i64,
    /// Known only of content that was uploaded through us.
    pub(super) hash: Option<ContentHash>,
    /// Of a symbolic link.
    pub(super) target: Option<String>,
    pub(super) seq: i64,
}

impl Row {
    /// The version of the content.
    pub(super) fn revision(&self) -> Revision {
        let Stat { ident, size, mtime, .. } = self.stat;
        Revision(format!("{size:x}.{mtime:x}.{:x}.{:x}", self.minted, ident.ino))
    }
}

/// The entry with this id.
pub(super) fn by_id(connection: &Connection, id: &RemoteId) -> Result<Option<Row>> {
    one(connection, "WHERE id = ?1", [&id.0])
}

/// The entry of this row.
pub(super) fn by_row(connection: &Connection, row: i64) -> Result<Option<Row>> {
    one(connection, "WHERE row = ?1", [row])
}

/// The entry of this exact name in a folder.
pub(super) fn child(connection: &Connection, parent: i64, name: &EntryName) -> Result<Option<Row>> {
    one(connection, "WHERE parent = ?1 AND name = ?2 ORDER BY seq DESC LIMIT 1", params![parent, name.as_str()])
}

/// All entries of a folder, oldest change first.
pub(super) fn children(connection: &Connection, parent: i64) -> Result<Vec<Row>> {
    select(connection, "WHERE parent = ?1 ORDER BY seq", [parent])
}

/// Entries with this inode: more than one if there are hard links.
pub(super) fn by_ident(connection: &Connection, ident: Ident) -> Result<Vec<Row>> {
    select(connection, "WHERE ino = ?1 AND born = ?2 AND row <> 1", params![ident.ino.cast_signed(), ident.born])
}

/// Up to `limit` entries in the order of rows, without the root.
pub(super) fn entries_after(connection: &Connection, row: i64, limit: usize) -> Result<Vec<Row>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    select(connection, "WHERE row > ?1 ORDER BY row LIMIT ?2", params![row.max(ROOT), limit])
}

/// Rows from below the root down to `row`; `None` if it is not there.
pub(super) fn chain(connection: &Connection, row: i64) -> Result<Option<Vec<Row>>> {
    let mut chain = Vec::new();
    let mut at = row;
    while at != ROOT {
        let Some(found) = by_row(connection, at)? else { return Ok(None) };
        at = found.parent;
        chain.push(found);
    }
    chain.reverse();
    Ok(Some(chain))
}

fn one(connection: &Connection, clause: &str, values: impl Params) -> Result<Option<Row>> {
    connection.prepare_cached(&format!("SELECT {COLUMNS} FROM entry {clause}"))?.query_row(values, decode).optional()
}

pub(super) fn select(connection: &Connection, clause: &str, values: impl Params) -> Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM entry {clause}"))?;
    let rows = statement.query_map(values, decode)?;
    rows.collect()
}

fn decode(row: &rusqlite::Row<'_>) -> Result<Row> {
    let broken = |column: usize| rusqlite::Error::InvalidColumnType(column, String::new(), rusqlite::types::Type::Null);
    let unsigned = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let stat = Stat {
        ident: Ident { ino: unsigned(5)?, born: row.get(6)? },
        kind: kind_of_number(row.get(4)?).ok_or_else(|| broken(4))?,
        size: unsigned(7)?,
        mtime: row.get(8)?,
        ctime: row.get(9)?,
    };
    let hash = match (row.get::<_, Option<i64>>(11)?, row.get::<_, Option<[u8; 32]>>(12)?) {
        (Some(kind), Some(digest)) => {
            Some(ContentHash { kind: hash_of_number(kind).ok_or_else(|| broken(11))?, digest })
        }
        _ => None,
    };
    Ok(Row {
        row: row.get(0)?,
        id: RemoteId(row.get(1)?),
        parent: row.get(2)?,
        name: EntryName::new(row.get::<_, String>(3)?).map_err(|_| broken(3))?,
        stat,
        minted: row.get(10)?,
        hash,
        target: row.get(13)?,
        seq: row.get(14)?,
    })
}

pub(super) fn kind_number(kind: NodeKind) -> i64 {
    match kind {
        NodeKind::Folder => 0,
        NodeKind::File => 1,
        NodeKind::Symlink => 2,
        NodeKind::Special => 3,
    }
}

fn kind_of_number(number: i64) -> Option<NodeKind> {
    [NodeKind::Folder, NodeKind::File, NodeKind::Symlink].into_iter().find(|kind| kind_number(*kind) == number)
}

pub(super) fn hash_number(kind: HashKind) -> i64 {
    match kind {
        HashKind::Dropbox => 0,
        HashKind::Blake3 => 1,
    }
}

fn hash_of_number(number: i64) -> Option<HashKind> {
    [HashKind::Dropbox, HashKind::Blake3].into_iter().find(|kind| hash_number(*kind) == number)
}
