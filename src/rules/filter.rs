//! Which part of a vault takes part at all: chosen folders, include and exclude patterns of paths, per vault and device.
//!
//! A pattern without `/` is matched against every name of the path, one with `/` against the path from the vault's root, where `*` stays
//! within one name and `**` stands for any number of folders. An excluded folder excludes everything below it. Exclusion wins;
//! without include patterns everything else takes part. Include patterns choose files: folders are always shown. Chosen folders
//! are paths, no patterns: they, what is in them and the folders that lead to them take part, and nothing else.
//!
//! Letters match in either case and in either composition.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::documents::is_document;
use super::pattern::{Pattern, PatternError};
use crate::types::NodeKind;

/// What the user leaves out of a vault on this device.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterSettings {
    /// If there are any, only files that match one take part.
    pub include: Vec<String>,
    /// What matches one takes no part.
    pub exclude: Vec<String>,
    /// If there are any, only these folders take part.
    pub folders: Vec<String>,
    /// Only documents take part, and what `include` names.
    pub documents_only: bool,
}

/// The filter of a vault.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    include: Vec<PathPattern>,
    exclude: Vec<PathPattern>,
    folders: Vec<Folder>,
    documents_only: bool,
}

/// Why something takes part, or does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chosen<'a> {
    /// It takes part.
    Yes,
    /// This pattern excludes it, or a folder above it.
    Excluded(&'a str),
    /// There are include patterns, and none matches.
    NotIncluded,
    /// Only documents take part, and it is none.
    NoDocument,
    /// There are chosen folders, and it is in none of them.
    OutsideOfChosenFolders,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct PathPattern {
    text: String,
    form: Form,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    Name(Pattern),
    Path(Vec<Segment>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Segment {
    AnyFolders,
    Name(Pattern),
}

/// A chosen folder: its names from the root, folded.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Folder(Vec<String>);

impl Filter {
    /// Compiles the settings; a pattern that matches nothing or everything is a mistake.
    pub fn new(settings: &FilterSettings) -> Result<Self, PatternError> {
        let compile = |texts: &[String]| texts.iter().map(|text| PathPattern::compile(text)).collect::<Result<_, _>>();
        Ok(Self {
            include: compile(&settings.include)?,
            exclude: compile(&settings.exclude)?,
            folders: settings.folders.iter().map(|path| Folder::new(path)).collect::<Result<_, _>>()?,
            documents_only: settings.documents_only,
        })
    }

    /// True if there is anything that it could leave out.
    pub fn is_active(&self) -> bool {
        self.documents_only || !(self.include.is_empty() && self.exclude.is_empty() && self.folders.is_empty())
    }

    /// Whether the entry at `path` (names joined by `/`, from the vault's root) takes part.
    pub fn allows(&self, path: &str, kind: NodeKind) -> bool {
        !self.is_active() || self.verdict(path, kind) == Chosen::Yes
    }

    /// As [`Filter::allows`], and why.
    pub fn verdict(&self, path: &str, kind: NodeKind) -> Chosen<'_> {
        let names: Vec<Cow<'_, str>> = path.split('/').filter(|name| !name.is_empty()).map(composed).collect();
        let matches_up_to = |pattern: &&PathPattern| (1..=names.len()).any(|depth| pattern.matches(&names[..depth]));
        if !self.folders.is_empty() && !self.folders.iter().any(|folder| folder.leads(&names, kind)) {
            return Chosen::OutsideOfChosenFolders;
        }
        if let Some(pattern) = self.exclude.iter().find(matches_up_to) {
            return Chosen::Excluded(&pattern.text);
        }
        let is_document = || names.last().is_some_and(|name| is_document(name));
        let included = kind == NodeKind::Folder
            || self.include.iter().any(|pattern| matches_up_to(&pattern))
            || if self.documents_only { is_document() } else { self.include.is_empty() };
        match included {
            true => Chosen::Yes,
            false if self.documents_only => Chosen::NoDocument,
            false => Chosen::NotIncluded,
        }
    }
}

/// One sentence.
impl fmt::Display for Chosen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("no filter leaves it out"),
            Self::Excluded(pattern) => write!(f, "your setting sync.exclude leaves out `{}`", pattern.escape_debug()),
            Self::NotIncluded => {
                f.write_str("your setting sync.include names what takes part, and nothing in it matches")
            }
            Self::NoDocument => {
                f.write_str("your setting sync.documents_only lets documents take part, and it is none")
            }
            Self::OutsideOfChosenFolders => {
                f.write_str("your setting sync.folders names the folders that take part, and it is in none of them")
            }
        }
    }
}

fn composed(name: &str) -> Cow<'_, str> {
    if is_nfc(name) { Cow::Borrowed(name) } else { Cow::Owned(name.nfc().collect()) }
}

impl Folder {
    fn new(path: &str) -> Result<Self, PatternError> {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Err(PatternError::Useless(path.to_owned(), "every"));
        }
        if names.iter().any(|name| [".", ".."].contains(name)) {
            return Err(PatternError::Useless(path.to_owned(), "no"));
        }
        Ok(Self(names.into_iter().map(|name| composed(name).to_lowercase()).collect()))
    }

    /// True for the folder, what is below it, and the folders that lead to it.
    fn leads(&self, names: &[Cow<'_, str>], kind: NodeKind) -> bool {
        let agrees = self.0.iter().zip(names).all(|(own, name)| *own == name.to_lowercase());
        agrees && (names.len() > self.0.len() || kind == NodeKind::Folder)
    }
}

impl PathPattern {
    fn compile(text: &str) -> Result<Self, PatternError> {
        let composed = composed(text);
        let trimmed = composed.trim_matches('/');
        let is_useless = |what| Err(PatternError::Useless(text.to_owned(), what));
        if trimmed.is_empty() {
            return is_useless("no");
        }
        if trimmed.chars().all(|letter| letter == '*' || letter == '/') {
            return is_useless("every");
        }
        let form = if !trimmed.contains('/') && !text.starts_with('/') {
            Form::Name(Pattern::compile(trimmed))
        } else {
            let segment = |name: &str| match name {
                "**" => Segment::AnyFolders,
                name => Segment::Name(Pattern::compile(name)),
            };
            Form::Path(trimmed.split('/').filter(|name| !name.is_empty()).map(segment).collect())
        };
        Ok(Self { text: text.to_owned(), form })
    }

    fn matches(&self, names: &[Cow<'_, str>]) -> bool {
        match &self.form {
            Form::Name(pattern) => names.last().is_some_and(|name| pattern.matches(name)),
            Form::Path(segments) => matches_segments(segments, names),
        }
    }
}

fn matches_segments(segments: &[Segment], names: &[Cow<'_, str>]) -> bool {
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

    fn settings(include: &[&str], exclude: &[&str], folders: &[&str]) -> FilterSettings {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        FilterSettings {
            include: owned(include),
            exclude: owned(exclude),
            folders: owned(folders),
            documents_only: false,
        }
    }

    fn left(include: &[&str], exclude: &[&str], folders: &[&str]) -> Vec<&'static str> {
        let filter = Filter::new(&settings(include, exclude, folders)).unwrap();
        TREE.iter().copied().filter(|path| filter.allows(path, NodeKind::File)).collect()
    }

    #[test]
    fn a_fixture_tree_is_filtered_as_documented() {
        let left = |include: &[&str], exclude: &[&str]| left(include, exclude, &[]);
        assert_eq!(left(&[], &[]), TREE);
        assert_eq!(left(&["*.pdf"], &[]), ["scan.PDF", "Archive/1998/old.pdf"]);
        assert_eq!(left(&["*.pdf", "*.docx"], &["Archive"]), ["brief.docx", "scan.PDF", "Cases/24-0117/brief.docx"]);
        assert_eq!(left(&["Cases/*/*.docx"], &[]), ["Cases/24-0117/brief.docx"]);
        assert_eq!(left(&["/*.docx"], &[]), ["brief.docx"], "anchored at the root");
        assert_eq!(left(&["**/*.docx"], &[]), ["brief.docx", "Cases/24-0117/brief.docx"]);
        assert_eq!(left(&["Cases"], &["Cases/**/media"]), ["Cases/24-0117/brief.docx", "Cases/24-0118/notes.txt"]);
    }

    #[test]
    fn chosen_folders_show_themselves_and_the_way_to_them() {
        assert_eq!(left(&[], &[], &["Cases/24-0118"]), ["Cases/24-0118/notes.txt"]);
        assert_eq!(
            left(&[], &[], &["/cases/24-0118/", "Archive"]),
            ["Archive/1998/old.pdf", "Cases/24-0118/notes.txt"]
        );
        assert_eq!(left(&["*.docx"], &["media"], &["Cases"]), ["Cases/24-0117/brief.docx"], "together with patterns");
        let filter = Filter::new(&settings(&[], &[], &["Cases/24-0118", "Mu\u{308}ller"])).unwrap();
        for (folder, shown) in [
            ("Cases", true),
            ("Cases/24-0118", true),
            ("Cases/24-0118/deep/er", true),
            ("Cases/24-0117", false),
            ("Cases/24-0118 copy", false),
            ("Archive", false),
            ("M\u{fc}ller", true),
        ] {
            assert_eq!(filter.allows(folder, NodeKind::Folder), shown, "{folder}");
        }
        assert!(!filter.allows("Cases", NodeKind::File), "a file is no way to a folder");
    }

    #[test]
    fn folders_are_shown_unless_excluded() {
        let filter = Filter::new(&settings(&["*.pdf"], &["Archive"], &[])).unwrap();
        assert!(filter.allows("Cases/24-0117", NodeKind::Folder));
        assert!(!filter.allows("Archive/1998", NodeKind::Folder));
    }

    #[test]
    fn the_reason_is_told() {
        let filter = Filter::new(&settings(&["*.pdf"], &["Archive"], &["Cases", "Archive"])).unwrap();
        let why = |path: &str| filter.verdict(path, NodeKind::File).to_string();
        assert_eq!(why("Archive/1998/old.pdf"), "your setting sync.exclude leaves out `Archive`");
        assert!(why("Cases/brief.docx").contains("sync.include") && why("x.pdf").contains("sync.folders"));
        assert_eq!(why("Cases/x.pdf"), "no filter leaves it out");
    }

    #[test]
    fn documents_alone_take_part_if_that_is_wished() {
        let left = |include: &[&str], exclude: &[&str]| {
            let settings = FilterSettings { documents_only: true, ..settings(include, exclude, &[]) };
            let filter = Filter::new(&settings).unwrap();
            TREE.iter().copied().filter(|path| filter.allows(path, NodeKind::File)).collect::<Vec<_>>()
        };
        let documents: Vec<_> = TREE.iter().copied().filter(|path| !path.ends_with(".mp4")).collect();
        assert_eq!(left(&[], &[]), documents);
        assert_eq!(left(&["*.mp4"], &[]), TREE, "and what is named");
        assert!(!left(&[], &["Archive"]).contains(&"Archive/1998/old.pdf"));
        let filter = Filter::new(&FilterSettings { documents_only: true, ..FilterSettings::default() }).unwrap();
        assert!(
            filter.is_active()
                && filter.allows("media.mp4", NodeKind::Folder)
                && filter.allows("a/.case", NodeKind::File)
        );
        assert!(filter.verdict("a.mp4", NodeKind::File).to_string().contains("sync.documents_only"));
    }

    #[test]
    fn useless_settings_are_refused() {
        for bad in ["", "/", "*", "**", "**/*"] {
            assert!(Filter::new(&settings(&[], &[bad], &[])).is_err(), "exclude {bad:?}");
            assert!(Filter::new(&settings(&[bad], &[], &[])).is_err(), "include {bad:?}");
        }
        for bad in ["", "/", "a/../b"] {
            assert!(Filter::new(&settings(&[], &[], &[bad])).is_err(), "folder {bad:?}");
        }
        assert!(!Filter::default().is_active());
    }
}
