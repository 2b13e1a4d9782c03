//! How missing blocks are asked for: the words that the filesystem core (which asks) and the fetcher (which brings) share.
//! They live here because both may import content and neither may import the other.

use std::time::Duration;

use crate::catalog::Version;
use crate::types::{BlockRun, ThreadNo};

/// Blocks that a reader waits for.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// Of which version.
    pub version: Version,
    /// Which blocks.
    pub runs: Vec<BlockRun>,
    /// Who reads: the number of the handle, so that a sequential reader is recognised beside others of the same file.
    pub stream: u64,
    /// How much this is worth.
    pub urgency: Urgency,
    /// Who waits, if it is a program: the request ends with it.
    pub caller: Option<ThreadNo>,
}

/// How much a fetch is worth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Urgency {
    /// Fills idle time: pins, hydration of a file that is being edited.
    Background,
    /// Somebody waits.
    Demand,
}

/// Called once with the outcome of a fetch.
pub type FetchDone = Box<dyn FnOnce(Result<(), FetchError>) + Send>;

/// Why bytes did not arrive.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FetchError {
    /// The provider cannot be reached and the bytes are not here.
    #[error("offline, and the bytes are not on this machine")]
    Offline,
    /// The program that waited was killed.
    #[error("the program that waited for the bytes has ended")]
    Abandoned,
    /// No byte arrived within the bound.
    #[error("no byte arrived for {0:?}")]
    TimedOut(Duration),
    /// The provider no longer has this version.
    #[error("this version is no longer at the provider")]
    Gone,
    /// Sign-in is needed.
    #[error("sign-in is needed")]
    AuthRequired,
    /// The disk of the cache is full.
    #[error("no space left for cached bytes")]
    NoSpace,
    /// What arrived, twice, is not what the provider's hash announces.
    #[error("the provider's bytes do not match its own hash of this version")]
    Corrupt,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}
