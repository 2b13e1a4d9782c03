//! The manifest of a vault, and whether everything is as it says. Both are told line by line, one JSON document each.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::status::FileState;

/// One line of `GET manifest`: an entry that the mount shows, or that a filter keeps out of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ManifestItem {
    /// Name of the vault.
    pub vault: String,
    /// Path in the vault.
    pub path: String,
    /// `file`, `folder`, `symlink` or `special`.
    pub kind: String,
    /// Where it is on its way to the cloud.
    pub state: FileState,
    /// The provider's id; absent for what the provider does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Version of its content at the provider, or the one that an edit here is based on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// `algorithm:digest` of its content, as far as it is known without reading anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Bytes; 0 for folders.
    pub size: u64,
}

/// `POST verify`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VerifyRequest {
    /// The vault; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// Read every byte that is here, and list everything at the provider.
    #[serde(default)]
    pub deep: bool,
}

/// One line of the answer of `POST verify`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "line")]
pub enum VerifyLine {
    /// So far.
    Progress(VerifiedVault),
    /// Something is not as the manifest says.
    Mismatch(VerifyMismatch),
    /// A vault is done.
    Vault(VerifiedVault),
    /// The last line: without it something kept the daemon from looking at everything.
    End,
}

/// Something that is not as the manifest says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VerifyMismatch {
    /// Name of the vault.
    pub vault: String,
    /// Path in the vault; empty if it is about the catalog.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// It was put right.
    pub healed: bool,
}

/// What looking through a vault found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VerifiedVault {
    /// Name of the vault.
    pub vault: String,
    /// Entries that were looked at.
    pub entries: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Things that were not as they should be.
    pub mismatches: u64,
    /// How many of them were put right.
    pub healed: u64,
    /// Why nothing was compared with the provider, though that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<Problem>,
    /// Why it ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

impl VerifiedVault {
    /// Nothing yet.
    pub fn of(vault: &str) -> Self {
        Self { vault: vault.to_owned(), ..Self::default() }
    }

    /// True if all is well now.
    pub fn is_well(&self) -> bool {
        self.mismatches == self.healed && self.problem.is_none()
    }
}
