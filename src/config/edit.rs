//! `config set` and `config unset`: one value of `config.toml` changes, every comment and blank line stays.
//!
//! The value is checked before the change and the whole file after it, and only then is the file replaced; a refused change
//! leaves the old file byte for byte.

use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, Value};

use super::file::{ConfigFile, VAULT_SECTION};
use super::resolve::{Config, Layers, Origin, check, vault_key};
use super::settings::{Form, Setting, Settings, find, nearest};
use super::value::RawValue;
use super::{ConfigError, Environment, private_file};

/// Sets a value, for one vault if `vault` is given.
pub fn set(path: &Path, key: &str, value: &str, vault: Option<&str>) -> Result<(), ConfigError> {
    let setting = row(key, vault)?;
    let heading = vault.map(|vault| heading(path, vault)).transpose()?;
    let vault = heading.as_deref();
    check(&mut Settings::defaults(""), setting, &RawValue::Text(value.to_owned()), &Origin::Flag)?;
    let wanted = toml_value(setting, value);
    change(path, |document| {
        let steps = steps(setting, vault);
        let Some((last, tables)) = steps.split_last() else { return };
        let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
        for step in tables {
            let item = table.entry(step).or_insert_with(|| Item::Table(new_section()));
            // Something that is no table makes the whole file invalid, which was checked before the change.
            let Some(inner) = item.as_table_like_mut() else { return };
            table = inner;
        }
        match table.get_mut(last).and_then(Item::as_value_mut) {
            Some(old) => {
                let decor = old.decor().clone();
                *old = wanted;
                *old.decor_mut() = decor;
            }
            None => {
                table.insert(last, Item::Value(wanted));
            }
        }
    })
}

/// A vault got another name: what is set for it stays set for it.
pub fn rename_vault(path: &Path, old: &str, new: &str) -> Result<(), ConfigError> {
    if !path.exists() {
        return Ok(());
    }
    change(path, |document| {
        let Some(vaults) = document.get_mut(VAULT_SECTION).and_then(Item::as_table_like_mut) else { return };
        // Sections are compared as vault names are; one that is headed by an id stays.
        let heading = vaults.iter().map(|(name, _)| name.to_owned()).find(|name| vault_key(name) == vault_key(old));
        if let Some(section) = heading.and_then(|name| vaults.remove(&name)) {
            vaults.insert(new, section);
        }
    })
}

/// Removes a value, so that the default (or the general value) holds again. True if it was there.
pub fn unset(path: &Path, key: &str, vault: Option<&str>) -> Result<bool, ConfigError> {
    let setting = row(key, vault)?;
    let heading = vault.map(|vault| heading(path, vault)).transpose()?;
    let vault = heading.as_deref();
    let mut removed = false;
    change(path, |document| {
        let steps = steps(setting, vault);
        let Some((last, tables)) = steps.split_last() else { return };
        let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
        for step in tables {
            let Some(inner) = table.get_mut(step).and_then(Item::as_table_like_mut) else { return };
            table = inner;
        }
        removed = table.remove(last).is_some();
    })?;
    Ok(removed)
}

fn change(path: &Path, edit: impl FnOnce(&mut DocumentMut)) -> Result<(), ConfigError> {
    let unwritable = |source| ConfigError::Unwritable { path: path.to_owned(), source };
    let _lock = private_file::ChangeLock::acquire(path).map_err(unwritable)?;
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let bytes = private_file::read(path).map_err(unreadable)?.unwrap_or_default();
    let old = String::from_utf8(bytes)
        .map_err(|error| unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
    ConfigFile::parse(path, &old)?;
    let mut document: DocumentMut = old.parse().map_err(|error: toml_edit::TomlError| ConfigError::Syntax {
        path: path.to_owned(),
        line: 1,
        message: error.message().to_owned(),
    })?;
    // The parser takes a file of comments only as one trailing comment, which new values must not go above.
    let mut heading = if document.is_empty() { std::mem::take(&mut document).to_string() } else { String::new() };
    if !heading.is_empty() && !heading.ends_with('\n') {
        heading.push('\n');
    }
    edit(&mut document);
    let new = heading + &document.to_string();
    let checked = ConfigFile::parse(path, &new)?;
    let nothing = Environment::of_variables([]);
    Config::resolve(&Layers { file: &checked, environment: &nothing, flags: &[] })?;
    if new == old {
        return Ok(());
    }
    private_file::replace(path, new.as_bytes(), true).map_err(unwritable)
}

/// The heading under which the file has a vault already, in whatever case.
fn heading(path: &Path, vault: &str) -> Result<String, ConfigError> {
    let file = ConfigFile::load(path)?;
    let known = file.values().iter().filter_map(|value| value.vault.as_ref());
    Ok(known.into_iter().find(|known| vault_key(known) == vault_key(vault)).map_or(vault, |known| known).to_owned())
}

fn row(key: &str, vault: Option<&str>) -> Result<&'static Setting, ConfigError> {
    let setting = find(key).ok_or_else(|| ConfigError::UnknownKey {
        at: Origin::Flag,
        key: key.to_owned(),
        nearest: nearest(key),
    })?;
    match vault {
        Some(vault) if !setting.per_vault => {
            Err(ConfigError::NotPerVault { at: Origin::Flag, key: setting.key, vault: vault.to_owned() })
        }
        Some(_) | None => Ok(setting),
    }
}

fn steps<'a>(setting: &'a Setting, vault: Option<&'a str>) -> Vec<&'a str> {
    let scope = vault.into_iter().flat_map(|vault| [VAULT_SECTION, vault]);
    scope.chain(setting.key.split('.')).collect()
}

/// A section that is not printed unless it holds values of its own: no `[vault]` above `[vault.Band]`.
fn new_section() -> Table {
    let mut section = Table::new();
    section.set_implicit(true);
    section
}

/// The value in the setting's own form; one that does not fit is left as text for the check to refuse it by name.
fn toml_value(setting: &Setting, value: &str) -> Value {
    let raw = RawValue::Text(value.to_owned());
    match setting.form {
        Form::Number => value.trim().parse::<i64>().map_or_else(|_| Value::from(value), Value::from),
        Form::Switch => raw.switch().map_or_else(|_| Value::from(value), Value::from),
        Form::List => raw.list().map_or_else(|_| Value::from(value), Value::from_iter),
        Form::Text => Value::from(value),
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
