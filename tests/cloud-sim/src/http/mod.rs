//! Serving HTTP as a cloud does over a network that can be slow or broken. Knows no service: what an answer says is the
//! [`Service`]'s business, what happens to it on the way is this module's.

mod body;
mod link;
mod server;
mod tls;
mod wire;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::content::Blob;
use crate::faults::{Failure, Special};
use crate::log::Record;

pub(crate) use body::AnswerBody;
pub use link::Link;
pub(crate) use server::{Listening, Server};
pub(crate) use tls::Authority;

/// A request as a service sees it.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: RequestBody,
    /// What this answer is to be spoilt with, by the service itself.
    pub(crate) special: Option<Special>,
    /// The line of the request log, for what only the service knows.
    pub(crate) record: Arc<Record>,
}

impl Request {
    /// A header's text; bytes that are not ASCII are taken as UTF-8.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// A parameter of the query string.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// The bytes that come with a request.
pub(crate) struct RequestBody {
    pub(crate) incoming: Incoming,
    pub(crate) record: Arc<Record>,
}

impl RequestBody {
    /// The next bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Option<std::io::Result<Bytes>> {
        loop {
            match self.incoming.frame().await? {
                Ok(frame) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.record.count_received(bytes.len());
                        return Some(Ok(bytes));
                    }
                }
                Err(error) => return Some(Err(std::io::Error::other(error))),
            }
        }
    }

    /// All bytes, or `None` when there are more than `limit`. What is over the limit is read and dropped.
    pub(crate) async fn whole(&mut self, limit: usize) -> std::io::Result<Option<Bytes>> {
        let mut whole = BytesMut::new();
        let mut over = false;
        while let Some(chunk) = self.chunk().await {
            let chunk = chunk?;
            over |= whole.len() + chunk.len() > limit;
            if !over {
                whole.extend_from_slice(&chunk);
            }
        }
        Ok((!over).then(|| whole.freeze()))
    }
}

/// An answer of a service.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// What an answer carries.
#[derive(Debug)]
pub(crate) enum Body {
    Bytes(Bytes),
    /// These bytes of a blob.
    Range {
        blob: Arc<Blob>,
        from: u64,
        length: u64,
    },
}

impl Response {
    pub(crate) fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status, headers, body: Body::Bytes(body.into()) }
    }

    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json", body)
    }

    pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body)
    }

    pub(crate) fn html(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, "text/html; charset=utf-8", body)
    }

    /// The same answer with a header; a value that cannot be sent is left out.
    #[must_use]
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// A cloud behind the HTTP server.
pub(crate) trait Service: Send + Sync + 'static {
    /// The name by which faults and the log know where a request goes.
    fn route(&self, method: &Method, path: &str) -> String;

    /// The answer; `None` closes the connection without one.
    fn answer(&self, request: Request) -> impl Future<Output = Option<Response>> + Send;

    /// The answer that stands for this failure.
    fn failure(&self, request: &Request, failure: &Failure) -> Response;

    /// What every answer of the service carries.
    fn finish(&self, response: &mut Response);
}
