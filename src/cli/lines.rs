//! Answers that come as lines, one JSON document each: read as they arrive, whole lines only.

use serde::de::DeserializeOwned;

use super::error::Result;
use crate::control::protocol::{ErrorCode, Problem};

/// Reads an answer line by line.
pub(super) struct Lines {
    answer: reqwest::Response,
    /// Bytes of a line that is not complete.
    rest: Vec<u8>,
}

impl Lines {
    /// Of this answer.
    pub(super) fn of(answer: reqwest::Response) -> Self {
        Self { answer, rest: Vec::new() }
    }

    /// The next line; `None` at the end.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let gone = |error: &reqwest::Error| {
            Problem::new(ErrorCode::DaemonAbsent, "the daemon went away while it answered").because(error)
        };
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line).map_err(|error| {
                    Problem::new(ErrorCode::Internal, "the daemon's answer is not understood")
                        .because(&error)
                        .hint("the daemon may be of another version: run `vaultfs daemon stop` and try again")
                })?));
            }
            match self.answer.chunk().await.map_err(|error| gone(&error))? {
                Some(bytes) => self.rest.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}
