//! Signing in: from the address that the browser opens to the refresh token in its place.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use uuid::Uuid;

use super::attempt::{Asked, Attempt, Outcome, Way, pasted};
use super::directory::{AccountSettings, Accounts, issuer};
use super::error::{AccountError, IssuerError};
use super::issuer::{Grant, Owner};
use super::loopback::Loopback;
use super::model::{Account, AccountId};
use super::redirect::{self, Redirected};
use super::tokens::Session;
use super::{missing_scopes, pkce};
use crate::secrets::{Asking, Storage};
use crate::types::Secret;
use crate::vaults::ProviderKind;

/// How long a browser may take.
const BROWSER_LIMIT: Duration = Duration::from_secs(5 * 60);

/// How long a person may take to copy a code: about as long as the code is good for.
const CODE_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Where the system hands addresses of our scheme to the program that has registered it.
const SCHEME_REDIRECT: &str = "com.krondor.muze://oauth";

/// Ends of sign-ins that are kept for whoever asks late.
const MAX_ATTEMPTS: usize = 16;

/// A sign-in to be begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSignIn {
    /// Whose.
    pub provider: ProviderKind,
    /// Another server than the settings say.
    pub base_url: Option<String>,
    /// Another app than the settings say.
    pub app_key: Option<String>,
    /// How the answer comes back.
    pub way: Way,
}

/// A sign-in that waits for its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Begun {
    /// Names it.
    pub attempt: Uuid,
    /// What the browser opens.
    pub address: String,
    /// How long it waits.
    pub limit: Duration,
}

impl Accounts {
    /// Begins a sign-in. An older one of the same provider that still waits is given up: there is one person.
    pub async fn begin(self: &Arc<Self>, new: NewSignIn, settings: AccountSettings) -> Result<Begun, AccountError> {
        let base_url = new.base_url.unwrap_or(settings.base_url);
        let base_url = (!base_url.is_empty()).then(|| base_url.trim_end_matches('/').to_owned());
        let app_key = new.app_key.unwrap_or(settings.app_key);
        let issuer = Arc::new(issuer(new.provider, base_url.as_deref(), &checked_key(new.provider, &app_key)?)?);
        // Its port may be needed.
        self.waiting(|attempt| attempt.asked.provider == new.provider)
            .into_iter()
            .for_each(|older| older.give_up(AccountError::Replaced));
        let (loopback, redirect) = match new.way {
            Way::Loopback => {
                let loopback = Loopback::bind(&settings.redirect_ports).await?;
                let redirect = loopback.redirect();
                (Some(loopback), Some(redirect))
            }
            Way::Scheme => (None, Some(SCHEME_REDIRECT.to_owned())),
            Way::Code => (None, None),
        };
        let attempt = Arc::new(Attempt::new(Asked {
            provider: new.provider,
            base_url,
            issuer,
            verifier: pkce::verifier(),
            way: new.way,
            place: settings.place,
            redirect: redirect.map(|address| (address, pkce::state())),
            limit: if new.way == Way::Code { CODE_LIMIT } else { BROWSER_LIMIT },
        }));
        let begun = Begun { attempt: attempt.id, address: attempt.address().to_string(), limit: attempt.asked.limit };
        {
            let mut attempts = self.attempts();
            attempts.push(Arc::clone(&attempt));
            let extra = attempts.len().saturating_sub(MAX_ATTEMPTS);
            attempts.drain(..extra);
        }
        tokio::spawn(watch_over(Arc::clone(self), attempt, loopback));
        Ok(begun)
    }

    /// A person has pasted a code. Returns when the sign-in is over.
    pub async fn code(self: &Arc<Self>, attempt: Uuid, text: &str) -> Outcome {
        let code = pasted(text)?;
        let attempt = self.waiting(|one| one.id == attempt && one.asked.way == Way::Code).pop();
        let attempt = attempt.filter(|attempt| attempt.take()).ok_or(AccountError::NoAttempt)?;
        self.redeem(attempt, Ok(code)).await
    }

    /// The system has handed us an address of our scheme. Returns when the sign-in is over.
    pub async fn redirected(self: &Arc<Self>, address: &str) -> Outcome {
        let url = Url::parse(address).map_err(|_may_quote_a_code| AccountError::Unreadable)?;
        let expected = Url::parse(SCHEME_REDIRECT).map_err(|_never| AccountError::Unreadable)?;
        let path = url.path().trim_end_matches('/');
        if (url.scheme(), url.host_str(), path) != (expected.scheme(), expected.host_str(), "") {
            return Err(AccountError::Unreadable.into());
        }
        let answer = redirect::read(url.query().unwrap_or_default()).ok_or(AccountError::Unreadable)?;
        let waiting = self.waiting(|one| one.asked.way == Way::Scheme);
        let nobody = if waiting.is_empty() { AccountError::NoAttempt } else { AccountError::WrongState };
        // Anybody can open such an address: one of another state is no reason to give up.
        let attempt = waiting.into_iter().find(|attempt| attempt.is_meant_by(&answer)).ok_or(nobody)?;
        if !attempt.take() {
            return Err(AccountError::NoAttempt.into());
        }
        let code = attempt.code_of(answer);
        self.redeem(attempt, code).await
    }

    /// How a sign-in has ended, if it ends within `hold`.
    pub async fn outcome(&self, attempt: Uuid, hold: Duration) -> Option<Outcome> {
        let found = self.attempts().iter().find(|one| one.id == attempt).cloned();
        match found {
            Some(attempt) => attempt.outcome(hold).await,
            None => Some(Err(AccountError::NoAttempt.into())),
        }
    }

    /// The person has given up.
    pub fn cancel(&self, attempt: Uuid) {
        self.waiting(|one| one.id == attempt).into_iter().for_each(|one| one.give_up(AccountError::Cancelled));
    }

    fn attempts(&self) -> MutexGuard<'_, Vec<Arc<Attempt>>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self, fits: impl Fn(&Attempt) -> bool) -> Vec<Arc<Attempt>> {
        self.attempts().iter().filter(|attempt| attempt.is_waiting() && fits(attempt)).cloned().collect()
    }

    /// Ends an attempt that was taken. Goes on if whoever waits for it goes away.
    async fn redeem(self: &Arc<Self>, attempt: Arc<Attempt>, code: Result<Secret, AccountError>) -> Outcome {
        let (this, taken) = (Arc::clone(self), Arc::clone(&attempt));
        let work = tokio::spawn(async move {
            match code {
                Ok(code) => this.exchange(&taken, &code).await,
                Err(error) => Err(error),
            }
        });
        let result = work.await.unwrap_or_else(|error| Err(AccountError::Crashed(error)));
        match &result {
            Ok(account) => tracing::info!(account = %account.id, "signed in"),
            Err(error) => tracing::info!(%error, "a sign-in has failed"),
        }
        let outcome = result.map_err(Arc::new);
        attempt.finish(outcome.clone());
        outcome
    }

    async fn exchange(self: &Arc<Self>, attempt: &Attempt, code: &Secret) -> Result<Account, AccountError> {
        let redirect = attempt.asked.redirect.as_ref().map(|(address, _)| address.as_str());
        let grant = attempt.asked.issuer.exchange(code, &attempt.asked.verifier, redirect).await.map_err(|error| {
            if let IssuerError::InvalidGrant { said } = error {
                AccountError::CodeRefused { said }
            } else {
                AccountError::Issuer(error)
            }
        })?;
        let kept = self.keep(attempt, &grant).await;
        if kept.is_err()
            && let Err(error) = attempt.asked.issuer.revoke(&grant.access).await
        {
            tracing::warn!(%error, "a sign-in that could not be kept could not be taken back either");
        }
        kept
    }

    /// Keeps what was granted: the refresh token first, then the account that names its place.
    async fn keep(self: &Arc<Self>, attempt: &Attempt, grant: &Grant) -> Result<Account, AccountError> {
        if let Some(missing) = missing_scopes(&attempt.asked.issuer, grant.scopes.as_deref()) {
            return Err(AccountError::TooNarrow { missing });
        }
        let refresh = grant.refresh.clone().ok_or(AccountError::NotRenewable)?;
        let owner = attempt.asked.issuer.owner(&grant.access).await?;
        let (this, issuer) = (Arc::clone(self), Arc::clone(&attempt.asked.issuer));
        let (provider, base_url, place) = (attempt.asked.provider, attempt.asked.base_url.clone(), attempt.asked.place);
        let (scopes, token) = (grant.scopes.clone(), refresh.clone());
        let write = move || {
            let id = AccountId::new(provider, base_url.as_deref(), &owner.remote_id);
            let old = this.file.load()?.into_iter().find(|account| account.id == id);
            let secret_name = old.as_ref().map_or_else(|| Uuid::new_v4().to_string(), |old| old.secret_name.clone());
            let storage = this.secrets.keep(&secret_name, &label(provider, &owner), &token, place, Asking::Allowed)?;
            let account = Account {
                id,
                provider,
                remote_id: owner.remote_id,
                name: owner.name,
                email: owner.email,
                base_url,
                app_key: issuer.app_key.clone(),
                scopes: scopes
                    .unwrap_or_else(|| issuer.endpoints.scopes.iter().map(|scope| (*scope).to_owned()).collect()),
                storage,
                secret_name,
                connected_at: this.clock.now().to_rfc3339(),
                signed_out: None,
                other: old.as_ref().map(|old| old.other.clone()).unwrap_or_default(),
            };
            this.file.put(&account)?;
            this.forget_elsewhere(old.as_ref(), storage);
            Ok::<_, AccountError>(account)
        };
        let account = tokio::task::spawn_blocking(write).await??;
        let session = Session::new(account.clone(), Arc::clone(&attempt.asked.issuer), Some(refresh));
        self.tokens_of(&account).await?.signed_in(session, Some(grant));
        Ok(account)
    }

    /// A sign-in that has moved to another place leaves nothing in the old one.
    fn forget_elsewhere(&self, old: Option<&Account>, storage: Storage) {
        if let Some(old) = old.filter(|old| old.storage != storage)
            && let Err(error) = self.secrets.forget(&old.secret_name, old.storage, Asking::Never)
        {
            tracing::warn!(%error, "an older sign-in of this account was left behind");
        }
    }
}

/// Waits for the browser, for another answer, or for the end of patience. The port is closed when this ends.
async fn watch_over(accounts: Arc<Accounts>, attempt: Arc<Attempt>, loopback: Option<Loopback>) {
    let browser = async {
        match loopback {
            Some(loopback) => loopback.answer().await,
            None => std::future::pending().await,
        }
    };
    let query = tokio::select! {
        query = browser => query,
        () = attempt.taken() => return,
        () = tokio::time::sleep_until(attempt.ends) => {
            attempt.give_up(AccountError::TimedOut { limit: attempt.asked.limit });
            return;
        }
    };
    if !attempt.take() {
        return;
    }
    let answer: Option<Redirected> = query.as_deref().and_then(redirect::read);
    let code = answer.ok_or(AccountError::Unreadable).and_then(|answer| attempt.code_of(answer));
    // Its end is told to whoever asks for the outcome.
    drop(accounts.redeem(attempt, code).await);
}

/// How the entry is called in the key store's own window.
fn label(provider: ProviderKind, owner: &Owner) -> String {
    format!(
        "vaultfs: sign-in to {provider} as {}",
        if owner.email.is_empty() { &owner.remote_id } else { &owner.email }
    )
}

fn checked_key(provider: ProviderKind, key: &str) -> Result<String, AccountError> {
    let key = key.trim();
    if key.is_empty() {
        return Err(AccountError::NoAppKey { provider: provider.as_str() });
    }
    if key.len() > 64 || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(AccountError::NotAnAppKey { key: key.chars().take(64).collect() });
    }
    Ok(key.to_owned())
}
