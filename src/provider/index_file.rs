//! Databases of a provider's own, whose contents can be had again from the provider: one that cannot be used is made anew.

use std::fs::{File, OpenOptions};
use std::path::Path;

use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
use rusqlite::{Error, Result};

/// Opens the database at `path`; if it is beyond repair, removes it and opens a new one. Any other error, such as a full disk, is told
/// and leaves the database as it is.
pub(super) fn open_or_renew<T>(path: &Path, open: impl Fn(&Path) -> Result<T>) -> Result<T> {
    match open(path) {
        Err(error) if is_beyond_repair(&error) => {
            tracing::warn!(%error, path = %path.display(), "the index is damaged and is made anew");
            for suffix in ["", "-wal", "-shm"] {
                let mut file = path.as_os_str().to_owned();
                file.push(suffix);
                if let Err(error) = std::fs::remove_file(&file) {
                    tracing::debug!(%error, "nothing to remove");
                }
            }
            open(path)
        }
        opened => opened,
    }
}

/// The write-ahead log of an index that is open. With `synchronous=NORMAL` a flush of it makes every transaction
/// durable that was committed before. Closing it releases no lock of SQLite: those are on the `-shm` file.
pub(super) fn open_log(path: &Path) -> std::io::Result<File> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    OpenOptions::new().read(true).write(true).open(log)
}

/// Damaged, of another schema (`InvalidQuery`), or without what every index holds.
fn is_beyond_repair(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
        || matches!(error, Error::InvalidQuery | Error::QueryReturnedNoRows)
        || matches!(error, Error::SqliteFailure(failure, _) if failure.extended_code == 1)
}
