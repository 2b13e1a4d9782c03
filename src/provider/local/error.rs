//! The one place where errors of the operating system and of the index become provider errors.

use std::io;

use crate::provider::{ErrorKind, ProviderError};

/// An error of the file system below, about `thing`.
#[expect(clippy::wildcard_enum_match_arm, reason = "one kind has words of its own")]
pub(super) fn io_error(operation: &'static str, thing: &str, error: io::Error) -> ProviderError {
    let kind = kind_of(&error);
    let message = match kind {
        ErrorKind::NoSpace => format!("{thing}: the disk of the vault's folder is full"),
        _ => format!("{thing}: {error}"),
    };
    ProviderError::new(kind, operation, message).caused_by(error)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system's codes and kinds are open lists")]
fn kind_of(error: &io::Error) -> ErrorKind {
    if let Some(code) = error.raw_os_error() {
        match code {
            libc::EDQUOT => return ErrorKind::NoSpace,
            libc::ELOOP => return ErrorKind::NotFound,
            libc::ENAMETOOLONG | libc::EILSEQ | libc::EFBIG | libc::EMLINK => return ErrorKind::Refused,
            libc::EIO | libc::ENODEV | libc::ENXIO | libc::ESTALE | libc::ENOTCONN => return ErrorKind::Offline,
            libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EBUSY | libc::EAGAIN => return ErrorKind::Busy,
            _ => {}
        }
    }
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => ErrorKind::Exists,
        io::ErrorKind::DirectoryNotEmpty => ErrorKind::NotEmpty,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Forbidden,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        io::ErrorKind::CrossesDevices | io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => ErrorKind::Refused,
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ErrorKind::Busy,
        _ => ErrorKind::Protocol,
    }
}

/// An error of the index.
pub(super) fn index_error(operation: &'static str, error: rusqlite::Error) -> ProviderError {
    let (kind, message) = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => {
            (ErrorKind::NoSpace, "the index of the local vault: the disk of the state folder is full".to_owned())
        }
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            (ErrorKind::Busy, "the index of the local vault is busy".to_owned())
        }
        _ => (ErrorKind::Protocol, format!("the index of the local vault failed: {error}")),
    };
    ProviderError::new(kind, operation, message).caused_by(error)
}

/// The entry, or the folder that it should go to, is not there.
pub(super) fn not_found(operation: &'static str, thing: impl std::fmt::Display) -> ProviderError {
    ProviderError::new(ErrorKind::NotFound, operation, format!("{thing} does not exist"))
}

/// The root is not there or not ours.
pub(super) fn root_missing(operation: &'static str, why: impl Into<String>) -> ProviderError {
    ProviderError::new(ErrorKind::RootMissing, operation, why)
}
