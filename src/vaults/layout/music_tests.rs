//! What a file manager and the recorder see of each other's folders.

use std::collections::BTreeMap;

use super::*;

const NOW: Timestamp = Timestamp(1_772_359_200_000_000_000);

fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

fn made_in(ancestors: &[FolderKind]) -> Option<NewFile> {
    Music.manifest_for_new_folder(&name("Summer?"), ancestors, NOW)
}

/// The kind of a folder with these files.
fn kind(files: &[(&str, &str)]) -> FolderKind {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    Music
        .folder_kind(&|entry| files.contains_key(entry), &|entry| files.get(entry).map(|text| text.as_bytes().to_vec()))
}

#[test]
fn folders_made_at_the_three_levels_get_the_manifest_of_their_level() {
    let levels = [
        (&[FolderKind::Root][..], COLLECTION_MANIFEST, FolderKind::Collection),
        (&[FolderKind::Collection, FolderKind::Root], PROJECT_MANIFEST, FolderKind::Project),
        (&[FolderKind::Project, FolderKind::Collection, FolderKind::Root], MIX_MANIFEST, FolderKind::Mix),
    ];
    for (ancestors, manifest, made) in levels {
        let file = made_in(ancestors).unwrap();
        assert_eq!(file.name.as_str(), manifest);
        let object: Value = serde_json::from_slice(&file.bytes).unwrap();
        assert_eq!(object["name"], "Summer?");
        assert_eq!(object["created_at"], "2026-03-01T10:00:00Z");
        assert_eq!(object["modified_at"], object["created_at"]);
        assert_eq!(object["id"].as_str().unwrap().parse::<Uuid>().unwrap().get_version_num(), 4);
        assert_eq!(kind(&[(manifest, std::str::from_utf8(&file.bytes).unwrap())]), made);
        assert_eq!(Music.manifest_name(made), Some(manifest));
        let folders: Vec<&str> = file.folders.iter().map(EntryName::as_str).collect();
        assert_eq!(folders == ["audio"], made == FolderKind::Mix, "{folders:?}");
    }
}

#[test]
fn folders_elsewhere_and_hidden_ones_are_left_alone() {
    for ancestors in [&[][..], &[FolderKind::Mix], &[FolderKind::LegacyMix], &[FolderKind::Unknown]] {
        assert_eq!(made_in(ancestors), None, "{ancestors:?}");
    }
    assert_eq!(Music.manifest_for_new_folder(&name(".git"), &[FolderKind::Root], NOW), None);
}

#[test]
fn a_new_mix_is_what_the_recorder_writes() {
    let mix = new_mix("Take/1", NOW);
    assert_eq!(mix.name.as_str(), "Take_1");
    let mut text = String::from_utf8(mix.manifest.bytes).unwrap();
    let id = serde_json::from_str::<Value>(&text).unwrap()["id"].as_str().unwrap().to_owned();
    text = text.replace(&id, "ID");
    assert_eq!(
        text,
        "{\n  \"version\": \"1.0\",\n  \"id\": \"ID\",\n  \"name\": \"Take/1\",\n  \
         \"created_at\": \"2026-03-01T10:00:00Z\",\n  \"modified_at\": \"2026-03-01T10:00:00Z\",\n  \
         \"sample_rate\": 48000,\n  \"tracks\": []\n}"
    );
    assert_eq!(new_collection("a", NOW).manifest.name.as_str(), COLLECTION_MANIFEST);
    assert_eq!(new_project("a", NOW).manifest.name.as_str(), PROJECT_MANIFEST);
    assert_ne!(new_project("a", NOW).manifest.bytes, new_project("a", NOW).manifest.bytes, "ids are random");
}

#[test]
fn kinds_follow_the_manifests() {
    assert_eq!(kind(&[]), FolderKind::Unknown);
    assert_eq!(kind(&[("take.wav", "")]), FolderKind::Unknown);
    assert_eq!(kind(&[(COLLECTION_MANIFEST, "{}")]), FolderKind::Collection);
    assert_eq!(kind(&[(PROJECT_MANIFEST, r#"{"name": "\"tracks\""}"#)]), FolderKind::Project);
    assert_eq!(kind(&[(PROJECT_MANIFEST, r#"{"name": "x", "tracks": []}"#)]), FolderKind::LegacyMix);
    assert_eq!(kind(&[(PROJECT_MANIFEST, r#"{"name": "x", "tracks": [{"#)]), FolderKind::LegacyMix, "half written");
    assert_eq!(kind(&[(PROJECT_MANIFEST, "")]), FolderKind::Project, "truncated by a save that is under way");
    assert_eq!(kind(&[(PROJECT_MANIFEST, r#"{"tracks": []}"#), (MIX_MANIFEST, "")]), FolderKind::Mix);
    assert_eq!(kind(&[(COLLECTION_MANIFEST, "{}"), (PROJECT_MANIFEST, "{}")]), FolderKind::Project);
    let not_here = Music.folder_kind(&|entry| entry == PROJECT_MANIFEST, &|_| None);
    assert_eq!(not_here, FolderKind::Project);
}

#[test]
fn a_rename_changes_name_and_time_and_no_other_byte() {
    let manifest =
        br#"{"x-later": [1.50, {"name": "inner"}],  "name":"Old", "modified_at":"2020-01-01T00:00:00.5Z","z":1}"#;
    let renamed = Music.manifest_after_rename(FolderKind::Mix, &name("Neu ü"), manifest, NOW).unwrap();
    assert_eq!(
        String::from_utf8(renamed).unwrap(),
        r#"{"x-later": [1.50, {"name": "inner"}],  "name":"Neu ü", "modified_at":"2026-03-01T10:00:00Z","z":1}"#
    );
}

#[test]
fn a_rename_leaves_alone_what_it_cannot_change() {
    let after = |kind, new: &str, text: &str| Music.manifest_after_rename(kind, &name(new), text.as_bytes(), NOW);
    assert_eq!(after(FolderKind::Collection, "New", r#"{"name": "Old""#), None, "half written");
    assert_eq!(after(FolderKind::Collection, "New", r#"{"title": "Old"}"#), None, "no name");
    assert_eq!(after(FolderKind::Collection, "New", r#"{"name": 7}"#), None, "name of another type");
    assert_eq!(after(FolderKind::Collection, "Same", r#"{"name": "Same"}"#), None);
    assert_eq!(after(FolderKind::Collection, "What_", r#"{"name": "What?"}"#), None, "the name it already stands for");
    assert_eq!(after(FolderKind::Unknown, "New", r#"{"name": "Old"}"#), None);
    assert!(after(FolderKind::LegacyMix, "New", r#"{"name": "Old", "tracks": []}"#).is_some());
}

#[test]
fn names_are_sanitised_as_the_recorder_does_it() {
    for (given, safe) in [
        ("My Song-2_x", "My Song-2_x"),
        ("a/b:c?.wav", "a_b_c__wav"),
        ("Äther 日本", "Äther 日本"),
        ("Cafe\u{301}", "Caf\u{e9}"),
        ("..", "__"),
        ("  ", "Untitled"),
        ("", "Untitled"),
    ] {
        assert_eq!(folder_name(given).as_str(), safe, "{given:?}");
    }
    assert!(folder_name(&"é".repeat(300)).as_str().len() <= 239);
}

#[test]
fn listings_are_sorted_newest_first() {
    let time = |text: &str| modified_at(format!(r#"{{"modified_at": "{text}"}}"#).as_bytes());
    let mut listing = vec![
        (name("none b"), None),
        (name("old"), time("2020-01-01T00:00:00Z")),
        (name("new"), time("2026-01-01T00:30:00.123456789+01:00")),
        (name("none a"), time("not a time")),
        (name("also old"), time("2020-01-01T00:00:00Z")),
    ];
    sort_newest_first(&mut listing, |(name, time)| (*time, name));
    let order: Vec<&str> = listing.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(order, ["new", "also old", "old", "none a", "none b"]);
    assert_eq!(listing[0].1.unwrap().to_rfc3339(), "2025-12-31T23:30:00Z");
}
