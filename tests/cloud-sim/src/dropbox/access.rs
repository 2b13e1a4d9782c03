//! Who may call: applications, the links that people gave them, and the tokens that prove it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::model::NsId;
use super::oauth::{Code, Consent, RedirectRule};
use super::routes::SCOPES;
use super::wire::{Refusal, tag};
use crate::random::Stream;

/// Life of an access token, in seconds.
const TOKEN_LIFE: i64 = 14_400;

/// Who makes a call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: Arc<str>,
    pub(crate) device: Arc<str>,
    /// The folder that the application is confined to.
    pub(crate) sandbox: Option<NsId>,
    /// The link that the token belongs to.
    pub(crate) grant: usize,
}

/// A registered application.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) redirects: RedirectRule,
    /// Whether it is confined to a folder of its own in `/Apps`.
    pub(crate) sandboxed: bool,
}

/// A link between an application on a device and an account.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) app: String,
    pub(crate) account: Arc<str>,
    pub(crate) device: Arc<str>,
    pub(crate) sandbox: Option<NsId>,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) revoked: bool,
    /// Whether refreshing needs the application's secret.
    pub(crate) needs_secret: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    grant: usize,
    scopes: BTreeSet<String>,
    /// Seconds; never when there are none.
    expires: Option<i64>,
}

pub(crate) struct Access {
    pub(crate) random: Stream,
    pub(crate) apps: Vec<App>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) codes: HashMap<String, Code>,
    /// Refresh tokens and their links.
    pub(crate) refresh: HashMap<String, usize>,
    tokens: HashMap<String, AccessToken>,
    /// Every secret that was given out or came in, with what it is.
    pub(crate) secrets: Vec<(&'static str, String)>,
    pub(crate) consent: Consent,
    /// Who is signed in at the website's sign-in page.
    pub(crate) signed_in: Option<Arc<str>>,
    pub(crate) token_life: i64,
}

impl Access {
    pub(crate) fn new(seed: u64) -> Self {
        let app = |key: &str, secret: &str, sandboxed| App {
            key: key.to_owned(),
            secret: secret.to_owned(),
            scopes: all_scopes(),
            redirects: RedirectRule::default(),
            sandboxed,
        };
        Self {
            random: Stream::new(seed, "access"),
            apps: vec![
                app(super::APP_KEY, super::APP_SECRET, false),
                app(super::SANDBOX_APP_KEY, super::APP_SECRET, true),
            ],
            grants: Vec::new(),
            codes: HashMap::new(),
            refresh: HashMap::new(),
            tokens: HashMap::new(),
            secrets: Vec::new(),
            consent: Consent::default(),
            signed_in: None,
            token_life: TOKEN_LIFE,
        }
    }

    pub(crate) fn app(&self, key: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.key == key)
    }

    pub(crate) fn grant(&mut self, grant: Grant) -> usize {
        self.grants.push(grant);
        self.grants.len() - 1
    }

    /// Random text that is safe in URLs.
    pub(crate) fn text<const N: usize>(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.random.bytes::<N>())
    }

    /// Makes this text an access token of a grant.
    pub(crate) fn declare(&mut self, token: &str, grant: usize, scopes: BTreeSet<String>, expires: Option<i64>) {
        self.tokens.insert(token.to_owned(), AccessToken { grant, scopes, expires });
    }

    /// A new access token of a grant, with its life in seconds.
    pub(crate) fn issue(&mut self, grant: usize, scopes: BTreeSet<String>, now: i64) -> (String, i64) {
        let token = format!("sl.{}", self.text::<99>());
        let life = self.token_life;
        self.secrets.push(("access token", token.clone()));
        self.declare(&token, grant, scopes, Some(now + life));
        (token, life)
    }

    /// Every access token that can expire has.
    pub(crate) fn expire_all(&mut self) {
        for token in self.tokens.values_mut() {
            token.expires = token.expires.map(|_| i64::MIN);
        }
    }

    /// Whose token this is, if it is good for `scope` now.
    pub(crate) fn caller(&self, token: &str, scope: &str, now: i64) -> Result<Caller, Refusal> {
        let Some(known) = self.tokens.get(token) else {
            return Err(if looks_like_a_token(token) {
                Refusal::Auth(tag("invalid_access_token"))
            } else {
                Refusal::BadRequest("The given OAuth 2 access token is malformed.".to_owned())
            });
        };
        let grant = &self.grants[known.grant];
        if grant.revoked {
            return Err(Refusal::Auth(tag("invalid_access_token")));
        }
        if known.expires.is_some_and(|expires| now >= expires) {
            return Err(Refusal::Auth(tag("expired_access_token")));
        }
        if !scope.is_empty() && !known.scopes.contains(scope) {
            return Err(Refusal::Auth(json!({ ".tag": "missing_scope", "required_scope": scope })));
        }
        Ok(Caller {
            account: grant.account.clone(),
            device: grant.device.clone(),
            sandbox: grant.sandbox,
            grant: known.grant,
        })
    }
}

pub(crate) fn all_scopes() -> BTreeSet<String> {
    SCOPES.iter().map(|scope| (*scope).to_owned()).collect()
}

fn looks_like_a_token(token: &str) -> bool {
    let characters = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    characters && (token.starts_with("sl.") || token.len() >= 64)
}
