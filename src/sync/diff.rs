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
    use proptest::prelude::*;

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

    /// Real bytes, and what the trees know of them.
    #[derive(Clone, Debug)]
    struct Known {
        bytes: Vec<u8>,
        content: Content,
    }

    fn any_known() -> impl Strategy<Value = Known> {
        let bytes = prop::collection::vec(0..2_u8, 0..3);
        (bytes, any::<bool>(), 0..3_u8).prop_map(|(bytes, is_staged, knows)| {
            let digest = ContentHash::of(HashKind::Dropbox, &bytes);
            let (size, hash) = (bytes.len() as u64, (knows > 0).then_some(digest));
            let content = if is_staged {
                staged(size, hash)
            } else {
                // A revision is one content, which may have other revisions; its hash may be known in one tree and not in another.
                version(&format!("{bytes:?}, {}", knows % 2), size, hash)
            };
            Known { bytes, content }
        })
    }

    fn hash_of(content: &Content) -> Option<ContentHash> {
        match content {
            Content::Version { hash, .. } | Content::Staged { hash, .. } => *hash,
            Content::Folder | Content::Symlink(_) => None,
        }
    }

    fn revision_of(content: &Content) -> Option<&Revision> {
        match content {
            Content::Version { revision, .. } => Some(revision),
            Content::Staged { .. } | Content::Folder | Content::Symlink(_) => None,
        }
    }

    proptest! {
        #[test]
        fn equal_is_said_of_equal_bytes_only_and_of_all_that_can_be_known(left in any_known(), right in any_known()) {
            let said = compare(&left.content, &right.content);
            prop_assert_eq!(said, compare(&right.content, &left.content), "whichever is asked about first");
            let are_equal = left.bytes == right.bytes;
            prop_assert!(said != Sameness::Same || are_equal);
            let is_one_revision = revision_of(&left.content).is_some_and(|revision| revision_of(&right.content) == Some(revision));
            let can_tell = is_one_revision || (hash_of(&left.content).is_some() && hash_of(&right.content).is_some());
            if can_tell {
                prop_assert_eq!(said, known(are_equal));
            }
            // The hash of staged bytes is asked for where it will tell, and nowhere else.
            let helps = |one: &Known, other: &Known| {
                matches!(one.content, Content::Staged { hash: None, .. })
                    && matches!(other.content, Content::Version { hash: Some(_), .. })
                    && one.bytes.len() == other.bytes.len()
            };
            prop_assert_eq!(said == Sameness::Unhashed, helps(&left, &right) || helps(&right, &left));
        }

        #[test]
        fn bytes_folders_and_links_are_never_the_same(file in any_known(), target in "[ab]{1,2}", other in "[ab]{1,2}") {
            let (link, other_link) = (Content::Symlink(target.clone()), Content::Symlink(other.clone()));
            for content in [&Content::Folder, &link] {
                prop_assert_eq!(compare(content, &file.content), Sameness::Different);
                prop_assert_eq!(compare(&file.content, content), Sameness::Different);
            }
            prop_assert_eq!(compare(&Content::Folder, &link), Sameness::Different);
            prop_assert_eq!(compare(&Content::Folder, &Content::Folder), Sameness::Same);
            prop_assert_eq!(compare(&link, &other_link), known(target == other));
        }
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
