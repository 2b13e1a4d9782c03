//! The accounts of this machine: found, listed, checked, signed out. Signing in is [`super::sign_in`]'s.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::attempt::Attempt;
use super::dropbox;
use super::error::AccountError;
use super::issuer::{Endpoints, Issuer};
use super::model::{Account, AccountId, SignedOut};
use super::store::AccountsFile;
use super::tokens::{AccountTokens, Session};
use super::trouble::Trouble;
use crate::config::settings::SecretPlace;
use crate::provider::http::{self, BaseUrl, Phases};
use crate::secrets::{Asking, Secrets};
use crate::types::Clock;
use crate::vaults::ProviderKind;

/// What the settings say about a sign-in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountSettings {
    /// The app that people sign in to; empty: none is known.
    pub app_key: String,
    /// The server; empty: the service itself.
    pub base_url: String,
    /// Ports of this machine to which a browser may bring its answer.
    pub redirect_ports: Vec<u16>,
    /// Where the refresh token goes.
    pub place: SecretPlace,
}

/// The accounts of this machine.
pub struct Accounts {
    pub(super) file: AccountsFile,
    pub(super) secrets: Arc<Secrets>,
    pub(super) clock: Arc<dyn Clock>,
    tokens: Mutex<BTreeMap<AccountId, AccountTokens>>,
    /// Sign-ins under way, and those whose end nobody may have heard of yet.
    pub(super) attempts: Mutex<Vec<Arc<Attempt>>>,
}

/// What signing out came to.
#[derive(Debug)]
pub struct Disconnected {
    /// The account, as it was.
    pub account: Account,
    /// Why the server still lists the access, if it does.
    pub not_revoked: Option<String>,
    /// Where people can end it themselves.
    pub grants_page: &'static str,
}

/// What looking at an account came to.
#[derive(Debug)]
pub struct Checked {
    /// The account.
    pub account: Account,
    /// Why no token can be had.
    pub trouble: Option<Trouble>,
    /// Why the account itself does not answer although there is a token.
    pub refused: Option<AccountError>,
    /// By how many seconds the server's clock is ahead of ours.
    pub clock_ahead_seconds: i64,
}

impl Accounts {
    /// The accounts of this list. Touches neither network nor secrets.
    pub fn new(file: AccountsFile, secrets: Secrets, clock: Arc<dyn Clock>) -> Self {
        let (tokens, attempts) = (Mutex::default(), Mutex::default());
        Self { file, secrets: Arc::new(secrets), clock, tokens, attempts }
    }

    /// All accounts. Blocks for the disk.
    pub fn list(&self) -> Result<Vec<Account>, AccountError> {
        Ok(self.file.load()?)
    }

    /// The account that a person means: by id, by address, or by provider if it is the only one. Blocks for the disk.
    pub fn find(&self, selector: Option<&str>) -> Result<Account, AccountError> {
        let all = self.list()?;
        let shown = |accounts: &[&Account]| -> Vec<String> {
            accounts.iter().map(|account| format!("{} ({})", account.id, account.shown())).collect()
        };
        let wanted = selector.unwrap_or_default();
        let fits = |account: &&Account| {
            selector.is_none()
                || account.id.as_str() == wanted
                || account.email.eq_ignore_ascii_case(wanted)
                || account.provider.as_str() == wanted
        };
        let found: Vec<&Account> = all.iter().filter(fits).collect();
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                let known = shown(&all.iter().collect::<Vec<_>>());
                Err(AccountError::Unknown { selector: wanted.to_owned(), known })
            }
            several => Err(AccountError::Ambiguous { known: shown(several) }),
        }
    }

    /// The account's tokens, for everybody who calls its provider. An account that nobody has signed in to has tokens, too: they say so,
    /// until somebody does. Blocks for the disk.
    pub fn tokens(&self, id: &AccountId) -> Result<AccountTokens, AccountError> {
        if let Some(tokens) = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Ok(tokens.clone());
        }
        let known = self.list()?.into_iter().find(|account| account.id == *id);
        let session =
            known.as_ref().filter(|account| account.signed_out.is_none()).map(|account| self.session(account));
        let session = session.transpose()?;
        let mut all = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = all.entry(id.clone()).or_insert_with(|| {
            let clock = Arc::clone(&self.clock);
            let tokens = AccountTokens::new(id.clone(), clock, Arc::clone(&self.secrets), self.file.clone());
            match session {
                Some(session) => tokens.signed_in(session, None),
                None => tokens.signed_out(known),
            }
            tokens
        });
        Ok(tokens.clone())
    }

    /// Why an account gives no tokens, as far as is known without asking anybody. Blocks for the disk.
    pub fn trouble(&self, account: &Account) -> Option<Trouble> {
        match self.tokens(&account.id) {
            Ok(tokens) => tokens.trouble(),
            Err(_) => Some(Trouble::signed_out(account)),
        }
    }

    fn session(&self, account: &Account) -> Result<Session, AccountError> {
        let issuer = issuer(account.provider, account.base_url.as_deref(), &account.app_key)?;
        Ok(Session::new(account.clone(), Arc::new(issuer), None))
    }

    /// Asks the key store and the server whether the sign-in works. `asking`: whether a locked key store may ask for its password.
    pub async fn check(self: &Arc<Self>, account: Account, asking: Asking) -> Result<Checked, AccountError> {
        let tokens = self.tokens_of(&account).await?;
        if asking == Asking::Allowed
            && let Err(trouble) = tokens.unlock().await
        {
            return Ok(Checked { account, trouble: Some(trouble), refused: None, clock_ahead_seconds: 0 });
        }
        let session = tokens.session();
        let (trouble, refused) = match (tokens.check().await, &session) {
            (Ok(token), Some(session)) => (None, session.issuer.owner(&token).await.err().map(AccountError::from)),
            (Ok(_), None) => (tokens.trouble(), None),
            (Err(trouble), _) => (Some(trouble), None),
        };
        let clock_ahead_seconds = session.map_or(0, |session| session.issuer.clock_ahead_seconds());
        Ok(Checked { account, trouble, refused, clock_ahead_seconds })
    }

    /// Signs out: takes the sign-in back at the server if it can be reached, forgets the secret, and, if no vault needs the account,
    /// the account.
    pub async fn disconnect(self: &Arc<Self>, account: Account, is_needed: bool) -> Result<Disconnected, AccountError> {
        let tokens = self.tokens_of(&account).await?;
        let not_revoked = match (tokens.session(), tokens.token().await) {
            (Some(session), Ok(token)) => session.issuer.revoke(&token).await.err().map(|error| error.to_string()),
            (Some(_), Err(trouble)) if trouble.signed_out.is_some() => None,
            (Some(_), Err(trouble)) => Some(trouble.what),
            (None, _) => None,
        };
        let (this, gone) = (Arc::clone(self), account.clone());
        let forget = move || {
            this.secrets.forget(&gone.secret_name, gone.storage, Asking::Allowed)?;
            if is_needed {
                this.file.put(&Account { signed_out: Some(SignedOut::Disconnected), ..gone })?;
            } else {
                this.file.remove(&gone.id)?;
            }
            Ok::<_, AccountError>(())
        };
        tokio::task::spawn_blocking(forget).await??;
        let known = Account { signed_out: Some(SignedOut::Disconnected), ..account.clone() };
        tokens.signed_out(is_needed.then_some(known));
        tracing::info!(account = %account.id, revoked = not_revoked.is_none(), "signed out");
        Ok(Disconnected { account, not_revoked, grants_page: dropbox::GRANTS_PAGE })
    }

    pub(super) async fn tokens_of(self: &Arc<Self>, account: &Account) -> Result<AccountTokens, AccountError> {
        let (this, id) = (Arc::clone(self), account.id.clone());
        tokio::task::spawn_blocking(move || this.tokens(&id)).await?
    }
}

/// The sign-in of a provider at a server, for an app.
pub(super) fn issuer(provider: ProviderKind, base_url: Option<&str>, app_key: &str) -> Result<Issuer, AccountError> {
    let (endpoints, base) = endpoints(provider, base_url)?;
    Ok(Issuer::new(http::client(&base, &Phases::default())?, app_key, endpoints))
}

fn endpoints(provider: ProviderKind, base_url: Option<&str>) -> Result<(Endpoints, BaseUrl), AccountError> {
    match provider {
        ProviderKind::Dropbox => {
            let (api, web) = match base_url {
                Some(url) => (url, url),
                None => (dropbox::API, dropbox::WEB),
            };
            let (api, web): (BaseUrl, BaseUrl) = (api.parse()?, web.parse()?);
            Ok((dropbox::endpoints(&api, &web), api))
        }
        ProviderKind::Local | ProviderKind::Icloud => Err(AccountError::NoSignIn { provider: provider.as_str() }),
    }
}
