//! Answers: head at once, body in pieces, each within its deadline, never more than was agreed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName};
use tokio::time::Instant;

use super::{Failure, Phases};

/// The head of an answer, with its body still to come.
pub(in crate::provider) struct Answer {
    response: reqwest::Response,
    phases: Phases,
}

impl Answer {
    pub(super) fn new(response: reqwest::Response, phases: Phases) -> Self {
        Self { response, phases }
    }

    pub(in crate::provider) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(in crate::provider) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// A header as text; `None` if it is absent or not UTF-8.
    pub(in crate::provider) fn header(&self, name: HeaderName) -> Option<&str> {
        std::str::from_utf8(self.headers().get(name)?.as_bytes()).ok()
    }

    /// The whole body, at most `limit` bytes, within the deadline of a small request.
    pub(in crate::provider) async fn small(self, limit: usize) -> Result<Bytes, Failure> {
        let end = Instant::now() + self.phases.whole;
        self.collect(limit, end).await
    }

    /// `length` bytes after the first `skip` ones; what follows is not waited for. The deadline grows with the length: `slowest` bytes
    /// a second are enough.
    pub(in crate::provider) async fn part(mut self, skip: u64, length: u64, slowest: u64) -> Result<Bytes, Failure> {
        let end = Instant::now() + self.phases.whole + Duration::from_secs((skip + length) / slowest.max(1));
        let mut skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut part = BytesMut::new();
        while part.len() < length {
            let Some(mut piece) = self.piece(end).await? else {
                return Err(Failure::sent(format!("the answer ended after {} of {length} bytes", part.len())));
            };
            let skipped = skip.min(piece.len());
            bytes::Buf::advance(&mut piece, skipped);
            skip -= skipped;
            piece.truncate(length - part.len());
            if part.is_empty() && piece.len() == length {
                return Ok(piece);
            }
            part.reserve(length - part.len());
            part.extend_from_slice(&piece);
        }
        Ok(part.freeze())
    }

    /// The next piece of the body; `None` at its end.
    async fn piece(&mut self, end: Instant) -> Result<Option<Bytes>, Failure> {
        let idle = Instant::now() + self.phases.idle;
        match tokio::time::timeout_at(idle.min(end), self.response.chunk()).await {
            Ok(piece) => piece.map_err(Failure::of),
            Err(_) if idle < end => Err(Failure::late("no byte came", self.phases.idle)),
            Err(_) => Err(Failure::too_long()),
        }
    }

    async fn collect(mut self, limit: usize, end: Instant) -> Result<Bytes, Failure> {
        let announced = self.response.content_length().and_then(|length| usize::try_from(length).ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(Failure::nonsense(format!("the answer is larger than {limit} bytes")));
        }
        let mut body = BytesMut::with_capacity(announced.unwrap_or(0));
        while let Some(piece) = self.piece(end).await? {
            if piece.len() > limit - body.len() {
                return Err(Failure::nonsense(format!("the answer is larger than {limit} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }
}
