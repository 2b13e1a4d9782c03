//! The handle on signing in.

use std::sync::Arc;
use std::time::Duration;

use super::{Consent, RedirectRule};
use crate::dropbox::Account;
use crate::dropbox::service::Dropbox;

/// Signing in, as a test arranges it.
#[derive(Clone)]
pub struct OAuth {
    pub(in crate::dropbox) dropbox: Arc<Dropbox>,
}

impl OAuth {
    /// What the person at the consent page does.
    pub fn set_consent(&self, consent: Consent) {
        self.dropbox.access().consent = consent;
    }

    /// Who is signed in at the consent page; the first account unless set.
    pub fn sign_in(&self, account: &Account) {
        self.dropbox.access().signed_in = Some(account.id.clone());
    }

    /// Where the application `testkey` may have people sent back to.
    pub fn set_redirects(&self, rule: RedirectRule) {
        self.dropbox.access().apps[0].redirects = rule;
    }

    /// The scopes that the application `testkey` has. Tokens that it was given before stay as they are.
    pub fn set_app_scopes(&self, scopes: &[&str]) {
        self.dropbox.access().apps[0].scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    }

    /// How long access tokens live from now on; four hours unless set.
    pub fn set_token_life(&self, life: Duration) {
        self.dropbox.access().token_life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
    }

    /// Every access token, refresh token and code that was given out, and every PKCE verifier that came in, each with what it is:
    /// whoever searches for leaks searches for these.
    pub fn secrets(&self) -> Vec<(&'static str, String)> {
        self.dropbox.access().secrets.clone()
    }

    /// All access tokens that can expire have expired. Refresh tokens are as good as before.
    pub fn expire_tokens(&self) {
        self.dropbox.access().expire_all();
    }
}
