//! From the JSON document to typed vaults. Strict where a guess could touch the wrong files (id, provider, path), lenient
//! where Muze or a person may have left something out.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{Location, RegistryError};
use super::model::{ProviderKind, Vault, VaultfsSettings};
use crate::types::VaultId;

/// The major version that is understood.
const MAJOR_VERSION: u64 = 1;

/// Reads one document; knows its file for the errors.
pub(super) struct Reader<'a> {
    /// The file.
    pub(super) path: &'a Path,
}

impl Reader<'_> {
    /// The outermost object, of a version that is understood.
    pub(super) fn document(&self, text: &[u8]) -> Result<Map<String, Value>, RegistryError> {
        let value: Value = serde_json::from_slice(text).map_err(|source| RegistryError::NotJson {
            path: self.path.to_owned(),
            line: source.line(),
            column: source.column(),
            source,
        })?;
        let Value::Object(document) = value else { return Err(self.shape(Location::Document, "is not an object")) };
        match document.get("version") {
            None => {}
            Some(Value::String(version)) => {
                let major: Option<u64> = version.split('.').next().and_then(|major| major.parse().ok());
                match major {
                    Some(major) if major <= MAJOR_VERSION => {}
                    Some(_) => {
                        return Err(RegistryError::TooNew { path: self.path.to_owned(), version: version.clone() });
                    }
                    None => return Err(self.shape(Location::Document, "has a \"version\" that is no version")),
                }
            }
            Some(_) => return Err(self.shape(Location::Document, "has a \"version\" that is no text")),
        }
        Ok(document)
    }

    /// The vaults, in order.
    pub(super) fn vaults(&self, document: &Map<String, Value>) -> Result<Vec<Vault>, RegistryError> {
        let records = match document.get("vaults") {
            None => return Ok(Vec::new()),
            Some(Value::Array(records)) => records,
            Some(_) => return Err(self.shape(Location::Document, "has \"vaults\" that are no list")),
        };
        let mut vaults: Vec<Vault> = Vec::with_capacity(records.len());
        for (at, record) in records.iter().enumerate() {
            let vault = self.vault(at + 1, record)?;
            if vaults.iter().any(|other| other.id == vault.id) {
                let at = Location::Vault(format!("{:?}", vault.name));
                return Err(self.shape(at, "has the id of another vault"));
            }
            vaults.push(vault);
        }
        Ok(vaults)
    }

    /// The active vault as the document names it.
    pub(super) fn active(&self, document: &Map<String, Value>) -> Result<Option<VaultId>, RegistryError> {
        self.field(document, &Location::Document, "active_vault_id")
    }

    fn vault(&self, number: usize, record: &Value) -> Result<Vault, RegistryError> {
        let numbered = Location::Vault(format!("number {number}"));
        let Some(record) = record.as_object() else { return Err(self.shape(numbered, "is not an object")) };
        let name: String = self.required(record, &numbered, "name")?;
        let at = Location::Vault(format!("{name:?}"));
        let provider: String = self.required(record, &at, "provider")?;
        let provider: ProviderKind = provider.parse().map_err(|value| RegistryError::UnknownProvider {
            path: self.path.to_owned(),
            at: at.clone(),
            value,
        })?;
        let vaultfs: Option<VaultfsSettings> = self.field(record, &at, "vaultfs")?;
        Ok(Vault {
            id: self.required(record, &at, "id")?,
            name,
            provider,
            path: self.required(record, &at, "path")?,
            is_default: self.field(record, &at, "is_default")?.unwrap_or(false),
            last_synced: self.field(record, &at, "last_synced")?,
            sync_status: self.field(record, &at, "sync_status")?,
            dropbox_config: self.field(record, &at, "dropbox_config")?,
            icloud_config: self.field(record, &at, "icloud_config")?,
            vaultfs: vaultfs.unwrap_or_default(),
        })
    }

    fn required<T: DeserializeOwned>(
        &self,
        object: &Map<String, Value>,
        at: &Location,
        name: &str,
    ) -> Result<T, RegistryError> {
        self.field(object, at, name)?.ok_or_else(|| self.shape(at.clone(), &format!("has no \"{name}\"")))
    }

    /// A field; absent and `null` are the same.
    fn field<T: DeserializeOwned>(
        &self,
        object: &Map<String, Value>,
        at: &Location,
        name: &str,
    ) -> Result<Option<T>, RegistryError> {
        match object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|error| self.shape(at.clone(), &format!("has a wrong \"{name}\": {error}"))),
        }
    }

    fn shape(&self, at: Location, problem: &str) -> RegistryError {
        RegistryError::Shape { path: self.path.to_owned(), at, problem: problem.to_owned() }
    }
}
