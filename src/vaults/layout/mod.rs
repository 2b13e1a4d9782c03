//! What the folders of a vault mean: recordings, legal cases, or nothing special.
//!
//! A layout holds no state and does no I/O; the filesystem core asks it inside an operation and does what it answers in
//! the same transaction. An answer of `None` always means: leave the folder as the application made it.

pub mod cases;
mod manifest;
pub mod music;
mod plain;

pub use plain::Plain;

use crate::types::{EntryName, Timestamp};

/// What a folder is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FolderKind {
    /// The top of the vault.
    Root,
    /// Holds projects or further collections; `collection.json`.
    Collection,
    /// Holds mixes; `project.json` without `tracks`.
    Project,
    /// A recording; `mix.json`, takes in `audio/`.
    Mix,
    /// A recording of an older recorder, whose manifest is a `project.json` with `tracks`.
    LegacyMix,
    /// Anything else: shown as it is.
    Unknown,
}

impl FolderKind {
    /// True for recordings of either age.
    pub fn is_mix(self) -> bool {
        matches!(self, Self::Mix | Self::LegacyMix)
    }
}

/// What is put into a folder that an application just made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewFile {
    /// Name of the manifest in the new folder.
    pub name: EntryName,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Empty folders to make beside it.
    pub folders: Vec<EntryName>,
}

/// Asked by the filesystem core inside an operation; no I/O, no state. The only thing that two equal calls may answer
/// differently is the random id in a new manifest.
pub trait Layout: Send + Sync {
    /// What to create inside a folder that an application just made. `ancestors` are the kinds of the folders above it,
    /// nearest first, the vault's root last.
    fn manifest_for_new_folder(&self, name: &EntryName, ancestors: &[FolderKind], now: Timestamp) -> Option<NewFile>;

    /// What a folder below the root is: `entries` tells whether it holds a name, `manifest` gives the bytes of a file in
    /// it if they are here (asked only where the names do not decide).
    fn folder_kind(&self, entries: &dyn Fn(&str) -> bool, manifest: &dyn Fn(&str) -> Option<Vec<u8>>) -> FolderKind;

    /// The manifest of a folder after the folder was renamed: same bytes but for the name and the time, so that unknown
    /// fields, order, number spelling and formatting stay. `None`: nothing to change, or not a manifest that can be
    /// changed safely.
    fn manifest_after_rename(
        &self,
        kind: FolderKind,
        new_name: &EntryName,
        manifest: &[u8],
        now: Timestamp,
    ) -> Option<Vec<u8>>;

    /// Name of the manifest file of a kind.
    fn manifest_name(&self, kind: FolderKind) -> Option<&'static str>;
}

/// Which layout a vault has, as the registry stores it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayoutKind {
    /// Nothing special.
    #[default]
    Plain,
    /// Collections, projects, mixes.
    Music,
    /// Legal cases.
    Cases,
}

impl LayoutKind {
    /// All of them, for help texts.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Music, Self::Cases];

    /// The word in the registry and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Music => "music",
            Self::Cases => "cases",
        }
    }

    /// What operations in the mount do. Cases are found ([`cases`]), not made: in their folders nothing is special.
    pub fn layout(self) -> &'static dyn Layout {
        match self {
            Self::Plain | Self::Cases => &Plain,
            Self::Music => &music::Music,
        }
    }
}

/// A word that is no layout.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{0}\" is no layout: choose plain, music or cases")]
pub struct UnknownLayout(pub String);

impl std::str::FromStr for LayoutKind {
    type Err = UnknownLayout;

    fn from_str(word: &str) -> Result<Self, UnknownLayout> {
        Self::ALL.into_iter().find(|layout| layout.as_str() == word).ok_or_else(|| UnknownLayout(word.to_owned()))
    }
}

impl std::fmt::Display for LayoutKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
