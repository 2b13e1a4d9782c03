//! Accepts connections and carries requests to the service and answers back, through whatever the plan of faults says.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::body::Spoil;
use super::link::State;
use super::wire::{Ending, Wire};
use super::{AnswerBody, Body, Link, Request, RequestBody, Response, Service};
use crate::clock::Clock;
use crate::faults::{Failure, Fault, Faults, Special};
use crate::log::{Log, Record};

/// A service on a socket.
pub(crate) struct Server<S> {
    pub(crate) service: S,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) link: Link,
    pub(crate) log: Log,
    pub(crate) tls: Option<TlsAcceptor>,
    /// Counted over all ways to the service.
    pub(crate) connections: Arc<AtomicU64>,
}

/// Where a server listens; the port stays the same when it stops listening for a while.
pub(crate) struct Listening {
    address: SocketAddr,
    listener: Option<std::net::TcpListener>,
}

impl Listening {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self { address: listener.local_addr()?, listener: Some(listener) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped by plan")]
struct Dropped;

impl<S: Service> Server<S> {
    /// Serves until the task is dropped.
    pub(crate) async fn run(self: Arc<Self>, mut listening: Listening) -> io::Result<Infallible> {
        let mut state = self.link.state();
        loop {
            if *state.borrow() == State::Refusing {
                listening.listener = None;
            }
            self.link.set_listens(listening.listener.is_some());
            state.wait_for(|state| *state != State::Refusing).await.map_err(io::Error::other)?;
            let listener = match listening.listener.take() {
                Some(listener) => TcpListener::from_std(listener)?,
                None => TcpListener::bind(listening.address).await?,
            };
            self.link.set_listens(true);
            loop {
                tokio::select! {
                    refusing = state.wait_for(|state| *state == State::Refusing) => {
                        refusing.map_err(io::Error::other)?;
                        break;
                    }
                    accepted = listener.accept() => {
                        let (stream, _) = accepted?;
                        let number = self.connections.fetch_add(1, Ordering::Relaxed);
                        tokio::spawn(self.clone().connection(stream, number, self.link.state()));
                    }
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, number: u64, mut state: watch::Receiver<State>) {
        // Only a socket option: without it answers are later, not wrong.
        stream.set_nodelay(true).ok();
        let ending = Ending::default();
        let refused = async move {
            // The sender lives as long as the server.
            state.wait_for(|state| *state == State::Refusing).await.ok();
        };
        tokio::select! {
            () = refused => {}
            () = self.serve(stream, number, ending) => {}
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, number: u64, ending: Ending) {
        self.wait_while_silent().await;
        let wire = Wire::new(stream, &self.link, ending.clone());
        tokio::time::sleep(self.link.round_trip()).await;
        match &self.tls {
            None => self.clone().http(TokioIo::new(wire), false, number, ending).await,
            Some(tls) => {
                tokio::time::sleep(self.link.round_trip()).await;
                // A handshake that fails is the client's to report.
                if let Ok(stream) = tls.accept(wire).await {
                    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    self.clone().http(TokioIo::new(stream), is_h2, number, ending).await;
                }
            }
        }
    }

    async fn http(
        self: Arc<Self>,
        io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
        is_h2: bool,
        number: u64,
        ending: Ending,
    ) {
        let service = service_fn(|request| self.clone().request(request, number, ending.clone()));
        // Connections that end early, by plan or by the client, are normal here.
        if is_h2 {
            http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await.ok();
        } else {
            http1::Builder::new().serve_connection(io, service).await.ok();
        }
    }

    async fn wait_while_silent(&self) {
        // The sender lives as long as the server.
        self.link.state().wait_for(|state| *state != State::Silent).await.ok();
    }

    async fn request(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
        connection: u64,
        ending: Ending,
    ) -> Result<hyper::Response<AnswerBody>, Dropped> {
        let (head, incoming) = request.into_parts();
        let route = self.service.route(&head.method, head.uri.path());
        let fault = self.faults.draw(&route);
        let protocol = if head.version == http::Version::HTTP_2 { "h2" } else { "http/1.1" };
        let record = self.log.begin(connection, self.clock.now(), protocol, head.method.as_str(), route);
        let mut request = Request {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: RequestBody { incoming, record: record.clone() },
            special: None,
            record: record.clone(),
        };
        tokio::time::sleep(self.link.round_trip()).await;
        let Some(fault) = fault else {
            let response = self.service.answer(request).await.ok_or(Dropped)?;
            return self.send(response, Spoil::default(), record).await;
        };
        record.set_fault(format!("{fault:?}"));
        match fault {
            Fault::Delay(by) => tokio::time::sleep(by).await,
            Fault::Special(special) => request.special = Some(special),
            Fault::Hang => {
                drain(&mut request).await?;
                std::future::pending::<()>().await;
            }
            Fault::DropBefore | Fault::ResetBefore => {
                drain(&mut request).await?;
                if fault == Fault::ResetBefore {
                    ending.by_reset();
                }
                return Err(Dropped);
            }
            Fault::DropAfter | Fault::ResetAfter => {
                self.service.answer(request).await;
                if fault == Fault::ResetAfter {
                    ending.by_reset();
                }
                return Err(Dropped);
            }
            Fault::Failure(failure) => return self.fail(request, &failure, record).await,
            Fault::Redirect(to) => {
                drain(&mut request).await?;
                let moved = Response::text(http::StatusCode::TEMPORARY_REDIRECT, "").with(http::header::LOCATION, &to);
                return self.send(moved, Spoil::default(), record).await;
            }
            Fault::CompressionBomb => {
                drain(&mut request).await?;
                let bomb = Response::json(http::StatusCode::OK, bomb()).with(http::header::CONTENT_ENCODING, "gzip");
                return self.send(bomb, Spoil::default(), record).await;
            }
            Fault::Truncate { .. } | Fault::ShortBody { .. } | Fault::WrongByte { .. } | Fault::Trickle { .. } => {
                let mut response = self.service.answer(request).await.ok_or(Dropped)?;
                let spoil = self.spoil(&fault, &mut response);
                return self.send(response, spoil, record).await;
            }
        }
        let response = self.service.answer(request).await.ok_or(Dropped)?;
        self.send(response, Spoil::default(), record).await
    }

    async fn fail(
        &self,
        mut request: Request,
        failure: &Failure,
        record: Arc<Record>,
    ) -> Result<hyper::Response<AnswerBody>, Dropped> {
        drain(&mut request).await?;
        let response = self.service.failure(&request, failure);
        self.send(response, Spoil::default(), record).await
    }

    fn spoil(&self, fault: &Fault, response: &mut Response) -> Spoil {
        let length = match &response.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Range { length, .. } => *length,
        };
        let place = |given: &Option<u64>| given.unwrap_or_else(|| self.faults.position(length)).min(length);
        let mut spoil = Spoil::default();
        if let Fault::Truncate { after } = fault {
            spoil.cut_after = Some(place(after));
        } else if let Fault::WrongByte { at } = fault {
            spoil.wrong_byte = Some(place(at));
        } else if let Fault::Trickle { bytes, every } = fault {
            spoil.trickle = Some((*bytes, *every));
        } else if let Fault::ShortBody { after } = fault {
            let keep = place(after);
            match &mut response.body {
                Body::Bytes(bytes) => bytes.truncate(usize::try_from(keep).unwrap_or(usize::MAX)),
                Body::Range { length, .. } => *length = keep,
            }
            response.headers.remove(http::header::CONTENT_LENGTH);
        }
        spoil
    }

    async fn send(
        &self,
        mut response: Response,
        spoil: Spoil,
        record: Arc<Record>,
    ) -> Result<hyper::Response<AnswerBody>, Dropped> {
        self.wait_while_silent().await;
        self.service.finish(&mut response);
        record.set_status(response.status.as_u16());
        let mut answer = hyper::Response::new(AnswerBody::new(response.body, spoil, record));
        *answer.status_mut() = response.status;
        *answer.headers_mut() = response.headers;
        Ok(answer)
    }
}

/// Reads a request to its end, as a service does before it breaks.
async fn drain(request: &mut Request) -> Result<(), Dropped> {
    while let Some(chunk) = request.body.chunk().await {
        chunk.map_err(|_| Dropped)?;
    }
    Ok(())
}

/// 1 GiB of spaces, compressed: one stretch of 1 MiB, which ends on a whole byte and refers to nothing before it, over and over.
fn bomb() -> Vec<u8> {
    const STRETCHES: usize = 1024;
    const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    const LAST_STRETCH: [u8; 2] = [3, 0];
    let spaces = vec![b' '; 1024 * 1024];
    let mut stretch = Vec::with_capacity(64 * 1024);
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    // There is more room than it needs.
    compress.compress_vec(&spaces, &mut stretch, flate2::FlushCompress::Full).ok();
    let mut one = flate2::Crc::new();
    one.update(&spaces);
    let mut all = flate2::Crc::new();
    (0..STRETCHES).for_each(|_| all.combine(&one));
    let length = u32::try_from(STRETCHES * spaces.len()).unwrap_or_default();
    [&HEAD[..], &stretch.repeat(STRETCHES), &LAST_STRETCH, &all.sum().to_le_bytes(), &length.to_le_bytes()].concat()
}

impl Special {
    /// Whether this answer is to be spoilt in this way.
    pub(crate) fn is(self, asked: Option<Self>) -> bool {
        asked == Some(self)
    }
}
