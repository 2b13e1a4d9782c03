//! `config.toml` as it is written: every value with its line, nothing interpreted but the keys.
//!
//! Settings stand at the top or in `[section]`s; `[vault."NAME"]` holds what differs for one vault, under the same keys.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::resolve::Origin;
use super::settings::{Setting, find, nearest};
use super::value::RawValue;
use super::{ConfigError, private_file};

/// Section of the file that holds a table per vault.
pub const VAULT_SECTION: &str = "vault";

/// A setting as the file gives it.
pub struct FileValue {
    /// Which setting.
    pub setting: &'static Setting,
    /// For one vault only.
    pub vault: Option<String>,
    /// The value.
    pub raw: RawValue,
    /// Line, counted from 1.
    pub line: usize,
}

/// `config.toml`, read.
pub struct ConfigFile {
    path: PathBuf,
    values: Vec<FileValue>,
}

impl ConfigFile {
    /// Reads the file; no file is an empty one.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let bytes = private_file::read(path).map_err(unreadable)?.unwrap_or_default();
        let text = String::from_utf8(bytes)
            .map_err(|error| unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
        Self::parse(path, &text)
    }

    /// Reads the text of the file `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            message: error.message().to_owned(),
        })?;
        let mut reader = Reader { path, text, values: Vec::new() };
        reader.table("", None, table.get_ref())?;
        Ok(Self { path: path.to_owned(), values: reader.values })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says, in no order that matters.
    pub fn values(&self) -> &[FileValue] {
        &self.values
    }

    /// Where a value stands.
    pub fn origin(&self, value: &FileValue) -> Origin {
        Origin::File { path: self.path.clone(), line: value.line }
    }
}

/// Walks the tables down to the settings.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    values: Vec<FileValue>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, vault: Option<&str>, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in table {
            let line = line_of(self.text, name.span().start);
            let key =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            match value.get_ref().as_table() {
                Some(vaults) if vault.is_none() && key == VAULT_SECTION => self.vaults(vaults)?,
                Some(inner) if find(&key).is_none() => self.table(&key, vault, inner)?,
                Some(_) | None => self.value(&key, vault, value, line)?,
            }
        }
        Ok(())
    }

    fn vaults(&mut self, vaults: &DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in vaults {
            match value.get_ref().as_table() {
                Some(table) => self.table("", Some(name.get_ref()), table)?,
                None => {
                    let line = line_of(self.text, name.span().start);
                    return Err(self.unknown(&format!("{VAULT_SECTION}.{}", name.get_ref()), line));
                }
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        key: &str,
        vault: Option<&str>,
        value: &Spanned<DeValue<'_>>,
        line: usize,
    ) -> Result<(), ConfigError> {
        let setting = find(key).ok_or_else(|| self.unknown(key, line))?;
        if let (Some(vault), false) = (vault, setting.per_vault) {
            return Err(ConfigError::NotPerVault { at: self.at(line), key: setting.key, vault: vault.to_owned() });
        }
        self.values.push(FileValue { setting, vault: vault.map(str::to_owned), raw: raw(value.get_ref()), line });
        Ok(())
    }

    fn unknown(&self, key: &str, line: usize) -> ConfigError {
        ConfigError::UnknownKey { at: self.at(line), key: key.to_owned(), nearest: nearest(key) }
    }

    fn at(&self, line: usize) -> Origin {
        Origin::File { path: self.path.to_owned(), line }
    }
}

fn raw(value: &DeValue<'_>) -> RawValue {
    match value {
        DeValue::String(text) => RawValue::Text(text.to_string()),
        DeValue::Boolean(on) => RawValue::Boolean(*on),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => RawValue::Integer(number),
            Err(_) => RawValue::Other("a number that is too large"),
        },
        DeValue::Float(_) => RawValue::Other("a number with a fraction"),
        DeValue::Datetime(_) => RawValue::Other("a date"),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect::<Option<_>>();
            texts.map_or(RawValue::Other("a list of something else than texts"), RawValue::List)
        }
        DeValue::Table(_) => RawValue::Other("a table"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
