//! What becomes of two contents or two nodes that want one place: classes of content, their policies, and conflict names. Pure.

use crate::catalog::ConflictRow;
use crate::types::{EntryName, NameRules};

/// What kind of content a file holds, by its extension: decides what an edit on both sides means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentClass {
    /// A manifest: small, structured, mergeable.
    Json,
    /// A take: large, replaced as a whole.
    Wav,
    /// Anything else.
    Document,
}

impl ContentClass {
    /// The class of a file of this name.
    pub fn of(name: &EntryName) -> Self {
        let (_, extension) = name.split_extension();
        if extension.eq_ignore_ascii_case(".json") {
            Self::Json
        } else if extension.eq_ignore_ascii_case(".wav") {
            Self::Wav
        } else {
            Self::Document
        }
    }

    /// What happens when both sides edited.
    pub fn policy(self) -> ConflictPolicy {
        match self {
            Self::Json => ConflictPolicy::Merge,
            Self::Wav => ConflictPolicy::LastWriteWins,
            Self::Document => ConflictPolicy::KeepBoth,
        }
    }
}

/// What happens to a file that both sides edited to different bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConflictPolicy {
    /// Three-way merge with S's content as base. Until the merge exists, the planner keeps both.
    Merge,
    /// One content wins at the name, the other becomes a version. Until stamps exist, the planner keeps both.
    LastWriteWins,
    /// The provider's content keeps node and name, ours becomes a new file beside it.
    KeepBoth,
}

/// How a conflict is dealt with whose second version another program, or another device, has put beside the first.
pub const FOUND_BY_NAME: &str = "found by its name";

/// True if nobody knows which of the two versions is of this device.
pub fn is_found_by_name(row: &ConflictRow) -> bool {
    row.strategy == FOUND_BY_NAME
}

/// The first conflict name for `name` that `taken` does not refuse: the marker before the extension, then numbered markers. It obeys
/// the provider's length limit.
pub fn conflict_name(
    name: &EntryName,
    marker: &str,
    rules: &NameRules,
    mut taken: impl FnMut(&EntryName) -> bool,
) -> EntryName {
    let mut number = 1_u64;
    loop {
        let numbered = if number == 1 { marker.to_owned() } else { format!("{marker} {number}") };
        let candidate = marked(name, &numbered, rules.max_bytes);
        if !taken(&candidate) {
            return candidate;
        }
        number += 1;
    }
}

/// `name` with `marker` before its extension and the stem cut so that the whole fits `max_bytes`.
fn marked(name: &EntryName, marker: &str, max_bytes: usize) -> EntryName {
    let (stem, extension) = name.split_extension();
    let mut cut = stem.len().min(max_bytes.saturating_sub(marker.len() + extension.len()));
    while !stem.is_char_boundary(cut) {
        cut -= 1;
    }
    // A limit that leaves no room for a marker (no provider has one) falls back to the longest valid name.
    EntryName::new(format!("{}{marker}{extension}", &stem[..cut])).unwrap_or_else(|_| name.with_marker(marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EntryName {
        EntryName::new(text).unwrap()
    }

    #[test]
    fn the_class_comes_from_the_extension_in_any_case() {
        assert_eq!(ContentClass::of(&name("mix.JSON")), ContentClass::Json);
        assert_eq!(ContentClass::of(&name("take 1.wav")), ContentClass::Wav);
        assert_eq!(ContentClass::of(&name("json")), ContentClass::Document);
        assert_eq!(ContentClass::of(&name("brief.docx")).policy(), ConflictPolicy::KeepBoth);
    }

    #[test]
    fn conflict_names_are_numbered_until_one_is_free() {
        let taken = [name("a (conflict x).txt"), name("a (conflict x) 2.txt")];
        let free =
            conflict_name(&name("a.txt"), " (conflict x)", &NameRules::EXACT, |candidate| taken.contains(candidate));
        assert_eq!(free.as_str(), "a (conflict x) 3.txt");
    }

    #[test]
    fn conflict_names_keep_to_the_limit_of_the_provider() {
        let rules = NameRules { max_bytes: 20, ..NameRules::EXACT };
        let long = conflict_name(&name("éééééééé.txt"), " (conflict)", &rules, |_| false);
        assert!(long.as_str().len() <= 20 && long.as_str().ends_with(" (conflict).txt"), "{long}");
    }
}
