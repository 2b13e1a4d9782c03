//! Why settings are refused: always the key, where it stands, and what would be right.

use std::path::PathBuf;

use super::resolve::Origin;
use super::value::ValueError;

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings in {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path}:{line}: not valid TOML: {message}; nothing was changed, correct this line and try again")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// A key that is no setting.
    #[error("{at}: unknown setting \"{key}\"{}", hint(*.nearest))]
    UnknownKey {
        /// Where it stands.
        at: Origin,
        /// The key.
        key: String,
        /// The setting that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A setting that is one for the whole program was given for one vault.
    #[error("{at}: \"{key}\" cannot be set for a single vault; {}", where_it_belongs(at, vault))]
    NotPerVault {
        /// Where it stands.
        at: Origin,
        /// The key.
        key: &'static str,
        /// The vault.
        vault: String,
    },
    /// A value that the setting does not take.
    #[error("{at}: {key} = {value}: {expected}")]
    BadValue {
        /// Where it stands.
        at: Origin,
        /// The key.
        key: &'static str,
        /// The value as it was written.
        value: String,
        /// What would be right.
        expected: ValueError,
    },
    /// The file cannot be written.
    #[error("cannot write the settings to {path}; the old ones are still in force")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

fn where_it_belongs(at: &Origin, vault: &str) -> String {
    match at {
        Origin::Flag | Origin::Environment(_) => "leave out --vault".to_owned(),
        Origin::File { .. } | Origin::Default => format!("move it out of [vault.\"{vault}\"]"),
    }
}

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean \"{nearest}\"?"),
        None => "; `vaultfs config show` lists all settings".to_owned(),
    }
}
