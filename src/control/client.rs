//! The clients' side of the control API: one method, typed by the protocol, over the Unix socket.
//!
//! Starting a daemon is [`start`]'s work; this file only talks to one that is there.

pub mod start;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::protocol::{API_ROOT, ErrorBody, ErrorCode, Problem, STATE_HEADER};

/// Longest wait for an answer: beyond the daemon's own bounds, so that it is the daemon that says what took long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(150);

/// Longest wait for a sign of life.
const PING_TIMEOUT: Duration = Duration::from_secs(30);

/// The socket is not encrypted. A client that may be asked to encrypt would read the system's certificates at every start.
fn no_tls() -> Result<rustls::ClientConfig, Problem> {
    let cryptography = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(cryptography)
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::new(ErrorCode::Internal, "cannot set up a client").because(&error))?;
    Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// A connection to the daemon of this user.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon behind `socket` that owns `state_dir`. Does not connect yet.
    pub fn new(socket: &Path, state_dir: &Path) -> Result<Self, Problem> {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(state_dir.as_os_str().as_bytes()) {
            headers.insert(STATE_HEADER, value);
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(no_tls()?)
            .unix_socket(socket)
            .default_headers(headers)
            .no_proxy()
            .build()
            .map_err(|error| Problem::new(ErrorCode::Internal, "cannot set up a client").because(&error))?;
        Ok(Self { http, socket: socket.to_owned() })
    }

    /// True if a daemon answers. A connection alone says little: one that is just ending has a socket, too.
    pub async fn is_answering(&self) -> bool {
        if !self.socket.exists() {
            return false;
        }
        let ping = self.http.get(url("ping")).timeout(PING_TIMEOUT);
        ping.send().await.is_ok()
    }

    /// True if a daemon answers requests. One that was just killed still has connections accepted by the kernel until its last
    /// thread is gone, and answers none of them.
    pub async fn is_serving(&self) -> bool {
        // Any answer will do, "no such address" too.
        self.is_answering().await && self.http.get(url("")).timeout(ANSWER_TIMEOUT).send().await.is_ok()
    }

    /// True while a daemon has its socket open: until the very end of its process.
    pub async fn is_listening(&self) -> bool {
        tokio::net::UnixStream::connect(&self.socket).await.is_ok()
    }

    /// Asks. `query` becomes the query string.
    pub async fn get<T: DeserializeOwned>(&self, address: &str, query: &impl Serialize) -> Result<T, Problem> {
        let answer = self.open(address, query).await?;
        decode(answer).await
    }

    /// Commands.
    pub async fn post<T: DeserializeOwned>(&self, address: &str, body: &impl Serialize) -> Result<T, Problem> {
        let request = self.http.post(url(address)).json(body).timeout(ANSWER_TIMEOUT);
        decode(self.checked(request.send().await).await?).await
    }

    /// Asks, and hands out the answer for reading in pieces: events, metrics, bytes of files.
    pub async fn open(&self, address: &str, query: &impl Serialize) -> Result<reqwest::Response, Problem> {
        self.checked(self.http.get(with_query(address, query)?).send().await).await
    }

    /// Commands, and hands out the answer for reading in pieces.
    pub async fn open_post(&self, address: &str, body: &impl Serialize) -> Result<reqwest::Response, Problem> {
        self.checked(self.http.post(url(address)).json(body).send().await).await
    }

    async fn checked(&self, answer: Result<reqwest::Response, reqwest::Error>) -> Result<reqwest::Response, Problem> {
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.map_err(|error| self.unreachable(&error))?;
        match serde_json::from_str::<ErrorBody>(&text) {
            Ok(body) => Err(body.error),
            Err(_) => Err(Problem::new(ErrorCode::Internal, format!("the daemon answered {status}")).cause(text)),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Problem {
        let (code, what) = if error.is_timeout() {
            (ErrorCode::TimedOut, "the daemon did not answer in time".to_owned())
        } else if error.is_connect() {
            (ErrorCode::DaemonAbsent, format!("no daemon answers at {}", self.socket.display()))
        } else {
            (ErrorCode::DaemonAbsent, "the daemon went away before it had answered".to_owned())
        };
        let innermost = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
        let problem = Problem::new(code, what);
        match innermost {
            Some(cause) => problem.cause(cause.to_string()),
            None => problem,
        }
        .hint("see `vaultfs daemon status`")
    }
}

async fn decode<T: DeserializeOwned>(answer: reqwest::Response) -> Result<T, Problem> {
    let text = answer.text().await.map_err(|error| {
        Problem::new(ErrorCode::DaemonAbsent, "the daemon went away while it answered").because(&error)
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Problem::new(ErrorCode::Internal, "the daemon's answer is not understood")
            .because(&error)
            .hint("the daemon may be of another version: run `vaultfs daemon stop` and try again")
    })
}

fn url(address: &str) -> String {
    format!("http://vaultfs{API_ROOT}/{address}")
}

fn with_query(address: &str, query: &impl Serialize) -> Result<reqwest::Url, Problem> {
    let not_asked = |cause: String| Problem::new(ErrorCode::Internal, "the question cannot be asked").cause(cause);
    let mut url = reqwest::Url::parse(&url(address)).map_err(|error| not_asked(error.to_string()))?;
    let value = serde_json::to_value(query).map_err(|error| not_asked(error.to_string()))?;
    if let Some(fields) = value.as_object().filter(|fields| !fields.is_empty()) {
        let mut pairs = url.query_pairs_mut();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            pairs.append_pair(name, value.as_str().unwrap_or(&value.to_string()));
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::Target;

    #[test]
    fn queries_are_escaped_and_absent_fields_left_out() {
        let target = Target { vault: None, path: Some("/a b/ü&c".to_owned()) };
        let url = with_query("status/file", &target).unwrap();
        assert_eq!(url.as_str(), "http://vaultfs/api/v1/status/file?path=%2Fa+b%2F%C3%BC%26c");
        assert_eq!(with_query("vaults", &Target::default()).unwrap().as_str(), "http://vaultfs/api/v1/vaults");
    }
}
