//! One try to sign in: it waits for one answer, takes the first one that comes, and ends in a bounded time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::AccountError;
use super::issuer::Issuer;
use super::model::Account;
use super::redirect::{Answer, Redirected};
use crate::config::settings::SecretPlace;
use crate::types::Secret;
use crate::vaults::ProviderKind;

/// Longest code that is tried.
const MAX_CODE_BYTES: usize = 1024;

/// How the answer comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The browser brings it to a port of this machine.
    Loopback,
    /// The browser hands it to the program that has registered the address scheme.
    Scheme,
    /// The page shows a code, and a person copies it.
    Code,
}

/// How a sign-in has ended. Several may want to know.
pub type Outcome = Result<Account, Arc<AccountError>>;

/// How an attempt stands.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// For the answer.
    Waiting,
    /// The answer is here and being redeemed.
    Working,
    /// It is over.
    Done(Box<Outcome>),
}

/// What somebody wants to sign in to, and how.
pub(super) struct Asked {
    pub(super) provider: ProviderKind,
    pub(super) base_url: Option<String>,
    pub(super) issuer: Arc<Issuer>,
    pub(super) verifier: Secret,
    pub(super) way: Way,
    pub(super) place: SecretPlace,
    /// Where the browser is sent, and what proves that it comes from there.
    pub(super) redirect: Option<(String, Secret)>,
    pub(super) limit: Duration,
}

/// One try to sign in.
pub(super) struct Attempt {
    pub(super) id: Uuid,
    pub(super) asked: Asked,
    pub(super) ends: Instant,
    phase: watch::Sender<Phase>,
}

impl Attempt {
    pub(super) fn new(asked: Asked) -> Self {
        let ends = Instant::now() + asked.limit;
        Self { id: Uuid::new_v4(), asked, ends, phase: watch::Sender::new(Phase::Waiting) }
    }

    /// The address that the browser opens.
    pub(super) fn address(&self) -> reqwest::Url {
        let redirect = self.asked.redirect.as_ref().map(|(address, state)| (address.as_str(), state));
        self.asked.issuer.authorize_url(&self.asked.verifier, redirect)
    }

    /// True if this answer carries the state of this attempt.
    pub(super) fn is_meant_by(&self, answer: &Redirected) -> bool {
        self.asked.redirect.as_ref().is_some_and(|(_, state)| is_same(state, &answer.state))
    }

    /// The code in an answer of the browser, once its state is the right one.
    pub(super) fn code_of(&self, answer: Redirected) -> Result<Secret, AccountError> {
        if !self.is_meant_by(&answer) {
            return Err(AccountError::WrongState);
        }
        let own = self.asked.issuer.endpoints.authorize.origin();
        let is_other = |issuer: &str| reqwest::Url::parse(issuer).map_or(true, |issuer| issuer.origin() != own);
        if answer.issuer.as_deref().is_some_and(is_other) {
            return Err(AccountError::WrongIssuer);
        }
        match answer.answer {
            Answer::Code(code) => Ok(code),
            Answer::Refused(word) if word == "access_denied" => Err(AccountError::Denied),
            Answer::Refused(word) => Err(super::refused(&word)),
        }
    }

    /// The first answer takes the attempt; every later one finds it taken.
    pub(super) fn take(&self) -> bool {
        self.phase.send_if_modified(|phase| {
            let is_waiting = matches!(phase, Phase::Waiting);
            if is_waiting {
                *phase = Phase::Working;
            }
            is_waiting
        })
    }

    /// Ends an attempt that was taken.
    pub(super) fn finish(&self, outcome: Outcome) {
        self.phase.send_replace(Phase::Done(Box::new(outcome)));
    }

    /// Ends it if no answer has come yet.
    pub(super) fn give_up(&self, why: AccountError) {
        if self.take() {
            self.finish(Err(Arc::new(why)));
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Waiting)
    }

    /// Returns when an answer has come, or the attempt was given up.
    pub(super) async fn taken(&self) {
        let mut phase = self.phase.subscribe();
        // The sender lives as long as `self`.
        drop(phase.wait_for(|phase| !matches!(phase, Phase::Waiting)).await);
    }

    /// The end, if it comes within `hold`.
    pub(super) async fn outcome(&self, hold: Duration) -> Option<Outcome> {
        let mut phase = self.phase.subscribe();
        let done = phase.wait_for(|phase| matches!(phase, Phase::Done(_)));
        match tokio::time::timeout(hold, done).await {
            Ok(Ok(done)) => {
                if let Phase::Done(outcome) = &*done {
                    Some(outcome.as_ref().clone())
                } else {
                    None
                }
            }
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

/// A code as it was pasted, or why it cannot be one. Nobody's mistake is sent to a server.
pub(super) fn pasted(text: &str) -> Result<Secret, AccountError> {
    let code = text.trim();
    let problem = if code.is_empty() {
        "it is empty"
    } else if code.len() > MAX_CODE_BYTES {
        "it is too long"
    } else if code.contains("://") {
        "it is an address"
    } else if code.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        "it has spaces or line breaks in it"
    } else if !code.is_ascii() {
        "it has letters that no code has"
    } else {
        return Ok(Secret::new(code));
    };
    Err(AccountError::NotACode { why: problem })
}

/// Compares in a time that tells nothing of where they differ.
fn is_same(left: &Secret, right: &Secret) -> bool {
    blake3::hash(left.expose().as_bytes()) == blake3::hash(right.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_code_is_not_sent() {
        assert_eq!(pasted(" abc-123_X \n").unwrap().expose(), "abc-123_X");
        let long = "a".repeat(2000);
        for bad in ["", " \n", "two words", "http://127.0.0.1/?code=a", "käse", "a\u{7f}", &long] {
            assert!(matches!(pasted(bad), Err(AccountError::NotACode { .. })), "{bad}");
        }
    }
}
