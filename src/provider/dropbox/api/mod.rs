//! The Dropbox API as calls: where they go, in which of the service's four styles, with whose token, and at what pace. One [`Api`] per
//! account, shared by its vaults: the limits of the service count per account, too.
//!
//! Owner of: the connection pool, the pace, and what is known of the account's root namespace.

mod call;
mod verdict;

use std::sync::Arc;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::sync::Mutex;

pub(super) use call::{Call, Content, Downloaded};
pub(super) use verdict::CallError;

use super::arg::header_safe;
use super::wire::{FullAccount, RootInfo};
use crate::provider::http::{BaseUrl, Http, HttpSetupError, Phases};
use crate::provider::retry::Pace;
use crate::provider::{AccessTokens, ErrorKind, ProviderError, Result};

pub(super) const PATH_ROOT: HeaderName = HeaderName::from_static("dropbox-api-path-root");
pub(super) const ARGUMENT: HeaderName = HeaderName::from_static("dropbox-api-arg");
pub(super) const RESULT: HeaderName = HeaderName::from_static("dropbox-api-result");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-dropbox-request-id");

/// Where the service is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hosts {
    api: BaseUrl,
    content: BaseUrl,
    notify: BaseUrl,
}

impl Hosts {
    /// The service's own hosts, or one server for all three.
    fn new(base: Option<&BaseUrl>) -> Self {
        let own = |host: &str| {
            let address = format!("https://{host}.dropboxapi.com");
            address.parse().unwrap_or_else(|_| unreachable!("the service's own addresses are addresses"))
        };
        match base {
            Some(base) => Self { api: base.clone(), content: base.clone(), notify: base.clone() },
            None => Self { api: own("api"), content: own("content"), notify: own("notify") },
        }
    }

    fn url(&self, host: Host, route: &str) -> Url {
        let base = match host {
            Host::Api => &self.api,
            Host::Content => &self.content,
            Host::Notify => &self.notify,
        };
        base.join(&format!("2/{route}"))
    }
}

/// One of the hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Host {
    Api,
    Content,
    Notify,
}

/// The calls of one account, with paths that begin at one place.
pub(super) struct Api {
    line: Arc<Line>,
    /// Sent with every call where paths do not begin at the home of the account's owner. Apps that are confined to a folder refuse it.
    path_root: Option<HeaderValue>,
}

/// What all calls of an account share.
struct Line {
    http: Http,
    hosts: Hosts,
    tokens: Arc<dyn AccessTokens>,
    pace: Pace,
    account: Mutex<Option<Arc<KnownAccount>>>,
}

/// What the service told about the account.
#[derive(Debug)]
pub(super) struct KnownAccount {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) display_name: String,
    pub(super) root: RootInfo,
}

impl Api {
    /// Calls to the service, or to the one server at `base`.
    pub(super) fn new(
        base: Option<&BaseUrl>,
        phases: Phases,
        tokens: Arc<dyn AccessTokens>,
    ) -> std::result::Result<Self, HttpSetupError> {
        let hosts = Hosts::new(base);
        let http = Http::new(&hosts.api, phases)?;
        let line = Line { http, hosts, tokens, pace: Pace::new(), account: Mutex::default() };
        Ok(Self { line: Arc::new(line), path_root: None })
    }

    /// The same account's calls, with paths that begin at the home or at this namespace.
    pub(super) fn at(&self, namespace: Option<&str>) -> Result<Self> {
        Ok(Self { line: Arc::clone(&self.line), path_root: namespace.map(path_root).transpose()? })
    }

    /// The account as it was first told.
    pub(super) async fn account(&self) -> Result<Arc<KnownAccount>> {
        let mut known = self.line.account.lock().await;
        match &*known {
            Some(account) => Ok(Arc::clone(account)),
            None => Ok(Arc::clone(known.insert(Arc::new(self.account_now().await?)))),
        }
    }

    /// The account as it is: its owner may have joined a team, or left one.
    pub(super) async fn account_now(&self) -> Result<KnownAccount> {
        let call = Call::read("ask for the account", "the account");
        let told = self.rpc("users/get_current_account", &call, &()).await;
        let told: FullAccount = told.map_err(|error: CallError| error.into_error(&call))?;
        Ok(KnownAccount {
            id: told.account_id,
            email: told.email,
            display_name: told.name.display_name,
            root: told.root_info,
        })
    }
}

fn path_root(namespace: &str) -> Result<HeaderValue> {
    let value = serde_json::json!({".tag": "namespace_id", "namespace_id": namespace});
    let header = header_safe(&value).ok().and_then(|text| HeaderValue::from_str(&text).ok());
    header.ok_or_else(|| ProviderError::new(ErrorKind::Invalid, "name a folder", "the namespace has a strange id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_the_services_own_or_one_server() {
        let own = Hosts::new(None);
        assert_eq!(own.url(Host::Notify, "x").as_str(), "https://notify.dropboxapi.com/2/x");
        let base: BaseUrl = "http://127.0.0.1:1".parse().unwrap();
        let one = Hosts::new(Some(&base));
        assert_eq!(one.url(Host::Content, "files/upload").as_str(), "http://127.0.0.1:1/2/files/upload");
    }

    #[test]
    fn only_what_is_not_in_the_home_says_where_it_begins() {
        assert_eq!(path_root("2").unwrap(), r#"{".tag":"namespace_id","namespace_id":"2"}"#);
    }
}
