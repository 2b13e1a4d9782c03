//! Local-only names: lock files, `.DS_Store`, peak files and their like work in a mount and never leave this machine.
//!
//! Beside them `filter`: which parts of a vault take part on this device at all; `selection` holds both.
//!
//! Owner of: the packs of `packs.toml` (compiled in) and the user's additions and exceptions. Immutable once built; asked on each create
//! and rename, so matching does not allocate. A rule looks at one name only, never at a path, a size or a time: the verdict on a
//! name is the same always and everywhere.
//!
//! Order: the user's exceptions, then the user's own patterns, then the packs from top to bottom; the first match decides.

mod documents;
mod filter;
mod pattern;
mod selection;

use std::fmt;
use std::sync::LazyLock;

pub use documents::is_document;
pub use filter::{Chosen, Filter, FilterSettings};
pub use pattern::{Pattern, PatternError};
pub use selection::{LiveSelection, Selection};

use crate::types::EntryName;

/// The pack that the user's own patterns are shown under.
pub const USER_PACK: &str = "user";

/// What the user changes about the rules.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSettings {
    /// Packs that are switched off.
    pub disabled_packs: Vec<String>,
    /// Further names that stay here.
    pub local_only: Vec<String>,
    /// Names that sync whatever a rule says.
    pub always_sync: Vec<String>,
}

/// Why rules cannot be built from settings.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RulesError {
    /// A pattern is no good.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// There is no such pack.
    #[error("there is no rule pack {name:?}; there are: {known}")]
    UnknownPack {
        /// What was named.
        name: String,
        /// What there is.
        known: String,
    },
}

/// A pack of rules, for lists.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    #[serde(rename = "rule")]
    rules: Vec<PackRule>,
}

#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PackRule {
    names: Vec<String>,
    reason: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PackFile {
    pack: Vec<Pack>,
}

/// The packs as they are written.
const PACKS_TEXT: &str = include_str!("packs.toml");

static PACKS: LazyLock<Vec<Pack>> = LazyLock::new(|| match toml::from_str::<PackFile>(PACKS_TEXT) {
    Ok(file) => file.pack,
    Err(error) => unreachable!("packs.toml is compiled in and tested: {error}"),
});

/// The packs that come with vaultfs.
pub fn packs() -> &'static [Pack] {
    &PACKS
}

/// The rules of a vault.
#[derive(Clone, Debug)]
pub struct Rules {
    exceptions: Vec<Pattern>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    pack: &'static str,
    reason: &'static str,
}

/// The rule that keeps a name on this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RuleMatch<'a> {
    /// The pack, or [`USER_PACK`].
    pub pack: &'a str,
    /// The pattern that matched.
    pub pattern: &'a Pattern,
    /// Why such names stay here.
    pub reason: &'a str,
}

/// What the rules say of a name, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict<'a> {
    /// It stays here.
    LocalOnly(RuleMatch<'a>),
    /// It would stay here by a rule, but the user excepted it.
    Excepted {
        /// The user's pattern.
        exception: &'a Pattern,
        /// The rule that would have matched.
        rule: RuleMatch<'a>,
    },
    /// No rule speaks of it.
    Syncs,
}

impl Rules {
    /// The packs with the user's changes.
    pub fn new(settings: &RuleSettings) -> Result<Self, RulesError> {
        for name in &settings.disabled_packs {
            if !packs().iter().any(|pack| pack.name == *name) {
                let known = packs().iter().map(|pack| pack.name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(RulesError::UnknownPack { name: name.clone(), known });
            }
        }
        let compile = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect::<Result<Vec<_>, _>>();
        let own = compile(&settings.local_only)?.into_iter().map(|pattern| Rule {
            pattern,
            pack: USER_PACK,
            reason: "your settings say so",
        });
        let packed = packs()
            .iter()
            .filter(|pack| !settings.disabled_packs.contains(&pack.name))
            .flat_map(|pack| pack.rules.iter().map(move |rule| (pack, rule)))
            .flat_map(|(pack, rule)| rule.names.iter().map(move |name| (pack, rule, name)))
            .map(|(pack, rule, name)| Rule { pattern: Pattern::compile(name), pack: &pack.name, reason: &rule.reason });
        Ok(Self { exceptions: compile(&settings.always_sync)?, rules: own.chain(packed).collect() })
    }

    /// The rule that keeps this name on this machine, if there is one.
    pub fn local_only(&self, name: &EntryName) -> Option<RuleMatch<'_>> {
        match self.verdict(name) {
            Verdict::LocalOnly(rule) => Some(rule),
            Verdict::Excepted { .. } | Verdict::Syncs => None,
        }
    }

    /// What the rules say of a name.
    pub fn verdict(&self, name: &EntryName) -> Verdict<'_> {
        let name = name.as_str();
        let Some(rule) = self.rules.iter().find(|rule| rule.pattern.matches(name)) else { return Verdict::Syncs };
        let rule = RuleMatch { pack: rule.pack, pattern: &rule.pattern, reason: rule.reason };
        match self.exceptions.iter().find(|exception| exception.matches(name)) {
            Some(exception) => Verdict::Excepted { exception, rule },
            None => Verdict::LocalOnly(rule),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        match Self::new(&RuleSettings::default()) {
            Ok(rules) => rules,
            Err(error) => unreachable!("no settings, nothing to refuse: {error}"),
        }
    }
}

/// The answer of `vaultfs rules why NAME`, one sentence.
impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalOnly(RuleMatch { pack, pattern, reason }) => {
                write!(f, "stays on this computer by the rule `{pattern}` of the pack `{pack}`: {reason}")
            }
            Self::Excepted { exception, rule } => write!(
                f,
                "syncs: your exception `{exception}` overrides the rule `{}` of the pack `{}`",
                rule.pattern, rule.pack
            ),
            Self::Syncs => f.write_str("syncs: no rule keeps this name on this computer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EntryName {
        EntryName::new(text).unwrap()
    }

    #[test]
    fn every_pack_keeps_its_names_and_nothing_else() {
        let rules = Rules::default();
        let table: &[(&str, &[&str])] = &[
            ("system", &[".DS_Store", "._brief.docx", ".Trash-1000", ".fuse_hidden0000002a00000001", "Thumbs.db"]),
            ("system", &["desktop.ini", "Desktop.ini", "Icon\r", ".directory", "Freeze Files.nosync"]),
            ("office", &["~$brief.docx", ".~lock.brief.odt#", "~WRD0001.tmp", "lu123abc.tmp"]),
            ("editors", &[".brief.txt.swp", "x.swx", "x.swo", "4913", ".#notes", ".goutputstream-7XY2Z1"]),
            ("downloads", &["film.mp4.part", "Unconfirmed 12.crdownload"]),
            ("audio", &["take1.wav.reapeaks", "take1.wav.asd", "take 1.pkf", "WaveCache.wfm", ".sync_queue.json"]),
            ("vaultfs", &[".vaultfs-probe"]),
        ];
        for (pack, names) in table {
            for text in *names {
                let found = rules.local_only(&name(text));
                assert_eq!(found.map(|rule| rule.pack), Some(*pack), "{text:?}");
            }
        }
        let synced = [
            "brief.docx",
            "mix.json",
            "project.json",
            "take1.wav",
            "Icon",
            "report~",
            "song.rpp-bak",
            "notes.bak",
            "tmp",
            "part",
            "partition.txt",
            ".gitignore",
            "4913.wav",
            "~brief",
            "DS_Store",
            ".hidden-notes",
            "lock.odt",
            "#notes#",
            ".env",
            "thumbs.db.pdf",
            "Party.als",
            "page.js.download",
            ".hidden",
            "tmp.wav",
            ".vaultfs",
        ];
        for text in synced {
            assert_eq!(rules.verdict(&name(text)), Verdict::Syncs, "{text:?}");
        }
    }

    #[test]
    fn packs_are_complete_and_no_rule_hides_another() {
        let names: Vec<&str> = packs().iter().map(|pack| pack.name.as_str()).collect();
        assert_eq!(names, ["system", "office", "editors", "downloads", "audio", "vaultfs"]);
        let mut seen = std::collections::BTreeSet::new();
        for rule in packs().iter().flat_map(|pack| &pack.rules) {
            assert!(!rule.reason.is_empty() && !rule.names.is_empty());
            for text in &rule.names {
                assert!(Pattern::new(text).is_ok() && seen.insert(text), "{text:?} twice or useless");
            }
        }
    }

    #[test]
    fn the_user_adds_excepts_and_switches_off() {
        let settings = RuleSettings {
            disabled_packs: vec!["audio".into()],
            local_only: vec!["*.cache".into(), "keep.tmp".into()],
            always_sync: vec!["keep.*".into()],
        };
        let rules = Rules::new(&settings).unwrap();
        let why = |text: &str| rules.verdict(&name(text)).to_string();
        assert_eq!(
            why("a.cache"),
            "stays on this computer by the rule `*.cache` of the pack `user`: your settings say so"
        );
        assert_eq!(why("keep.tmp"), "syncs: your exception `keep.*` overrides the rule `keep.tmp` of the pack `user`");
        assert_eq!(
            why("keep.part"),
            "syncs: your exception `keep.*` overrides the rule `*.part` of the pack `downloads`"
        );
        assert_eq!(why("take.asd"), "syncs: no rule keeps this name on this computer");
        assert!(rules.local_only(&name("keep.tmp")).is_none() && rules.local_only(&name("x.tmp")).is_some());
    }

    #[test]
    fn the_reason_is_told() {
        assert_eq!(
            Rules::default().verdict(&name("~$brief.docx")).to_string(),
            "stays on this computer by the rule `~$*` of the pack `office`: \
             Microsoft Office marks with it that a document is open on this computer"
        );
    }

    #[test]
    fn wrong_settings_are_refused_with_what_is_right() {
        let unknown = RuleSettings { disabled_packs: vec!["video".into()], ..RuleSettings::default() };
        assert_eq!(
            Rules::new(&unknown).map(|_| ()).unwrap_err().to_string(),
            "there is no rule pack \"video\"; there are: system, office, editors, downloads, audio, vaultfs"
        );
        let everything = RuleSettings { local_only: vec!["*".into()], ..RuleSettings::default() };
        assert!(Rules::new(&everything).is_err());
    }
}
