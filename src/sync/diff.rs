//! What each side did to a node since both last agreed: the rows and columns of the decision tables. Pure.
//!
//! Content and place are two registers. Times are no evidence of anything here; content is compared by revision, size and hash.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::plan::{Content, Place};
use crate::types::{EntryName, NameRules};

/// Change of one side of a node that S knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// None.
    Unchanged,
    /// Other content.
    Edited,
    /// Another parent or name. A node that was carried along by its folder has not moved.
    Moved,
    /// Both.
    MovedEdited,
    /// In S, but not on this side.
    Deleted,
}

impl Change {
    /// From the two registers.
    pub fn from_registers(moved: bool, edited: bool) -> Self {
        match (moved, edited) {
            (false, false) => Self::Unchanged,
            (false, true) => Self::Edited,
            (true, false) => Self::Moved,
            (true, true) => Self::MovedEdited,
        }
    }
}

/// Whether two contents are the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sameness {
    /// Known to be the same.
    Same,
    /// Known to differ, or never to be known to be the same (a provider without hashes).
    Different,
    /// The hash of the staged bytes would tell.
    Unhashed,
}

/// Compares two contents of one node. Equal revisions are equal bytes; other revisions are equal only by size and hash.
pub fn compare(left: &Content, right: &Content) -> Sameness {
    match (left, right) {
        (Content::Folder, Content::Folder) => Sameness::Same,
        (Content::Symlink(left), Content::Symlink(right)) => known(left == right),
        (
            Content::Version { revision: left_revision, size: left_size, hash: left_hash },
            Content::Version { revision: right_revision, size: right_size, hash: right_hash },
        ) => known(
            left_revision == right_revision
                || (left_size == right_size && left_hash.is_some() && left_hash == right_hash),
        ),
        (
            Content::Staged { size: staged_size, hash: staged_hash, .. },
            Content::Version { size: version_size, hash: version_hash, .. },
        )
        | (
            Content::Version { size: version_size, hash: version_hash, .. },
            Content::Staged { size: staged_size, hash: staged_hash, .. },
        ) => match (staged_hash, version_hash) {
            _ if staged_size != version_size => Sameness::Different,
            (Some(staged), Some(version)) => known(staged == version),
            (None, Some(_)) => Sameness::Unhashed,
            (_, None) => Sameness::Different,
        },
        (
            Content::Staged { size: left_size, hash: left_hash, .. },
            Content::Staged { size: right_size, hash: right_hash, .. },
        ) => known(left_size == right_size && left_hash.is_some() && left_hash == right_hash),
        (Content::Folder, Content::Symlink(_) | Content::Version { .. } | Content::Staged { .. })
        | (Content::Symlink(_), Content::Folder | Content::Version { .. } | Content::Staged { .. })
        | (Content::Version { .. } | Content::Staged { .. }, Content::Folder | Content::Symlink(_)) => {
            Sameness::Different
        }
    }
}

fn known(same: bool) -> Sameness {
    if same { Sameness::Same } else { Sameness::Different }
}

/// True if the provider holds both names as one spelling: equal, or different only in Unicode normalisation where that does not
/// matter. Names that differ in case are different spellings.
pub fn same_name(rules: &NameRules, left: &EntryName, right: &EntryName) -> bool {
    if left == right {
        return true;
    }
    let (left, right) = (left.as_str(), right.as_str());
    if !(rules.case_insensitive || rules.normalization_insensitive) || (is_nfc(left) && is_nfc(right)) {
        return false;
    }
    left.nfc().eq(right.nfc())
}

/// True if both are the same folder and spelling.
pub fn same_place(rules: &NameRules, left: &Place, right: &Place) -> bool {
    left.parent == right.parent && same_name(rules, &left.name, &right.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ContentHash, HashKind, NodeId, Revision};

    fn hash(byte: u8) -> Option<ContentHash> {
        Some(ContentHash { kind: HashKind::Dropbox, digest: [byte; 32] })
    }

    fn version(revision: &str, size: u64, hash: Option<ContentHash>) -> Content {
        Content::Version { revision: Revision(revision.into()), size, hash }
    }

    fn staged(size: u64, hash: Option<ContentHash>) -> Content {
        Content::Staged { based_on: None, size, hash }
    }

    #[test]
    fn equal_revisions_or_equal_hashes_are_equal_bytes() {
        assert_eq!(compare(&version("a", 1, None), &version("a", 1, hash(1))), Sameness::Same);
        assert_eq!(compare(&version("a", 1, hash(1)), &version("b", 1, hash(1))), Sameness::Same);
        assert_eq!(compare(&version("a", 1, hash(1)), &version("b", 1, hash(2))), Sameness::Different);
        assert_eq!(compare(&version("a", 1, None), &version("b", 1, None)), Sameness::Different);
    }

    #[test]
    fn a_hash_is_asked_for_only_where_it_can_tell() {
        assert_eq!(compare(&staged(1, None), &version("a", 1, hash(1))), Sameness::Unhashed);
        assert_eq!(compare(&staged(2, None), &version("a", 1, hash(1))), Sameness::Different);
        assert_eq!(compare(&staged(1, None), &version("a", 1, None)), Sameness::Different);
        assert_eq!(compare(&staged(1, hash(1)), &version("a", 1, hash(1))), Sameness::Same);
    }

    #[test]
    fn normalisation_is_no_rename_where_it_does_not_matter_and_case_is() {
        let folded = NameRules { case_insensitive: true, normalization_insensitive: true, ..NameRules::EXACT };
        let at = |name: &str| Place { parent: NodeId::ROOT, name: EntryName::new(name).unwrap() };
        assert!(same_place(&folded, &at("caf\u{e9}"), &at("cafe\u{301}")));
        assert!(!same_place(&NameRules::EXACT, &at("caf\u{e9}"), &at("cafe\u{301}")));
        assert!(!same_place(&folded, &at("a"), &at("A")));
    }
}
