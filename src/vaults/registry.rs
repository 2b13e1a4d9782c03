//! The registry as a value: the JSON document itself, with typed views and checked changes.
//!
//! The document is kept as it was read and changed in place, so that unknown fields survive at every level in their
//! order. Invariants after every change: ids are unique; if there are vaults, exactly one is the default and exactly one
//! is active. A registry in which somebody else broke the last two is read as if the active vault (else the first) were
//! meant, and is repaired by the next change.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::error::{NameProblem, RegistryError};
use super::model::{
    DropboxConfig, IcloudConfig, MountSettings, NewVault, ProviderKind, SyncStatus, Vault, VaultfsSettings,
};
use super::reader::Reader;
use super::root;
use crate::types::{EntryName, NameKey, NameRules, Timestamp, VaultId};

/// Version of the document that is written, and the one whose later minor versions are understood.
const VERSION: &str = "1.0";
/// Vault names compare without case and composition, as the strictest file system would.
const NAMES: NameRules = NameRules { case_insensitive: true, normalization_insensitive: true, ..NameRules::EXACT };

/// The registry of vaults.
#[derive(Clone, PartialEq, Debug)]
pub struct Registry {
    /// The document. Always an object.
    document: Map<String, Value>,
    /// Typed views of the document's vaults, in its order.
    vaults: Vec<Vault>,
    /// The active vault; `None` only if there are no vaults.
    active: Option<VaultId>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            document: Map::from_iter([("version".to_owned(), Value::from(VERSION))]),
            vaults: Vec::new(),
            active: None,
        }
    }
}

impl Registry {
    /// Reads the text of a registry; `path` is named in errors.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, RegistryError> {
        let reader = Reader { path };
        let document = reader.document(text)?;
        let vaults = reader.vaults(&document)?;
        let active = reader.active(&document)?;
        let mut registry = Self { document, vaults, active };
        registry.settle();
        Ok(registry)
    }

    /// The text of the registry, formatted as Muze does it.
    pub fn to_text(&self) -> String {
        format!("{:#}", Value::Object(self.document.clone()))
    }

    /// All vaults, in the order of the document.
    pub fn list(&self) -> &[Vault] {
        &self.vaults
    }

    /// The vault of this id.
    pub fn by_id(&self, id: VaultId) -> Option<&Vault> {
        self.vaults.iter().find(|vault| vault.id == id)
    }

    /// The vault that a person means: by id, or by name without regard to case.
    pub fn get(&self, selector: &str) -> Result<&Vault, RegistryError> {
        if let Some(vault) = selector.parse().ok().and_then(|id| self.by_id(VaultId(id))) {
            return Ok(vault);
        }
        let wanted = key(selector);
        let mut found = self.vaults.iter().filter(|vault| key(&vault.name) == wanted);
        match (found.next(), found.next()) {
            (Some(vault), None) => Ok(vault),
            (None, _) => Err(self.no_such(selector)),
            (Some(first), Some(second)) => {
                let ids = [first.id, second.id].into_iter().chain(found.map(|vault| vault.id)).collect();
                Err(RegistryError::Ambiguous { name: first.name.clone(), ids })
            }
        }
    }

    /// The active vault: what is shown first.
    pub fn active(&self) -> Option<&Vault> {
        self.active.and_then(|id| self.by_id(id))
    }

    /// The default vault: where things go if nothing else is said.
    pub fn default_vault(&self) -> Option<&Vault> {
        self.vaults.iter().find(|vault| vault.is_default)
    }

    /// Adds a vault. The first one becomes the default and the active one.
    pub fn add(&mut self, new: NewVault) -> Result<&Vault, RegistryError> {
        self.check_name(&new.name, None)?;
        check_configs(new.dropbox_config.as_ref(), new.icloud_config.as_ref())?;
        let path = self.free_path(None, new.provider, &new.path)?;
        let vault = Vault {
            id: new.id,
            name: new.name,
            provider: new.provider,
            path,
            is_default: false,
            last_synced: None,
            sync_status: None,
            dropbox_config: new.dropbox_config,
            icloud_config: new.icloud_config,
            vaultfs: new.vaultfs,
        };
        let record = to_object(&vault);
        self.push(vault, record)
    }

    /// The path in the registry's form, if a vault of this provider can have it.
    fn free_path(&self, of: Option<VaultId>, provider: ProviderKind, path: &str) -> Result<String, RegistryError> {
        if provider != ProviderKind::Local {
            return Ok(path.to_owned());
        }
        let path = root::normal_form(path)?.to_string_lossy().into_owned();
        let taken =
            |vault: &&Vault| vault.provider == ProviderKind::Local && vault.path == path && Some(vault.id) != of;
        match self.vaults.iter().find(taken) {
            Some(other) => Err(RegistryError::RootTaken { path, existing: other.name.clone() }),
            None => Ok(path),
        }
    }

    /// Gives a vault another name: nothing else of it changes.
    pub fn rename(&mut self, id: VaultId, name: &str) -> Result<&Vault, RegistryError> {
        let at = self.position(id)?;
        self.check_name(name, Some(id))?;
        self.vaults[at].name = name.to_owned();
        self.set(at, "name", name);
        Ok(&self.vaults[at])
    }

    /// Takes a vault out of the registry and returns it; its files stay. Refused for the only, the active and the default
    /// vault.
    pub fn remove(&mut self, id: VaultId) -> Result<Vault, RegistryError> {
        let at = self.position(id)?;
        let vault = &self.vaults[at];
        if self.vaults.len() == 1 {
            return Err(RegistryError::OnlyVault(vault.name.clone()));
        }
        if self.active == Some(id) {
            return Err(RegistryError::ActiveVault(vault.name.clone()));
        }
        if vault.is_default {
            return Err(RegistryError::DefaultVault(vault.name.clone()));
        }
        if let Some(records) = self.records() {
            records.remove(at);
        }
        Ok(self.vaults.remove(at))
    }

    /// Makes a vault the default, and no other.
    pub fn set_default(&mut self, id: VaultId) -> Result<(), RegistryError> {
        let chosen = self.position(id)?;
        for at in 0..self.vaults.len() {
            self.vaults[at].is_default = at == chosen;
            self.set(at, "is_default", at == chosen);
        }
        Ok(())
    }

    /// Switches to a vault.
    pub fn set_active(&mut self, id: VaultId) -> Result<(), RegistryError> {
        self.position(id)?;
        self.active = Some(id);
        self.document.insert("active_vault_id".to_owned(), Value::from(id.to_string()));
        Ok(())
    }

    /// Notes how a vault's sync stands, and with `synced_at` the end of a successful one.
    pub fn update_status(
        &mut self,
        id: VaultId,
        status: SyncStatus,
        synced_at: Option<Timestamp>,
    ) -> Result<(), RegistryError> {
        let at = self.position(id)?;
        if let Some(time) = synced_at {
            let time = time.to_rfc3339();
            self.set(at, "last_synced", time.as_str());
            self.vaults[at].last_synced = Some(time);
        }
        self.set(at, "sync_status", status.as_str());
        self.vaults[at].sync_status = Some(status);
        Ok(())
    }

    /// Changes what only vaultfs knows about a vault.
    pub fn update_settings(&mut self, id: VaultId, settings: VaultfsSettings) -> Result<&Vault, RegistryError> {
        let at = self.position(id)?;
        if let Some(record) = self.record(at) {
            let target = object_at(record, "vaultfs");
            overlay(target, to_object(&settings), &VaultfsSettings::OPTIONAL);
            overlay(object_at(target, "mount"), to_object(&settings.mount), &MountSettings::OPTIONAL);
        }
        self.vaults[at].vaultfs = settings;
        Ok(&self.vaults[at])
    }

    /// Changes where a local vault lies, or where programs find a vault of a cloud.
    pub fn update_path(&mut self, id: VaultId, path: &str) -> Result<&Vault, RegistryError> {
        let at = self.position(id)?;
        let path = self.free_path(Some(id), self.vaults[at].provider, path)?;
        self.set(at, "path", path.as_str());
        self.vaults[at].path = path;
        Ok(&self.vaults[at])
    }

    /// Changes where a vault lies in its cloud.
    pub fn update_location(
        &mut self,
        id: VaultId,
        dropbox: Option<DropboxConfig>,
        icloud: Option<IcloudConfig>,
    ) -> Result<&Vault, RegistryError> {
        let at = self.position(id)?;
        check_configs(dropbox.as_ref(), icloud.as_ref())?;
        if let (Some(config), Some(record)) = (&dropbox, self.record(at)) {
            overlay(object_at(record, "dropbox_config"), to_object(config), &[]);
        }
        if let (Some(config), Some(record)) = (&icloud, self.record(at)) {
            overlay(object_at(record, "icloud_config"), to_object(config), &[]);
        }
        let vault = &mut self.vaults[at];
        vault.dropbox_config = dropbox.or(vault.dropbox_config.take());
        vault.icloud_config = icloud.or(vault.icloud_config.take());
        Ok(vault)
    }

    /// Adds a checked vault with its record of the document.
    pub(super) fn push(&mut self, vault: Vault, record: Map<String, Value>) -> Result<&Vault, RegistryError> {
        if let Some(existing) = self.by_id(vault.id) {
            return Err(RegistryError::IdTaken { id: vault.id, existing: existing.name.clone() });
        }
        if self.vaults.is_empty() {
            // Muze writes the active vault above the list; keep its order.
            self.document.shift_remove("vaults");
            self.document.insert("active_vault_id".to_owned(), Value::from(vault.id.to_string()));
        }
        let records = self.document.entry("vaults").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(records) = records {
            records.push(Value::Object(record));
        }
        self.vaults.push(vault);
        self.settle();
        self.repair();
        Ok(&self.vaults[self.vaults.len() - 1])
    }

    /// The record of a vault in the document.
    pub(super) fn record_of(&self, id: VaultId) -> Option<&Map<String, Value>> {
        let at = self.vaults.iter().position(|vault| vault.id == id)?;
        self.document.get("vaults")?.as_array()?.get(at)?.as_object()
    }

    /// Whether a name can be given to a vault.
    pub fn check_name(&self, name: &str, except: Option<VaultId>) -> Result<(), RegistryError> {
        let refused = |reason| RegistryError::NameRefused { name: name.to_owned(), reason };
        EntryName::new(name).map_err(|error| refused(error.into()))?;
        if name.starts_with('.') {
            return Err(refused(NameProblem::Hidden));
        }
        if name.trim() != name {
            return Err(refused(NameProblem::Space));
        }
        if name.contains(char::is_control) {
            return Err(refused(NameProblem::Control));
        }
        let wanted = key(name);
        let taken = |vault: &&Vault| Some(vault.id) != except && key(&vault.name) == wanted;
        match self.vaults.iter().find(taken) {
            Some(other) => Err(RegistryError::NameTaken { name: name.to_owned(), existing: other.name.clone() }),
            None => Ok(()),
        }
    }

    /// Brings the views of default and active vault in order; the document follows with the next change.
    fn settle(&mut self) {
        if self.active().is_none() {
            let fallback = self.default_vault().or(self.vaults.first());
            self.active = fallback.map(|vault| vault.id);
        }
        let defaults = self.vaults.iter().filter(|vault| vault.is_default).count();
        if defaults != 1 {
            let meant = self.active.and_then(|id| self.by_id(id)).filter(|vault| defaults == 0 || vault.is_default);
            let chosen = meant.or(self.default_vault()).map(|vault| vault.id);
            for vault in &mut self.vaults {
                vault.is_default = Some(vault.id) == chosen;
            }
        }
    }

    /// Writes the views of default and active vault into the document. Called before every save.
    pub(super) fn repair(&mut self) {
        for at in 0..self.vaults.len() {
            let is_default = self.vaults[at].is_default;
            self.set(at, "is_default", is_default);
        }
        if let Some(id) = self.active {
            self.document.insert("active_vault_id".to_owned(), Value::from(id.to_string()));
        }
    }

    /// The vault of this id, which should be there.
    pub(super) fn known(&self, id: VaultId) -> Result<&Vault, RegistryError> {
        Ok(&self.vaults[self.position(id)?])
    }

    fn position(&self, id: VaultId) -> Result<usize, RegistryError> {
        self.vaults.iter().position(|vault| vault.id == id).ok_or_else(|| self.no_such(&id.to_string()))
    }

    fn no_such(&self, selector: &str) -> RegistryError {
        let known = self.vaults.iter().map(|vault| vault.name.clone()).collect();
        RegistryError::NoSuchVault { selector: selector.to_owned(), known }
    }

    fn records(&mut self) -> Option<&mut Vec<Value>> {
        self.document.get_mut("vaults")?.as_array_mut()
    }

    fn record(&mut self, at: usize) -> Option<&mut Map<String, Value>> {
        self.records()?.get_mut(at)?.as_object_mut()
    }

    fn set(&mut self, at: usize, field: &str, value: impl Into<Value>) {
        if let Some(record) = self.record(at) {
            record.insert(field.to_owned(), value.into());
        }
    }
}

/// How names are compared; names that no folder could have compare as they are.
pub(super) fn key(name: &str) -> NameKey {
    match EntryName::new(name) {
        Ok(name) => NAMES.key(&name),
        Err(_) => NameKey(name.to_owned()),
    }
}

fn check_configs(dropbox: Option<&DropboxConfig>, icloud: Option<&IcloudConfig>) -> Result<(), RegistryError> {
    if let Some(DropboxConfig { folder_path }) = dropbox {
        // What is not in the owner's home names its namespace first.
        let (namespace, path) = match folder_path.strip_prefix("ns:") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("0", folder_path.as_str()),
        };
        let letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        let well_formed = (path.is_empty()
            || path.strip_prefix('/').is_some_and(|path| {
                path.split('/').all(|name| !matches!(name, "" | "." | "..") && !name.contains('\0'))
            }))
            && !namespace.is_empty()
            && namespace.chars().all(letter);
        if !well_formed {
            return Err(RegistryError::ConfigRefused {
                field: "dropbox_config.folder_path",
                value: folder_path.clone(),
                reason: "expected a path such as \"/Apps/Muze/MyVault\", or nothing for the whole Dropbox",
            });
        }
    }
    if let Some(IcloudConfig { container_id }) = icloud {
        let letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | '~');
        if !container_id.chars().all(letter) {
            return Err(RegistryError::ConfigRefused {
                field: "icloud_config.container_id",
                value: container_id.clone(),
                reason: "expected an id such as \"iCloud.com.krondor.muze\", or nothing for iCloud Drive itself",
            });
        }
    }
    Ok(())
}

/// A value as the document holds it.
pub(super) fn to_object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => unreachable!("structs with text keys become objects"),
    }
}

/// The object under a key, made if there is none.
fn object_at<'a>(object: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let value = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made an object just above")
}

/// Puts known fields into an object that may hold others; known fields that are now absent go. Inner objects are left to
/// calls of their own.
fn overlay(target: &mut Map<String, Value>, known: Map<String, Value>, optional: &[&str]) {
    for field in optional {
        if !known.contains_key(*field) {
            target.shift_remove(*field);
        }
    }
    for (field, value) in known {
        match (value, target.get(&field)) {
            (Value::Object(_), Some(Value::Object(_))) => {}
            (value, _) => {
                target.insert(field, value);
            }
        }
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
