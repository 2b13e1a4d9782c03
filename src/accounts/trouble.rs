//! Why an account gives no tokens, in a form that can be handed to everybody who waits for one: a kind that the engine understands, words
//! for people, and the next step.

use std::time::Duration;

use super::error::IssuerError;
use super::model::{Account, AccountId, SignedOut};
use crate::provider::{ErrorKind, ProviderError};
use crate::secrets::SecretError;

/// Why an account gives no tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// For the engine.
    pub kind: ErrorKind,
    /// For people: what is wrong.
    pub what: String,
    /// For people: what to do.
    pub next_step: String,
    /// The account is signed out, and why.
    pub signed_out: Option<SignedOut>,
    /// The key store is what stands in the way.
    pub is_key_store: bool,
    /// The pause that the server asks for.
    pub retry_after: Option<Duration>,
}

impl Trouble {
    fn new(kind: ErrorKind, what: String, next_step: impl Into<String>) -> Self {
        Self { kind, what, next_step: next_step.into(), signed_out: None, is_key_store: false, retry_after: None }
    }

    fn sign_in_again(account: &Account, what: String) -> Self {
        let next_step = format!("sign in again: `{}`; changes wait until then", account.connect_command());
        Self::new(ErrorKind::AuthRequired, what, next_step)
    }

    /// The account is not on this machine's list.
    pub(super) fn unknown(id: &AccountId) -> Self {
        let provider = id.as_str().split('-').next().unwrap_or_default();
        let what = format!("nobody is signed in to account {id} on this machine");
        Self::new(ErrorKind::AuthRequired, what, format!("sign in to it: `vaultfs connect {provider}`"))
    }

    /// It is on the list, as signed out.
    pub(super) fn signed_out(account: &Account) -> Self {
        let why = match account.signed_out {
            Some(SignedOut::Revoked) => "access was revoked or has expired",
            Some(SignedOut::Disconnected) | None => "it was disconnected",
        };
        let what = format!("account {} is signed out: {why}", account.shown());
        Self { signed_out: account.signed_out, ..Self::sign_in_again(account, what) }
    }

    /// The server takes the refresh token no more.
    pub(super) fn revoked(account: &Account, error: &IssuerError) -> Self {
        let what = format!("account {} is signed out: access was revoked or has expired ({error})", account.shown());
        Self { signed_out: Some(SignedOut::Revoked), ..Self::sign_in_again(account, what) }
    }

    /// The refresh token is not where it was put.
    pub(super) fn gone(account: &Account) -> Self {
        let (shown, storage) = (account.shown(), account.storage.as_str());
        Self::sign_in_again(account, format!("the sign-in of {shown} is no longer in the {storage}"))
    }

    /// The sign-in allows less than is needed.
    pub(super) fn too_narrow(account: &Account, missing: &str) -> Self {
        let what = format!("the sign-in of {} does not allow {missing}", account.shown());
        let next_step = format!(
            "enable it for the app with key {}, then sign in again: `{}`",
            account.app_key,
            account.connect_command()
        );
        Self::new(ErrorKind::AuthRequired, what, next_step)
    }

    /// The refresh token cannot be read or written.
    pub(super) fn of_secrets(account: &Account, error: &SecretError) -> Self {
        let what = format!("the sign-in of {} cannot be read: {error}", account.shown());
        let trouble = Self::new(ErrorKind::AuthRequired, what, error.next_step());
        Self { is_key_store: error.is_about_the_key_store(), ..trouble }
    }

    /// The server did not give a token.
    pub(super) fn of_issuer(account: &Account, error: &IssuerError) -> Self {
        let what = format!("no access to account {}: {error}", account.shown());
        let kind = match error {
            IssuerError::Unreachable { .. }
            | IssuerError::BadCertificate { .. }
            | IssuerError::NotTheService { .. } => ErrorKind::Offline,
            IssuerError::TimedOut { .. } | IssuerError::Busy { .. } => ErrorKind::Busy,
            IssuerError::InvalidGrant { .. }
            | IssuerError::InvalidClient { .. }
            | IssuerError::Refused { .. }
            | IssuerError::TokenRefused { .. }
            | IssuerError::MissingScope { .. } => {
                let trouble = Self::sign_in_again(account, what);
                return Self {
                    next_step: format!("{}: `{}`", error.next_step(), account.connect_command()),
                    ..trouble
                };
            }
        };
        let retry_after = if let IssuerError::Busy { retry_after, .. } = error { *retry_after } else { None };
        Self { retry_after, ..Self::new(kind, what, error.next_step()) }
    }

    /// A thread has crashed.
    pub(super) fn crashed(error: &tokio::task::JoinError) -> Self {
        Self::new(ErrorKind::Busy, format!("the sign-in failed: {error}"), "report this with the daemon's log")
    }
}

impl From<Trouble> for ProviderError {
    fn from(trouble: Trouble) -> Self {
        let error = Self::new(trouble.kind, "sign in", format!("{}; {}", trouble.what, trouble.next_step));
        match trouble.retry_after {
            Some(pause) => error.retry_after(pause),
            None => error,
        }
    }
}
