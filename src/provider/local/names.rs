//! Names that the provider keeps for itself: they are never listed, never created for a caller, and nothing that a
//! caller does can touch them.

use crate::types::{EntryName, NameRules};

/// Says which vault a folder belongs to.
pub(super) const MARKER: &str = ".vaultfs-root";
/// Starts the names of uploads in progress.
pub(super) const TEMPORARY_PREFIX: &str = ".vaultfs-tmp-";

/// The rules of the file system below, with the reserved names refused.
pub(super) const RULES: NameRules = NameRules { refuses, ..super::platform::FILE_SYSTEM };

fn refuses(name: &str) -> Option<&'static str> {
    is_reserved(name).then_some("names that start with .vaultfs-root or .vaultfs-tmp- are reserved")
}

/// True for names that the provider keeps for itself, however they are capitalised.
pub(super) fn is_reserved(name: &str) -> bool {
    starts_with(name, MARKER) || is_temporary(name)
}

/// True for names of uploads in progress.
pub(super) fn is_temporary(name: &str) -> bool {
    starts_with(name, TEMPORARY_PREFIX)
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// True for names that compare by something else than their bytes.
pub(super) fn are_folded() -> bool {
    RULES.case_insensitive || RULES.normalization_insensitive
}

/// True if two names are the same entry of a folder.
pub(super) fn same(a: &EntryName, b: &EntryName) -> bool {
    a == b || (are_folded() && RULES.key(a) == RULES.key(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_reserved() {
        for reserved in [".vaultfs-root", ".VaultFS-Root", ".vaultfs-tmp-1"] {
            assert!(RULES.check(&EntryName::new(reserved).unwrap()).is_err(), "{reserved}");
        }
        for free in [".vaultfs", "vaultfs-root", ".vaultfs-tm\u{e9}", "mix.json"] {
            assert!(RULES.check(&EntryName::new(free).unwrap()).is_ok(), "{free}");
        }
    }
}
