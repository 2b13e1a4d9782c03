//! The Dropbox API as calls: where they go, in which of the service's four styles, with whose token, and at what pace. One [`Api`] per
//! account, shared by its vaults: the limits of the service count per account, too.
//!
//! Owner of: the connection pool, the pace, and what is known of the account's root namespace.

mod call;
mod verdict;

use std::sync::Arc;

use futures_util::future::BoxFuture;
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

/// The calls of one account.
pub(super) struct Api {
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
    /// Sent with every call where the account's tree does not begin at the user's home.
    path_root: Option<HeaderValue>,
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
        Ok(Self { http, hosts, tokens, pace: Pace::new(), account: Mutex::default() })
    }

    /// The account; asked for once. Boxed, because the call for it is a call like those that ask for the account first.
    pub(super) fn account(&self) -> BoxFuture<'_, Result<Arc<KnownAccount>>> {
        Box::pin(async {
            let mut known = self.account.lock().await;
            if let Some(account) = &*known {
                return Ok(Arc::clone(account));
            }
            let call = Call::about_account("ask for the account");
            let told: FullAccount = self
                .rpc("users/get_current_account", &call, &())
                .await
                .map_err(|error: CallError| error.into_error(&call))?;
            let path_root = path_root(&told.root_info)?;
            let account = Arc::new(KnownAccount {
                id: told.account_id,
                email: told.email,
                display_name: told.name.display_name,
                root: told.root_info,
                path_root,
            });
            *known = Some(Arc::clone(&account));
            Ok(account)
        })
    }

    /// What is known of the account is out of date.
    async fn forget_account(&self) {
        *self.account.lock().await = None;
    }
}

/// Where root and home are one, the header says nothing and apps that are confined to a folder refuse it.
fn path_root(root: &RootInfo) -> Result<Option<HeaderValue>> {
    if root.root_namespace_id == root.home_namespace_id {
        return Ok(None);
    }
    let value = serde_json::json!({".tag": "root", "root": root.root_namespace_id});
    let header = header_safe(&value).ok().and_then(|text| HeaderValue::from_str(&text).ok());
    header.map(Some).ok_or_else(|| {
        ProviderError::new(ErrorKind::Protocol, "ask for the account", "the root namespace has a strange id")
    })
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
    fn only_team_spaces_send_a_root() {
        let root = |root: &str| RootInfo { root_namespace_id: root.into(), home_namespace_id: "1".into() };
        assert_eq!(path_root(&root("1")).unwrap(), None);
        assert_eq!(path_root(&root("2")).unwrap().unwrap(), r#"{".tag":"root","root":"2"}"#);
    }
}
