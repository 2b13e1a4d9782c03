//! What people may want to know about a local vault: what was left out of it, and why.

use std::path::PathBuf;

use crate::types::NameError;

/// Something in the folder that is not part of the vault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    /// Path below the root, for people.
    pub place: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why something is not part of the vault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SkipReason {
    /// Its name cannot be an entry's.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A pipe, a socket or a device.
    #[error("it is a pipe, a socket or a device")]
    Special,
    /// Another file system is mounted there. What the vault had there is kept as it was.
    #[error("another file system is mounted there")]
    OtherFileSystem,
    /// It cannot be read at present. What the vault had there is kept as it was.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}
