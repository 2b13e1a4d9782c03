//! Collections > projects > mixes, as the Muze recorder stores them: a JSON manifest in each folder, takes in `audio/`.
//!
//! A folder made in a file manager gets the manifest that the recorder would have written, so that it appears there; a
//! folder renamed in a file manager is renamed inside. Hidden folders mean nothing to the recorder and get no manifest.

use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::{FolderKind, Layout, NewFile, manifest};
use crate::types::name::NAME_MAX_BYTES;
use crate::types::{EntryName, Timestamp};

/// Manifest of a collection.
pub const COLLECTION_MANIFEST: &str = "collection.json";
/// Manifest of a project, and of a mix of an older recorder.
pub const PROJECT_MANIFEST: &str = "project.json";
/// Manifest of a mix.
pub const MIX_MANIFEST: &str = "mix.json";
/// Folder of a mix that holds its takes.
pub const AUDIO_FOLDER: &str = "audio";

/// Name of a folder of which nothing can be kept.
const UNNAMED: &str = "Untitled";
/// Version of `mix.json` that is written.
const MIX_VERSION: &str = "1.0";
/// Sample rate of a new mix, in hertz.
const MIX_SAMPLE_RATE: u32 = 48_000;
/// What tells an old mix from a project.
const TRACKS_WORD: &[u8] = b"\"tracks\"";
/// Left free in folder names, so that callers can add a number.
const NAME_RESERVE_BYTES: usize = 16;

/// The layout of musicians.
#[derive(Clone, Copy, Debug, Default)]
pub struct Music;

impl Layout for Music {
    fn manifest_for_new_folder(&self, name: &EntryName, ancestors: &[FolderKind], now: Timestamp) -> Option<NewFile> {
        if name.as_str().starts_with('.') {
            return None;
        }
        match ancestors.first()? {
            FolderKind::Root => Some(file(COLLECTION_MANIFEST, &common(name.as_str(), now), &[])),
            FolderKind::Collection => Some(file(PROJECT_MANIFEST, &common(name.as_str(), now), &[])),
            FolderKind::Project => Some(file(MIX_MANIFEST, &mix(name.as_str(), now), &[AUDIO_FOLDER])),
            FolderKind::Mix | FolderKind::LegacyMix | FolderKind::Unknown => None,
        }
    }

    fn folder_kind(&self, entries: &dyn Fn(&str) -> bool, manifest: &dyn Fn(&str) -> Option<Vec<u8>>) -> FolderKind {
        if entries(MIX_MANIFEST) {
            FolderKind::Mix
        } else if entries(PROJECT_MANIFEST) {
            let tracks = manifest(PROJECT_MANIFEST).is_some_and(|bytes| has_tracks(&bytes));
            if tracks { FolderKind::LegacyMix } else { FolderKind::Project }
        } else if entries(COLLECTION_MANIFEST) {
            FolderKind::Collection
        } else {
            FolderKind::Unknown
        }
    }

    fn manifest_after_rename(
        &self,
        kind: FolderKind,
        new_name: &EntryName,
        manifest: &[u8],
        now: Timestamp,
    ) -> Option<Vec<u8>> {
        self.manifest_name(kind)?;
        let object = manifest::parse(manifest)?;
        let old = object.get("name")?.as_str()?;
        // The folder of "What?" is "What_": a rename to the name that it already stands for must not lose the mark.
        if old == new_name.as_str() || folder_name(old) == *new_name {
            return None;
        }
        manifest::replace_strings(manifest, &[("name", new_name.as_str()), ("modified_at", &now.to_rfc3339())])
    }

    fn manifest_name(&self, kind: FolderKind) -> Option<&'static str> {
        match kind {
            FolderKind::Collection => Some(COLLECTION_MANIFEST),
            FolderKind::Project | FolderKind::LegacyMix => Some(PROJECT_MANIFEST),
            FolderKind::Mix => Some(MIX_MANIFEST),
            FolderKind::Root | FolderKind::Unknown => None,
        }
    }
}

/// A folder to be made through an interface: its name on disk and what is put into it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewFolder {
    /// The folder's name: the given name, sanitised.
    pub name: EntryName,
    /// Its manifest, which keeps the name as given.
    pub manifest: NewFile,
}

/// A collection, for the vault's root or another collection.
pub fn new_collection(name: &str, now: Timestamp) -> NewFolder {
    NewFolder { name: folder_name(name), manifest: file(COLLECTION_MANIFEST, &common(name, now), &[]) }
}

/// A project, for a collection.
pub fn new_project(name: &str, now: Timestamp) -> NewFolder {
    NewFolder { name: folder_name(name), manifest: file(PROJECT_MANIFEST, &common(name, now), &[]) }
}

/// A mix without tracks, for a project.
pub fn new_mix(name: &str, now: Timestamp) -> NewFolder {
    NewFolder { name: folder_name(name), manifest: file(MIX_MANIFEST, &mix(name, now), &[AUDIO_FOLDER]) }
}

/// The folder name that the recorder gives to a name: letters, digits, space, `-` and `_` stay, everything else becomes
/// `_`. Accents are composed first, so that they count as letters.
pub fn folder_name(name: &str) -> EntryName {
    let mut safe = String::with_capacity(name.len());
    for letter in name.nfc() {
        if safe.len() + letter.len_utf8() > NAME_MAX_BYTES - NAME_RESERVE_BYTES {
            break;
        }
        safe.push(if letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_') { letter } else { '_' });
    }
    if safe.trim().is_empty() {
        return known(UNNAMED);
    }
    EntryName::new(safe).unwrap_or_else(|_| known(UNNAMED))
}

/// When a manifest says that its folder was last saved; `None` if it does not say.
pub fn modified_at(manifest: &[u8]) -> Option<Timestamp> {
    manifest::modified_at(manifest)
}

/// The recorder's order of a listing: last saved first, ties and folders without a time by name, the latter at the end.
/// `key` gives the manifest's time, else the file's.
pub fn sort_newest_first<T>(listing: &mut [T], key: impl Fn(&T) -> (Option<Timestamp>, &EntryName)) {
    listing.sort_by(|left, right| {
        let ((left_time, left_name), (right_time, right_name)) = (key(left), key(right));
        right_time.cmp(&left_time).then_with(|| left_name.cmp(right_name))
    });
}

/// Whether a `project.json` is a mix of an older recorder. A half written one is judged by the word, as the recorder does.
fn has_tracks(manifest: &[u8]) -> bool {
    match manifest::parse(manifest) {
        Some(object) => object.contains_key("tracks"),
        None => manifest.windows(TRACKS_WORD.len()).any(|window| window == TRACKS_WORD),
    }
}

fn common(name: &str, now: Timestamp) -> Value {
    let now = now.to_rfc3339();
    json!({ "id": Uuid::new_v4(), "name": name, "created_at": now, "modified_at": now })
}

fn mix(name: &str, now: Timestamp) -> Value {
    let now = now.to_rfc3339();
    json!({
        "version": MIX_VERSION,
        "id": Uuid::new_v4(),
        "name": name,
        "created_at": now,
        "modified_at": now,
        "sample_rate": MIX_SAMPLE_RATE,
        "tracks": [],
    })
}

fn file(name: &'static str, content: &Value, folders: &[&'static str]) -> NewFile {
    NewFile {
        name: known(name),
        bytes: format!("{content:#}").into_bytes(),
        folders: folders.iter().map(|folder| known(folder)).collect(),
    }
}

fn known(name: &'static str) -> EntryName {
    EntryName::new(name).expect("the names of this module are valid")
}

#[cfg(test)]
#[path = "music_tests.rs"]
mod tests;
