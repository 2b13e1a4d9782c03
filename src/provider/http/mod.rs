//! HTTP for clouds: one client with one connection pool, TLS by rustls against the system's roots, the system's proxies, a deadline on
//! every phase, no redirects, and answers of bounded size. Knows nothing of any cloud.
//!
//! A failure says whether the request may have had an effect (`Failure::was_sent`): that decides between "nothing was done" and "look
//! before trying again". Trying again is the caller's decision.

mod answer;
mod base_url;
mod body;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;

pub(super) use answer::Answer;
pub use base_url::{BaseUrl, BaseUrlError};
pub(super) use body::{Outgoing, Pieces};
use body::{Pulse, Sending};

/// How long the phases of a request may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Phases {
    /// Name, connection, TLS.
    pub connect: Duration,
    /// From the last byte of the request to the first of the answer.
    pub first_byte: Duration,
    /// Between two pieces of a body, in either direction.
    pub idle: Duration,
    /// A whole request whose bodies are small.
    pub whole: Duration,
}

impl Default for Phases {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(20),
            idle: Duration::from_secs(15),
            whole: Duration::from_secs(28),
        }
    }
}

/// Why there is no (complete) answer.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Failure {
    what: String,
    /// The whole request has left: it may have had its effect. A part of one has none.
    pub(super) was_sent: bool,
    /// A deadline has passed.
    pub(super) is_late: bool,
    /// The other side answered, but not what this protocol says.
    pub(super) is_nonsense: bool,
    /// The bytes to be sent could not be read here.
    pub(super) is_ours: bool,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    fn sent(what: impl Into<String>) -> Self {
        Self { what: what.into(), was_sent: true, is_late: false, is_nonsense: false, is_ours: false, source: None }
    }

    fn late(phase: &str, limit: Duration) -> Self {
        Self { is_late: true, ..Self::sent(format!("{phase} within {limit:?}")) }
    }

    /// The call as a whole took too long.
    pub(super) fn too_long() -> Self {
        Self { is_late: true, ..Self::sent("the call took too long") }
    }

    pub(super) fn nonsense(what: impl Into<String>) -> Self {
        Self { is_nonsense: true, ..Self::sent(what) }
    }

    fn ours(cause: std::io::Error) -> Self {
        Self { is_ours: true, source: Some(cause.into()), ..Self::sent("the bytes to be sent could not be read") }
    }

    /// From the client, without the address: it may hold what no log should.
    fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let was_sent = !error.is_connect() && !error.is_builder();
        let what = match (error.is_connect(), is_about_certificate(&error)) {
            (_, true) => {
                "the server's certificate is not trusted: does something intercept the connection, or is the clock wrong?"
            }
            (true, false) => "no connection",
            (false, false) => "the connection broke",
        };
        Self { was_sent, source: Some(error.into()), ..Self::sent(what) }
    }

    /// The cause, to be handed on.
    pub(super) fn into_source(self) -> Box<dyn std::error::Error + Send + Sync> {
        match self.source {
            Some(source) => source,
            None => self.what.into(),
        }
    }
}

/// True if TLS refused the other side's certificate.
fn is_about_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = error.downcast_ref().or_else(|| inner.and_then(|inner| inner.downcast_ref()));
        if matches!(tls, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The client.
pub(super) struct Http {
    client: reqwest::Client,
    phases: Phases,
}

/// A client cannot be set up: broken proxy settings, no certificates.
#[derive(Debug, thiserror::Error)]
#[error("the network client cannot be set up")]
pub struct HttpSetupError(#[source] reqwest::Error);

/// An HTTP client with the rules of this module, for `base`: also for sign-in.
pub fn client(base: &BaseUrl, phases: &Phases) -> Result<reqwest::Client, HttpSetupError> {
    choose_cryptography();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("vaultfs/", env!("CARGO_PKG_VERSION")))
        // Neither a token nor content follows a redirect to another host; no call of ours expects one.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(phases.connect)
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_keepalive(Duration::from_secs(30))
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_keep_alive_timeout(Duration::from_secs(15));
    if base.is_loopback() {
        // A proxy would look for the server on its own machine.
        builder = builder.no_proxy();
    } else {
        builder = builder.https_only(true);
    }
    builder.build().map_err(HttpSetupError)
}

/// Several cryptography libraries may be compiled in by dependencies; one is chosen for the process, once.
fn choose_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none()
        && rustls::crypto::ring::default_provider().install_default().is_err()
    {
        tracing::debug!("another thread has chosen the cryptography");
    }
}

impl Http {
    /// A client for `base`.
    pub(super) fn new(base: &BaseUrl, phases: Phases) -> Result<Self, HttpSetupError> {
        Ok(Self { client: client(base, &phases)?, phases })
    }

    /// Sends a request and waits for the head of the answer. `first_byte` replaces the usual patience, for calls that wait by
    /// their nature.
    pub(super) async fn post(
        &self,
        url: reqwest::Url,
        headers: HeaderMap,
        outgoing: Outgoing<'_>,
        first_byte: Option<Duration>,
    ) -> Result<Answer, Failure> {
        let pulse = Arc::new(Pulse::new());
        let Sending { body, length, feed } = outgoing.start(Arc::clone(&pulse));
        let mut request = self.client.post(url).headers(headers);
        request = request.header(reqwest::header::CONTENT_LENGTH, length);
        if let Some(body) = body {
            request = request.body(body);
        }
        let first_byte = first_byte.unwrap_or(self.phases.first_byte);
        let mut feed = std::pin::pin!(feed);
        let mut send = std::pin::pin!(request.send());
        let mut stalled = std::pin::pin!(pulse.stalled(self.phases.connect, self.phases.idle, first_byte));
        let mut feeding = true;
        let response = loop {
            tokio::select! {
                biased;
                // An early answer (a refusal) ends the sending.
                response = &mut send => break response,
                fed = &mut feed, if feeding => {
                    feeding = false;
                    if let Err(error) = fed {
                        return Err(Failure::ours(error));
                    }
                }
                (phase, limit) = &mut stalled => {
                    return Err(Failure { was_sent: pulse.is_out(), ..Failure::late(phase, limit) });
                }
            }
        };
        match response {
            Ok(response) => Ok(Answer::new(response, self.phases)),
            Err(error) => {
                let failure = Failure::of(error);
                Err(Failure { was_sent: failure.was_sent && pulse.is_out(), ..failure })
            }
        }
    }
}
