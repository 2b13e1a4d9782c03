//! The body of an answer on its way out: bytes or a stretch of a blob, cut, slowed or spoilt when a fault says so.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

use super::Body;
use crate::log::Record;

/// Bytes read from a blob at a time.
const PORTION: u64 = 256 * 1024;

/// How long a cut answer stays open, for the bytes before the cut to reach the socket.
const LINGER: Duration = Duration::from_millis(20);

/// What is done to a body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spoil {
    /// The connection ends after this many bytes.
    pub(crate) cut_after: Option<u64>,
    /// The byte at this position is another one.
    pub(crate) wrong_byte: Option<u64>,
    /// So many bytes, then a pause of this length, and so on.
    pub(crate) trickle: Option<(u64, Duration)>,
}

pub(crate) struct AnswerBody {
    body: Body,
    spoil: Spoil,
    sent: u64,
    length: u64,
    pause: Option<Pin<Box<Sleep>>>,
    cut: bool,
    record: Arc<Record>,
}

impl AnswerBody {
    pub(crate) fn new(body: Body, spoil: Spoil, record: Arc<Record>) -> Self {
        let length = match &body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Range { length, .. } => *length,
        };
        if length == 0 {
            record.finished();
        }
        Self { body, spoil, sent: 0, length, pause: None, cut: false, record }
    }

    fn read(&self, most: u64) -> io::Result<Bytes> {
        let length = most.min(self.length - self.sent);
        let mut bytes = match &self.body {
            Body::Bytes(bytes) => {
                let start = usize::try_from(self.sent).map_err(io::Error::other)?;
                let length = usize::try_from(length).map_err(io::Error::other)?;
                bytes.slice(start..start + length)
            }
            Body::Range { blob, from, .. } => {
                let mut buffer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                blob.read_at(from + self.sent, &mut buffer)?;
                buffer.into()
            }
        };
        if let Some(at) = self.spoil.wrong_byte
            && (self.sent..self.sent + length).contains(&at)
        {
            let mut changed = bytes.to_vec();
            if let Some(byte) = usize::try_from(at - self.sent).ok().and_then(|at| changed.get_mut(at)) {
                *byte ^= 0x20;
            }
            bytes = changed.into();
        }
        Ok(bytes)
    }

    fn most_now(&self) -> u64 {
        let mut most = match self.body {
            Body::Bytes(_) => u64::MAX,
            Body::Range { .. } => PORTION,
        };
        if let Some((bytes, _)) = self.spoil.trickle {
            most = most.min(bytes.max(1));
        }
        if let Some(cut) = self.spoil.cut_after {
            most = most.min(cut - self.sent);
        }
        most
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if self.cut {
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted))));
        }
        if self.spoil.cut_after.is_some_and(|cut| self.sent >= cut) {
            // Waiting makes the server flush what was written before it sees the end.
            self.cut = true;
            self.pause = Some(Box::pin(tokio::time::sleep(LINGER)));
            return self.poll_frame(context);
        }
        if self.sent == self.length {
            return Poll::Ready(None);
        }
        let bytes = self.read(self.most_now())?;
        self.sent += bytes.len() as u64;
        self.record.count_sent(bytes.len());
        if self.sent == self.length {
            self.record.finished();
        } else if let Some((_, pause)) = self.spoil.trickle {
            self.pause = Some(Box::pin(tokio::time::sleep(pause)));
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.length && self.spoil.cut_after.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length - self.sent)
    }
}
