//! One call: its attempts, its token, its deadline. The styles of the service: RPC (JSON in, JSON out), upload (argument in a header,
//! bytes in, JSON out), download (argument in a header, metadata in a header, bytes out), and RPC without a token (long poll).

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::verdict::{self, CallError, Verdict};
use super::{ARGUMENT, Api, Host, PATH_ROOT, REQUEST_ID};
use crate::provider::dropbox::arg::header_safe;
use crate::provider::http::{Answer, Failure, Outgoing, Pieces};
use crate::provider::retry::Attempts;
use crate::provider::{ErrorKind, ProviderError};
use crate::types::{ByteRange, Secret};

/// Largest JSON answer. A page of a listing has at most some two thousand entries.
const MAX_JSON_BYTES: usize = 32 * 1024 * 1024;
/// Attempts of a call that may be repeated.
const ATTEMPTS: u32 = 4;
/// How long a call with its repetitions may take, where nothing large travels.
const PATIENCE: Duration = Duration::from_secs(28);

/// What a call does to the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::provider::dropbox) enum Effect {
    /// Nothing, or nothing more when it is repeated.
    None,
    /// A second one may do something else: when its answer is lost, its outcome is unknown.
    Once,
}

/// What is called, for errors and repetition.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider::dropbox) struct Call<'a> {
    /// For people.
    pub(in crate::provider::dropbox) operation: &'static str,
    /// The thing, for people.
    pub(in crate::provider::dropbox) subject: &'a str,
    pub(in crate::provider::dropbox) effect: Effect,
    /// The argument holds a place in a list of changes.
    pub(super) sends_cursor: bool,
}

impl<'a> Call<'a> {
    /// A call that changes nothing.
    pub(in crate::provider::dropbox) fn read(operation: &'static str, subject: &'a str) -> Self {
        Self { operation, subject, effect: Effect::None, sends_cursor: false }
    }

    /// A call that continues a list of changes.
    pub(in crate::provider::dropbox) fn continuing(operation: &'static str) -> Self {
        Self { sends_cursor: true, ..Self::read(operation, "the list of changes") }
    }

    /// A call that changes something.
    pub(in crate::provider::dropbox) fn write(operation: &'static str, subject: &'a str) -> Self {
        Self { effect: Effect::Once, ..Self::read(operation, subject) }
    }
}

/// Content to be uploaded.
pub(in crate::provider::dropbox) enum Content<'a> {
    /// In memory.
    Small(Bytes),
    /// Read while it is sent.
    Large(u64, &'a dyn Pieces),
}

impl Content<'_> {
    fn outgoing(&self) -> Outgoing<'_> {
        match self {
            Self::Small(bytes) => Outgoing::Small(bytes.clone()),
            Self::Large(length, source) => Outgoing::Large(*length, *source),
        }
    }

    fn is_large(&self) -> bool {
        matches!(self, Self::Large(..))
    }
}

/// What came of a download: status, headers, and the body to be read.
pub(in crate::provider::dropbox) type Downloaded = Answer;

/// A request that can be made several times.
struct Prepared<'a> {
    host: Host,
    route: &'static str,
    headers: HeaderMap,
    content: Option<Content<'a>>,
    has_token: bool,
    first_byte: Option<Duration>,
    patience: Option<Duration>,
}

impl Api {
    /// An RPC call.
    pub(in crate::provider::dropbox) async fn rpc<A: Serialize + Sync, T: DeserializeOwned>(
        &self,
        route: &'static str,
        call: &Call<'_>,
        argument: &A,
    ) -> Result<T, CallError> {
        let prepared = json_request(Host::Api, route, call, argument)?;
        self.json(call, &prepared).await
    }

    /// The long poll: no token, another host, and an answer that takes its time.
    pub(in crate::provider::dropbox) async fn notify<A: Serialize + Sync, T: DeserializeOwned>(
        &self,
        route: &'static str,
        call: &Call<'_>,
        argument: &A,
        patience: Duration,
    ) -> Result<T, CallError> {
        let prepared = Prepared {
            has_token: false,
            first_byte: Some(patience),
            patience: Some(patience),
            ..json_request(Host::Notify, route, call, argument)?
        };
        self.json(call, &prepared).await
    }

    /// An upload-style call.
    pub(in crate::provider::dropbox) async fn upload<A: Serialize + Sync, T: DeserializeOwned>(
        &self,
        route: &'static str,
        call: &Call<'_>,
        argument: &A,
        content: Content<'_>,
    ) -> Result<T, CallError> {
        let mut headers = argument_header(call, argument)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        // What is large takes as long as it moves.
        let patience = (!content.is_large()).then_some(PATIENCE * 2);
        let prepared = Prepared {
            host: Host::Content,
            route,
            headers,
            content: Some(content),
            has_token: true,
            first_byte: None,
            patience,
        };
        self.json(call, &prepared).await
    }

    /// A download-style call, up to the head of its answer.
    pub(in crate::provider::dropbox) async fn download<A: Serialize + Sync>(
        &self,
        route: &'static str,
        call: &Call<'_>,
        argument: &A,
        range: Option<ByteRange>,
    ) -> Result<Downloaded, CallError> {
        let mut headers = argument_header(call, argument)?;
        // Compressed parts of a file cannot be checked for their length.
        headers.insert(reqwest::header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(range) = range {
            let text = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
            headers.insert(RANGE, HeaderValue::from_str(&text).map_err(|error| invalid(call, error))?);
        }
        let prepared = Prepared {
            host: Host::Content,
            route,
            headers,
            content: None,
            has_token: true,
            first_byte: None,
            patience: Some(PATIENCE),
        };
        self.run(call, &prepared, |answer| async { Ok(answer) }).await
    }

    async fn json<T: DeserializeOwned>(&self, call: &Call<'_>, prepared: &Prepared<'_>) -> Result<T, CallError> {
        let body = self.run(call, prepared, |answer| answer.small(MAX_JSON_BYTES)).await?;
        serde_json::from_slice(&body).map_err(|error| verdict::of_nonsense(call, &body, error))
    }

    /// Attempts until one is answered or it is enough.
    async fn run<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        call: &Call<'_>,
        prepared: &Prepared<'_>,
        read: impl Fn(Answer) -> F,
    ) -> Result<T, CallError> {
        let end = Instant::now() + prepared.patience.unwrap_or(Duration::from_secs(24 * 3600));
        let mut attempts = Attempts::new(ATTEMPTS, end);
        let mut was_refreshed = false;
        let mut token = None;
        loop {
            if prepared.has_token && token.is_none() {
                token = Some(self.line.tokens.bearer().await.map_err(CallError::Failed)?);
            }
            let attempt = self.attempt(call, prepared, token.as_ref(), end, &read);
            let verdict = match attempt.await? {
                Ok(done) => return Ok(done),
                Err(verdict) => verdict,
            };
            match verdict {
                Verdict::Over(error) => return Err(error),
                Verdict::Expired if !was_refreshed => {
                    was_refreshed = true;
                    let Some(refused) = token.take() else { return Err(expired(call)) };
                    token = Some(self.line.tokens.refresh_after_401(&refused).await.map_err(CallError::Failed)?);
                }
                Verdict::Expired => return Err(expired(call)),
                Verdict::Again { error, safe, is_limit } => {
                    if is_limit {
                        self.line.pace.complained(error.retry_after);
                    }
                    let may_repeat = safe || call.effect == Effect::None;
                    let pause = if may_repeat { attempts.pause(error.retry_after) } else { None };
                    let Some(pause) = pause else { return Err(CallError::Failed(error)) };
                    tracing::debug!(route = prepared.route, %error, ?pause, "once more");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// One attempt. The outer error ends the call.
    async fn attempt<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        call: &Call<'_>,
        prepared: &Prepared<'_>,
        token: Option<&Secret>,
        end: Instant,
        read: &impl Fn(Answer) -> F,
    ) -> Result<Result<T, Verdict>, CallError> {
        let mut headers = prepared.headers.clone();
        if let Some(token) = token {
            if let Some(root) = &self.path_root {
                headers.insert(PATH_ROOT, root.clone());
            }
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| CallError::Failed(unusable_token(call)))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let pace = &self.line.pace;
        let turn = if prepared.host == Host::Notify { pace.gate(end).await } else { pace.turn(end).await };
        turn.map_err(|wait| CallError::Failed(paused(call, wait)))?;
        let url = self.line.hosts.url(prepared.host, prepared.route);
        let outgoing = prepared.content.as_ref().map_or(Outgoing::Empty, Content::outgoing);
        let exchange = async {
            let answer = self.line.http.post(url, headers, outgoing, prepared.first_byte).await?;
            let request = answer.header(REQUEST_ID).unwrap_or_default();
            tracing::debug!(route = prepared.route, status = answer.status().as_u16(), request, "answered");
            Ok::<_, Failure>(answer)
        };
        let answered = async {
            match exchange.await {
                Ok(answer) if matches!(answer.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT) => {
                    read(answer).await.map_err(|failure| verdict::of_failure(call, failure))
                }
                Ok(answer) => Err(verdict::of_answer(call, answer).await),
                Err(failure) => Err(verdict::of_failure(call, failure)),
            }
        };
        let outcome = match tokio::time::timeout_at(end, answered).await {
            Ok(outcome) => outcome,
            Err(_) => Err(verdict::of_failure(call, Failure::too_long())),
        };
        if outcome.is_ok() {
            self.line.pace.succeeded();
        }
        Ok(outcome)
    }
}

fn json_request<'a, A: Serialize>(
    host: Host,
    route: &'static str,
    call: &Call<'_>,
    argument: &A,
) -> Result<Prepared<'a>, CallError> {
    let body = serde_json::to_vec(argument).map_err(|error| invalid(call, error))?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let content = Some(Content::Small(Bytes::from(body)));
    Ok(Prepared { host, route, headers, content, has_token: true, first_byte: None, patience: Some(PATIENCE) })
}

fn argument_header(call: &Call<'_>, argument: &impl Serialize) -> Result<HeaderMap, CallError> {
    let text = header_safe(argument).map_err(|error| invalid(call, error))?;
    let value = HeaderValue::from_str(&text).map_err(|error| invalid(call, error))?;
    Ok(HeaderMap::from_iter([(ARGUMENT, value)]))
}

fn invalid(call: &Call<'_>, error: impl std::error::Error + Send + Sync + 'static) -> CallError {
    let text = format!("{}: the request cannot be written", call.subject);
    CallError::Failed(ProviderError::new(ErrorKind::Invalid, call.operation, text).caused_by(error))
}

fn expired(call: &Call<'_>) -> CallError {
    let text = "the access token has expired, and so has the new one: is this machine's clock right?";
    CallError::Failed(ProviderError::new(ErrorKind::AuthRequired, call.operation, text))
}

/// The token itself is not in the text.
fn unusable_token(call: &Call<'_>) -> ProviderError {
    ProviderError::new(ErrorKind::AuthRequired, call.operation, "the access token cannot be sent: sign in again")
}

fn paused(call: &Call<'_>, wait: Duration) -> ProviderError {
    let text = format!("{}: Dropbox asked for a pause, which lasts {} s longer", call.subject, wait.as_secs());
    ProviderError::new(ErrorKind::Busy, call.operation, text).retry_after(wait)
}
