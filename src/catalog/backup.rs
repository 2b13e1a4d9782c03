//! Backups beside the database: `backup-1.db` is the newest, `backup-2.db` the one before. A copy is checked and flushed before it
//! takes the place of an older one, so that damage in the database never pushes out the last sound backup.

use std::fs::File;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::open::{Files, check_pages, sync_folder};
use super::{CatalogError, Result};

/// Copies the committed state that `source` sees. Writers go on meanwhile: the copy is one step, which reads one snapshot.
pub(super) fn back_up(source: &Connection, files: &Files) -> Result<()> {
    let copy = files.folder.join("backup-new.db");
    match std::fs::remove_file(&copy) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(CatalogError::io(&copy)(error)),
        Ok(()) | Err(_) => {}
    }
    let mut target = Connection::open(&copy)?;
    // Nobody reads the copy before it is complete and flushed below.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1024;")?;
    match Backup::new(source, &mut target)?.step(-1)? {
        StepResult::Done => {}
        StepResult::More | StepResult::Busy | StepResult::Locked => {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            let what = "another process keeps the catalog locked".to_owned();
            return Err(CatalogError::Sqlite(rusqlite::Error::SqliteFailure(busy, Some(what))));
        }
        _ => return Err(CatalogError::Corrupt("the backup ended in an unknown state".to_owned())),
    }
    target.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    check_pages(&target, "quick_check")?;
    target.close().map_err(|(_, error)| error)?;
    File::open(&copy).and_then(|file| file.sync_all()).map_err(CatalogError::io(&copy))?;
    let [newest, oldest] = &files.backups;
    match std::fs::rename(newest, oldest) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(CatalogError::io(newest)(error)),
        Ok(()) | Err(_) => {}
    }
    std::fs::rename(&copy, newest).map_err(CatalogError::io(&copy))?;
    sync_folder(&files.folder)
}
