//! A port of this machine to which the browser brings the answer (RFC 8252, 7.3).
//!
//! Invariants: it listens on 127.0.0.1 before the browser opens, takes one GET of the exact path, shows nothing of what it was sent, and
//! closes. Requests that were made for another host, as by a page whose name was bound to this address, are not looked at.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::error::AccountError;

/// The path that is registered with the provider.
const PATH: &str = "/oauth";

/// How long a connection may take to say what it wants.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that are listened to at once.
const MAX_CONNECTIONS: usize = 8;

/// How long the page may take to reach the browser.
const PAGE_GRACE: Duration = Duration::from_secs(2);

const RECEIVED: &str = "<!doctype html><meta charset=utf-8><title>vaultfs</title>\
    <p>vaultfs has received the answer. The command line says how it went; this window can be closed.";

/// A port that waits for the browser.
pub(super) struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
}

type Taken = Arc<Mutex<Option<oneshot::Sender<String>>>>;

impl Loopback {
    /// Listens on the first of these ports that is free; port 0 is any.
    pub(super) async fn bind(ports: &[u16]) -> Result<Self, AccountError> {
        for port in ports {
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).await
                && let Ok(address) = listener.local_addr()
            {
                return Ok(Self { listener, address });
            }
        }
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        Err(AccountError::NoPort { ports: ports.join(", ") })
    }

    /// The address that the browser is sent to.
    pub(super) fn redirect(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// The query of the first request of the exact path. The browser has got its page by then, or had the time to.
    pub(super) async fn answer(self) -> Option<String> {
        let (taken, mut query) = oneshot::channel();
        let taken: Taken = Arc::new(Mutex::new(Some(taken)));
        let host = self.address.to_string();
        let mut connections = FuturesUnordered::new();
        let query = loop {
            tokio::select! {
                // The sender lives in `taken`.
                query = &mut query => break query.ok()?,
                Some(()) = connections.next(), if !connections.is_empty() => {}
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, _)) => connections.push(serve(stream, host.clone(), Arc::clone(&taken))),
                    // Out of descriptors, most likely; the next one may do.
                    Err(error) => {
                        tracing::debug!(%error, "a connection of the browser was lost");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        };
        drop(self.listener);
        let finish = async { while connections.next().await.is_some() {} };
        if tokio::time::timeout(PAGE_GRACE, finish).await.is_err() {
            tracing::debug!("a browser keeps its connection");
        }
        Some(query)
    }
}

async fn serve(stream: TcpStream, host: String, taken: Taken) {
    let service = service_fn(move |request| {
        let response = answer(&request, &host, &taken);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection of the browser ended early");
    }
}

fn answer(request: &Request<Incoming>, host: &str, taken: &Taken) -> Response<Body> {
    let is_for_us = request.headers().get(header::HOST).is_some_and(|asked| asked.as_bytes() == host.as_bytes());
    if !is_for_us || request.uri().path() != PATH {
        return page(StatusCode::NOT_FOUND, "");
    }
    if request.method() != Method::GET {
        return page(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    match taken.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(taken) => match taken.send(request.uri().query().unwrap_or_default().to_owned()) {
            Ok(()) => page(StatusCode::OK, RECEIVED),
            Err(_) => page(StatusCode::GONE, ""),
        },
        None => page(StatusCode::GONE, ""),
    }
}

fn page(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONNECTION, "close"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A browser that has no proxy.
    fn browser() -> reqwest::Client {
        let here = "http://127.0.0.1".parse().unwrap();
        crate::provider::http::client(&here, &crate::provider::http::Phases::default()).unwrap()
    }

    async fn get(address: &str, host: Option<&str>) -> reqwest::Response {
        let mut request = browser().get(address);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        request.send().await.unwrap()
    }

    #[tokio::test]
    async fn one_get_of_the_exact_path_for_this_host_is_taken_and_nothing_of_it_is_shown() {
        let loopback = Loopback::bind(&[0]).await.unwrap();
        let redirect = loopback.redirect();
        assert!(redirect.starts_with("http://127.0.0.1:") && redirect.ends_with("/oauth"), "{redirect}");
        let root = redirect.trim_end_matches("/oauth").to_owned();
        let waiting = tokio::spawn(loopback.answer());
        assert_eq!(get(&format!("{root}/favicon.ico"), None).await.status(), 404);
        assert_eq!(get(&format!("{root}/oauth/?code=evil&state=s"), None).await.status(), 404);
        assert_eq!(get(&format!("{redirect}?code=evil&state=s"), Some("evil.example")).await.status(), 404);
        let posted = browser().post(format!("{redirect}?code=evil&state=s")).send().await.unwrap();
        assert_eq!(posted.status(), 405);
        let page = get(&format!("{redirect}?code=good&state=s"), None).await;
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()["referrer-policy"], "no-referrer");
        assert_eq!(page.headers()["cache-control"], "no-store");
        assert!(!page.text().await.unwrap().contains("good"));
        assert_eq!(waiting.await.unwrap().unwrap(), "code=good&state=s");
        // It is closed.
        assert!(browser().get(&redirect).send().await.is_err());
    }

    #[tokio::test]
    async fn the_next_port_is_tried_and_all_taken_is_said() {
        let first = Loopback::bind(&[0]).await.unwrap();
        let taken = first.address.port();
        let second = Loopback::bind(&[taken, 0]).await.unwrap();
        assert_ne!(second.address.port(), taken);
        let error = Loopback::bind(&[taken]).await.err().unwrap();
        assert!(matches!(&error, AccountError::NoPort { ports } if *ports == taken.to_string()), "{error}");
    }
}
