//! Rows to SQL values and back. Stored values are checked on the way in: what does not decode is [`CatalogError::Corrupt`], never
//! replaced by a default.

use rusqlite::types::ToSql;
use rusqlite::{Connection, Row};

use super::{CatalogError, HistoryReason, Result, Version};
use crate::types::{
    ContentHash, EntryName, HashKind, InodeNo, NodeId, NodeKind, RemoteId, Revision, StagedId, Timestamp,
};

/// The first row of a query, decoded.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    params: &[&dyn ToSql],
    decode: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(decode).transpose()
}

/// All rows of a query, decoded, in the order of the query.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: &[&dyn ToSql],
    mut decode: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut decoded = Vec::new();
    while let Some(row) = rows.next()? {
        decoded.push(decode(row)?);
    }
    Ok(decoded)
}

/// The single value of a query that always has one.
pub(super) fn value<T: rusqlite::types::FromSql>(
    connection: &Connection,
    sql: &str,
    params: &[&dyn ToSql],
) -> Result<T> {
    Ok(connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?)
}

/// Runs a statement and returns how many rows it changed.
pub(super) fn execute(connection: &Connection, sql: &str, params: &[&dyn ToSql]) -> Result<usize> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}

/// Unsigned to SQLite's signed integers.
pub(super) fn integer(number: u64) -> Result<i64> {
    i64::try_from(number)
        .map_err(|out_of_range| CatalogError::Sqlite(rusqlite::Error::ToSqlConversionFailure(out_of_range.into())))
}

fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| CatalogError::Corrupt(format!("{number} where no negative number can be")))
}

/// A column that holds a size, id or count.
pub(super) fn get_u64(row: &Row<'_>, column: usize) -> Result<u64> {
    unsigned(row.get(column)?)
}

/// As [`get_u64`], where NULL is allowed.
pub(super) fn get_optional_u64(row: &Row<'_>, column: usize) -> Result<Option<u64>> {
    row.get::<_, Option<i64>>(column)?.map(unsigned).transpose()
}

/// A node id.
pub(super) fn get_node(row: &Row<'_>, column: usize) -> Result<NodeId> {
    Ok(NodeId(get_u64(row, column)?))
}

/// A node id or NULL.
pub(super) fn get_optional_node(row: &Row<'_>, column: usize) -> Result<Option<NodeId>> {
    Ok(get_optional_u64(row, column)?.map(NodeId))
}

/// A node id as SQL.
pub(super) fn node(id: NodeId) -> Result<i64> {
    integer(id.0)
}

/// An optional node id as SQL.
pub(super) fn optional_node(id: Option<NodeId>) -> Result<Option<i64>> {
    id.map(node).transpose()
}

/// An inode number as SQL.
pub(super) fn ino(number: InodeNo) -> Result<i64> {
    integer(number.0)
}

/// A checked name.
pub(super) fn get_name(row: &Row<'_>, column: usize) -> Result<EntryName> {
    let name: String = row.get(column)?;
    EntryName::new(name).map_err(|error| CatalogError::Corrupt(format!("a stored name is refused: {error}")))
}

/// A time or NULL.
pub(super) fn get_optional_time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

/// A time.
pub(super) fn get_time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    Ok(Timestamp(row.get(column)?))
}

/// A kind as SQL.
pub(super) const fn kind(kind: NodeKind) -> i64 {
    match kind {
        NodeKind::File => 0,
        NodeKind::Folder => 1,
        NodeKind::Symlink => 2,
        NodeKind::Special => 3,
    }
}

/// A kind.
pub(super) fn get_kind(row: &Row<'_>, column: usize) -> Result<NodeKind> {
    match row.get::<_, i64>(column)? {
        0 => Ok(NodeKind::File),
        1 => Ok(NodeKind::Folder),
        2 => Ok(NodeKind::Symlink),
        3 => Ok(NodeKind::Special),
        other => Err(CatalogError::Corrupt(format!("unknown kind {other}"))),
    }
}

/// A hash as SQL: algorithm, then digest.
pub(super) fn hash(hash: Option<&ContentHash>) -> Option<[u8; 33]> {
    hash.map(|hash| {
        let mut bytes = [0; 33];
        bytes[0] = match hash.kind {
            HashKind::Dropbox => 1,
            HashKind::Blake3 => 2,
        };
        bytes[1..].copy_from_slice(&hash.digest);
        bytes
    })
}

/// A hash or NULL.
pub(super) fn get_hash(row: &Row<'_>, column: usize) -> Result<Option<ContentHash>> {
    let Some(bytes) = row.get::<_, Option<[u8; 33]>>(column)? else { return Ok(None) };
    let kind = match bytes[0] {
        1 => HashKind::Dropbox,
        2 => HashKind::Blake3,
        other => return Err(CatalogError::Corrupt(format!("unknown hash algorithm {other}"))),
    };
    let mut digest = [0; 32];
    digest.copy_from_slice(&bytes[1..]);
    Ok(Some(ContentHash { kind, digest }))
}

/// A staged id.
pub(super) fn get_staged(row: &Row<'_>, column: usize) -> Result<StagedId> {
    Ok(StagedId(uuid::Uuid::from_bytes(row.get::<_, [u8; 16]>(column)?)))
}

/// A version from four columns (rid, revision, size, hash) starting at `column`, or `None` where they are NULL.
pub(super) fn get_version(row: &Row<'_>, column: usize) -> Result<Option<Version>> {
    let Some(rid) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    Ok(Some(Version {
        rid: RemoteId(rid),
        revision: Revision(row.get(column + 1)?),
        size: get_u64(row, column + 2)?,
        hash: get_hash(row, column + 3)?,
    }))
}

/// The text of a column that the row's shape says must be there.
pub(super) fn get_required(row: &Row<'_>, column: usize, what: &str) -> Result<String> {
    row.get::<_, Option<String>>(column)?.ok_or_else(|| CatalogError::Corrupt(format!("a row without {what}")))
}

/// A reason as SQL: words, because people read this table with other tools.
pub(super) const fn reason(reason: HistoryReason) -> &'static str {
    match reason {
        HistoryReason::ReplacedByRemote => "replaced-by-remote",
        HistoryReason::DeletedByRemote => "deleted-by-remote",
        HistoryReason::ConflictLoser => "conflict-loser",
        HistoryReason::DeletedUnsynced => "deleted-unsynced",
        HistoryReason::Recovered => "recovered",
        HistoryReason::Discarded => "discarded",
        HistoryReason::Overruled => "overruled",
    }
}

/// A reason.
pub(super) fn get_reason(row: &Row<'_>, column: usize) -> Result<HistoryReason> {
    match row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)? {
        "replaced-by-remote" => Ok(HistoryReason::ReplacedByRemote),
        "deleted-by-remote" => Ok(HistoryReason::DeletedByRemote),
        "conflict-loser" => Ok(HistoryReason::ConflictLoser),
        "deleted-unsynced" => Ok(HistoryReason::DeletedUnsynced),
        "recovered" => Ok(HistoryReason::Recovered),
        "discarded" => Ok(HistoryReason::Discarded),
        "overruled" => Ok(HistoryReason::Overruled),
        other => Err(CatalogError::Corrupt(format!("unknown reason {other:?}"))),
    }
}
