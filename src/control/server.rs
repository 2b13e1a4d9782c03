//! The daemon's side of the control API: addresses, limits, and the loop that accepts connections.
//!
//! Invariants: a peer of another user is never read from; GET changes nothing; POST takes JSON only; every failure is an
//! [`ErrorBody`]; no request is larger than [`MAX_REQUEST_BYTES`] and no more than [`MAX_CONNECTIONS`] are served at once.

use std::convert::Infallible;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::protocol::{
    API_ROOT, AccountFilter, ErrorBody, ErrorCode, EventsQuery, FolderQuery, MAX_REQUEST_BYTES, Problem, RulesQuery,
    STATE_HEADER, SignInAttempt, Target, VaultFilter,
};
use super::service::{ByteStream, ContentVerb, ControlService};
use super::socket;

/// Connections that are served at once.
pub const MAX_CONNECTIONS: usize = 32;

/// How long a connection beyond the limit waits for a free place.
const PLACE_WAIT: Duration = Duration::from_secs(2);

/// How long a client may take to send the head of a request, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a client may take to send the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

type Service = Arc<dyn ControlService>;

/// Accepts and serves connections until `stop` is done, then gives running requests `grace` to finish. The listener stays
/// with the caller: clients take its end for the end of the daemon.
pub async fn serve(
    listener: &UnixListener,
    service: Service,
    uid: u32,
    stop: impl Future<Output = ()>,
    grace: Duration,
) {
    let app = router(service);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let ending = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if !socket::is_own_peer(&stream, uid) => {
                tracing::warn!("a process of another user tried to use the control socket");
                drop(stream);
            }
            Ok((stream, _)) => {
                let (app, places, ending) = (app.clone(), Arc::clone(&places), ending.subscribe());
                connections.spawn(async move {
                    match tokio::time::timeout(PLACE_WAIT, places.acquire_owned()).await {
                        Ok(Ok(place)) => serve_connection(stream, app, place, ending).await,
                        Ok(Err(_)) | Err(_) => turn_away(stream).await,
                    }
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: the listener stays good, and a tight loop would only make it worse.
                tracing::warn!(%error, "accepting a control connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    ending.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, drained).await.is_err() {
        tracing::info!("control requests were still running when the daemon stopped");
    }
}

async fn serve_connection(
    stream: UnixStream,
    app: Router,
    _place: OwnedSemaphorePermit,
    mut ending: watch::Receiver<bool>,
) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = ended(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a control connection ended early");
    }
}

async fn ended(ending: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the same.
    drop(ending.wait_for(|ending| *ending).await);
}

async fn turn_away(mut stream: UnixStream) {
    let problem = Problem::new(ErrorCode::Busy, "the daemon serves as many clients as it can")
        .hint("end a client, for example a `vaultfs wait`, and try again");
    let body = serde_json::to_string(&ErrorBody { error: problem }).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    if let Err(error) = stream.write_all(answer.as_bytes()).await {
        tracing::debug!(%error, "a client that was turned away did not listen");
    }
}

macro_rules! question {
    ($method:ident, $query:ty) => {
        get(|State(service): State<Service>, Query(query): Query<$query>| async move {
            answer(service.$method(query).await)
        })
    };
}

macro_rules! command {
    ($method:ident) => {
        post(|State(service): State<Service>, JsonBody(body): JsonBody<_>| async move {
            answer(service.$method(body).await)
        })
    };
}

macro_rules! content {
    ($verb:ident) => {
        post(|State(service): State<Service>, JsonBody(target): JsonBody<Target>| async move {
            answer(service.content(ContentVerb::$verb, target).await)
        })
    };
}

fn router(service: Service) -> Router {
    let api = Router::new()
        .route("/ping", get(|| async { StatusCode::NO_CONTENT }))
        .route("/daemon", get(|State(service): State<Service>| async move { answer(service.daemon().await) }))
        .route(
            "/daemon/stop",
            post(|State(service): State<Service>, JsonBody(Nothing {}): JsonBody<Nothing>| async move {
                answer(service.stop().await)
            }),
        )
        .route(
            "/vaults",
            get(|State(service): State<Service>| async move { answer(service.vaults().await) })
                .merge(command!(add_vault)),
        )
        .route("/vaults/show", question!(vault, VaultFilter))
        .route("/vaults/import", command!(import_vaults))
        .route("/vaults/rename", command!(rename_vault))
        .route("/vaults/remove", command!(remove_vault))
        .route("/vaults/default", command!(set_default))
        .route("/vaults/active", command!(set_active))
        .route("/vaults/set", command!(change_vault))
        .route("/music", command!(make_music))
        .route("/accounts", get(|State(service): State<Service>| async move { answer(service.accounts().await) }))
        .route("/accounts/show", question!(account, AccountFilter))
        .route("/accounts/sign-in", command!(begin_sign_in))
        .route("/accounts/code", command!(enter_code))
        .route("/accounts/redirect", command!(take_redirect))
        .route("/accounts/outcome", question!(sign_in_outcome, SignInAttempt))
        .route("/accounts/cancel", command!(cancel_sign_in))
        .route("/accounts/disconnect", command!(disconnect))
        .route("/accounts/test", command!(test_connection))
        .route("/accounts/folders", question!(folders, FolderQuery).merge(command!(make_folder)))
        .route("/mounts", command!(mount))
        .route("/mounts/unmount", command!(unmount))
        .route("/status", question!(status, VaultFilter))
        .route("/status/file", question!(file_status, Target))
        .route("/cases", question!(cases, VaultFilter))
        .route("/queue", question!(queue, VaultFilter).merge(command!(change_queue)))
        .route("/sync", command!(sync))
        .route("/content/pin", content!(Pin))
        .route("/content/unpin", content!(Unpin))
        .route("/content/evict", content!(Evict))
        .route("/content/file", get(file_content))
        .route("/wait", command!(wait))
        .route("/history", question!(history, VaultFilter))
        .route("/history/decisions", question!(decisions, VaultFilter))
        .route("/history/restore", command!(restore))
        .route("/history/content", get(history_content))
        .route("/conflicts", question!(conflicts, VaultFilter))
        .route("/conflicts/resolve", command!(resolve_conflicts))
        .route("/rules/why", question!(rules_why, RulesQuery))
        .route("/manifest", get(manifest))
        .route("/verify", post(verify))
        .route("/doctor", question!(doctor, VaultFilter))
        .route("/doctor/repair", command!(repair))
        .route("/network", command!(network))
        .route(
            "/settings/reload",
            post(|State(service): State<Service>, JsonBody(Nothing {}): JsonBody<Nothing>| async move {
                answer(service.reload_settings().await)
            }),
        )
        .route("/events", get(events))
        .route("/metrics", get(metrics))
        .fallback(|| async { problem(Problem::new(ErrorCode::UnknownAddress, "this address does not exist")) })
        .method_not_allowed_fallback(|| async {
            problem(Problem::new(ErrorCode::UnknownAddress, "this address does not take this method"))
        });
    Router::new()
        .nest(API_ROOT, api)
        .fallback(|| async {
            problem(Problem::new(ErrorCode::UnknownAddress, format!("every address of the API begins with {API_ROOT}")))
        })
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), right_daemon))
        .with_state(service)
}

/// Refuses clients that look for the daemon of another state folder.
async fn right_daemon(State(service): State<Service>, request: Request, next: Next) -> Response {
    let expected = request.headers().get(STATE_HEADER).map(|value| value.as_bytes());
    let own = service.state_dir();
    if expected.is_some_and(|expected| expected != own.as_os_str().as_bytes()) {
        let other = format!("the daemon behind this socket works in {}, which is not yours", own.display());
        return problem(
            Problem::new(ErrorCode::WrongDaemon, other)
                .cause("two sets of folders share one runtime folder")
                .hint("set XDG_RUNTIME_DIR to a folder of its own for each of them"),
        );
    }
    next.run(request).await
}

/// The body of a command that needs no words: `{}`.
#[derive(serde::Deserialize)]
struct Nothing {}

async fn metrics(State(service): State<Service>) -> Response {
    match service.metrics().await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => problem(error),
    }
}

async fn history_content(
    State(service): State<Service>,
    Query(entry): Query<super::protocol::HistoryEntry>,
) -> Response {
    stream(service.history_content(entry).await)
}

async fn file_content(State(service): State<Service>, Query(target): Query<Target>) -> Response {
    stream(service.file_content(target).await)
}

async fn manifest(State(service): State<Service>, Query(filter): Query<VaultFilter>) -> Response {
    stream_lines(service.manifest(filter).await)
}

async fn verify(
    State(service): State<Service>,
    JsonBody(request): JsonBody<super::protocol::VerifyRequest>,
) -> Response {
    stream_lines(service.verify(request).await)
}

fn stream_lines(lines: Result<ByteStream, Problem>) -> Response {
    match lines {
        Ok(lines) => ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response(),
        Err(error) => problem(error),
    }
}

/// Events, one JSON object per line, until the client leaves.
async fn events(State(service): State<Service>, Query(query): Query<EventsQuery>) -> Response {
    let subscription = service.events().subscribe(query.after);
    let lines = futures_util::stream::unfold(subscription, |mut subscription| async move {
        let mut line = serde_json::to_vec(&subscription.next().await?).ok()?;
        line.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(line)), subscription))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn stream(bytes: Result<ByteStream, Problem>) -> Response {
    match bytes {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(bytes)).into_response(),
        Err(error) => problem(error),
    }
}

fn answer<T: serde::Serialize>(reply: Result<T, Problem>) -> Response {
    match reply {
        Ok(value) => axum::Json(value).into_response(),
        Err(error) => problem(error),
    }
}

fn problem(error: Problem) -> Response {
    let status = StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(ErrorBody { error })).into_response()
}

/// A JSON body; everything else is refused in our own words.
struct JsonBody<T>(T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let refused = |what: String| problem(Problem::new(ErrorCode::InvalidRequest, what));
        match tokio::time::timeout(BODY_TIMEOUT, axum::Json::<T>::from_request(request, state)).await {
            Ok(Ok(axum::Json(value))) => Ok(Self(value)),
            Ok(Err(rejection)) => Err(refused(rejection.body_text())),
            Err(_) => Err(refused("the body of the request did not arrive in time".to_owned())),
        }
    }
}

/// A query string; a wrong one is refused in our own words.
struct Query<T>(T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(problem(Problem::new(ErrorCode::InvalidRequest, rejection.body_text()))),
        }
    }
}
