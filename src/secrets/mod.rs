//! Where secrets rest: in the key store of the operating system, or, on machines that have none, in an encrypted file.
//!
//! Invariants: a secret leaves this module as a [`Secret`] only; every call is bounded in time; nobody is asked for a password unless
//! the caller says that somebody sits there ([`Asking`]). All calls block: they are made from threads that may wait.

mod error;
mod file_store;
mod key_store;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod platform;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use error::SecretError;
pub use file_store::FileStore;
pub use key_store::KeyStore;

use crate::config::settings::SecretPlace;
use crate::types::Secret;

/// Result of a call.
pub type Result<T> = std::result::Result<T, SecretError>;

/// A place for secrets, each under a name of its own.
pub trait SecretStore: Send + Sync + 'static {
    /// The secret of this name; `None` if there is none.
    fn get(&self, name: &str, asking: Asking) -> Result<Option<Secret>>;
    /// Keeps a secret, in place of an older one of this name. `label` is what people see in the key store's own window.
    fn set(&self, name: &str, label: &str, secret: &Secret, asking: Asking) -> Result<()>;
    /// Forgets a secret. One that is not there is forgotten already.
    fn delete(&self, name: &str, asking: Asking) -> Result<()>;
}

/// Whether a locked key store may ask its user for the password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asking {
    /// Nobody is there: a locked store is [`SecretError::Locked`] at once.
    Never,
    /// Somebody has just asked for something and sits in front of the screen.
    Allowed,
}

/// Where a secret rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// The key store of the operating system.
    KeyStore,
    /// The encrypted file: weak, because its key lies on the same machine.
    File,
}

impl Storage {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyStore => "key store",
            Self::File => "weak storage (an encrypted file)",
        }
    }
}

/// Where the encrypted file and its key lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePlaces {
    /// The encrypted file.
    pub secrets: PathBuf,
    /// Its key, in another folder, so that a copy of one folder is worth nothing.
    pub key: PathBuf,
    /// A key that the service manager hands to the daemon (`LoadCredential=`); preferred over the key file.
    pub credential: Option<PathBuf>,
}

/// Both places.
pub struct Secrets {
    key_store: Box<dyn SecretStore>,
    file: Box<dyn SecretStore>,
}

impl Secrets {
    /// The places of this user. Touches neither.
    pub fn new(places: FilePlaces) -> Self {
        Self::with_stores(Box::new(KeyStore::of_system()), Box::new(FileStore::new(places)))
    }

    /// Over other stores, for tests.
    pub fn with_stores(key_store: Box<dyn SecretStore>, file: Box<dyn SecretStore>) -> Self {
        Self { key_store, file }
    }

    /// Keeps a secret, and says where: whoever keeps the name keeps that, too.
    pub fn keep(
        &self,
        name: &str,
        label: &str,
        secret: &Secret,
        place: SecretPlace,
        asking: Asking,
    ) -> Result<Storage> {
        if place != SecretPlace::File {
            match self.key_store.set(name, label, secret, asking) {
                Ok(()) => return Ok(Storage::KeyStore),
                Err(SecretError::Absent { why }) if place == SecretPlace::Automatic => {
                    tracing::info!(why, "there is no key store; an encrypted file is used");
                }
                Err(error) => return Err(error),
            }
        }
        self.file.set(name, label, secret, asking)?;
        Ok(Storage::File)
    }

    /// Puts another secret in the place of one that was kept there.
    pub fn replace(&self, name: &str, storage: Storage, secret: &Secret, asking: Asking) -> Result<()> {
        self.store(storage).set(name, "", secret, asking)
    }

    /// The secret that was kept there.
    pub fn fetch(&self, name: &str, storage: Storage, asking: Asking) -> Result<Option<Secret>> {
        self.store(storage).get(name, asking)
    }

    /// Forgets the secret that was kept there.
    pub fn forget(&self, name: &str, storage: Storage, asking: Asking) -> Result<()> {
        self.store(storage).delete(name, asking)
    }

    fn store(&self, storage: Storage) -> &dyn SecretStore {
        match storage {
            Storage::KeyStore => &*self.key_store,
            Storage::File => &*self.file,
        }
    }
}
