//! The access tokens of one account: had from the refresh token, renewed ahead of their end, by one call at a time however many ask.
//!
//! Invariants: tokens are in memory only; a renewal that has begun is finished, also if everybody who asked has gone, because a server
//! may have exchanged the refresh token meanwhile; a token is judged by a clock that nobody can set.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::error::IssuerError;
use super::issuer::{Grant, Issuer};
use super::model::{Account, AccountId, SignedOut};
use super::store::AccountsFile;
use super::trouble::Trouble;
use crate::provider::{AccessTokens, ProviderError};
use crate::secrets::{Asking, Secrets};
use crate::types::{Clock, Secret};

/// How long before its end a token is renewed, at most a quarter of its life.
const MARGIN: Duration = Duration::from_secs(300);

/// How long before its end a token is no longer sent, at most a tenth of its life.
const LAST_MOMENT: Duration = Duration::from_secs(30);

/// After a renewal in the background has failed, how long until the next.
const BACKGROUND_PAUSE: Duration = Duration::from_secs(30);

type Renewal = Shared<BoxFuture<'static, Result<Secret, Trouble>>>;

/// The access tokens of one account.
#[derive(Clone)]
pub struct AccountTokens {
    shared: Arc<Common>,
}

struct Common {
    id: AccountId,
    clock: Arc<dyn Clock>,
    secrets: Arc<Secrets>,
    file: AccountsFile,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Arc<Session>>,
    /// Why there is no session.
    signed_out: Option<Account>,
    access: Option<Access>,
    renewal: Option<Renewal>,
    /// No renewal in the background before this.
    pause_until: Option<Instant>,
    /// What the last renewal met.
    trouble: Option<Trouble>,
}

/// A sign-in. A new one takes the place of the old one as a whole.
pub(super) struct Session {
    pub(super) account: Account,
    pub(super) issuer: Arc<Issuer>,
    /// Read from its place when it is first needed. Only the renewal that runs touches it.
    refresh: tokio::sync::Mutex<Option<Secret>>,
}

struct Access {
    token: Secret,
    /// Renewed from then on,
    fresh_until: Instant,
    /// not sent any more from then on.
    good_until: Instant,
}

impl Access {
    fn new(grant: &Grant, now: Instant) -> Self {
        let ends = now + grant.life;
        let before = |margin: Duration, part: u32| ends.checked_sub(margin.min(grant.life / part)).unwrap_or(now);
        Self { token: grant.access.clone(), fresh_until: before(MARGIN, 4), good_until: before(LAST_MOMENT, 10) }
    }
}

impl Session {
    pub(super) fn new(account: Account, issuer: Arc<Issuer>, refresh: Option<Secret>) -> Self {
        Self { account, issuer, refresh: tokio::sync::Mutex::new(refresh) }
    }
}

impl AccountTokens {
    /// Of an account that nobody has signed in to.
    pub(super) fn new(id: AccountId, clock: Arc<dyn Clock>, secrets: Arc<Secrets>, file: AccountsFile) -> Self {
        let state = Mutex::default();
        Self { shared: Arc::new(Common { id, clock, secrets, file, state }) }
    }

    /// It is signed in, from now on with this sign-in.
    pub(super) fn signed_in(&self, session: Session, grant: Option<&Grant>) {
        let access = grant.map(|grant| Access::new(grant, self.shared.clock.monotonic()));
        *self.shared.state() = State { session: Some(Arc::new(session)), access, ..State::default() };
    }

    /// It is not signed in any more. `None`: and nothing is known of it.
    pub(super) fn signed_out(&self, account: Option<Account>) {
        *self.shared.state() = State { signed_out: account, ..State::default() };
    }

    /// The sign-in, if there is one.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.shared.state().session.clone()
    }

    /// Why no token can be had, as far as is known without asking anybody.
    pub fn trouble(&self) -> Option<Trouble> {
        let state = self.shared.state();
        match &state.session {
            Some(_) => state.trouble.clone(),
            None => Some(self.shared.not_signed_in(&state)),
        }
    }

    /// A token for the next call.
    pub(super) async fn token(&self) -> Result<Secret, Trouble> {
        let renewal = {
            let mut state = self.shared.state();
            let now = self.shared.clock.monotonic();
            match &state.access {
                Some(access) if now < access.fresh_until => return Ok(access.token.clone()),
                Some(access) if now < access.good_until => {
                    // Still good: nobody waits for the next one.
                    let token = access.token.clone();
                    if state.pause_until.is_none_or(|pause| now >= pause) {
                        drop(self.shared.renewal(&mut state)?);
                    }
                    return Ok(token);
                }
                Some(_) | None => self.shared.renewal(&mut state)?,
            }
        };
        renewal.await
    }

    /// A token that is not `refused`.
    async fn newer(&self, refused: &Secret) -> Result<Secret, Trouble> {
        {
            let mut state = self.shared.state();
            if state.access.as_ref().is_some_and(|access| access.token == *refused) {
                state.access = None;
            }
        }
        self.token().await
    }

    /// Looks again whether the sign-in works: asks the key store and the server.
    pub(super) async fn check(&self) -> Result<Secret, Trouble> {
        let renewal = {
            let mut state = self.shared.state();
            state.access = None;
            self.shared.renewal(&mut state)?
        };
        renewal.await
    }

    /// Puts the refresh token where the next renewal finds it, when somebody has unlocked the key store.
    pub(super) async fn unlock(&self) -> Result<(), Trouble> {
        match self.session() {
            Some(session) => self.shared.refresh_token(&session, Asking::Allowed).await.map(drop),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl AccessTokens for AccountTokens {
    async fn bearer(&self) -> crate::provider::Result<Secret> {
        self.token().await.map_err(ProviderError::from)
    }

    async fn refresh_after_401(&self, refused: &Secret) -> crate::provider::Result<Secret> {
        self.newer(refused).await.map_err(ProviderError::from)
    }
}

impl Common {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_signed_in(&self, state: &State) -> Trouble {
        match &state.signed_out {
            Some(account) => Trouble::signed_out(account),
            None => Trouble::unknown(&self.id),
        }
    }

    /// The renewal that runs, or a new one.
    fn renewal(self: &Arc<Self>, state: &mut State) -> Result<Renewal, Trouble> {
        // One that has ended without taking itself out has crashed.
        if let Some(renewal) = state.renewal.as_ref().filter(|renewal| renewal.peek().is_none()) {
            return Ok(renewal.clone());
        }
        let Some(session) = state.session.clone() else { return Err(self.not_signed_in(state)) };
        let common = Arc::clone(self);
        let work = tokio::spawn(async move { common.renew(session).await });
        let renewal = async move { work.await.unwrap_or_else(|error| Err(Trouble::crashed(&error))) }.boxed().shared();
        state.renewal = Some(renewal.clone());
        Ok(renewal)
    }

    async fn renew(&self, session: Arc<Session>) -> Result<Secret, Trouble> {
        let result = self.fetch(&session).await;
        let mut state = self.state();
        let is_current = state.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, &session));
        if !is_current {
            // Somebody has signed in or out meanwhile: this is of no use to anybody but who waits for it.
            return result.map(|grant| grant.access);
        }
        state.renewal = None;
        match result {
            Ok(grant) => {
                state.access = Some(Access::new(&grant, self.clock.monotonic()));
                (state.trouble, state.pause_until) = (None, None);
                Ok(grant.access)
            }
            Err(trouble) => {
                if trouble.signed_out.is_some() {
                    state.session = None;
                    state.signed_out = Some(Account { signed_out: trouble.signed_out, ..session.account.clone() });
                }
                state.pause_until = Some(self.clock.monotonic() + BACKGROUND_PAUSE);
                state.trouble = Some(trouble.clone());
                Err(trouble)
            }
        }
    }

    async fn fetch(&self, session: &Arc<Session>) -> Result<Grant, Trouble> {
        let account = &session.account;
        let refresh = self.refresh_token(session, Asking::Never).await?;
        let grant = match session.issuer.refresh(&refresh).await {
            Ok(grant) => grant,
            Err(error @ IssuerError::InvalidGrant { .. }) => {
                tracing::warn!(account = %account.id, %error, "the sign-in is not accepted any more");
                self.note_revoked(account).await;
                return Err(Trouble::revoked(account, &error));
            }
            Err(error) => {
                tracing::info!(account = %account.id, %error, "no access token could be had");
                return Err(Trouble::of_issuer(account, &error));
            }
        };
        if let Some(next) = grant.refresh.clone().filter(|next| *next != refresh) {
            // The old one may be worth nothing from now on: the new one is safe before anything else happens.
            self.keep(account, &next).await?;
            *session.refresh.lock().await = Some(next);
        }
        match super::missing_scopes(&session.issuer, grant.scopes.as_deref()) {
            Some(missing) => Err(Trouble::too_narrow(account, &missing)),
            None => Ok(grant),
        }
    }

    async fn refresh_token(&self, session: &Arc<Session>, asking: Asking) -> Result<Secret, Trouble> {
        let mut known = session.refresh.lock().await;
        if let Some(refresh) = &*known {
            return Ok(refresh.clone());
        }
        let (secrets, account) = (Arc::clone(&self.secrets), session.account.clone());
        let read = move || secrets.fetch(&account.secret_name, account.storage, asking);
        let found = tokio::task::spawn_blocking(read).await.map_err(|error| Trouble::crashed(&error))?;
        match found {
            Ok(Some(refresh)) => Ok(known.insert(refresh).clone()),
            Ok(None) => Err(Trouble::gone(&session.account)),
            Err(error) => Err(Trouble::of_secrets(&session.account, &error)),
        }
    }

    async fn keep(&self, account: &Account, refresh: &Secret) -> Result<(), Trouble> {
        let (secrets, kept, refresh) = (Arc::clone(&self.secrets), account.clone(), refresh.clone());
        let keep = move || secrets.replace(&kept.secret_name, kept.storage, &refresh, Asking::Never);
        let done = tokio::task::spawn_blocking(keep).await.map_err(|error| Trouble::crashed(&error))?;
        done.map_err(|error| Trouble::of_secrets(account, &error))
    }

    /// So that the next daemon knows it before it has asked.
    async fn note_revoked(&self, account: &Account) {
        let (file, account) = (self.file.clone(), account.clone());
        let noted = tokio::task::spawn_blocking(move || file.mark_signed_out(&account, SignedOut::Revoked)).await;
        if let Ok(Err(error)) = noted {
            tracing::warn!(%error, "that an account is signed out could not be noted");
        }
    }
}
