//! The layers put together: default < file < environment < flag, then what a vault says for itself.
//!
//! A section of a vault stands above the file only: a variable or flag given for this run holds for every vault.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::ConfigError;
use super::env::Environment;
use super::file::{ConfigFile, FileValue};
use super::settings::{SETTINGS, Setting, Settings, find, nearest};
use super::value::RawValue;
use crate::types::{EntryName, NameKey, NameRules, VaultId};

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Built in, or taken from the machine.
    Default,
    /// The settings file.
    File {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
    },
    /// The environment.
    Environment(&'static str),
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => write!(f, "${variable}"),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// What is put together.
pub struct Layers<'a> {
    /// The settings file.
    pub file: &'a ConfigFile,
    /// The environment.
    pub environment: &'a Environment,
    /// Keys and values of the command line.
    pub flags: &'a [(String, String)],
}

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Config {
    settings: Settings,
    origins: BTreeMap<&'static str, Origin>,
    vaults: BTreeMap<NameKey, Vec<Override>>,
}

/// A value for one vault, already checked.
#[derive(Clone, Debug)]
struct Override {
    key: &'static str,
    raw: RawValue,
    origin: Origin,
}

/// A row of `config show`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Key.
    pub key: &'static str,
    /// Value, as it would be written.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
    /// What it does.
    pub description: &'static str,
}

impl Config {
    /// Checks and combines all layers; the first wrong value is the error.
    pub fn resolve(layers: &Layers<'_>) -> Result<Self, ConfigError> {
        let mut config = Self {
            settings: Settings::defaults(layers.environment.host_name.as_deref().unwrap_or_default()),
            origins: BTreeMap::new(),
            vaults: BTreeMap::new(),
        };
        for value in layers.file.values() {
            config.file_value(value, layers.file.origin(value))?;
        }
        for setting in SETTINGS {
            let Some(value) = layers.environment.get(setting.variable) else { continue };
            let raw = RawValue::Text(value.to_string_lossy().into_owned());
            config.apply(setting, &raw, Origin::Environment(setting.variable))?;
        }
        for (key, value) in layers.flags {
            let Some(setting) = find(key) else {
                return Err(ConfigError::UnknownKey { at: Origin::Flag, key: key.clone(), nearest: nearest(key) });
            };
            config.apply(setting, &RawValue::Text(value.clone()), Origin::Flag)?;
        }
        Ok(config)
    }

    /// What holds for the whole program.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What holds for a vault; its section in the file may be headed by its name or its id.
    pub fn for_vault(&self, name: &str, id: VaultId) -> Settings {
        let mut settings = self.settings.clone();
        for (setting, overriding) in self.overrides(name, id) {
            // Checked when the file was read; a value that is refused now would leave the general one in force.
            if (setting.set)(&mut settings, &overriding.raw).is_err() {
                tracing::error!(key = overriding.key, "a checked setting was refused");
            }
        }
        settings
    }

    /// All settings with their origin, in the order of the table.
    pub fn show(&self) -> Vec<Shown> {
        let default = Origin::Default;
        SETTINGS
            .iter()
            .map(|setting| Shown {
                key: setting.key,
                value: (setting.show)(&self.settings),
                origin: self.origins.get(setting.key).unwrap_or(&default).clone(),
                description: setting.description,
            })
            .collect()
    }

    /// The settings that differ for a vault, as [`Config::show`].
    pub fn show_vault(&self, name: &str, id: VaultId) -> Vec<Shown> {
        let settings = self.for_vault(name, id);
        let overrides: BTreeMap<&str, Origin> =
            self.overrides(name, id).map(|(setting, overriding)| (setting.key, overriding.origin.clone())).collect();
        SETTINGS
            .iter()
            .filter_map(|setting| {
                let origin = overrides.get(setting.key)?.clone();
                let value = (setting.show)(&settings);
                Some(Shown { key: setting.key, value, origin, description: setting.description })
            })
            .collect()
    }

    /// Values of a vault that no variable or flag overrules.
    fn overrides(&self, name: &str, id: VaultId) -> impl Iterator<Item = (&'static Setting, &Override)> {
        let sections = [vault_key(name), vault_key(&id.to_string())];
        sections
            .into_iter()
            .filter_map(|key| self.vaults.get(&key))
            .flatten()
            .filter(|overriding| {
                !matches!(self.origins.get(overriding.key), Some(Origin::Environment(_) | Origin::Flag))
            })
            .filter_map(|overriding| Some((find(overriding.key)?, overriding)))
    }

    fn file_value(&mut self, value: &FileValue, origin: Origin) -> Result<(), ConfigError> {
        let Some(vault) = &value.vault else { return self.apply(value.setting, &value.raw, origin) };
        check(&mut self.settings.clone(), value.setting, &value.raw, &origin)?;
        self.vaults.entry(vault_key(vault)).or_default().push(Override {
            key: value.setting.key,
            raw: value.raw.clone(),
            origin,
        });
        Ok(())
    }

    fn apply(&mut self, setting: &'static Setting, raw: &RawValue, origin: Origin) -> Result<(), ConfigError> {
        check(&mut self.settings, setting, raw, &origin)?;
        self.origins.insert(setting.key, origin);
        Ok(())
    }
}

/// Stores a value, or says where it is wrong.
pub(super) fn check(
    settings: &mut Settings,
    setting: &Setting,
    raw: &RawValue,
    origin: &Origin,
) -> Result<(), ConfigError> {
    (setting.set)(settings, raw).map_err(|expected| ConfigError::BadValue {
        at: origin.clone(),
        key: setting.key,
        value: raw.to_string(),
        expected,
    })
}

/// Vault names compare as in the registry: without case and composition.
pub(super) fn vault_key(name: &str) -> NameKey {
    const RULES: NameRules = NameRules { case_insensitive: true, normalization_insensitive: true, ..NameRules::EXACT };
    match EntryName::new(name) {
        Ok(name) => RULES.key(&name),
        Err(_) => NameKey(name.to_owned()), // no vault has such a name, so that nothing will match it
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
