//! The service itself: its state, and the way of a call from its HTTP request to its HTTP answer.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderName};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::watch;

use super::access::{Access, Caller};
use super::control;
use super::jobs::Jobs;
use super::links::{self, Links};
use super::model::NsId;
use super::model::view::View;
use super::model::world::World;
use super::model::write::Author;
use super::oauth;
use super::quirks::Quirks;
use super::received::Received;
use super::routes::{self, Answer, Reply, Route, Style};
use super::upload_sessions::Sessions;
use super::wire::{Args, Refusal, nest, refusal, tag};
use super::{ranges, spoil};
use crate::clock::Clock;
use crate::content::Spill;
use crate::faults::{Failure, Faults, Special};
use crate::http::{Link, Request, Response, Service};
use crate::log::Log;
use crate::random::Stream;

/// Longest JSON argument.
const MOST_ARGUMENT: usize = 4 * 1024 * 1024;

/// State of the simulated service.
pub(crate) struct Dropbox {
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) link: Link,
    pub(crate) log: Log,
    pub(crate) random: Stream,
    pub(crate) spill: Spill,
    pub(crate) quirks: Mutex<Quirks>,
    pub(crate) access: Mutex<Access>,
    pub(crate) sessions: Mutex<Sessions>,
    pub(crate) jobs: Mutex<Jobs>,
    pub(crate) links: Mutex<Links>,
    pub(crate) base_url: OnceLock<String>,
    world: Mutex<World>,
    /// The number of the last change, for those who wait for one.
    pub(crate) changed: watch::Sender<u64>,
}

/// A call whose caller is known.
pub(crate) struct Call<'a> {
    pub(crate) dropbox: &'a Dropbox,
    pub(crate) caller: Caller,
    pub(crate) view: View,
    pub(crate) special: Option<Special>,
}

impl Call<'_> {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.dropbox.world()
    }

    pub(crate) fn author(&self) -> Author {
        Author { account: self.caller.account.clone(), now: self.dropbox.clock.seconds() }
    }
}

impl Dropbox {
    pub(crate) fn new(seed: u64, clock: Clock, spill: Spill, faults: Faults, link: Link, log: Log) -> Self {
        Self {
            clock,
            faults,
            link,
            log,
            random: Stream::new(seed, "answers"),
            quirks: Mutex::default(),
            access: Mutex::new(Access::new(seed)),
            sessions: Mutex::default(),
            jobs: Mutex::default(),
            links: Mutex::default(),
            base_url: OnceLock::new(),
            world: Mutex::new(World::new(seed)),
            spill,
            changed: watch::Sender::new(0),
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn quirks(&self) -> MutexGuard<'_, Quirks> {
        self.quirks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All cursors given out so far are answered with `reset`.
    pub(crate) fn reset_cursors(&self) {
        self.world().cursor_epoch += 1;
        self.changed.send_modify(|_| {});
    }

    /// Tells those who wait that something may have changed.
    pub(crate) fn announce(&self) {
        let seq = self.world().seq();
        self.changed.send_if_modified(|last| std::mem::replace(last, seq) != seq);
    }

    async fn call(&self, route: &'static Route, mut request: Request) -> Option<Response> {
        let special = request.special;
        let answer = self.try_call(route, &mut request).await;
        // What the service refuses early it still reads to the end, else the client would see a broken connection.
        while let Some(chunk) = request.body.chunk().await {
            chunk.ok()?;
        }
        self.announce();
        let response = match answer {
            Ok(reply) => self.response(reply, route, &request),
            Err(refusal) => refusal.into_response(route.name, &self.random),
        };
        Some(spoil::spoil(response, special))
    }

    async fn try_call(&self, route: &'static Route, request: &mut Request) -> Answer {
        self.check_method(route, request)?;
        if matches!(route.style, Style::Longpoll) {
            if request.headers.contains_key(AUTHORIZATION) {
                let text = "Your request includes an Authorization header, but this function does not use it.";
                return Err(Refusal::BadRequest(text.to_owned()));
            }
            let args = self.body_args(request).await?;
            return routes::longpoll::longpoll(self, args, request.special, request.record.at()).await;
        }
        let caller = self.caller(route, request)?;
        request.record.set_account(&caller.account, &caller.device);
        let view = self.view(&caller, request)?;
        self.quirks().rate_limit(&caller.account, &self.clock)?;
        let call = Call { dropbox: self, caller, view, special: request.special };
        match route.style {
            Style::Void(answer) => {
                let body = self.body(request).await?;
                Args::parse_void(&body, "request body")?;
                answer(&call)
            }
            Style::Rpc(answer) => {
                let args = self.body_args(request).await?;
                let _held = self.contend(route, view.root).await?;
                answer(&call, args)
            }
            Style::Upload(answer) => {
                check_content_type(request, &["application/octet-stream", "text/plain; charset=dropbox-cors-hack"])?;
                let args = header_args(request)?;
                let received = Received::from_body(&mut request.body, &self.spill).await;
                let received = received.map_err(|error| Refusal::Text(error.to_string()))?;
                let _held = self.contend(route, view.root).await?;
                answer(&call, args, received)
            }
            Style::Download(answer) => {
                check_content_type(request, &["", "application/octet-stream", "text/plain; charset=utf-8"])?;
                answer(&call, header_args(request)?)
            }
            Style::Longpoll => Err(Refusal::BadRequest("not reached".to_owned())),
        }
    }

    /// A write takes its namespace for a moment; when it does not get it in time it is refused.
    async fn contend(&self, route: &Route, ns: NsId) -> Result<super::quirks::Held, Refusal> {
        let lock = self.quirks().lock_of(route.effect, ns);
        lock.take().await
    }

    fn check_method(&self, route: &Route, request: &Request) -> Result<(), Refusal> {
        let get = request.method == Method::GET && matches!(route.style, Style::Download(_));
        if request.method == Method::POST || get {
            return Ok(());
        }
        Err(Refusal::BadRequest(format!(
            "Your request's HTTP request method is \"{}\". This function only accepts the \
             HTTP request methods \"POST\".",
            request.method
        )))
    }

    fn caller(&self, route: &Route, request: &Request) -> Result<Caller, Refusal> {
        let given = request.header("authorization").or_else(|| request.parameter("authorization"));
        let Some(given) = given else {
            let text = "Must provide HTTP header \"Authorization\" or URL parameter \"authorization\".";
            return Err(Refusal::BadRequest(text.to_owned()));
        };
        let Some(token) = given.strip_prefix("Bearer ") else {
            let text =
                "Invalid authorization value in HTTP header \"Authorization\": expected \"Bearer <access token>\"";
            return Err(Refusal::BadRequest(text.to_owned()));
        };
        self.access().caller(token.trim(), route.scope, self.clock.seconds())
    }

    /// The root that the call's paths start from.
    fn view(&self, caller: &Caller, request: &Request) -> Result<View, Refusal> {
        let world = self.world();
        let Some(account) = world.account(&caller.account) else {
            return Err(Refusal::Auth(tag("invalid_access_token")));
        };
        if account.disabled {
            return Err(Refusal::Auth(tag("user_suspended")));
        }
        let Some(header) = request.header("dropbox-api-path-root") else {
            return Ok(View { root: caller.sandbox.unwrap_or(account.home) });
        };
        if caller.sandbox.is_some() {
            return Err(Refusal::BadRequest("Path root is not supported for sandbox app.".to_owned()));
        }
        let at = "HTTP header \"Dropbox-API-Path-Root\"";
        let mut args = Args::parse(header.as_bytes(), at)?;
        let kind = args.string(".tag")?;
        let mut named = |field: &str| {
            let text = args.string(field)?;
            text.parse().map(NsId).map_err(|_| args.error(field, "did not match pattern '[-_0-9a-zA-Z:]+'"))
        };
        let root = match kind.as_str() {
            "home" => account.home,
            "root" => {
                let named = named("root")?;
                if named != account.root {
                    let current = routes::users::root_info(account);
                    return Err(Refusal::PathRoot(nest("invalid_root", current)));
                }
                named
            }
            "namespace_id" => {
                let named = named("namespace_id")?;
                let seen = [account.home, account.root]
                    .into_iter()
                    .any(|root| world.namespaces.contains_key(&named) && View { root }.outer(&world, named).is_some());
                if !seen {
                    return Err(Refusal::PathRoot(tag("no_permission")));
                }
                named
            }
            other => return Err(args.error(".tag", &format!("invalid tag '{other}'"))),
        };
        Ok(View { root })
    }

    async fn body(&self, request: &mut Request) -> Result<bytes::Bytes, Refusal> {
        let bytes = request.body.whole(MOST_ARGUMENT).await.map_err(|error| Refusal::Text(error.to_string()))?;
        let bytes = bytes.ok_or_else(|| Refusal::BadRequest("request body: too large".to_owned()))?;
        let kind = request.header("content-type").unwrap_or_default();
        let kinds = ["application/json", "application/json; charset=utf-8", "text/plain; charset=dropbox-cors-hack"];
        let void = bytes.is_empty() && kind.is_empty();
        if !void && !kinds.contains(&kind.to_ascii_lowercase().as_str()) {
            return Err(bad_content_type(&kind, &kinds));
        }
        request.record.set_argument(&String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]));
        Ok(bytes)
    }

    async fn body_args(&self, request: &mut Request) -> Result<Args, Refusal> {
        let bytes = self.body(request).await?;
        Args::parse(&bytes, "request body")
    }

    fn response(&self, reply: Reply, route: &Route, request: &Request) -> Response {
        match reply {
            Reply::Json(json) => Response::json(StatusCode::OK, json),
            Reply::Content { metadata, rev, blob, content_type } => {
                match ranges::content(request, &metadata, &rev, blob, content_type) {
                    Ok(response) => response,
                    Err(refusal) => refusal.into_response(route.name, &self.random),
                }
            }
        }
    }
}

fn check_content_type(request: &Request, kinds: &[&str]) -> Result<(), Refusal> {
    let kind = request.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    if kinds.contains(&kind.as_str()) { Ok(()) } else { Err(bad_content_type(&kind, kinds)) }
}

fn bad_content_type(kind: &str, kinds: &[&str]) -> Refusal {
    let expected: Vec<String> =
        kinds.iter().filter(|kind| !kind.is_empty()).map(|kind| format!("\"{kind}\"")).collect();
    let expected = expected.join(", ");
    Refusal::BadRequest(if kind.is_empty() {
        format!("Missing HTTP \"Content-Type\" header. Expecting one of {expected}.")
    } else {
        format!("Bad HTTP \"Content-Type\" header: \"{kind}\". Expecting one of {expected}.")
    })
}

fn header_args(request: &Request) -> Result<Args, Refusal> {
    let header = request.header("dropbox-api-arg");
    let (text, at) = match (header, request.parameter("arg")) {
        (Some(header), _) => (header, "HTTP header \"Dropbox-API-Arg\""),
        (None, Some(parameter)) => (parameter, "URL parameter \"arg\""),
        (None, None) => {
            let text = "Must provide HTTP header \"Dropbox-API-Arg\" or URL parameter \"arg\".";
            return Err(Refusal::BadRequest(text.to_owned()));
        }
    };
    request.record.set_argument(&text);
    Args::parse(text.as_bytes(), at)
}

impl Service for Arc<Dropbox> {
    fn route(&self, _method: &Method, path: &str) -> String {
        path.strip_prefix("/2/").unwrap_or(path.trim_start_matches('/')).to_owned()
    }

    async fn answer(&self, request: Request) -> Option<Response> {
        let Some(name) = request.path.strip_prefix("/2/") else {
            return match request.path.as_str() {
                "/oauth2/authorize" => oauth::authorize(self, request).await,
                "/oauth2/token" => oauth::token(self, request).await,
                path => match (path.strip_prefix("/temporary/"), path.strip_prefix("/_sim/")) {
                    (Some(link), _) => Some(links::follow(self, link, &request)),
                    (None, Some(what)) => {
                        let what = what.to_owned();
                        control::answer(self, &what, request).await
                    }
                    (None, None) => Some(Response::text(StatusCode::NOT_FOUND, "Not found")),
                },
            };
        };
        match routes::find(name) {
            Some(route) => self.call(route, request).await,
            None => {
                let text = format!("Unknown API function: \"{name}\"");
                Some(Response::text(StatusCode::BAD_REQUEST, text))
            }
        }
    }

    fn failure(&self, request: &Request, failure: &Failure) -> Response {
        let route = self.route(&request.method, &request.path);
        let refusal = match failure {
            Failure::TooManyRequests { retry_after, text } => {
                Refusal::Limited { reason: "too_many_requests", retry_after: *retry_after, text: *text }
            }
            Failure::TooManyWrites { retry_after } => {
                Refusal::Limited { reason: "too_many_write_operations", retry_after: *retry_after, text: false }
            }
            Failure::TokenExpired => Refusal::Auth(tag("expired_access_token")),
            Failure::TokenInvalid => Refusal::Auth(tag("invalid_access_token")),
            Failure::MissingScope(scope) => Refusal::Auth(json!({ ".tag": "missing_scope", "required_scope": scope })),
            Failure::Error(error) => Refusal::Api(error.clone()),
            Failure::BadRequest(text) => Refusal::BadRequest(text.clone()),
            Failure::Html(status) => {
                return page(*status, "<!DOCTYPE html><html><body><h1>Please sign in</h1></body></html>");
            }
            Failure::Status { status, retry_after } => {
                let response = page(*status, "<html><body><h1>Something went wrong</h1></body></html>");
                return match retry_after {
                    Some(seconds) => response.with(http::header::RETRY_AFTER, &seconds.to_string()),
                    None => response,
                };
            }
        };
        refusal.into_response(&route, &self.random)
    }

    fn finish(&self, response: &mut Response) {
        let (name, id) = refusal::request_id(&self.random);
        let date = self.quirks().date(&self.clock);
        for (name, value) in [(name, id), (DATE, date), (HeaderName::from_static("server"), "envoy".to_owned())] {
            if let Ok(value) = value.parse() {
                response.headers.insert(name, value);
            }
        }
    }
}

fn page(status: u16, html: &'static str) -> Response {
    Response::html(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), html)
}
