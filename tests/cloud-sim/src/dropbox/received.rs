//! The bytes of an upload, put away as they come.

use std::io;

use crate::content::{ContentHasher, Pieces, Spill};
use crate::http::RequestBody;

/// Most bytes of one request.
pub(crate) const MOST: u64 = 150 * 1024 * 1024;

/// A request's bytes, stored, and their hash so far.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) pieces: Pieces,
    pub(crate) hasher: ContentHasher,
    /// More came than one request may carry; the rest was dropped.
    pub(crate) too_large: bool,
}

impl Received {
    pub(crate) async fn from_body(body: &mut RequestBody, spill: &Spill) -> io::Result<Self> {
        let mut received = Self::default();
        while let Some(chunk) = body.chunk().await {
            let chunk = chunk?;
            received.too_large |= received.length() + chunk.len() as u64 > MOST;
            if !received.too_large {
                received.hasher.update(&chunk);
                received.pieces.push(spill.store(&chunk)?);
            }
        }
        Ok(received)
    }

    /// A stretch of it, as if it had come alone.
    pub(crate) fn part(&self, from: u64, length: u64, spill: &Spill) -> io::Result<Self> {
        let pieces = self.pieces.part(from, length);
        let mut hasher = ContentHasher::default();
        pieces.read(spill, |chunk| hasher.update(chunk))?;
        Ok(Self { pieces, hasher, too_large: false })
    }

    pub(crate) fn length(&self) -> u64 {
        self.pieces.length()
    }

    pub(crate) fn hash(&self) -> String {
        self.hasher.clone().finish().to_string()
    }
}
