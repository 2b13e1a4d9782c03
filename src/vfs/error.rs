//! Filesystem errors, and the only place where an error becomes a number.

use crate::catalog::CatalogError;
use crate::content::ContentError;
use crate::types::NameError;
use crate::vfs::ports::FetchError;

/// Why an operation of the mount failed.
#[derive(Debug, thiserror::Error)]
pub enum FsError {
    /// No entry of that name, or the inode has left the tree.
    #[error("no such entry")]
    NotFound,
    /// A folder was expected.
    #[error("not a folder")]
    NotFolder,
    /// A file was expected.
    #[error("is a folder")]
    IsFolder,
    /// The folder holds entries.
    #[error("the folder is not empty")]
    NotEmpty,
    /// The name is taken, exactly or by a name that the provider thinks equal.
    #[error("the name is taken")]
    Exists,
    /// The name cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Arguments that contradict each other.
    #[error("{0}")]
    Invalid(&'static str),
    /// This kind of thing cannot be made here (hard links, symbolic links where the provider has none).
    #[error("{0}")]
    NotPermitted(&'static str),
    /// This operation is not offered.
    #[error("not supported")]
    Unsupported,
    /// The handle is not open, or not open for this.
    #[error("bad handle")]
    BadHandle,
    /// No data or hole after the offset.
    #[error("no data or hole after this offset")]
    NoSuchOffset,
    /// There is no such extended attribute.
    #[error("no such attribute")]
    NoAttribute,
    /// The buffer for the attribute is too small.
    #[error("the buffer is too small")]
    BufferTooSmall,
    /// Past the largest file size.
    #[error("the file would be too large")]
    TooLarge,
    /// The file was changed in place at the provider while this handle was reading the old version.
    #[error("the file changed at the provider while it was open")]
    ChangedUnderHandle,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The content store failed.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Bytes did not arrive.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The provider's own file could not be read.
    #[error("reading the provider's file")]
    Direct(#[source] std::io::Error),
}

/// Result of an operation.
pub type Result<T> = std::result::Result<T, FsError>;

impl FsError {
    /// The number that the application sees.
    pub fn errno(&self) -> i32 {
        match self {
            Self::NotFound => libc::ENOENT,
            Self::NotFolder => libc::ENOTDIR,
            Self::IsFolder => libc::EISDIR,
            Self::NotEmpty => libc::ENOTEMPTY,
            Self::Exists => libc::EEXIST,
            Self::Name(name) => match name {
                NameError::NotUtf8 => libc::EILSEQ,
                NameError::TooLong { .. } => libc::ENAMETOOLONG,
                NameError::Reserved | NameError::Refused { .. } => libc::EINVAL,
            },
            Self::Invalid(_) => libc::EINVAL,
            Self::NotPermitted(_) => libc::EPERM,
            Self::Unsupported => libc::EOPNOTSUPP,
            Self::BadHandle => libc::EBADF,
            Self::NoSuchOffset => libc::ENXIO,
            Self::NoAttribute => crate::sys::NO_ATTRIBUTE,
            Self::BufferTooSmall => libc::ERANGE,
            Self::TooLarge => libc::EFBIG,
            Self::ChangedUnderHandle => libc::ESTALE,
            Self::Catalog(error) => match error {
                CatalogError::NotEmpty => libc::ENOTEMPTY,
                CatalogError::NameTaken => libc::EEXIST,
                CatalogError::NoSuchNode(_) => libc::ENOENT,
                CatalogError::NoSpace => libc::ENOSPC,
                CatalogError::TooNew { .. }
                | CatalogError::WrongVault { .. }
                | CatalogError::Corrupt(_)
                | CatalogError::Sqlite(_)
                | CatalogError::Io { .. } => libc::EIO,
            },
            Self::Content(error) => match error {
                ContentError::NoSpace { .. } => libc::ENOSPC,
                ContentError::Io { source, .. } if source.raw_os_error() == Some(libc::ENOSPC) => libc::ENOSPC,
                ContentError::Io { source, .. } if source.raw_os_error() == Some(libc::EFBIG) => libc::EFBIG,
                ContentError::Io { source, .. } if source.raw_os_error() == Some(libc::EOPNOTSUPP) => libc::EOPNOTSUPP,
                // Applications do not expect anything more telling than EIO from read and write.
                ContentError::StagedDamaged { .. }
                | ContentError::StagedMissing(_)
                | ContentError::Superseded(_)
                | ContentError::Io { .. } => libc::EIO,
            },
            Self::Fetch(error) => match error {
                FetchError::NoSpace => libc::ENOSPC,
                FetchError::TimedOut(_) => libc::ETIMEDOUT,
                FetchError::Abandoned => libc::EINTR,
                FetchError::Gone => libc::ESTALE,
                FetchError::Offline | FetchError::AuthRequired | FetchError::Corrupt | FetchError::Failed(_) => {
                    libc::EIO
                }
            },
            Self::Direct(_) => libc::EIO,
        }
    }

    /// True if a person should be able to find this later: something failed, rather than an application having asked for what cannot
    /// be.
    pub fn is_problem(&self) -> bool {
        match self {
            Self::Catalog(error) => {
                !matches!(error, CatalogError::NotEmpty | CatalogError::NameTaken | CatalogError::NoSuchNode(_))
            }
            Self::Fetch(FetchError::Abandoned) => false,
            Self::Content(_) | Self::Fetch(_) | Self::Direct(_) | Self::ChangedUnderHandle => true,
            Self::NotFound
            | Self::NotFolder
            | Self::IsFolder
            | Self::NotEmpty
            | Self::Exists
            | Self::Name(_)
            | Self::Invalid(_)
            | Self::NotPermitted(_)
            | Self::Unsupported
            | Self::BadHandle
            | Self::NoSuchOffset
            | Self::NoAttribute
            | Self::BufferTooSmall
            | Self::TooLarge => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Shortage;

    #[test]
    fn applications_get_the_numbers_that_they_branch_on() {
        let cases: [(FsError, i32); 10] = [
            (FsError::NotFound, libc::ENOENT),
            (FsError::Exists, libc::EEXIST),
            (FsError::Name(NameError::NotUtf8), libc::EILSEQ),
            (FsError::Name(NameError::TooLong { limit: 255 }), libc::ENAMETOOLONG),
            (FsError::NotPermitted("hard links"), libc::EPERM),
            (FsError::Catalog(CatalogError::NoSpace), libc::ENOSPC),
            (FsError::Content(ContentError::NoSpace { what: "staged bytes", why: Shortage::Disk }), libc::ENOSPC),
            (FsError::Fetch(FetchError::Offline), libc::EIO),
            (FsError::Fetch(FetchError::Gone), libc::ESTALE),
            (FsError::NotEmpty, libc::ENOTEMPTY),
        ];
        for (error, errno) in cases {
            assert_eq!(error.errno(), errno, "{error}");
        }
    }
}
