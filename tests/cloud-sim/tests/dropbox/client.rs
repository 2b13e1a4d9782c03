//! A client that knows nothing but HTTP.

use cloud_sim::dropbox::{DropboxSim, Options, Web};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) path_root: Option<String>,
}

/// An answer with its body read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A fresh simulator and a client of its first account.
pub(crate) fn start() -> (DropboxSim, Client) {
    let sim = DropboxSim::start(Options::default()).unwrap();
    sim.set_longpoll_jitter(std::time::Duration::ZERO);
    let client = Client::new(&sim, sim.token());
    (sim, client)
}

pub(crate) fn web(sim: &DropboxSim) -> Web {
    sim.first_account().web()
}

/// A client that follows nobody and shows bodies as they came.
pub(crate) fn http() -> reqwest::Client {
    // In a build of the whole project it wants to know; whoever was first in this process has said it.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_gzip().build().unwrap()
}

impl Client {
    pub(crate) fn new(sim: &DropboxSim, token: &str) -> Self {
        let http = http();
        Self { http, base: sim.base_url(), token: token.to_owned(), path_root: None }
    }

    pub(crate) fn request(&self, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(root) = &self.path_root {
            request = request.header("Dropbox-API-Path-Root", root);
        }
        request
    }

    /// An RPC call, whatever comes of it.
    pub(crate) async fn ask(&self, route: &str, argument: &Value) -> Answer {
        send(self.request(&format!("/2/{route}")).json(argument)).await
    }

    /// An RPC call that works.
    pub(crate) async fn call(&self, route: &str, argument: Value) -> Value {
        let answer = self.ask(route, &argument).await;
        assert_eq!(answer.status, 200, "{route} {argument}: {answer:?}");
        answer.json()
    }

    /// An RPC call that is refused with the route's error: that error.
    pub(crate) async fn error(&self, route: &str, argument: Value) -> Value {
        let answer = self.ask(route, &argument).await;
        assert_eq!(answer.status, 409, "{route} {argument}: {answer:?}");
        answer.json()["error"].clone()
    }

    /// An upload-style call, whatever comes of it.
    pub(crate) async fn send(&self, route: &str, argument: &Value, bytes: impl Into<Vec<u8>>) -> Answer {
        let request = self.request(&format!("/2/{route}")).header("Dropbox-API-Arg", ascii(argument));
        send(request.header("Content-Type", "application/octet-stream").body(bytes.into())).await
    }

    /// `files/upload` that works.
    pub(crate) async fn upload(&self, argument: Value, bytes: &[u8]) -> Value {
        let answer = self.send("files/upload", &argument, bytes).await;
        assert_eq!(answer.status, 200, "{argument}: {answer:?}");
        answer.json()
    }

    /// `files/upload` that is refused: the reason.
    pub(crate) async fn upload_error(&self, argument: Value, bytes: &[u8]) -> Value {
        let answer = self.send("files/upload", &argument, bytes).await;
        assert_eq!(answer.status, 409, "{argument}: {answer:?}");
        answer.json()["error"]["reason"].clone()
    }

    /// A download, perhaps of a range.
    pub(crate) async fn download(&self, path: &str, range: Option<&str>) -> Answer {
        let mut request = self.request("/2/files/download").header("Dropbox-API-Arg", ascii(&json!({ "path": path })));
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        send(request).await
    }

    /// All entries of a listing, page by page, and the cursor at the end.
    pub(crate) async fn list(&self, argument: Value) -> (Vec<Value>, String) {
        let mut page = self.call("files/list_folder", argument).await;
        let mut entries = page["entries"].as_array().unwrap().clone();
        while page["has_more"] == true {
            page = self.call("files/list_folder/continue", json!({ "cursor": page["cursor"] })).await;
            entries.extend(page["entries"].as_array().unwrap().clone());
        }
        (entries, page["cursor"].as_str().unwrap().to_owned())
    }

    /// What changed since a cursor, as `tag path`, and the next cursor.
    pub(crate) async fn changes(&self, cursor: &str) -> (Vec<String>, String) {
        let (mut all, mut cursor) = (Vec::new(), cursor.to_owned());
        loop {
            let page = self.call("files/list_folder/continue", json!({ "cursor": cursor })).await;
            all.extend(page["entries"].as_array().unwrap().iter().map(shown));
            page["cursor"].as_str().unwrap().clone_into(&mut cursor);
            if page["has_more"] == false {
                return (all, cursor);
            }
        }
    }

    /// A cursor from which only later changes are seen.
    pub(crate) async fn latest(&self, argument: Value) -> String {
        let latest = self.call("files/list_folder/get_latest_cursor", argument).await;
        latest["cursor"].as_str().unwrap().to_owned()
    }
}

/// `tag path` of an entry.
pub(crate) fn shown(entry: &Value) -> String {
    format!("{} {}", entry[".tag"].as_str().unwrap(), entry["path_display"].as_str().unwrap())
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The metadata that a download carries in its header.
    pub(crate) fn result(&self) -> Value {
        serde_json::from_str(self.header("dropbox-api-result")).unwrap()
    }
}

/// JSON for a header.
pub(crate) fn ascii(value: &Value) -> HeaderValue {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c < '\u{7f}' {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    HeaderValue::from_str(&text).unwrap()
}
