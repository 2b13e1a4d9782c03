//! What can go wrong with a request, and the plan of what goes wrong when: exactly the next one, all of them, or some by chance.

mod plan;
mod spec;

use std::time::Duration;

use serde_json::Value;

pub use plan::Faults;
pub use spec::SpecError;

/// What is done to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The answer comes this much later.
    Delay(Duration),
    /// The request is read and never answered.
    Hang,
    /// The connection closes without an answer, and the request had no effect.
    DropBefore,
    /// The request takes effect, then the connection closes without an answer.
    DropAfter,
    /// As [`Fault::DropBefore`], by a reset.
    ResetBefore,
    /// As [`Fault::DropAfter`], by a reset.
    ResetAfter,
    /// The request takes effect; the answer ends after so many bytes (a seeded number when not given), short of the length
    /// that was announced.
    Truncate {
        /// Bytes of the answer's body that are sent.
        after: Option<u64>,
    },
    /// The answer is cut as by [`Fault::Truncate`], and its announced length is that of the rest: only a checksum shows it.
    ShortBody {
        /// Bytes of the answer's body that are sent.
        after: Option<u64>,
    },
    /// One byte of the answer's body (a seeded one when not given) is another.
    WrongByte {
        /// Its position.
        at: Option<u64>,
    },
    /// The answer's body comes in drops.
    Trickle {
        /// Bytes in a drop.
        bytes: u64,
        /// Time between drops.
        every: Duration,
    },
    /// 200, with a body that is small on the wire and 1 GiB when it is decompressed.
    CompressionBomb,
    /// A redirect to this address.
    Redirect(String),
    /// An answer without an effect.
    Failure(Failure),
    /// The service itself answers wrongly.
    Special(Special),
}

/// Answers that stand for something that went wrong. How they look is the service's business.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// Too many requests.
    TooManyRequests {
        /// Seconds to wait, if it says.
        retry_after: Option<u64>,
        /// As plain text instead of JSON.
        text: bool,
    },
    /// Too many writes at once in one namespace.
    TooManyWrites {
        /// Seconds to wait, if it says.
        retry_after: Option<u64>,
    },
    /// A server error with this status and no body worth reading.
    Status {
        /// From 500 on.
        status: u16,
        /// Seconds to wait, if it says.
        retry_after: Option<u64>,
    },
    /// An HTML page with this status, as gateways and captive portals send.
    Html(u16),
    /// The access token has run out; a new one can be had.
    TokenExpired,
    /// The access token is not, or no longer, known.
    TokenInvalid,
    /// The token lacks this scope.
    MissingScope(String),
    /// The route's own error, as its JSON.
    Error(Value),
    /// The request itself is called wrong.
    BadRequest(String),
}

/// What only the service can get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Fields that no document knows stand in every object of the answer.
    UnknownFields,
    /// Every error tag is one that no document knows.
    UnknownTags,
    /// A cursor is answered with `reset`.
    ResetCursor,
    /// A page of a listing has its entries twice.
    RepeatPage,
    /// A page of a listing has its entries in reverse order.
    ReversePage,
    /// An empty page that says there is more.
    EmptyPage,
    /// A range is ignored: the whole content with 200.
    IgnoreRange,
    /// A range is answered with other bytes than asked for, and says so in its header.
    OtherRange,
    /// The content hash of the metadata is that of another content.
    WrongHash,
    /// What is stored of an upload has another last byte than came.
    StoreWrong,
    /// What was written a moment ago is not found yet.
    NotFoundYet,
}

impl Fault {
    /// 429 as JSON, with the time to wait in header and body.
    pub fn too_many_requests(retry_after: u64) -> Self {
        Self::Failure(Failure::TooManyRequests { retry_after: Some(retry_after), text: false })
    }

    /// A server error.
    pub fn status(status: u16) -> Self {
        Self::Failure(Failure::Status { status, retry_after: None })
    }

    /// The route's own error, as its JSON.
    pub fn error(error: Value) -> Self {
        Self::Failure(Failure::Error(error))
    }
}
