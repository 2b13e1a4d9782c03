//! What a studio and a law office have at their provider, generated: collections > projects > mixes with takes, and case folders
//! with documents. Equal on every run but for ids and times.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{documents, sound};
use crate::types::Timestamp;
use crate::vaults::layout::music::{self, AUDIO_FOLDER, MIX_MANIFEST, NewFolder};

/// Folder of the musician's vault, and its name.
pub(super) const STUDIO: &str = "Studio";
/// Folder of the lawyer's vault, and its name.
pub(super) const OFFICE: &str = "Office";
/// The mix that the demonstration opens.
pub(super) const LIVE_MIX: &str = "Tour/Harbour/Live";
/// Its large take.
pub(super) const LARGE_TAKE: &str = "track_0_5eed0001.wav";
/// A take's name that no generated mix has.
pub(super) const NEW_TAKE: &str = "track_3_5eed0004.wav";
/// Sound of the large take.
const LARGE_BYTES: u32 = 64 << 20;

/// A project with its mixes.
type Project = (&'static str, &'static [&'static str]);
/// Collections with their projects.
const MUSIC: &[(&str, &[Project])] = &[
    ("Tour", &[("Harbour", &["Live", "Studio Version"]), ("Northern Lights", &["Demo", "Radio Edit"])]),
    ("Film Score", &[("Opening", &["Strings", "With Choir"]), ("Chase", &["First Take"]), ("Credits", &["Piano"])]),
];
const TRACKS: &[(&str, &str, u32)] = &[("Guitar", "#e4572e", 196), ("Voice", "#17bebb", 330), ("Bass", "#ffc914", 82)];
const TAKE_MS: u32 = 2_500;

/// Case folders.
const CASES: &[&str] = &[
    "2025-CV-01234 Rivera v. Harbor Lines",
    "2025-CV-02077 Estate of Okafor",
    "2024-CR-00318 State v. Lindqvist",
    "24 C 1187 Meyer v. Northside Clinic",
    "2026-PR-00045 In re Takahashi Trust",
];
const FOLDERS: &[(&str, &[&str])] = &[
    ("Pleadings", &["Complaint.pdf", "Answer.pdf", "Motion to Compel.docx"]),
    ("Correspondence", &["Letter to Counsel.docx", "Settlement Offer.pdf"]),
    ("Exhibits", &["Exhibit A.pdf", "Exhibit B.pdf"]),
];

/// What was generated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Corpus {
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) bytes: u64,
}

impl Corpus {
    /// Generates both vaults below `root`.
    pub(super) fn generate(root: &Path, now: Timestamp) -> io::Result<Self> {
        studio(&root.join(STUDIO), now)?;
        office(&root.join(OFFICE))?;
        [STUDIO, OFFICE].iter().try_fold(Self::default(), |sum, vault| Ok(sum.plus(Self::walk(&root.join(vault))?)))
    }

    /// Counts what is below a folder, by names and sizes alone.
    pub(super) fn walk(folder: &Path) -> io::Result<Self> {
        let mut sum = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if entry.file_name().as_encoded_bytes().starts_with(b".vaultfs-") {
                continue; // the provider's own marker, which is no file of the vault
            }
            sum = sum.plus(if about.is_dir() {
                Self::walk(&entry.path())?.plus(Self { folders: 1, ..Self::default() })
            } else {
                Self { files: 1, folders: 0, bytes: about.len() }
            });
        }
        Ok(sum)
    }

    /// Both together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { files: self.files + other.files, folders: self.folders + other.folders, bytes: self.bytes + other.bytes }
    }
}

fn studio(root: &Path, now: Timestamp) -> io::Result<()> {
    let mut seed = 0x5eed;
    for (collection, projects) in MUSIC {
        let collection = make(root, music::new_collection(collection, now))?;
        for (project, mixes) in *projects {
            let project = make(&collection, music::new_project(project, now))?;
            for name in *mixes {
                let mix = make(&project, music::new_mix(name, now))?;
                let large = mix.ends_with(LIVE_MIX);
                let mut tracks = Vec::new();
                for (index, (track, color, pitch)) in TRACKS.iter().enumerate() {
                    seed += 1;
                    let bytes = if large && index == 0 { LARGE_BYTES } else { sound::bytes_of_ms(TAKE_MS) };
                    let file = if large && index == 0 { LARGE_TAKE.to_owned() } else { take_name(index, seed) };
                    fs::write(mix.join(AUDIO_FOLDER).join(&file), sound::wav(bytes, *pitch, seed))?;
                    tracks.push(new_track(index, track, color, &file, sound::duration_of(bytes)));
                }
                let manifest = mix.join(MIX_MANIFEST);
                let mut object = read_json(&manifest)?;
                object["tracks"] = tracks.into();
                write_json(&manifest, &object)?;
            }
        }
    }
    Ok(())
}

/// `track_<index>_<8 hex>.wav`, as the recorder names takes.
fn take_name(index: usize, seed: u64) -> String {
    format!("track_{index}_{:08x}.wav", seed.wrapping_mul(0x9e37_79b9) & 0xffff_ffff)
}

/// A track of a mix with one clip.
pub(super) fn new_track(index: usize, name: &str, color: &str, file: &str, duration_ms: u32) -> Value {
    let clip = json!({
        "id": uuid::Uuid::new_v4(), "audio_file": file, "original_duration_ms": duration_ms, "trim_start_ms": 0,
        "trim_end_ms": 0, "loop_enabled": false, "cuts": [],
    });
    json!({
        "id": uuid::Uuid::new_v4(), "index": index, "name": name, "color": color, "volume": 0.8, "muted": false,
        "solo": false, "clip": clip,
    })
}

fn make(parent: &Path, folder: NewFolder) -> io::Result<PathBuf> {
    let dir = parent.join(folder.name.as_str());
    fs::create_dir_all(&dir)?;
    for inner in &folder.manifest.folders {
        fs::create_dir(dir.join(inner.as_str()))?;
    }
    fs::write(dir.join(folder.manifest.name.as_str()), &folder.manifest.bytes)?;
    Ok(dir)
}

/// A manifest.
pub(super) fn read_json(path: &Path) -> io::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn write_json(path: &Path, value: &Value) -> io::Result<()> {
    fs::write(path, format!("{value:#}"))
}

fn office(root: &Path) -> io::Result<()> {
    for case in CASES {
        for (folder, names) in FOLDERS {
            let dir = root.join(case).join(folder);
            fs::create_dir_all(&dir)?;
            for name in *names {
                let title = name.rsplit_once('.').map_or(*name, |(title, _)| title);
                let lines = [*case, "This document was generated for a demonstration.", "It has no legal effect."];
                let bytes = match name.ends_with(".docx") {
                    true => documents::docx(&[&[title], &lines[..]].concat()),
                    false => documents::pdf(title, &lines),
                };
                fs::write(dir.join(name), bytes)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vaults::layout::LayoutKind;
    use crate::vaults::layout::cases::is_case_name;

    #[test]
    fn every_case_is_found_as_one_and_every_mix_as_a_mix() {
        assert!(CASES.iter().all(|case| is_case_name(case)));
        let root = tempfile::tempdir().unwrap();
        let corpus = Corpus::generate(root.path(), Timestamp(0)).unwrap();
        assert!(corpus.files > 60 && corpus.bytes > u64::from(LARGE_BYTES), "{corpus:?}");
        let mix = root.path().join(STUDIO).join(LIVE_MIX);
        let kind = LayoutKind::Music.layout().folder_kind(&|name| mix.join(name).exists(), &|_| None);
        assert_eq!(kind, crate::vaults::layout::FolderKind::Mix);
        for track in read_json(&mix.join(MIX_MANIFEST)).unwrap()["tracks"].as_array().unwrap() {
            assert!(mix.join(AUDIO_FOLDER).join(track["clip"]["audio_file"].as_str().unwrap()).exists(), "{track}");
        }
    }
}
