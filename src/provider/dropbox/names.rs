//! Which names Dropbox can hold. Checked before anything travels: a name that is refused after gigabytes were sent helps nobody.
//!
//! Names that the service refuses everywhere, and control characters, for which its documents are silent. What Windows reserves
//! (`< > : " | ? *`) and trailing dots are legal there. Characters beyond the BMP were refused by the service until late 2025: they are
//! allowed here, and a refusal is shown as one.

use crate::provider::{ErrorKind, ProviderError, Result};
use crate::types::name::NAME_MAX_BYTES;
use crate::types::{EntryName, NameRules};

/// The rules as the mount applies them.
pub(super) const RULES: NameRules =
    NameRules { case_insensitive: true, normalization_insensitive: true, max_bytes: NAME_MAX_BYTES, refuses };

/// Names of Dropbox's own and of desktops, in any case.
const DISALLOWED: [&str; 5] = ["desktop.ini", "thumbs.db", ".ds_store", ".dropbox", ".dropbox.attr"];

fn refuses(name: &str) -> Option<&'static str> {
    if name.contains('\\') {
        return Some("it holds a backslash");
    }
    if name.ends_with(' ') {
        return Some("it ends with a space");
    }
    if name.chars().any(char::is_control) {
        return Some("it holds a control character");
    }
    if DISALLOWED.iter().any(|disallowed| disallowed.eq_ignore_ascii_case(name)) {
        return Some("Dropbox reserves it");
    }
    None
}

/// Refuses what Dropbox cannot hold.
pub(super) fn check(operation: &'static str, name: &EntryName) -> Result<()> {
    RULES
        .check(name)
        .map_err(|error| ProviderError::new(ErrorKind::Refused, operation, format!("{name}: {error}")).caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_for_what_dropbox_refuses_and_nothing_else() {
        for bad in
            ["a\\b", "trailing ", "Desktop.INI", "Thumbs.db", ".DS_Store", "Icon\r", ".dropbox", "a\u{7f}", "new\nline"]
        {
            assert!(refuses(bad).is_some(), "{bad:?}");
        }
        for good in ["a<>:\"|?*", " leading", "dots...", "CON", "~$lock.docx", "😀.wav", ".dropboxes", "x.dropbox"] {
            assert_eq!(refuses(good), None, "{good}");
        }
    }
}
