//! A damaged database is never deleted and never repaired in place: it moves to `quarantine/`, and the newest backup that passes
//! `integrity_check`, or an empty catalog, takes its place.
//!
//! Crash safety: the damaged files move out before the replacement, which is complete and flushed, moves in by one rename. A crash
//! in between leaves no `catalog.db` but remains of one, and the next start comes here again.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::encode::{execute, value};
use super::feed::set_meta;
use super::open::{
    Files, META_CLEAN_SHUTDOWN, check_pages, connect_writer, create, identify, length, numbers, sync_folder,
};
use super::txn::META_NUMBERS_RESERVED;
use super::{CatalogError, Opened, Result};
use crate::types::{Timestamp, VaultId};

/// A backup does not know the ids that were given out after it. This many are skipped, so that none is given out twice.
const SKIPPED_IDS: u64 = 1 << 24;

/// True if the state folder shows that there was a catalog.
pub(super) fn has_remains(files: &Files) -> Result<bool> {
    for path in files.backups.iter().chain([&files.wal, &files.quarantine]) {
        if length(path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Quarantines what is there and opens what takes its place.
pub(super) fn rebuild(files: &Files, vault: VaultId, now: Timestamp, why: &str) -> Result<(Connection, Opened)> {
    let quarantined = quarantine(files, now)?;
    tracing::error!(why, quarantined = %quarantined.display(), "the catalog is damaged and is being rebuilt");
    for backup in &files.backups {
        if length(backup)?.is_none() {
            continue;
        }
        match restore(files, backup, vault) {
            Ok(connection) => {
                tracing::warn!(backup = %backup.display(), "the catalog was restored from a backup");
                return Ok((connection, Opened::Rebuilt { quarantined, from_backup: true }));
            }
            // The disk is at fault, not the backup: an empty catalog would be the wrong answer.
            Err(error @ (CatalogError::NoSpace | CatalogError::Io { .. })) => return Err(error),
            Err(error) => tracing::warn!(backup = %backup.display(), %error, "a backup of the catalog cannot be used"),
        }
    }
    let connection = create(files, vault, now)?;
    Ok((connection, Opened::Rebuilt { quarantined, from_backup: false }))
}

/// Moves the database and its companions to a new folder under `quarantine/`. The database goes first: a WAL without its database
/// is recognised at the next start, a database without its WAL would pass for a sound but older one.
fn quarantine(files: &Files, now: Timestamp) -> Result<PathBuf> {
    std::fs::create_dir_all(&files.quarantine).map_err(CatalogError::io(&files.quarantine))?;
    let stamp = now.to_rfc3339().replace(':', "");
    let folder = (1..)
        .map(|attempt| files.quarantine.join(if attempt == 1 { stamp.clone() } else { format!("{stamp}-{attempt}") }))
        .find_map(|folder| match std::fs::create_dir(&folder) {
            Ok(()) => Some(Ok(folder)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => None,
            Err(error) => Some(Err(CatalogError::io(&folder)(error))),
        })
        .transpose()?
        .unwrap_or_else(|| files.quarantine.clone());
    for path in [&files.database, &files.wal, &files.shm] {
        let Some(name) = path.file_name() else { continue };
        match std::fs::rename(path, folder.join(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(CatalogError::io(path)(error)),
        }
    }
    for folder in [&folder, &files.quarantine, &files.folder] {
        sync_folder(folder)?;
    }
    Ok(folder)
}

/// Copies a backup, proves it sound, prepares it for its new life, and moves it in.
fn restore(files: &Files, backup: &Path, vault: VaultId) -> Result<Connection> {
    let candidate = files.folder.join("catalog.db.restoring");
    for leftover in ["", "-wal", "-shm"] {
        remove_if_there(&files.folder.join(format!("catalog.db.restoring{leftover}")))?;
    }
    std::fs::copy(backup, &candidate).map_err(CatalogError::io(backup))?;
    let connection = connect_writer(&candidate)?;
    let prepared = identify(&connection, backup, vault)
        .and_then(|_| check_pages(&connection, "integrity_check"))
        .and_then(|()| prepare(&connection));
    let closed = connection.close().map_err(|(_, error)| CatalogError::from(error));
    if let Err(error) = prepared.and(closed) {
        remove_if_there(&candidate)?;
        return Err(error);
    }
    std::fs::File::open(&candidate).and_then(|file| file.sync_all()).map_err(CatalogError::io(&candidate))?;
    std::fs::rename(&candidate, &files.database).map_err(CatalogError::io(&candidate))?;
    sync_folder(&files.folder)?;
    let mut connection = connect_writer(&files.database)?;
    let version = identify(&connection, &files.database, vault)?;
    if version < super::migrate::SCHEMA_VERSION {
        super::migrate::migrate(&mut connection, version, super::migrate::MIGRATIONS)?;
    }
    Ok(connection)
}

/// The cursor is forgotten, so that everything is listed anew; ids go on far above what the lost database can have reached.
fn prepare(connection: &Connection) -> Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    execute(connection, "BEGIN IMMEDIATE", &[])?;
    execute(connection, "UPDATE feed SET cursor = NULL, last_full = NULL", &[])?;
    let reserved = numbers(connection)?.reserved + SKIPPED_IDS;
    set_meta(connection, META_NUMBERS_RESERVED, &reserved.to_string())?;
    set_meta(connection, META_CLEAN_SHUTDOWN, "0")?;
    execute(connection, "COMMIT", &[])?;
    let mode: String = value(connection, "PRAGMA journal_mode", &[])?;
    if mode == "delete" {
        Ok(())
    } else {
        Err(CatalogError::Corrupt(format!("the backup stays in journal mode {mode}")))
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(CatalogError::io(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
