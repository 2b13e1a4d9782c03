//! Where a folder is, written down for good: `/Apps/Muze/MyVault` in the home of the account's owner, `ns:2470000001/Cases` in another
//! namespace, such as the space of a team (decision 26).
//!
//! The service takes a path to begin at the home unless a header says otherwise. Whoever joins a team keeps the home and gets a space
//! around it, in which the home is one folder; whoever leaves it has the home alone again. So a path in the home stays right, and is
//! sent without a header; and what is not in the home names the namespace that it is in.

use std::fmt;
use std::str::FromStr;

use super::shown::shown;
use crate::provider::{ErrorKind, ProviderError};

/// How namespaces are written.
const NAMESPACE_PREFIX: &str = "ns:";

/// A folder of Dropbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FolderAddress {
    /// Where the path begins; `None`: at the home.
    pub(super) namespace: Option<String>,
    /// With a slash before each name; empty for everything that the home or namespace holds.
    pub(super) path: String,
}

impl FolderAddress {
    pub(super) fn home(path: impl Into<String>) -> Self {
        Self { namespace: None, path: path.into() }
    }

    pub(super) fn of(namespace: &str, path: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.to_owned()), path: path.into() }
    }

    /// Everything of the owner, or of a namespace.
    pub(super) fn is_whole(&self) -> bool {
        self.path.is_empty()
    }

    /// True if both are the same folder, whatever the case of their names.
    pub fn is_same(&self, other: &Self) -> bool {
        self.namespace == other.namespace && self.path.to_lowercase() == other.path.to_lowercase()
    }
}

/// Folders are written with or without slashes around them.
impl FromStr for FolderAddress {
    type Err = ProviderError;

    fn from_str(written: &str) -> Result<Self, ProviderError> {
        let (namespace, path) = match written.strip_prefix(NAMESPACE_PREFIX) {
            Some(rest) => match rest.split_once('/') {
                Some((namespace, path)) => (Some(namespace), path),
                None => (Some(rest), ""),
            },
            None => (None, written),
        };
        let is_sound = |id: &str| {
            !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let trimmed = path.trim_matches('/');
        let names_are_sound = trimmed.is_empty() || trimmed.split('/').all(|name| shown(name).is_some());
        if !namespace.is_none_or(is_sound) || !names_are_sound {
            let text = format!("\"{}\" cannot be a folder of Dropbox", written.escape_debug());
            return Err(ProviderError::new(ErrorKind::Invalid, "name a folder", text));
        }
        let path = if trimmed.is_empty() { String::new() } else { format!("/{trimmed}") };
        Ok(Self { namespace: namespace.map(str::to_owned), path })
    }
}

impl fmt::Display for FolderAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{NAMESPACE_PREFIX}{namespace}{}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_written_in_many_ways() {
        for (written, meant) in [
            ("", ""),
            ("/", ""),
            ("Apps/Muze", "/Apps/Muze"),
            ("/Apps/Muze/", "/Apps/Muze"),
            ("ns:247", "ns:247"),
            ("ns:247/", "ns:247"),
            ("ns:247/Cases/A", "ns:247/Cases/A"),
        ] {
            let address: FolderAddress = written.parse().unwrap();
            assert_eq!(address.to_string(), meant);
            assert_eq!(meant.parse::<FolderAddress>().unwrap(), address);
        }
        for bad in ["/a//b", "/a/../b", ".", "ns:", "ns:/a", "ns:2 4/a", "ns:247//../a"] {
            assert!(bad.parse::<FolderAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn case_makes_no_other_folder_and_a_namespace_does() {
        let address = |written: &str| written.parse::<FolderAddress>().unwrap();
        assert!(address("/Apps/Ä").is_same(&address("/apps/ä")));
        assert!(!address("ns:1/a").is_same(&address("ns:2/a")) && !address("ns:1/a").is_same(&address("/a")));
    }
}
