//! Provider errors: a coarse kind that callers branch on, what was being done, and the cause.

use std::time::Duration;

/// What went wrong, as far as the engine needs to know. Callers match kinds, never texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ErrorKind {
    /// The provider cannot be reached. Try again when it can.
    Offline,
    /// The provider asks for patience (429, 503) or the call took too long. Try again later.
    Busy,
    /// The outcome is unknown: the request was sent and the answer was lost. Look before trying again.
    Ambiguous,
    /// Sign-in is missing, expired or revoked.
    AuthRequired,
    /// The vault's root folder is not there, or is another one.
    RootMissing,
    /// The entry, or the folder that it should go to, does not exist.
    NotFound,
    /// The name is taken.
    Exists,
    /// The file is at another revision than the call was conditional on.
    RevisionMismatch,
    /// The revision to be read is no longer there.
    RevisionGone,
    /// The folder holds entries.
    NotEmpty,
    /// The change-feed position cannot be continued; list everything again.
    CursorReset,
    /// The bytes that arrived are not the bytes that were announced.
    Corrupt,
    /// No space is left for this account or on this disk.
    NoSpace,
    /// The provider can never hold this (name, size, kind).
    Refused,
    /// This user may not do that.
    Forbidden,
    /// The provider cannot do this at all.
    Unsupported,
    /// The request was wrong: a bug of the caller.
    Invalid,
    /// The provider broke its own contract.
    Protocol,
}

impl ErrorKind {
    /// Whether the same call may succeed later with nothing else changed.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Offline | Self::Busy | Self::Ambiguous | Self::Corrupt => true,
            Self::AuthRequired
            | Self::RootMissing
            | Self::NotFound
            | Self::Exists
            | Self::RevisionMismatch
            | Self::RevisionGone
            | Self::NotEmpty
            | Self::CursorReset
            | Self::NoSpace
            | Self::Refused
            | Self::Forbidden
            | Self::Unsupported
            | Self::Invalid
            | Self::Protocol => false,
        }
    }
}

/// A failed provider call.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct ProviderError {
    /// What the engine branches on.
    pub kind: ErrorKind,
    /// The call, for people: `upload`, `list changes`.
    pub operation: &'static str,
    /// What happened, for people, naming the thing.
    pub message: String,
    /// When to try again, if the provider said so.
    pub retry_after: Option<Duration>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// An error without a cause below it.
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self { kind, operation, message: message.into(), retry_after: None, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the provider's own wish for a pause.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }
}
