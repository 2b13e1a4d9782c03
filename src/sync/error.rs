//! Errors of the sync engine: one per layer below, causes kept.

use crate::catalog::CatalogError;
use crate::content::ContentError;
use crate::provider::ProviderError;
use crate::types::NodeId;

/// Why the engine could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The provider refused or could not be reached.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Bytes could not be read or kept.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Reading a local file failed.
    #[error("{operation}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The bytes exist neither here nor at the provider.
    #[error("the content of node {0} is neither on this machine nor at the provider")]
    ContentLost(NodeId),
    /// A worker thread died.
    #[error("a worker thread ended without an answer")]
    Worker(#[from] tokio::task::JoinError),
    /// Nothing happened within the time that the caller allowed.
    #[error("not finished in time")]
    TimedOut,
    /// There is no such node in this vault.
    #[error("node {0} does not exist")]
    NoSuchNode(NodeId),
    /// There is nothing to be done for this node.
    #[error("node {0} has no pending change")]
    NothingPending(NodeId),
    /// The provider got another version while its last one was being kept.
    #[error("the provider has another version of node {0} by now")]
    Superseded(NodeId),
    /// The node's place is taken by something else.
    #[error("the place of node {0} is taken")]
    PlaceTaken(NodeId),
}

/// Result of an engine call.
pub(super) type Result<T> = std::result::Result<T, SyncError>;
