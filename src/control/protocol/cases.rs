//! The cases of vaults with the layout `cases`, and what each of them adds up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::status::FileState;

/// `GET cases`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CaseList {
    /// Vault by vault, in the order of paths.
    pub items: Vec<CaseStatus>,
}

/// A case: a folder with everything in it but what is in a case inside it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CaseStatus {
    /// Name of the vault.
    pub vault: String,
    /// Path in the vault.
    pub path: String,
    /// The worst state of all that is in it.
    pub state: FileState,
    /// Files that are documents by their names.
    pub documents: u64,
    /// All others.
    pub other_files: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Of these on this machine.
    pub hydrated_bytes: u64,
}

/// All cases of a vault.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CaseTotals {
    /// How many.
    pub cases: u64,
    /// How many by the word of their state.
    pub states: BTreeMap<String, u64>,
    /// As in [`CaseStatus::documents`].
    pub documents: u64,
    /// As in [`CaseStatus::other_files`].
    pub other_files: u64,
}
