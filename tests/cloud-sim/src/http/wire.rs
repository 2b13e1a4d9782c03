//! One TCP connection with the link's bandwidth, outages and sudden ends applied to it. TLS, where used, runs above.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::link::{Direction, Lane, Link};

/// Lets a request's handler decide how its connection ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending(Arc<AtomicU8>);

const RESET: u8 = 1;

impl Ending {
    /// The connection ends with a reset instead of an orderly close.
    pub(crate) fn by_reset(&self) {
        self.0.store(RESET, Ordering::Relaxed);
    }
}

pub(crate) struct Wire {
    stream: TcpStream,
    ending: Ending,
    to_client: Paced,
    from_client: Paced,
}

struct Paced {
    lane: Lane,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    /// Ready when the bytes moved before have had their time.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        Poll::Ready(())
    }

    fn moved(&mut self, bytes: usize) {
        self.pause = self.lane.moved(bytes).map(|until| Box::pin(tokio::time::sleep_until(until)));
    }
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, link: &Link, ending: Ending) -> Self {
        let paced = |direction| Paced { lane: link.lane(direction), pause: None };
        Self { stream, ending, to_client: paced(Direction::ToClient), from_client: paced(Direction::FromClient) }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.from_client.poll_ready(context));
        let portion = self.from_client.lane.portion();
        if portion >= into.remaining() {
            let before = into.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
            let count = into.filled().len() - before;
            self.from_client.moved(count);
        } else {
            let mut part = vec![0; portion];
            let mut part = ReadBuf::new(&mut part);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
            into.put_slice(part.filled());
            self.from_client.moved(part.filled().len());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.to_client.poll_ready(context));
        let portion = self.to_client.lane.portion().min(from.len());
        let count = ready!(Pin::new(&mut self.stream).poll_write(context, &from[..portion]))?;
        self.to_client.moved(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending.0.load(Ordering::Relaxed) == RESET {
            self.stream.set_zero_linger()?;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.ending.0.load(Ordering::Relaxed) == RESET {
            // A connection that is already gone needs no reset.
            self.stream.set_zero_linger().ok();
        }
    }
}
