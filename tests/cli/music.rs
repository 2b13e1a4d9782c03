//! Collections, projects and mixes made by a command, which is the API.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Device, Said};

fn manifest(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Names may hold spaces.
fn new(device: &Device, kind: &str, path: &str, more: &[&str]) -> Said {
    Said::of(&device.command().args(["new", kind, path]).args(more).output().unwrap())
}

#[test]
fn the_three_levels_are_made_nest_and_reach_the_provider() {
    let device = Device::new();
    let (root, mnt) = (device.folder("Songs"), device.folder("mnt"));
    device.ok("vault add Songs --provider local --path @/Songs --layout music");
    // In a vault that is mounted nowhere, by paths of the vault.
    assert_eq!(new(&device, "collection", "Tour", &["--vault", "Songs"]).code, 0);
    device.ok("mount Songs @/mnt");
    assert_eq!(manifest(&mnt.join("Tour/collection.json"))["name"], "Tour");
    for (kind, path, file) in [
        ("collection", "mnt/Tour/Encores", "collection.json"),
        ("project", "mnt/Tour/Opener", "project.json"),
        ("mix", "mnt/Tour/Opener/First take", "mix.json"),
    ] {
        let said = new(&device, kind, path, &["--json"]);
        assert_eq!(said.code, 0, "{said:?}");
        let made: Value = serde_json::from_str(&said.out).unwrap();
        let inside = path.strip_prefix("mnt/").unwrap();
        assert_eq!((&made["kind"], &made["path"], &made["vault"]), (&kind.into(), &inside.into(), &"Songs".into()));
        let written = manifest(&mnt.join(inside).join(file));
        assert_eq!(written["name"], inside.rsplit('/').next().unwrap());
        for field in ["id", "created_at", "modified_at"] {
            assert!(written[field].is_string(), "{kind}: {written}");
        }
    }
    assert_eq!(manifest(&mnt.join("Tour/Opener/First take/mix.json"))["tracks"], Value::Array(Vec::new()));
    assert!(mnt.join("Tour/Opener/First take/audio").is_dir());
    assert!(!mnt.join("Tour/Encores/project.json").exists(), "what `mkdir` would have made there");
    device.ok("wait @/mnt");
    assert!(
        root.join("Tour/Opener/First take/mix.json").exists() && root.join("Tour/Encores/collection.json").exists()
    );

    // A name that no folder of the recorder has is kept in the manifest.
    assert_eq!(new(&device, "project", "mnt/Tour/Why? (live)", &[]).code, 0);
    assert_eq!(manifest(&mnt.join("Tour/Why_ _live_/project.json"))["name"], "Why? (live)");
}

#[test]
fn what_does_not_nest_is_refused_and_nothing_is_made() {
    let device = Device::new();
    let (root, mnt) = (device.folder("Songs"), device.folder("mnt"));
    // A mix of an older recorder has the manifest of a project.
    fs::create_dir_all(root.join("Old/Legacy")).unwrap();
    fs::write(root.join("Old/collection.json"), r#"{"id":"a","name":"Old"}"#).unwrap();
    fs::write(root.join("Old/Legacy/project.json"), r#"{"id":"b","name":"Legacy","tracks":[]}"#).unwrap();
    device.ok("vault add Songs --provider local --path @/Songs --layout music");
    device.ok("mount Songs @/mnt");
    assert_eq!(new(&device, "project", "mnt/Old/Now", &[]).code, 0);
    for (kind, path) in [
        ("project", "mnt/Loose"),
        ("mix", "mnt/Loose"),
        ("mix", "mnt/Old/Loose"),
        ("collection", "mnt/Old/Now/Inner"),
        ("project", "mnt/Old/Now/Inner"),
        ("mix", "mnt/Old/Legacy/Inner"),
    ] {
        let said = new(&device, kind, path, &[]);
        assert!(said.code == 1 && said.err.contains("can be made in") && said.err.contains("hint: "), "{said:?}");
        assert!(!device.path(path).exists());
    }
    let said = new(&device, "project", "mnt/Old/Now", &[]);
    assert!(said.code == 1 && said.err.contains("taken"), "{said:?}");
    assert_eq!(new(&device, "mix", "mnt/Nowhere/Inner", &[]).code, 1);
    assert_eq!(fs::read_dir(mnt.join("Old/Now")).unwrap().count(), 1, "its manifest");

    device.vault("Papers");
    let said = new(&device, "collection", "Tour", &["--vault", "Papers"]);
    assert!(said.code == 1 && said.err.contains("vault set Papers layout music"), "{said:?}");
    device.ok("vault set Papers layout music");
    assert_eq!(new(&device, "collection", "Tour", &["--vault", "Papers"]).code, 0);
}
