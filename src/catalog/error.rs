//! Why the catalog fails, and the one place where SQLite's codes become kinds of ours.

use std::path::{Path, PathBuf};

use rusqlite::ffi;

use crate::types::NodeId;

/// Why the catalog failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The database was written by a newer vaultfs. It is left untouched.
    #[error("the catalog {path} has schema {found}, newer than this vaultfs ({known})")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The database belongs to another vault.
    #[error("the catalog {path} belongs to vault {found}")]
    WrongVault {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
    },
    /// A folder still holds entries.
    #[error("the folder is not empty")]
    NotEmpty,
    /// The name is taken.
    #[error("the name is taken")]
    NameTaken,
    /// A row that must exist does not.
    #[error("node {0} does not exist")]
    NoSuchNode(NodeId),
    /// The disk below is full.
    #[error("no space left for the catalog")]
    NoSpace,
    /// The database contradicts its own rules.
    #[error("the catalog is corrupt: {0}")]
    Corrupt(String),
    /// SQLite failed.
    #[error("catalog: {0}")]
    Sqlite(#[source] rusqlite::Error),
    /// The file system below failed.
    #[error("catalog file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Result of a catalog call.
pub type Result<T> = std::result::Result<T, CatalogError>;

impl CatalogError {
    /// Names the file that an I/O error is about. A full disk is [`CatalogError::NoSpace`] wherever it is met.
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| {
            use std::io::ErrorKind::{QuotaExceeded, StorageFull};
            if matches!(source.kind(), StorageFull | QuotaExceeded) {
                return Self::NoSpace;
            }
            Self::Io { path: path.to_owned(), source }
        }
    }

    /// True if the rows or pages cannot be trusted any more.
    pub(super) fn is_corruption(&self) -> bool {
        matches!(self, Self::Corrupt(_))
    }

    /// The extended SQLite code, if SQLite refused a statement by a constraint.
    pub(super) fn constraint(&self) -> Option<Constraint> {
        let Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) = self else { return None };
        match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                Some(Constraint::Unique)
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Some(Constraint::ForeignKey),
            _ => None,
        }
    }
}

/// Constraints that callers can be told about in their own words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Constraint {
    Unique,
    ForeignKey,
}

impl From<rusqlite::Error> for CatalogError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, SqliteFailure};
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
        if let SqliteFailure(failure, message) = &error {
            // Growing the shared index of the WAL is the one write whose ENOSPC SQLite does not report as a full disk.
            if failure.code == DiskFull || failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE {
                return Self::NoSpace;
            }
            if matches!(failure.code, DatabaseCorrupt | NotADatabase) {
                return Self::Corrupt(message.clone().unwrap_or_else(|| failure.to_string()));
            }
        }
        if matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..)) {
            return Self::Corrupt(format!("a stored value cannot be read: {error}"));
        }
        Self::Sqlite(error)
    }
}
