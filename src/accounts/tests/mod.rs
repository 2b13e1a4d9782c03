//! Accounts against a sign-in server that does what the test says. The real program against the simulated service is tested by
//! `tests/accounts`.

mod sign_in;
mod tokens;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::model::{Account, AccountId};
use super::{AccountSettings, Accounts, AccountsFile};
use crate::config::settings::SecretPlace;
use crate::secrets::{Asking, SecretError, SecretStore, Secrets, Storage};
use crate::types::{Clock, Secret, Timestamp};
use crate::vaults::ProviderKind;

/// In every secret of these tests.
const CANARY: &str = "canary";

/// An account of this name.
pub(super) fn account(name: &str) -> Account {
    let remote_id = format!("dbid:{name}");
    Account {
        id: AccountId::new(ProviderKind::Dropbox, None, &remote_id),
        provider: ProviderKind::Dropbox,
        remote_id,
        name: name.to_owned(),
        email: format!("{name}@example.com"),
        base_url: None,
        app_key: "testkey".to_owned(),
        scopes: Vec::new(),
        storage: Storage::KeyStore,
        secret_name: format!("secret of {name}"),
        connected_at: "2026-01-01T00:00:00Z".to_owned(),
        signed_out: None,
        other: serde_json::Map::new(),
    }
}

/// A sign-in server.
#[derive(Default)]
struct Script {
    /// Answers of the token address, in order; the last one stays.
    token: VecDeque<(u16, &'static str, String)>,
    /// Header `Retry-After` of refusals.
    retry_after: Option<&'static str>,
    /// Requests of the token address.
    asked: Vec<HashMap<String, String>>,
    /// Access tokens that were taken back.
    revoked: Vec<String>,
    /// The token address waits for this before it answers.
    gate: Option<Arc<Notify>>,
}

type Shared = Arc<Mutex<Script>>;

/// One machine, one person, one server.
struct World {
    folder: TempDir,
    script: Shared,
    base_url: String,
    clock: Arc<TestClock>,
    keys: Arc<Keys>,
    accounts: Arc<Accounts>,
}

impl World {
    async fn new() -> Self {
        let script = Shared::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let server = Router::new()
            .route("/oauth2/token", post(token))
            .route("/2/auth/token/revoke", post(revoke))
            .route("/2/users/get_current_account", post(owner))
            .with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, server).await.unwrap() });
        let folder = tempfile::tempdir().unwrap();
        let (clock, keys) = (Arc::new(TestClock::default()), Arc::new(Keys::default()));
        let accounts = Self::machine(&folder, &clock, &keys);
        Self { folder, script, base_url, clock, keys, accounts }
    }

    fn machine(folder: &TempDir, clock: &Arc<TestClock>, keys: &Arc<Keys>) -> Arc<Accounts> {
        let secrets = Secrets::with_stores(Box::new(Arc::clone(keys)), Box::new(Arc::clone(keys)));
        let file = AccountsFile::new(folder.path().join("accounts.json"));
        Arc::new(Accounts::new(file, secrets, Arc::<TestClock>::clone(clock)))
    }

    fn settings(&self) -> AccountSettings {
        AccountSettings {
            app_key: "testkey".to_owned(),
            base_url: self.base_url.clone(),
            redirect_ports: vec![0],
            place: SecretPlace::KeyStore,
        }
    }

    /// The daemon was started again.
    fn restart(&mut self) {
        self.accounts = Self::machine(&self.folder, &self.clock, &self.keys);
    }

    /// An account that was signed in to before.
    fn connected(&self) -> Account {
        let account = Account { base_url: Some(self.base_url.clone()), ..account("anna") };
        self.keys.secrets.lock().unwrap().insert(account.secret_name.clone(), format!("{CANARY}-refresh"));
        self.accounts.file.put(&account).unwrap();
        account
    }

    /// The token address answers this from now on.
    fn answer(&self, status: u16, kind: &'static str, body: impl Into<String>) {
        let mut script = self.script.lock().unwrap();
        script.token.clear();
        script.token.push_back((status, kind, body.into()));
    }

    /// The token address gives tokens that live for so many seconds: `canary-1`, `canary-2`, ...
    fn grant(&self, seconds: u64) {
        self.answer(200, "text/javascript", format!(r#"{{"access_token":"{CANARY}-N","expires_in":{seconds}}}"#));
    }

    /// The token address refuses.
    fn refuse(&self, error: &str, description: &str) {
        let body = serde_json::json!({"error": error, "error_description": description});
        self.answer(400, "application/json", body.to_string());
    }

    fn calls(&self) -> usize {
        self.script.lock().unwrap().asked.len()
    }

    fn asked(&self) -> HashMap<String, String> {
        self.script.lock().unwrap().asked.last().cloned().unwrap_or_default()
    }

    fn revoked(&self) -> Vec<String> {
        self.script.lock().unwrap().revoked.clone()
    }
}

async fn token(State(script): State<Shared>, body: Bytes) -> Response {
    let mut url = reqwest::Url::parse("x:").unwrap();
    url.set_query(Some(std::str::from_utf8(&body).unwrap()));
    let gate = {
        let mut script = script.lock().unwrap();
        script.asked.push(url.query_pairs().into_owned().collect());
        script.gate.clone()
    };
    if let Some(gate) = gate {
        gate.notified().await;
    }
    let mut script = script.lock().unwrap();
    let (status, kind, body) = if script.token.len() > 1 {
        script.token.pop_front().unwrap()
    } else {
        script.token.front().cloned().unwrap_or((500, "text/plain", String::new()))
    };
    let body = body.replace(&format!("{CANARY}-N"), &format!("{CANARY}-{}", script.asked.len()));
    let mut answer = (StatusCode::from_u16(status).unwrap(), [("content-type", kind)], body).into_response();
    if let Some(pause) = script.retry_after {
        answer.headers_mut().insert("retry-after", pause.parse().unwrap());
    }
    answer
}

async fn revoke(State(script): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(&body[..], b"null");
    script.lock().unwrap().revoked.push(headers["authorization"].to_str().unwrap().to_owned());
    "null".into_response()
}

async fn owner() -> &'static str {
    r#"{"account_id":"dbid:anna","email":"anna@example.com","name":{"display_name":"Anna"}}"#
}

/// A clock that goes when it is told to.
struct TestClock {
    start: Instant,
    passed: Mutex<Duration>,
    wall_seconds: Mutex<i64>,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { start: Instant::now(), passed: Mutex::default(), wall_seconds: Mutex::new(1_780_000_000) }
    }
}

impl TestClock {
    fn pass(&self, seconds: u64) {
        *self.passed.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn set_wall(&self, seconds: i64) {
        *self.wall_seconds.lock().unwrap() = seconds;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_parts(*self.wall_seconds.lock().unwrap(), 0)
    }
    fn monotonic(&self) -> Instant {
        self.start + *self.passed.lock().unwrap()
    }
}

/// A key store in memory.
#[derive(Default)]
struct Keys {
    secrets: Mutex<HashMap<String, String>>,
    is_locked: Mutex<bool>,
    is_read_only: Mutex<bool>,
}

impl Keys {
    fn gate(&self, asking: Asking) -> crate::secrets::Result<()> {
        let is_locked = *self.is_locked.lock().unwrap();
        match asking {
            Asking::Never if is_locked => Err(SecretError::Locked),
            Asking::Allowed if is_locked => Err(SecretError::StaysLocked),
            Asking::Never | Asking::Allowed => Ok(()),
        }
    }
}

impl SecretStore for Arc<Keys> {
    fn get(&self, name: &str, asking: Asking) -> crate::secrets::Result<Option<Secret>> {
        self.gate(asking)?;
        Ok(self.secrets.lock().unwrap().get(name).map(Secret::new))
    }
    fn set(&self, name: &str, _label: &str, secret: &Secret, asking: Asking) -> crate::secrets::Result<()> {
        self.gate(asking)?;
        if *self.is_read_only.lock().unwrap() {
            return Err(SecretError::Denied { why: "test".to_owned() });
        }
        self.secrets.lock().unwrap().insert(name.to_owned(), secret.expose().to_owned());
        Ok(())
    }
    fn delete(&self, name: &str, asking: Asking) -> crate::secrets::Result<()> {
        self.gate(asking)?;
        self.secrets.lock().unwrap().remove(name);
        Ok(())
    }
}
