//! The file `accounts.json`: which accounts this machine knows. Changed as the registry of vaults is: load, change, save under a lock;
//! a file that cannot be understood is never overwritten.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::model::{Account, AccountId, SignedOut};
use crate::config::private_file::{self, ChangeLock};

/// Version of the file.
const VERSION: u32 = 1;

/// Why the file is not read or not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsFileError {
    /// It cannot be read or written.
    #[error("cannot {operation} the list of accounts {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It is not what vaultfs writes.
    #[error("{path} is not a list of accounts; correct it, or move it away and sign in again")]
    Shape {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// A later version wrote it.
    #[error("{path}: version {version} of the list of accounts is newer than this program; update vaultfs")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    accounts: Vec<Account>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// The file.
#[derive(Clone, Debug)]
pub struct AccountsFile {
    path: PathBuf,
}

impl AccountsFile {
    /// The list at this path; it need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// All accounts, in the order in which they were first signed in to.
    pub fn load(&self) -> Result<Vec<Account>, AccountsFileError> {
        Ok(self.document()?.accounts)
    }

    /// Adds an account, or replaces the one of its id.
    pub fn put(&self, account: &Account) -> Result<(), AccountsFileError> {
        self.update(|accounts| match accounts.iter_mut().find(|known| known.id == account.id) {
            Some(known) => known.clone_from(account),
            None => accounts.push(account.clone()),
        })
    }

    /// Notes that an account is signed out; not if it was signed in to anew since `known` was read.
    pub fn mark_signed_out(&self, known: &Account, why: SignedOut) -> Result<(), AccountsFileError> {
        self.update(|accounts| {
            let same = |account: &&mut Account| account.id == known.id && account.connected_at == known.connected_at;
            if let Some(account) = accounts.iter_mut().find(same) {
                account.signed_out = Some(why);
            }
        })
    }

    /// Takes an account out.
    pub fn remove(&self, id: &AccountId) -> Result<(), AccountsFileError> {
        self.update(|accounts| accounts.retain(|account| account.id != *id))
    }

    fn update(&self, change: impl FnOnce(&mut Vec<Account>)) -> Result<(), AccountsFileError> {
        let _held = ChangeLock::acquire(&self.path).map_err(self.failed("lock"))?;
        let before = self.document()?;
        let mut after = before.clone();
        change(&mut after.accounts);
        if after == before {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&after)
            .map_err(|source| AccountsFileError::Shape { path: self.path.clone(), source })?;
        private_file::replace(&self.path, &text, false).map_err(self.failed("write"))
    }

    fn document(&self) -> Result<Document, AccountsFileError> {
        let Some(text) = private_file::read(&self.path).map_err(self.failed("read"))? else {
            return Ok(Document { version: VERSION, accounts: Vec::new(), other: Map::new() });
        };
        let document: Document = serde_json::from_slice(&text)
            .map_err(|source| AccountsFileError::Shape { path: self.path.clone(), source })?;
        if document.version > VERSION {
            return Err(AccountsFileError::TooNew { path: self.path.clone(), version: document.version });
        }
        Ok(document)
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> AccountsFileError {
        let path = self.path.clone();
        move |source| AccountsFileError::Io { operation, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::tests::account;

    #[test]
    fn accounts_are_kept_replaced_and_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = AccountsFile::new(folder.path().join("accounts.json"));
        assert!(file.load().unwrap().is_empty());
        let (one, two) = (account("one"), account("two"));
        file.put(&one).unwrap();
        file.put(&two).unwrap();
        let renamed = Account { name: "Another".to_owned(), ..one.clone() };
        file.put(&renamed).unwrap();
        assert_eq!(file.load().unwrap(), [renamed, two.clone()]);
        file.remove(&one.id).unwrap();
        assert_eq!(file.load().unwrap(), [two]);
    }

    #[test]
    fn a_file_that_is_not_understood_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.json");
        let file = AccountsFile::new(&path);
        for text in ["{", "[]", r#"{"version":2,"accounts":[]}"#] {
            std::fs::write(&path, text).unwrap();
            assert!(file.put(&account("one")).is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
