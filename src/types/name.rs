//! Entry names: checked once, then trusted. What an application wrote is what is stored and listed; comparison goes
//! through a [`NameKey`] by the rules of the vault's provider.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// Longest name in bytes (`NAME_MAX` of Linux).
pub const NAME_MAX_BYTES: usize = 255;

/// One component of a path: UTF-8, 1 to 255 bytes, no `/`, no NUL, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryName(String);

/// Why a name is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// Not UTF-8, which no cloud can hold.
    #[error("the name is not valid UTF-8")]
    NotUtf8,
    /// Over [`NAME_MAX_BYTES`], or over what the provider can hold.
    #[error("the name is longer than {limit} bytes")]
    TooLong {
        /// The limit that was exceeded.
        limit: usize,
    },
    /// Empty, `.`, `..`, or with `/` or NUL.
    #[error("the name is empty, '.', '..', or holds '/' or NUL")]
    Reserved,
    /// The provider refuses this name.
    #[error("the provider cannot hold this name: {rule}")]
    Refused {
        /// The rule, in words.
        rule: &'static str,
    },
}

impl EntryName {
    /// Checks and wraps a name.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(NameError::Reserved);
        }
        if name.len() > NAME_MAX_BYTES {
            return Err(NameError::TooLong { limit: NAME_MAX_BYTES });
        }
        Ok(Self(name))
    }

    /// Checks a name as the kernel gives it.
    pub fn from_os(name: &std::ffi::OsStr) -> Result<Self, NameError> {
        if name.len() > NAME_MAX_BYTES {
            return Err(NameError::TooLong { limit: NAME_MAX_BYTES });
        }
        Self::new(name.to_str().ok_or(NameError::NotUtf8)?)
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the last dot and the extension with its dot; a leading dot starts no extension.
    pub fn split_extension(&self) -> (&str, &str) {
        match self.0.rfind('.') {
            Some(dot) if dot > 0 => self.0.split_at(dot),
            _ => (&self.0, ""),
        }
    }

    /// This name with `marker` put before its extension, shortened at a character boundary so that it stays valid.
    pub fn with_marker(&self, marker: &str) -> Self {
        let (stem, extension) = self.split_extension();
        let room = NAME_MAX_BYTES.saturating_sub(marker.len() + extension.len());
        let mut cut = stem.len().min(room);
        while !stem.is_char_boundary(cut) {
            cut -= 1;
        }
        Self(format!("{}{marker}{extension}", &stem[..cut]))
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for EntryName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl From<EntryName> for String {
    fn from(name: EntryName) -> Self {
        name.0
    }
}

/// What two names are compared by: equal keys in one folder are a collision.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NameKey(pub String);

/// How a provider compares and restricts names.
#[derive(Clone, Copy, Debug)]
pub struct NameRules {
    /// `A` and `a` are the same entry.
    pub case_insensitive: bool,
    /// The composed and the decomposed spelling of an accent are the same entry.
    pub normalization_insensitive: bool,
    /// Longest name in bytes.
    pub max_bytes: usize,
    /// Says which rule a name breaks, if any.
    pub refuses: fn(&str) -> Option<&'static str>,
}

impl NameRules {
    /// The rules of an ordinary Unix file system: bytes compare as bytes.
    pub const EXACT: Self = Self {
        case_insensitive: false,
        normalization_insensitive: false,
        max_bytes: NAME_MAX_BYTES,
        refuses: |_| None,
    };

    /// The comparison key: NFC where normalisation does not matter; NFC, full case folding, NFC where case does not.
    pub fn key(&self, name: &EntryName) -> NameKey {
        let name = name.as_str();
        if name.is_ascii() {
            return NameKey(if self.case_insensitive { name.to_ascii_lowercase() } else { name.to_owned() });
        }
        if self.case_insensitive {
            let composed: String = name.nfc().collect();
            return NameKey(caseless::default_case_fold_str(&composed).nfc().collect());
        }
        if self.normalization_insensitive {
            return NameKey(name.nfc().collect());
        }
        NameKey(name.to_owned())
    }

    /// Checks that the provider can hold `name`.
    pub fn check(&self, name: &EntryName) -> Result<(), NameError> {
        if name.as_str().len() > self.max_bytes {
            return Err(NameError::TooLong { limit: self.max_bytes });
        }
        match (self.refuses)(name.as_str()) {
            Some(rule) => Err(NameError::Refused { rule }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDED: NameRules = NameRules { case_insensitive: true, normalization_insensitive: true, ..NameRules::EXACT };

    fn name(text: &str) -> EntryName {
        EntryName::new(text).unwrap()
    }

    #[test]
    fn reserved_and_long_names_are_refused() {
        for bad in ["", ".", "..", "a/b", "a\0b"] {
            assert_eq!(EntryName::new(bad), Err(NameError::Reserved), "{bad:?}");
        }
        assert!(EntryName::new("x".repeat(255)).is_ok());
        assert_eq!(EntryName::new("x".repeat(256)), Err(NameError::TooLong { limit: 255 }));
    }

    #[test]
    fn keys_follow_the_rules_of_the_vault() {
        let (composed, decomposed) = (name("Caf\u{e9}"), name("cafe\u{301}"));
        assert_eq!(FOLDED.key(&composed), FOLDED.key(&decomposed));
        assert_ne!(NameRules::EXACT.key(&composed), NameRules::EXACT.key(&decomposed));
        assert_eq!(FOLDED.key(&name("STRASSE")), FOLDED.key(&name("straße")));
    }

    #[test]
    fn a_marker_goes_before_the_extension_and_the_name_stays_valid() {
        assert_eq!(name("mix.json").with_marker(" (2)").as_str(), "mix (2).json");
        assert_eq!(name(".profile").with_marker(" (2)").as_str(), ".profile (2)");
        let long = name(&"é".repeat(127)).with_marker(" (conflict)");
        assert!(long.as_str().len() <= NAME_MAX_BYTES && long.as_str().ends_with(" (conflict)"));
    }
}
