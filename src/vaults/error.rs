//! Why the registry is not read or not changed: what, where, and what to do.

use std::fmt;
use std::path::PathBuf;

use super::model::UnknownProvider;
use super::root::RootProblem;
use crate::types::{NameError, VaultId};

/// A place in the registry, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// The outermost object.
    Document,
    /// A vault, by its name if it has one, else by its place in the list (from 1).
    Vault(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => f.write_str("the registry"),
            Self::Vault(name) => write!(f, "vault {name}"),
        }
    }
}

/// Why the registry is not read or not changed. In every case the file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file cannot be read.
    #[error("cannot read the registry of vaults {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the registry of vaults {path}; the old one is still in force")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not JSON.
    #[error(
        "{path}:{line}:{column}: the registry of vaults is not valid JSON; correct it, or move it away and add the vaults again (their files stay where they are)"
    )]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// The file is JSON of another shape.
    #[error(
        "{path}: {at} {problem}; correct it, or move the file away and add the vaults again (their files stay where they are)"
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// Where.
        at: Location,
        /// What is wrong.
        problem: String,
    },
    /// A vault with a provider that vaultfs does not have.
    #[error("{path}: {at}: {value}; correct it, or update vaultfs if a later version wrote it")]
    UnknownProvider {
        /// The file.
        path: PathBuf,
        /// Which vault.
        at: Location,
        /// The value.
        value: UnknownProvider,
    },
    /// The file was written by a later version.
    #[error("{path}: version {version} of the registry is newer than this program; update vaultfs")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// There is no such vault.
    #[error("there is no vault \"{selector}\"; {}", listed(.known))]
    NoSuchVault {
        /// What was asked for.
        selector: String,
        /// Names of the vaults that there are.
        known: Vec<String>,
    },
    /// Several vaults have this name.
    #[error("several vaults are called \"{name}\"; say which by its id: {}", joined(.ids))]
    Ambiguous {
        /// The name.
        name: String,
        /// The vaults that have it.
        ids: Vec<VaultId>,
    },
    /// The name is taken; case and the composition of accents make no difference.
    #[error("there is already a vault \"{existing}\"; choose another name than \"{name}\"")]
    NameTaken {
        /// The name that was asked for.
        name: String,
        /// The name that it collides with.
        existing: String,
    },
    /// The id is taken: this vault is in the registry already.
    #[error("the vault {id} is already here, as \"{existing}\"")]
    IdTaken {
        /// The id.
        id: VaultId,
        /// The name that it has here.
        existing: String,
    },
    /// The name cannot be a folder of the mount.
    #[error("\"{name}\" cannot be the name of a vault, because it is the name of its folder in the mount: {reason}")]
    NameRefused {
        /// The name.
        name: String,
        /// Why not.
        reason: NameProblem,
    },
    /// The folder of a local vault is refused.
    #[error(transparent)]
    RootRefused(#[from] RootProblem),
    /// A setting of the provider is refused.
    #[error("{field} \"{value}\" is refused: {reason}")]
    ConfigRefused {
        /// Which setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        reason: &'static str,
    },
    /// Another vault has the same folder.
    #[error("{path} already belongs to the vault \"{existing}\"")]
    RootTaken {
        /// The folder.
        path: String,
        /// The vault that has it.
        existing: String,
    },
    /// The last vault cannot be removed.
    #[error("\"{0}\" is the only vault and cannot be removed; add another one first")]
    OnlyVault(String),
    /// The active vault cannot be removed.
    #[error("\"{0}\" is the active vault and cannot be removed; switch to another one first")]
    ActiveVault(String),
    /// The default vault cannot be removed.
    #[error("\"{0}\" is the default vault and cannot be removed; make another one the default first")]
    DefaultVault(String),
}

/// Why a name cannot be a folder of the mount.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameProblem {
    /// No file system takes it.
    #[error(transparent)]
    Entry(#[from] NameError),
    /// It would be hidden.
    #[error("it starts with a dot")]
    Hidden,
    /// People would not see it.
    #[error("it starts or ends with a space")]
    Space,
    /// Terminals would act on it.
    #[error("it holds a control character")]
    Control,
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "there are none yet: add one with `vaultfs vault add`".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    }
}

fn joined(ids: &[VaultId]) -> String {
    ids.iter().map(VaultId::to_string).collect::<Vec<_>>().join(", ")
}
