//! The key store of the operating system: Secret Service on Linux, Keychain on macOS.
//!
//! Its calls can wait for a person, for a program that hangs, or for ever, and know no deadline. So each runs on a thread of its own,
//! one at a time, and whoever asked stops waiting after a while; a call that is late goes on by itself and lets the next one in when it
//! ends. Each call connects anew: a key store that was restarted or unlocked is simply there.

use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use keyring_core::Entry;

use super::{Asking, Result, SecretError, SecretStore, platform};
use crate::types::Secret;

/// Under which our entries are found in the key store.
pub(super) const SERVICE: &str = "vaultfs";

/// Longest wait for a key store that asks nobody.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Longest wait for a person who looks for a password.
const PERSON_LIMIT: Duration = Duration::from_secs(80);

/// What the platform gives. Every call may block without end.
pub(super) trait Backend: Send + Sync + 'static {
    /// Fails with [`SecretError::Locked`] if working with this entry would make the key store ask for a password.
    fn check_unlocked(&self, name: &str) -> Result<()>;
    /// The entry of this name, whether or not it is there.
    fn entry(&self, name: &str, label: &str) -> Result<Entry>;
    /// The platform's failure in our words.
    fn explain(&self, error: keyring_core::Error) -> SecretError;
}

/// The key store.
pub struct KeyStore {
    backend: Arc<dyn Backend>,
    lane: Arc<Lane>,
    limits: Limits,
}

/// How long to wait at most.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Without anybody to ask.
    pub(super) answer: Duration,
    /// For a person.
    pub(super) person: Duration,
}

/// Lets one call in at a time.
#[derive(Default)]
struct Lane {
    is_taken: Mutex<bool>,
    freed: Condvar,
}

impl KeyStore {
    /// The one of this session.
    pub fn of_system() -> Self {
        Self::over(Arc::new(platform::System), Limits { answer: ANSWER_LIMIT, person: PERSON_LIMIT })
    }

    pub(super) fn over(backend: Arc<dyn Backend>, limits: Limits) -> Self {
        Self { backend, lane: Arc::default(), limits }
    }

    /// Runs a call on a thread of its own, within the limit.
    fn call<T: Send + 'static>(
        &self,
        name: &str,
        asking: Asking,
        work: impl FnOnce(&dyn Backend) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let limit = match asking {
            Asking::Never => self.limits.answer,
            Asking::Allowed => self.limits.person,
        };
        if !self.lane.enter(self.limits.answer) {
            return Err(SecretError::NoAnswer { limit: self.limits.answer });
        }
        let (backend, lane, name) = (Arc::clone(&self.backend), Arc::clone(&self.lane), name.to_owned());
        let (answer, answered) = mpsc::sync_channel(1);
        let started = std::thread::Builder::new().name("vaultfs-keys".to_owned()).spawn(move || {
            let unlocked = match asking {
                Asking::Never => backend.check_unlocked(&name),
                Asking::Allowed => Ok(()),
            };
            let result = unlocked.and_then(|()| work(&*backend));
            lane.leave();
            if answer.send(result).is_err() {
                tracing::info!("the key store has answered too late");
            }
        });
        if let Err(error) = started {
            self.lane.leave();
            return Err(SecretError::Failed { why: error.to_string() });
        }
        answered.recv_timeout(limit).unwrap_or(Err(SecretError::NoAnswer { limit }))
    }
}

impl SecretStore for KeyStore {
    fn get(&self, name: &str, asking: Asking) -> Result<Option<Secret>> {
        let entry_name = name.to_owned();
        self.call(name, asking, move |backend| match backend.entry(&entry_name, "")?.get_password() {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(keyring_core::Error::NoEntry) => Ok(None),
            Err(error) => Err(backend.explain(error)),
        })
    }

    fn set(&self, name: &str, label: &str, secret: &Secret, asking: Asking) -> Result<()> {
        let (entry_name, label, secret) = (name.to_owned(), label.to_owned(), secret.clone());
        self.call(name, asking, move |backend| {
            let entry = backend.entry(&entry_name, &label)?;
            entry.set_password(secret.expose()).map_err(|error| backend.explain(error))
        })
    }

    fn delete(&self, name: &str, asking: Asking) -> Result<()> {
        let entry_name = name.to_owned();
        self.call(name, asking, move |backend| match backend.entry(&entry_name, "")?.delete_credential() {
            Ok(()) | Err(keyring_core::Error::NoEntry) => Ok(()),
            Err(error) => Err(backend.explain(error)),
        })
    }
}

/// What every platform's failures have in common. Texts of the key store are told only where they cannot hold what was stored.
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow")]
pub(super) fn explain_common(error: keyring_core::Error) -> SecretError {
    match error {
        keyring_core::Error::BadEncoding(_) | keyring_core::Error::BadDataFormat(..) => SecretError::NotOurs,
        keyring_core::Error::Ambiguous(_) => {
            SecretError::Failed { why: "it holds several entries of the same name".to_owned() }
        }
        keyring_core::Error::NoStorageAccess(_) => SecretError::StaysLocked,
        other => SecretError::Failed { why: other.to_string() },
    }
}

impl Lane {
    fn enter(&self, limit: Duration) -> bool {
        let taken = self.is_taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_timeout_while(taken, limit, |taken| *taken);
        let (mut taken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() && *taken {
            return false;
        }
        *taken = true;
        true
    }

    fn leave(&self) {
        *self.is_taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.freed.notify_one();
    }
}
