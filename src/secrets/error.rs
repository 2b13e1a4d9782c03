//! Why a secret cannot be had or kept. Never holds a secret, nor text that a key store could have made from one.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a secret cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// This session has no key store.
    #[error("this session has no key store: {why}")]
    Absent {
        /// What is missing.
        why: String,
    },
    /// The key store is there and wants its password first.
    #[error("the key store is locked")]
    Locked,
    /// The key store has asked for its password and was refused.
    #[error("the key store stays locked: its password was not given")]
    StaysLocked,
    /// The key store does not let this program in.
    #[error("the key store refuses access: {why}")]
    Denied {
        /// What it says.
        why: String,
    },
    /// No answer came in time, or an earlier call still waits for one.
    #[error("the key store has not answered within {} s", .limit.as_secs())]
    NoAnswer {
        /// How long was waited.
        limit: Duration,
    },
    /// The key store failed in another way.
    #[error("the key store failed: {why}")]
    Failed {
        /// What it says.
        why: String,
    },
    /// What it holds under this name is no text of ours.
    #[error("the key store holds something else under the name of this sign-in")]
    NotOurs,
    /// The encrypted file or its key cannot be read or written.
    #[error("cannot {operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The encrypted file is there and its key is not.
    #[error("the key of the encrypted sign-ins is missing ({key})")]
    KeyMissing {
        /// Where it should be.
        key: PathBuf,
    },
    /// The encrypted file is not what was written: damaged, tampered with, or of another key.
    #[error("{path} is damaged or belongs to another key")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl SecretError {
    /// One thing to do.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Absent { .. } => {
                "log in to your desktop, or keep sign-ins in an encrypted file: `vaultfs config set secrets.store file`"
            }
            Self::Locked | Self::StaysLocked => {
                "unlock it: log in to your desktop, or run `vaultfs test-connection`, which makes it ask for its password"
            }
            Self::Denied { .. } => "allow vaultfs in your password manager, then run `vaultfs test-connection`",
            Self::NoAnswer { .. } => {
                "answer the window in which it may be asking for its password, then run `vaultfs test-connection`"
            }
            Self::Failed { .. } => {
                "look at the key store with your password manager, then run `vaultfs test-connection`"
            }
            Self::NotOurs | Self::KeyMissing { .. } | Self::Damaged { .. } => "sign in again: `vaultfs connect`",
            Self::File { .. } => "check the owner and the free space of that folder",
        }
    }

    /// True if the same call may succeed once a person has done something about the key store.
    pub fn is_about_the_key_store(&self) -> bool {
        match self {
            Self::Absent { .. }
            | Self::Locked
            | Self::StaysLocked
            | Self::Denied { .. }
            | Self::NoAnswer { .. }
            | Self::Failed { .. } => true,
            Self::NotOurs | Self::File { .. } | Self::KeyMissing { .. } | Self::Damaged { .. } => false,
        }
    }
}
