//! R204: an existing registry and tree of the recorder open unchanged.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::super::layout::{FolderKind, music};
use super::super::model::{DropboxConfig, NewVault, SyncStatus};
use super::super::store::RegistryFile;
use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/muze").join(name)
}

fn names(registry: &Registry) -> Vec<&str> {
    registry.list().iter().map(|vault| vault.name.as_str()).collect()
}

#[test]
fn registries_of_the_recorder_open_unchanged() {
    for name in ["vaults.json", "vaults-later.json"] {
        let text = fs::read_to_string(fixture(name)).unwrap();
        let mut registry = Registry::open_muze(&fixture(name)).unwrap();
        assert_eq!(registry.to_text(), text, "{name}");
        registry.repair();
        assert_eq!(registry.to_text(), text, "{name} was in order");
        assert_eq!(names(&registry), ["Local", "Work", "Personal"]);
        assert_eq!(registry.active().unwrap().name, "Local");
        assert_eq!(registry.get("Work").unwrap().sync_status, Some(SyncStatus::Synced));
        assert_eq!(registry.get("Work").unwrap().last_synced_at().unwrap().to_rfc3339(), "2026-03-01T10:00:00Z");
        assert!(registry.list().iter().all(|vault| vault.vaultfs.layout == LayoutKind::Music));
    }
    let later = Registry::open_muze(&fixture("vaults-later.json")).unwrap();
    let folder_path = "/Apps/Muze/MyVault".to_owned();
    assert_eq!(later.get("Work").unwrap().dropbox_config, Some(DropboxConfig { folder_path }));
    assert_eq!(later.get("Personal").unwrap().icloud_config.as_ref().unwrap().container_id, "iCloud.com.krondor.muze");
}

#[test]
fn an_import_takes_everything_over_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let ours = RegistryFile::new(folder.path().join("vaults.json"));
    let muze = fixture("vaults-later.json");
    let before = fs::read(&muze).unwrap();
    ours.update(|registry| registry.import_muze(&muze)).unwrap();
    let registry = ours.load().unwrap();
    assert_eq!(names(&registry), ["Local", "Work", "Personal"]);
    assert_eq!(registry.active().unwrap().name, "Local");
    let work = registry.get("Work").unwrap();
    let record = registry.record_of(work.id).unwrap();
    assert_eq!(record["colour"], "#22c55e", "unknown fields come along");
    assert_eq!(record["dropbox_config"]["account"]["email_verified"], true);
    assert_eq!(record["vaultfs"]["layout"], "music");

    let again = ours.update(|registry| registry.import_muze(&muze)).unwrap();
    assert!(again.vaults.iter().all(|vault| matches!(vault, Imported::Known { .. })));
    assert_eq!(ours.load().unwrap(), registry);
    assert_eq!(fs::read(&muze).unwrap(), before, "Muze's own file is only read");
    assert!(matches!(
        Registry::default().import_muze(&folder.path().join("absent")),
        Err(RegistryError::Unreadable { .. })
    ));
}

#[test]
fn an_import_into_a_registry_with_vaults_keeps_them() {
    let mut registry = Registry::default();
    for (name, path) in [("work", "/w"), ("Mine", "/home/anna/Music/Muze")] {
        registry.add(NewVault::new(name, ProviderKind::Local, path, LayoutKind::Cases)).unwrap();
    }
    let import = registry.import_muze(&fixture("vaults.json")).unwrap();
    assert_eq!(names(&registry), ["work", "Mine", "Work (Muze)", "Personal"]);
    assert_eq!(
        (registry.active().unwrap().name.as_str(), registry.default_vault().unwrap().name.as_str()),
        ("work", "work")
    );
    let mine = registry.get("Mine").unwrap().id;
    assert!(matches!(import.vaults[0], Imported::Known { id } if id == mine), "the same folder");
    assert!(matches!(&import.vaults[1], Imported::Added { renamed_from: Some(from), .. } if from == "Work"));
    assert!(matches!(&import.vaults[2], Imported::Added { renamed_from: None, .. }));
}

#[test]
fn names_and_folders_that_cannot_be_are_replaced_or_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vaults.json");
    let vault = |number: u32, name: &str, path: &str| {
        format!(
            r#"{{"id": "00000000-0000-4000-8000-00000000000{number}", "name": "{name}", "provider": "local", "path": "{path}", "is_default": false}}"#
        )
    };
    let vaults = [
        vault(1, "Relative", "."),
        vault(2, " .A/B ", "/2"),
        vault(3, "a_b", "/3"),
        vault(4, "A_B", "/4"),
        vault(5, "", "/5"),
    ];
    let active = "00000000-0000-4000-8000-000000000001";
    fs::write(
        &path,
        format!(r#"{{"version": "1.0", "active_vault_id": "{active}", "vaults": [{}]}}"#, vaults.join(",")),
    )
    .unwrap();
    let mut registry = Registry::default();
    let import = registry.import_muze(&path).unwrap();
    assert!(matches!(&import.vaults[0], Imported::Skipped { problem: RootProblem::NotAbsolute(_), .. }));
    assert_eq!(names(&registry), ["A_B", "a_b (Muze)", "A_B (Muze 2)", "Muze"]);
    assert_eq!(registry.active().unwrap().name, "A_B", "the active one of Muze was skipped");
}

#[test]
fn the_tree_of_the_recorder_is_understood() {
    let root = fixture("tree");
    let layout = LayoutKind::Music.layout();
    let mut kinds = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_dir() || path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                continue;
            }
            let kind = layout.folder_kind(&|name| path.join(name).exists(), &|name| fs::read(path.join(name)).ok());
            if let Some(manifest) = layout.manifest_name(kind) {
                let bytes = fs::read(path.join(manifest)).unwrap();
                assert!(music::modified_at(&bytes).is_some(), "{}", path.display());
                let name = crate::types::EntryName::new(path.file_name().unwrap().to_str().unwrap()).unwrap();
                let now = crate::types::Timestamp(0);
                assert_eq!(layout.manifest_after_rename(kind, &name, &bytes, now), None, "already called so");
            }
            kinds.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), kind);
            folders.push(path);
        }
    }
    let expected = [
        ("Loose Mix", FolderKind::Mix),
        ("Loose Mix/audio", FolderKind::Unknown),
        ("Lyrics", FolderKind::Unknown),
        ("Summer_", FolderKind::Collection),
        ("Summer_/EP", FolderKind::Project),
        ("Summer_/EP/Sunrise", FolderKind::Mix),
        ("Summer_/EP/Sunrise/audio", FolderKind::Unknown),
        ("Summer_/Nested", FolderKind::Collection),
        ("Summer_/Old Song", FolderKind::LegacyMix),
        ("Summer_/Old Song/audio", FolderKind::Unknown),
    ];
    assert_eq!(kinds, expected.map(|(path, kind)| (path.to_owned(), kind)).into());
}
