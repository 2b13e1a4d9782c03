//! Vaults that the Muze recorder already has. Its registry is only read; the vaults keep their ids, so that importing
//! again changes nothing.

use std::path::Path;

use serde_json::Value;

use super::error::RegistryError;
use super::layout::LayoutKind;
use super::model::{ProviderKind, Vault, VaultfsSettings};
use super::registry::{Registry, to_object};
use super::root::{self, RootProblem};
use crate::config::private_file;
use crate::types::VaultId;

/// Longest part of a Muze name that is kept, so that a number fits behind it.
const NAME_MAX_BYTES: usize = 200;

/// What an import did, vault by vault in Muze's order.
#[derive(Debug)]
pub struct Import {
    /// One row for each vault of Muze.
    pub vaults: Vec<Imported>,
}

/// What became of one vault of Muze.
#[derive(Debug)]
pub enum Imported {
    /// It is here now.
    Added {
        /// Its id.
        id: VaultId,
        /// Its name here.
        name: String,
        /// Its name in Muze, if that one was taken or cannot be a folder.
        renamed_from: Option<String>,
    },
    /// It was here already, by its id or its folder.
    Known {
        /// The id of the vault that is here.
        id: VaultId,
    },
    /// It cannot be used.
    Skipped {
        /// Its name in Muze.
        name: String,
        /// Why.
        problem: RootProblem,
    },
}

impl Registry {
    /// A registry of Muze as it is, for looking at.
    pub fn open_muze(path: &Path) -> Result<Self, RegistryError> {
        let bytes = private_file::read(path)
            .and_then(|bytes| bytes.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
            .map_err(|source| RegistryError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, &bytes)
    }

    /// Takes over the vaults of a Muze registry that are not here yet, with all their fields and the music layout. If
    /// there were none here, Muze's default and active vault are taken over too.
    pub fn import_muze(&mut self, path: &Path) -> Result<Import, RegistryError> {
        let muze = Self::open_muze(path)?;
        let was_empty = self.list().is_empty();
        let vaults = muze.list().iter().map(|vault| self.adopt(&muze, vault)).collect::<Result<_, _>>()?;
        if was_empty {
            for (chosen, choose) in [
                (muze.default_vault(), Self::set_default as fn(&mut Self, VaultId) -> _),
                (muze.active(), Self::set_active),
            ] {
                match chosen {
                    Some(vault) if self.by_id(vault.id).is_some() => choose(self, vault.id)?,
                    Some(_) | None => {} // skipped, so that the first one that was not holds
                }
            }
        }
        Ok(Import { vaults })
    }

    fn adopt(&mut self, muze: &Self, vault: &Vault) -> Result<Imported, RegistryError> {
        if self.by_id(vault.id).is_some() {
            return Ok(Imported::Known { id: vault.id });
        }
        let mut vault = vault.clone();
        if vault.provider == ProviderKind::Local {
            match root::normal_form(&vault.path) {
                Ok(path) => vault.path = path.to_string_lossy().into_owned(),
                Err(problem) => return Ok(Imported::Skipped { name: vault.name, problem }),
            }
            let same = |other: &&Vault| other.provider == ProviderKind::Local && other.path == vault.path;
            if let Some(other) = self.list().iter().find(same) {
                return Ok(Imported::Known { id: other.id });
            }
        }
        let muze_name = std::mem::take(&mut vault.name);
        vault.name = self.free_name(&muze_name);
        vault.is_default = false;
        vault.vaultfs = VaultfsSettings::with_layout(LayoutKind::Music);

        let mut record = muze.record_of(vault.id).cloned().unwrap_or_default();
        for (field, value) in [
            ("name", Value::from(vault.name.as_str())),
            ("path", Value::from(vault.path.as_str())),
            ("is_default", Value::from(false)),
            ("vaultfs", Value::Object(to_object(&vault.vaultfs))),
        ] {
            record.insert(field.to_owned(), value);
        }
        let added = self.push(vault, record)?;
        let renamed_from = (added.name != muze_name).then_some(muze_name);
        Ok(Imported::Added { id: added.id, name: added.name.clone(), renamed_from })
    }

    /// The name itself if it can be used here, else one close to it.
    fn free_name(&self, name: &str) -> String {
        let mut safe = String::new();
        for letter in name.trim().trim_start_matches('.').trim_start().chars() {
            if safe.len() + letter.len_utf8() > NAME_MAX_BYTES {
                break;
            }
            safe.push(if letter == '/' || letter.is_control() { '_' } else { letter });
        }
        let safe = safe.trim();
        let safe = if safe.is_empty() { "Muze" } else { safe };
        let numbered = (2..).map(|number: u64| format!("{safe} (Muze {number})"));
        [safe.to_owned(), format!("{safe} (Muze)")]
            .into_iter()
            .chain(numbered)
            .find(|name| self.check_name(name, None).is_ok())
            .unwrap_or_else(|| safe.to_owned())
    }
}

#[cfg(test)]
#[path = "muze_tests.rs"]
mod tests;
