//! Which part of a vault takes part at all: include and exclude patterns of paths, per vault.
//!
//! A pattern without `/` is matched against every name of the path, one with `/` against the path from the vault's root, where `*` stays
//! within one name and `**` stands for any number of folders. An excluded folder excludes everything below it. Exclusion wins;
//! without include patterns everything else takes part. Include patterns choose files: folders are always shown.

use crate::types::NodeKind;

use super::pattern::Pattern;

/// The filter of a vault.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    include: Vec<PathPattern>,
    exclude: Vec<PathPattern>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum PathPattern {
    Name(Pattern),
    Path(Vec<Segment>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Segment {
    AnyFolders,
    Name(Pattern),
}

impl Filter {
    /// Compiles the patterns. Empty ones are skipped.
    pub fn new<'a>(include: impl IntoIterator<Item = &'a str>, exclude: impl IntoIterator<Item = &'a str>) -> Self {
        let compile = |text: &str| (!text.trim_matches('/').is_empty()).then(|| PathPattern::compile(text));
        Self {
            include: include.into_iter().filter_map(compile).collect(),
            exclude: exclude.into_iter().filter_map(compile).collect(),
        }
    }

    /// Whether the entry at `path` (names joined by `/`, from the vault's root) takes part.
    pub fn allows(&self, path: &str, kind: NodeKind) -> bool {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let matches_up_to = |pattern: &PathPattern| (1..=names.len()).any(|depth| pattern.matches(&names[..depth]));
        if self.exclude.iter().any(matches_up_to) {
            return false;
        }
        kind == NodeKind::Folder || self.include.is_empty() || self.include.iter().any(matches_up_to)
    }
}

impl PathPattern {
    fn compile(text: &str) -> Self {
        let trimmed = text.trim_matches('/');
        if !trimmed.contains('/') && !text.starts_with('/') {
            return Self::Name(Pattern::compile(trimmed));
        }
        let segment = |name: &str| match name {
            "**" => Segment::AnyFolders,
            name => Segment::Name(Pattern::compile(name)),
        };
        Self::Path(trimmed.split('/').filter(|name| !name.is_empty()).map(segment).collect())
    }

    fn matches(&self, names: &[&str]) -> bool {
        match self {
            Self::Name(pattern) => names.last().is_some_and(|name| pattern.matches(name)),
            Self::Path(segments) => matches_segments(segments, names),
        }
    }
}

fn matches_segments(segments: &[Segment], names: &[&str]) -> bool {
    match (segments.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((Segment::AnyFolders, more)), _) => {
            (0..=names.len()).any(|skipped| matches_segments(more, &names[skipped..]))
        }
        (Some((Segment::Name(pattern), more)), Some((name, rest))) => {
            pattern.matches(name) && matches_segments(more, rest)
        }
        (None, Some(_)) | (Some((Segment::Name(_), _)), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &[&str] = &[
        "brief.docx",
        "scan.PDF",
        "Archive/1998/old.pdf",
        "Cases/24-0117/brief.docx",
        "Cases/24-0117/media/interview.mp4",
        "Cases/24-0118/notes.txt",
    ];

    fn left(include: &[&str], exclude: &[&str]) -> Vec<&'static str> {
        let filter = Filter::new(include.iter().copied(), exclude.iter().copied());
        TREE.iter().copied().filter(|path| filter.allows(path, NodeKind::File)).collect()
    }

    #[test]
    fn a_fixture_tree_is_filtered_as_documented() {
        assert_eq!(left(&[], &[]), TREE);
        assert_eq!(left(&["*.pdf"], &[]), ["scan.PDF", "Archive/1998/old.pdf"]);
        assert_eq!(left(&["*.pdf", "*.docx"], &["Archive"]), ["brief.docx", "scan.PDF", "Cases/24-0117/brief.docx"]);
        assert_eq!(left(&["Cases/*/*.docx"], &[]), ["Cases/24-0117/brief.docx"]);
        assert_eq!(left(&["/*.docx"], &[]), ["brief.docx"], "anchored at the root");
        assert_eq!(left(&["**/*.docx"], &[]), ["brief.docx", "Cases/24-0117/brief.docx"]);
        assert_eq!(left(&["Cases"], &["Cases/**/media"]), ["Cases/24-0117/brief.docx", "Cases/24-0118/notes.txt"]);
        assert_eq!(left(&["", "/"], &[]), TREE, "empty patterns say nothing");
    }

    #[test]
    fn folders_are_shown_unless_excluded() {
        let filter = Filter::new(["*.pdf"], ["Archive"]);
        assert!(filter.allows("Cases/24-0117", NodeKind::Folder));
        assert!(!filter.allows("Archive/1998", NodeKind::Folder));
    }
}
