//! Accounts of clouds: signing in and out, what is known of them, and whether they work.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::doctor::finding;
use crate::accounts::{Account, AccountError, Checked, NewSignIn, Outcome, Trouble, Way};
use crate::control::protocol::{
    AccountFilter, AccountInfo, AccountList, AccountState, BeginSignIn, Changed, ConnectionReport, DisconnectReport,
    ErrorCode, Finding, LONGEST_HOLD, Problem, SignInAttempt, SignInBegun, SignInCode, SignInProgress, SignInRedirect,
    SignInWay, TestConnection,
};
use crate::control::service::Reply;
use crate::daemon::blocking::blocking;
use crate::daemon::{Daemon, problems};
use crate::provider::ErrorKind;
use crate::secrets::{Asking, Storage};
use crate::vaults::{ProviderKind, Vault};

/// A clock that differs by more than this is worth a word: tokens, certificates and times of files depend on it.
const CLOCK_TOLERANCE_SECONDS: i64 = 300;

impl Daemon {
    pub(super) async fn list_accounts(self: &Arc<Self>) -> Reply<AccountList> {
        let daemon = Arc::clone(self);
        blocking(move || {
            let accounts = daemon.accounts.list().map_err(|error| problems::account(&error))?;
            let accounts = accounts.iter().map(|account| daemon.account_info(account)).collect::<Result<_, _>>()?;
            Ok(AccountList { accounts })
        })
        .await
    }

    pub(super) async fn show_account(self: &Arc<Self>, filter: AccountFilter) -> Reply<AccountInfo> {
        let account = self.account(filter).await?;
        self.account_info_of(account).await
    }

    pub(super) async fn begin_sign_in(&self, request: BeginSignIn) -> Reply<SignInBegun> {
        let provider: ProviderKind =
            request.provider.parse().map_err(|error| problems::of(ErrorCode::InvalidRequest, &error))?;
        let way = match request.way {
            SignInWay::Loopback => Way::Loopback,
            SignInWay::Scheme => Way::Scheme,
            SignInWay::Code => Way::Code,
        };
        let new = NewSignIn { provider, base_url: request.base_url, app_key: request.app_key, way };
        let begun = self.accounts.begin(new, self.config.sign_in()).await.map_err(|error| problems::account(&error))?;
        Ok(SignInBegun {
            attempt: begun.attempt.to_string(),
            address: begun.address,
            expires_in_seconds: begun.limit.as_secs(),
        })
    }

    pub(super) async fn enter_code(self: &Arc<Self>, request: SignInCode) -> Reply<AccountInfo> {
        let outcome = self.accounts.code(attempt(&request.attempt)?, &request.code).await;
        self.signed_in(outcome).await
    }

    pub(super) async fn take_redirect(self: &Arc<Self>, request: SignInRedirect) -> Reply<AccountInfo> {
        let outcome = self.accounts.redirected(&request.address).await;
        self.signed_in(outcome).await
    }

    pub(super) async fn sign_in_outcome(self: &Arc<Self>, question: SignInAttempt) -> Reply<SignInProgress> {
        let hold = question.hold_ms.map_or(Duration::ZERO, Duration::from_millis).min(LONGEST_HOLD);
        match self.accounts.outcome(attempt(&question.attempt)?, hold).await {
            Some(outcome) => Ok(SignInProgress { account: Some(self.signed_in(outcome).await?) }),
            None => Ok(SignInProgress { account: None }),
        }
    }

    pub(super) fn cancel_sign_in(&self, request: &SignInAttempt) -> Reply<Changed> {
        self.accounts.cancel(attempt(&request.attempt)?);
        Ok(Changed { count: 1 })
    }

    pub(super) async fn disconnect(self: &Arc<Self>, filter: AccountFilter) -> Reply<DisconnectReport> {
        let account = self.account(filter).await?;
        let info = self.account_info_of(account.clone()).await?;
        let is_needed = !info.vaults.is_empty();
        let done = self.accounts.disconnect(account, is_needed).await.map_err(|error| problems::account(&error))?;
        self.events.publish("account-changed", None, None, Some(format!("{} is signed out", done.account.id)));
        let problem = done.not_revoked.as_ref().map(|why| {
            let what = format!("{} may still list this access: it could not be told", done.account.provider);
            Problem::new(ErrorCode::Offline, what)
                .cause(why.clone())
                .hint(format!("end it at {}; nothing on this machine can use it any more", done.grants_page))
        });
        Ok(DisconnectReport { account: info, revoked: done.not_revoked.is_none(), problem })
    }

    pub(super) async fn test_connection(self: &Arc<Self>, request: TestConnection) -> Reply<ConnectionReport> {
        let account = self.account(request.filter).await?;
        let asking = if request.may_ask { Asking::Allowed } else { Asking::Never };
        let checked = self.accounts.check(account, asking).await.map_err(|error| problems::account(&error))?;
        let checks = checks(&checked);
        let ok = checks.iter().all(|check| check.ok);
        if ok {
            self.look_again(&checked.account).await;
        }
        Ok(ConnectionReport { ok, account: self.account_info_of(checked.account).await?, checks })
    }

    /// The accounts, for `doctor`.
    pub(super) async fn account_findings(self: &Arc<Self>) -> Vec<Finding> {
        match self.list_accounts().await {
            Ok(list) => list
                .accounts
                .into_iter()
                .map(|account| {
                    let told = account.problem.map_or_else(|| Ok(account.state.as_str().to_owned()), Err);
                    finding(&format!("account {}", account.id), None, told)
                })
                .collect(),
            Err(problem) => vec![finding("accounts", None, Err(problem))],
        }
    }

    async fn signed_in(self: &Arc<Self>, outcome: Outcome) -> Reply<AccountInfo> {
        let account = outcome.map_err(|error| problems::account(&error))?;
        self.events.publish("account-changed", None, None, Some(format!("{} is signed in", account.id)));
        self.look_again(&account).await;
        self.account_info_of(account).await
    }

    /// Vaults that have waited for this account go on.
    async fn look_again(self: &Arc<Self>, account: &Account) {
        match self.load_registry().await {
            Ok(registry) => registry
                .list()
                .iter()
                .filter(|vault| uses(vault, account))
                .filter_map(|vault| self.vaults.get(vault.id))
                .for_each(|open| open.engine.look_again()),
            Err(problem) => self.report(problem),
        }
    }

    async fn account(self: &Arc<Self>, filter: AccountFilter) -> Reply<Account> {
        let daemon = Arc::clone(self);
        blocking(move || daemon.accounts.find(filter.account.as_deref()).map_err(|error| problems::account(&error)))
            .await
    }

    async fn account_info_of(self: &Arc<Self>, account: Account) -> Reply<AccountInfo> {
        let daemon = Arc::clone(self);
        blocking(move || daemon.account_info(&account)).await
    }

    fn account_info(&self, account: &Account) -> Result<AccountInfo, Problem> {
        let registry = self.registry.load().map_err(|error| problems::registry(&error))?;
        let trouble = self.accounts.trouble(account);
        Ok(AccountInfo {
            id: account.id.to_string(),
            provider: account.provider.as_str().to_owned(),
            name: account.name.clone(),
            email: account.email.clone(),
            base_url: account.base_url.clone(),
            connected: state(trouble.as_ref()) != AccountState::AuthRequired,
            state: state(trouble.as_ref()),
            storage: match account.storage {
                Storage::KeyStore => "key-store",
                Storage::File => "file",
            }
            .to_owned(),
            weak_storage: account.storage == Storage::File,
            vaults: registry
                .list()
                .iter()
                .filter(|vault| uses(vault, account))
                .map(|vault| vault.name.clone())
                .collect(),
            connected_at: account.connected_at.clone(),
            problem: trouble.map(|trouble| problems::trouble(&trouble)),
        })
    }
}

fn uses(vault: &Vault, account: &Account) -> bool {
    vault.vaultfs.account.as_deref() == Some(account.id.as_str())
}

fn attempt(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|error| Problem::new(ErrorCode::InvalidRequest, "this names no sign-in").because(&error))
}

fn state(trouble: Option<&Trouble>) -> AccountState {
    match trouble {
        None => AccountState::Connected,
        Some(trouble) if trouble.is_key_store => AccountState::KeyStoreLocked,
        Some(trouble) if trouble.kind == ErrorKind::AuthRequired => AccountState::AuthRequired,
        Some(_) => AccountState::Waiting,
    }
}

/// What a person who asks "does it work?" wants to see, in the order in which it can fail.
fn checks(checked: &Checked) -> Vec<Finding> {
    let account = &checked.account;
    let of_trouble = |trouble: &Trouble| Err(problems::trouble(trouble));
    let kept = format!("in the {}", account.storage.as_str());
    let mut checks = Vec::new();
    match &checked.trouble {
        Some(trouble) if trouble.is_key_store => {
            checks.push(finding("key store", None, of_trouble(trouble)));
            return checks;
        }
        Some(trouble) => {
            checks.push(finding("key store", None, Ok(kept)));
            checks.push(finding("sign-in", None, of_trouble(trouble)));
        }
        None => {
            checks.push(finding("key store", None, Ok(kept)));
            checks.push(finding("sign-in", None, Ok("access was granted".to_owned())));
            let owner = checked.refused.as_ref().map_or_else(
                || Ok(format!("{} answers", account.shown())),
                |error: &AccountError| Err(problems::account(error)),
            );
            checks.push(finding("account", None, owner));
        }
    }
    checks.push(finding("clock", None, clock(checked.clock_ahead_seconds)));
    checks
}

fn clock(ahead: i64) -> Result<String, Problem> {
    if ahead.abs() <= CLOCK_TOLERANCE_SECONDS {
        return Ok("agrees with the server's".to_owned());
    }
    let (minutes, where_to) = (ahead.abs() / 60, if ahead > 0 { "behind" } else { "ahead of" });
    Err(Problem::new(ErrorCode::Io, format!("the clock of this machine is {minutes} minutes {where_to} the server's"))
        .hint("set date and time; until then certificates may be refused and times of files are wrong"))
}
