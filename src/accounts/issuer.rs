//! The OAuth 2 side of a provider: the address that the browser opens, and the calls by which codes and refresh tokens become access
//! tokens. Public client: there is no secret of the program, PKCE takes its place.
//!
//! Invariants: secrets travel in bodies and in the authorization header, never in addresses; whatever a server says is shortened and
//! cleaned of secrets before it is repeated; answers are at most [`MAX_ANSWER_BYTES`].

use std::error::Error as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::header::{self, HeaderMap};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::error::IssuerError;
use super::pkce;
use crate::types::Secret;

/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Longest time for a whole call.
const CALL_LIMIT: Duration = Duration::from_secs(25);

/// What is assumed of a token whose life is not told.
const UNTOLD_LIFE: Duration = Duration::from_secs(60 * 60);

/// No token is believed to live longer.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Text of a server that is repeated.
const MAX_SAID_CHARS: usize = 200;

/// Where a provider takes which call, and what we ask for.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    /// Opened in the browser.
    pub(super) authorize: Url,
    /// Exchanges and refreshes.
    pub(super) token: Url,
    /// Takes a sign-in back.
    pub(super) revoke: Url,
    /// Tells whose it is.
    pub(super) account: Url,
    /// What a vault needs.
    pub(super) scopes: &'static [&'static str],
    /// What this provider wants besides.
    pub(super) extra: &'static [(&'static str, &'static str)],
}

/// A provider's sign-in, for one app.
pub(super) struct Issuer {
    http: reqwest::Client,
    pub(super) app_key: String,
    pub(super) endpoints: Endpoints,
    /// Seconds by which the server's clock is ahead of ours, as last seen.
    clock_ahead: AtomicI64,
}

/// What a code or a refresh token was exchanged for.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) access: Secret,
    /// How long it is good for, from now.
    pub(super) life: Duration,
    /// Only when a code was exchanged, or by servers that rotate.
    pub(super) refresh: Option<Secret>,
    /// What it allows, if that was told.
    pub(super) scopes: Option<Vec<String>>,
}

/// Whose sign-in it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Owner {
    pub(super) remote_id: String,
    pub(super) name: String,
    pub(super) email: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<serde_json::Number>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    scope: Option<String>,
}

#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct ApiRefusal {
    error: ApiTag,
}

#[derive(Deserialize)]
struct ApiTag {
    #[serde(rename = ".tag")]
    tag: String,
    #[serde(default)]
    required_scope: Option<String>,
}

#[derive(Deserialize)]
struct AccountAnswer {
    account_id: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    name: AccountName,
}

#[derive(Deserialize, Default)]
struct AccountName {
    #[serde(default)]
    display_name: String,
}

impl Issuer {
    pub(super) fn new(http: reqwest::Client, app_key: &str, endpoints: Endpoints) -> Self {
        Self { http, app_key: app_key.to_owned(), endpoints, clock_ahead: AtomicI64::new(0) }
    }

    /// The address that the browser opens. Without a redirect the provider shows the code for copying.
    pub(super) fn authorize_url(&self, verifier: &Secret, redirect: Option<(&str, &Secret)>) -> Url {
        let mut url = self.endpoints.authorize.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.app_key)
            .append_pair("code_challenge", &pkce::challenge(verifier))
            .append_pair("code_challenge_method", "S256")
            .append_pair("scope", &self.endpoints.scopes.join(" "))
            .extend_pairs(self.endpoints.extra);
        if let Some((address, state)) = redirect {
            query.append_pair("redirect_uri", address).append_pair("state", state.expose());
        }
        drop(query);
        url
    }

    /// Exchanges a code. A server takes each code once.
    pub(super) async fn exchange(
        &self,
        code: &Secret,
        verifier: &Secret,
        redirect: Option<&str>,
    ) -> Result<Grant, IssuerError> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("client_id", &self.app_key),
            ("code", code.expose()),
            ("code_verifier", verifier.expose()),
        ];
        form.extend(redirect.map(|address| ("redirect_uri", address)));
        self.token_call(&form, &[code, verifier]).await
    }

    /// A new access token.
    pub(super) async fn refresh(&self, refresh: &Secret) -> Result<Grant, IssuerError> {
        let form = [("grant_type", "refresh_token"), ("client_id", &self.app_key), ("refresh_token", refresh.expose())];
        self.token_call(&form, &[refresh]).await
    }

    /// Takes the sign-in back: the access token, its refresh token and every other token of it.
    pub(super) async fn revoke(&self, access: &Secret) -> Result<(), IssuerError> {
        self.api_call::<serde_json::Value>(&self.endpoints.revoke, access).await.map(drop)
    }

    /// Whose sign-in it is.
    pub(super) async fn owner(&self, access: &Secret) -> Result<Owner, IssuerError> {
        let answer: AccountAnswer = self.api_call(&self.endpoints.account, access).await?;
        Ok(Owner { remote_id: answer.account_id, name: answer.name.display_name, email: answer.email })
    }

    /// By how much the server's clock is ahead of ours (negative: behind), as of its last answer.
    pub(super) fn clock_ahead_seconds(&self) -> i64 {
        self.clock_ahead.load(Ordering::Relaxed)
    }

    async fn token_call(&self, form: &[(&str, &str)], secrets: &[&Secret]) -> Result<Grant, IssuerError> {
        let body = form_body(form);
        let request = self
            .http
            .post(self.endpoints.token.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(body);
        let (status, headers, body) = self.call(request).await?;
        if status == StatusCode::OK {
            // The service labels this answer `text/javascript`: what it is decides, not what it is called.
            let answer: TokenAnswer = decode(status, &headers, &body)?;
            return Ok(Grant {
                access: Secret::new(answer.access_token),
                life: life(answer.expires_in.as_ref()),
                refresh: answer.refresh_token.map(Secret::new),
                scopes: answer.scope.map(|scopes| scopes.split_whitespace().map(str::to_owned).collect()),
            });
        }
        if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(unexpected(status, &headers));
        }
        let refusal: TokenRefusal = decode(status, &headers, &body)?;
        let said = said(refusal.error_description.as_deref().unwrap_or_default(), secrets);
        Err(match refusal.error.as_str() {
            "invalid_grant" => IssuerError::InvalidGrant { said },
            "invalid_client" | "unauthorized_client" => IssuerError::InvalidClient { said },
            other => IssuerError::Refused { word: self::said(other, secrets), said },
        })
    }

    async fn api_call<T: DeserializeOwned>(&self, url: &Url, access: &Secret) -> Result<T, IssuerError> {
        let mut bearer =
            header::HeaderValue::from_str(&format!("Bearer {}", access.expose())).map_err(|_no_detail| {
                IssuerError::NotTheService { what: "it sent a token that cannot be used".to_owned() }
            })?;
        bearer.set_sensitive(true);
        let request = self
            .http
            .post(url.clone())
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .body("null");
        let (status, headers, body) = self.call(request).await?;
        match status {
            StatusCode::OK => decode(status, &headers, &body),
            StatusCode::UNAUTHORIZED => {
                let refusal: ApiRefusal = decode(status, &headers, &body)?;
                Err(match (refusal.error.tag.as_str(), refusal.error.required_scope) {
                    ("missing_scope", Some(scope)) => IssuerError::MissingScope { scope: said(&scope, &[access]) },
                    ("missing_scope", None) => IssuerError::MissingScope { scope: "unknown".to_owned() },
                    (tag, _) => IssuerError::TokenRefused { word: said(tag, &[access]) },
                })
            }
            // "The given OAuth 2 access token is malformed."
            StatusCode::BAD_REQUEST => {
                Err(IssuerError::TokenRefused { word: said(&String::from_utf8_lossy(&body), &[access]) })
            }
            other => Err(unexpected(other, &headers)),
        }
    }

    async fn call(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<(StatusCode, HeaderMap, Zeroizing<Vec<u8>>), IssuerError> {
        let whole = async {
            let mut answer = request.send().await.map_err(explain)?;
            self.look_at_the_clock(answer.headers());
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut body = Zeroizing::new(Vec::new());
            while let Some(piece) = answer.chunk().await.map_err(explain)? {
                if body.len() + piece.len() > MAX_ANSWER_BYTES {
                    return Err(IssuerError::NotTheService { what: "its answer is far too long".to_owned() });
                }
                body.extend_from_slice(&piece);
            }
            Ok((status, headers, body))
        };
        tokio::time::timeout(CALL_LIMIT, whole).await.unwrap_or(Err(IssuerError::TimedOut { limit: CALL_LIMIT }))
    }

    fn look_at_the_clock(&self, headers: &HeaderMap) {
        let told = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        if let Some(told) = told.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
            let ahead = told.timestamp().as_second() - jiff::Timestamp::now().as_second();
            self.clock_ahead.store(ahead, Ordering::Relaxed);
        }
    }
}

/// `a=b&c=d`, percent-encoded.
fn form_body(form: &[(&str, &str)]) -> String {
    let mut encoder = Url::parse("x:").ok();
    if let Some(url) = &mut encoder {
        url.query_pairs_mut().extend_pairs(form);
    }
    encoder.as_ref().and_then(Url::query).unwrap_or_default().to_owned()
}

/// Seconds as servers write them: 14400, 14399.0, "soon". Never zero, never absurd.
fn life(told: Option<&serde_json::Number>) -> Duration {
    let told = told.and_then(serde_json::Number::as_f64).filter(|seconds| *seconds >= 1.0);
    let told = told.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    told.unwrap_or(UNTOLD_LIFE).min(LONGEST_LIFE)
}

/// JSON, or the news that something else answers there. What the parser says is not repeated: it quotes.
fn decode<T: DeserializeOwned>(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<T, IssuerError> {
    serde_json::from_slice(body).map_err(|_may_quote_a_token| {
        let looks_like_a_page = body.trim_ascii_start().starts_with(b"<");
        let what = match (looks_like_a_page, serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()) {
            (true, _) => "it sent a web page".to_owned(),
            (false, true) => "its answer lacks what the sign-in needs".to_owned(),
            (false, false) if status.is_success() => format!("its answer is not JSON{}", labelled(headers)),
            (false, false) => format!("it answered {status}{}", labelled(headers)),
        };
        IssuerError::NotTheService { what }
    })
}

fn labelled(headers: &HeaderMap) -> String {
    let label = headers.get(header::CONTENT_TYPE).and_then(|label| label.to_str().ok());
    label.map_or_else(String::new, |label| format!(" ({})", said(label, &[])))
}

fn unexpected(status: StatusCode, headers: &HeaderMap) -> IssuerError {
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        let pause = headers.get(header::RETRY_AFTER).and_then(|pause| pause.to_str().ok()?.trim().parse().ok());
        return IssuerError::Busy { status: status.as_u16(), retry_after: pause.map(Duration::from_secs) };
    }
    IssuerError::NotTheService { what: format!("it answered {status}") }
}

/// What a server said, fit to be repeated: short, without control characters and without our secrets.
fn said(text: &str, secrets: &[&Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.expose().is_empty()) {
        text = text.replace(secret.expose(), "[secret]");
    }
    let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().map(clean).take(MAX_SAID_CHARS).collect::<String>().trim().to_owned()
}

/// The client's failure, without the address.
fn explain(error: reqwest::Error) -> IssuerError {
    let error = error.without_url();
    if error.is_timeout() {
        return IssuerError::TimedOut { limit: CALL_LIMIT };
    }
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = error.downcast_ref().or_else(|| inner.and_then(|inner| inner.downcast_ref()));
        if let Some(rustls::Error::InvalidCertificate(problem)) = tls {
            return IssuerError::BadCertificate { why: problem.to_string(), is_about_time: is_about_time(problem) };
        }
        why = error.to_string();
        cause = error.source();
    }
    IssuerError::Unreachable { why }
}

fn is_about_time(problem: &rustls::CertificateError) -> bool {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(problem, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_believed_within_reason() {
        let number = |text: &str| serde_json::from_str::<serde_json::Number>(text).unwrap();
        assert_eq!(life(Some(&number("14400"))), Duration::from_secs(14_400));
        assert_eq!(life(Some(&number("14399.5"))), Duration::from_millis(14_399_500));
        assert_eq!(life(None), UNTOLD_LIFE);
        for odd in ["0", "-5", "0.001"] {
            assert_eq!(life(Some(&number(odd))), UNTOLD_LIFE, "{odd}");
        }
        assert_eq!(life(Some(&number("1e300"))), UNTOLD_LIFE);
        assert_eq!(life(Some(&number("99999999"))), LONGEST_LIFE);
    }

    #[test]
    fn what_a_server_says_is_repeated_without_secrets_and_controls() {
        let secret = Secret::new("sl.canary");
        assert_eq!(said("bad token sl.canary\u{1b}[31m\n", &[&secret]), "bad token [secret] [31m");
        assert_eq!(said(&"x".repeat(999), &[]).len(), 200);
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(form_body(&[("a", "b c&d"), ("e", "ü=")]), "a=b+c%26d&e=%C3%BC%3D");
    }
}
