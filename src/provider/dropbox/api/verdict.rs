//! What an answer, or the lack of one, means: done, refused by the route, worth another attempt, or over.

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::call::{Call, Effect};
use crate::provider::dropbox::refusal::Refusal;
use crate::provider::http::{Answer, Failure};
use crate::provider::retry::retry_after;
use crate::provider::{ErrorKind, ProviderError};

/// Error bodies are read up to this size.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// How much of a text that was not expected is quoted.
const MAX_QUOTED: usize = 200;
/// Pause after a text-only 429.
const TEXT_PAUSE: Duration = Duration::from_secs(5);

/// A call that did not succeed.
#[derive(Debug)]
pub(in crate::provider::dropbox) enum CallError {
    /// The route refuses; nothing was done.
    Refused(Refusal),
    /// Everything else.
    Failed(ProviderError),
}

impl CallError {
    /// No (whole) body came after a good head.
    pub(in crate::provider::dropbox) fn of_failure(call: &Call<'_>, failure: Failure) -> Self {
        match of_failure(call, failure) {
            Verdict::Over(error) => error,
            Verdict::Again { error, .. } => Self::Failed(error),
            Verdict::Expired => unreachable!("no answer says so"),
        }
    }

    /// As the engine sees it, where the refusal has no special meaning.
    pub(in crate::provider::dropbox) fn into_error(self, call: &Call<'_>) -> ProviderError {
        match self {
            Self::Refused(refusal) => refusal.into_error(call.operation, call.subject),
            Self::Failed(error) => error,
        }
    }

    /// True if one of the route's tags is this word.
    pub(in crate::provider::dropbox) fn has(&self, tag: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.has(tag))
    }
}

/// What becomes of one attempt that was not answered by success.
pub(super) enum Verdict {
    /// It is over.
    Over(CallError),
    /// It may be tried again, after the server's own wish if it has one. `safe`: nothing was done; `is_limit`: we ask too much.
    Again { error: ProviderError, safe: bool, is_limit: bool },
    /// The access token has expired.
    Expired,
}

fn failed(call: &Call<'_>, kind: ErrorKind, message: impl std::fmt::Display) -> ProviderError {
    ProviderError::new(kind, call.operation, format!("{}: {message}", call.subject))
}

fn over(call: &Call<'_>, kind: ErrorKind, message: impl std::fmt::Display) -> Verdict {
    Verdict::Over(CallError::Failed(failed(call, kind, message)))
}

/// No (whole) answer came.
pub(super) fn of_failure(call: &Call<'_>, failure: Failure) -> Verdict {
    let message = failure.to_string();
    let (kind, again) = if failure.is_ours {
        (ErrorKind::Busy, false)
    } else if !failure.was_sent {
        // Whoever waits is told at once that there is no network.
        (ErrorKind::Offline, false)
    } else if call.effect == Effect::Once {
        (ErrorKind::Ambiguous, false)
    } else if failure.is_nonsense {
        (ErrorKind::Protocol, false)
    } else if failure.is_late {
        (ErrorKind::Busy, true)
    } else {
        (ErrorKind::Offline, true)
    };
    let error = failed(call, kind, message).caused_by(failure.into_source());
    if again { Verdict::Again { error, safe: false, is_limit: false } } else { Verdict::Over(CallError::Failed(error)) }
}

/// An answer that was meant to be JSON and is not.
pub(super) fn of_nonsense(call: &Call<'_>, body: &[u8], cause: serde_json::Error) -> CallError {
    let error = if looks_like_a_page(body) {
        web_page(call)
    } else {
        let kind = if call.effect == Effect::Once { ErrorKind::Ambiguous } else { ErrorKind::Protocol };
        failed(call, kind, "Dropbox answered with something that this version cannot read")
    };
    CallError::Failed(error.caused_by(cause))
}

/// Not the service but something between: the vault is not reachable.
fn web_page(call: &Call<'_>) -> ProviderError {
    let kind = if call.effect == Effect::Once { ErrorKind::Ambiguous } else { ErrorKind::Offline };
    failed(
        call,
        kind,
        "a web page came instead of Dropbox's answer: a sign-in page of this network, or a proxy. Open a browser to see it",
    )
}

fn looks_like_a_page(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

/// Any status but success.
pub(super) async fn of_answer(call: &Call<'_>, answer: Answer) -> Verdict {
    let (status, wish) = (answer.status(), retry_after(answer.headers()));
    let is_page = answer.header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
    let body = match answer.small(MAX_ERROR_BYTES).await {
        Ok(body) => body,
        // What the status says is enough.
        Err(_) => Bytes::new(),
    };
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    let is_page = is_page || looks_like_a_page(&body);
    match status {
        StatusCode::BAD_REQUEST => bad_request(call, &body, is_page),
        StatusCode::UNAUTHORIZED => unauthorized(call, json.as_ref()),
        StatusCode::FORBIDDEN if is_page => Verdict::Over(CallError::Failed(web_page(call))),
        StatusCode::FORBIDDEN => over(call, ErrorKind::Forbidden, "this account may not do that in Dropbox"),
        StatusCode::CONFLICT => match json.as_ref().and_then(Refusal::of_body) {
            Some(refusal) if refusal.has("too_many_write_operations") => {
                let error = refusal.into_error(call.operation, call.subject);
                Verdict::Again { error: wished(error, wish), safe: true, is_limit: false }
            }
            Some(refusal) => Verdict::Over(CallError::Refused(refusal)),
            None if is_page => Verdict::Over(CallError::Failed(web_page(call))),
            None => over(call, ErrorKind::Protocol, "Dropbox refuses in a way that this version cannot read"),
        },
        StatusCode::UNPROCESSABLE_ENTITY => over(call, ErrorKind::RootMissing, OUTSIDE),
        StatusCode::TOO_MANY_REQUESTS => {
            let told = json.as_ref().and_then(|body| body.pointer("/error/retry_after")).and_then(Value::as_u64);
            let pause = wish.or(told.map(Duration::from_secs)).or(json.is_none().then_some(TEXT_PAUSE));
            let reason = json.as_ref().and_then(|body| body.pointer("/error/reason/.tag")).and_then(Value::as_str);
            let error = failed(call, ErrorKind::Busy, "Dropbox asks for a pause");
            // Other changes of the same folders are in the way: no matter of how much we ask.
            let is_limit = reason != Some("too_many_write_operations");
            Verdict::Again { error: wished(error, pause), safe: true, is_limit }
        }
        StatusCode::RANGE_NOT_SATISFIABLE => over(call, ErrorKind::Invalid, "there are no such bytes"),
        _ if status.is_server_error() => {
            let kind = if call.effect == Effect::Once { ErrorKind::Ambiguous } else { ErrorKind::Busy };
            let error = failed(call, kind, format!("Dropbox has a problem of its own ({status})"));
            Verdict::Again { error: wished(error, wish), safe: false, is_limit: false }
        }
        _ if status.is_redirection() => over(
            call,
            ErrorKind::Offline,
            "the answer was a redirection, which Dropbox never sends: a sign-in page of this network, or a proxy",
        ),
        _ if is_page => Verdict::Over(CallError::Failed(web_page(call))),
        _ => over(call, ErrorKind::Protocol, format!("Dropbox answered with the unexpected status {status}")),
    }
}

fn wished(error: ProviderError, wish: Option<Duration>) -> ProviderError {
    match wish {
        Some(wish) => error.retry_after(wish),
        None => error,
    }
}

fn bad_request(call: &Call<'_>, body: &[u8], is_page: bool) -> Verdict {
    if is_page {
        return Verdict::Over(CallError::Failed(web_page(call)));
    }
    let text = String::from_utf8_lossy(body);
    if text.contains("access token is malformed") {
        return over(call, ErrorKind::AuthRequired, SIGN_IN_AGAIN);
    }
    // Where a cursor is refused as such, it comes from another account, another server or another age.
    if call.sends_cursor && text.contains("cursor") {
        return over(call, ErrorKind::CursorReset, "Dropbox does not know the place in the list of changes");
    }
    let quoted: String = text.chars().filter(|c| !c.is_control()).take(MAX_QUOTED).collect();
    over(call, ErrorKind::Invalid, format!("Dropbox does not understand the request: {quoted}"))
}

/// The namespace that a path begins at is not the account's to see.
const OUTSIDE: &str = "it is in a space that this Dropbox account cannot reach: is the account still part of that team? \
                       Nothing is deleted here";

const SIGN_IN_AGAIN: &str =
    "Dropbox no longer accepts this sign-in. Nothing is lost; sign in again with `vaultfs connect dropbox`";

fn unauthorized(call: &Call<'_>, json: Option<&Value>) -> Verdict {
    let error = json.and_then(|body| body.get("error"));
    match error.and_then(|error| error.get(".tag")).and_then(Value::as_str) {
        // Whether all access has ended is for the sign-in to say, which knows what to do about it.
        Some("expired_access_token" | "invalid_access_token") => Verdict::Expired,
        Some("missing_scope") => {
            let scope = error.and_then(|error| error.get("required_scope")).and_then(Value::as_str).unwrap_or("?");
            let text = format!(
                "the sign-in lacks the permission {scope}: grant it and sign in again with `vaultfs connect dropbox`"
            );
            over(call, ErrorKind::AuthRequired, text)
        }
        Some("user_suspended") => over(call, ErrorKind::AuthRequired, "the Dropbox account is suspended"),
        Some(_) | None => over(call, ErrorKind::AuthRequired, SIGN_IN_AGAIN),
    }
}
