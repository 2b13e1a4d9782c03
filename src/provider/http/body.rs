//! Request bodies: small ones as they are, large ones in pieces that are read while they are sent, so that memory stays bounded and a
//! stall is told from slowness.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Bytes that are handed to the connection at a time.
const PIECE_BYTES: u64 = 256 * 1024;
/// Pieces that wait for the connection.
const PIECES_AHEAD: usize = 2;

/// What is sent.
pub(in crate::provider) enum Outgoing<'a> {
    /// Nothing.
    Empty,
    /// Something small.
    Small(Bytes),
    /// So many bytes, by pieces.
    Large(u64, &'a dyn Pieces),
}

/// A large body, by pieces.
#[async_trait]
pub(in crate::provider) trait Pieces: Sync {
    /// How many of `wanted` bytes may be sent now: waits for the limit of bandwidth.
    async fn grant(&self, wanted: u64) -> u64;
    /// The piece from this offset; as many bytes as the buffer holds.
    fn read(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()>;
    /// So many bytes have been handed to the connection.
    fn sent(&self, bytes: u64);
}

/// A body on its way, and the work that feeds it.
pub(super) struct Sending<'a> {
    pub(super) body: Option<reqwest::Body>,
    pub(super) length: u64,
    pub(super) feed: Pin<Box<dyn Future<Output = std::io::Result<()>> + Send + 'a>>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn start(self, pulse: Arc<Pulse>) -> Sending<'a> {
        match self {
            Self::Empty => {
                pulse.sent_all();
                Sending { body: None, length: 0, feed: Box::pin(std::future::ready(Ok(()))) }
            }
            Self::Small(bytes) => {
                // It fits into any socket's buffer: it is out as soon as there is a connection.
                pulse.sent_all();
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let body = Some(reqwest::Body::from(bytes));
                Sending { body, length, feed: Box::pin(std::future::ready(Ok(()))) }
            }
            Self::Large(length, source) => {
                let (sender, receiver) = mpsc::channel::<std::io::Result<Bytes>>(PIECES_AHEAD);
                let beat = Arc::clone(&pulse);
                let pieces = stream::unfold(receiver, move |mut receiver| {
                    let beat = Arc::clone(&beat);
                    async move {
                        let piece = receiver.recv().await;
                        beat.beat();
                        piece.map(|piece| (piece, receiver))
                    }
                });
                let feed = Box::pin(feed(length, source, sender, pulse));
                Sending { body: Some(reqwest::Body::wrap_stream(pieces)), length, feed }
            }
        }
    }
}

async fn feed(
    length: u64,
    source: &dyn Pieces,
    sender: mpsc::Sender<std::io::Result<Bytes>>,
    pulse: Arc<Pulse>,
) -> std::io::Result<()> {
    let mut at = 0;
    while at < length {
        pulse.wait_for_ourselves();
        let granted = source.grant(PIECE_BYTES.min(length - at)).await;
        pulse.touch(|_| {});
        let mut piece = vec![0; usize::try_from(granted).unwrap_or_default()];
        if let Err(error) = source.read(at, &mut piece) {
            // The connection must not take the part for the whole; that nobody listens any more changes nothing.
            let word = std::io::Error::new(error.kind(), "the source failed");
            return sender.send(Err(word)).await.map_or_else(|_| Err(other_end()), |()| Err(error));
        }
        at += granted;
        if sender.send(Ok(Bytes::from(piece))).await.is_err() {
            // The connection is gone or the server has answered already: the request itself says which.
            return Ok(());
        }
        source.sent(at);
    }
    // Room for all of them: the connection has taken every piece.
    if sender.reserve_many(PIECES_AHEAD).await.is_ok() {
        pulse.sent_all();
    }
    Ok(())
}

fn other_end() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::BrokenPipe)
}

/// When a request last moved, and whether all of it is out.
pub(in crate::provider) struct Pulse {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

struct State {
    /// `None`: the next piece waits for our own limit of bandwidth, which is no stall.
    last: Option<Instant>,
    is_moving: bool,
    is_out: bool,
}

impl Pulse {
    pub(super) fn new() -> Self {
        let state = State { last: Some(Instant::now()), is_moving: false, is_out: false };
        Self { state: Mutex::new(state), changed: watch::Sender::new(0) }
    }

    fn touch(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Some(Instant::now());
        change(&mut state);
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }

    fn wait_for_ourselves(&self) {
        self.touch(|state| state.last = None);
    }

    fn beat(&self) {
        self.touch(|state| state.is_moving = true);
    }

    /// True once every byte has been handed to the connection.
    pub(super) fn is_out(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_out
    }

    fn sent_all(&self) {
        self.touch(|state| (state.is_moving, state.is_out) = (true, true));
    }

    /// Returns when a phase has taken longer than it may: which, and how long that was. Before the first piece moves, the connection
    /// is being made; after the last one, the answer is awaited.
    pub(super) async fn stalled(
        &self,
        connect: Duration,
        idle: Duration,
        first_byte: Duration,
    ) -> (&'static str, Duration) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let (end, verdict) = {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let (words, limit) = match (state.is_out, state.is_moving) {
                    (true, _) => ("no answer", connect + first_byte),
                    (false, true) => ("no byte could be sent", idle),
                    (false, false) => ("no connection", connect + idle),
                };
                (state.last.unwrap_or_else(Instant::now) + limit, (words, limit))
            };
            if Instant::now() >= end {
                return verdict;
            }
            tokio::select! {
                () = tokio::time::sleep_until(end) => {}
                // The sender lives as long as `self`.
                _ = changed.changed() => {}
            }
        }
    }
}
