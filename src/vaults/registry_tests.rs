//! Changes of the document, what survives them, and what is refused.

use proptest::prelude::*;
use uuid::Uuid;

use super::super::layout::LayoutKind;
use super::*;

const NOW: Timestamp = Timestamp(1_772_359_200_000_000_000);
const LATER: &str = include_str!("../../tests/fixtures/muze/vaults-later.json");

fn parse(text: &str) -> Result<Registry, RegistryError> {
    Registry::parse(Path::new("/c/vaults.json"), text.as_bytes())
}

fn local(name: &str) -> NewVault {
    NewVault::new(name, ProviderKind::Local, &format!("/vaults/{name}"), LayoutKind::Plain)
}

/// A registry of local vaults of these names.
fn registry(names: &[&str]) -> Registry {
    let mut registry = Registry::default();
    for name in names {
        registry.add(local(name)).unwrap();
    }
    registry
}

fn id(registry: &Registry, name: &str) -> VaultId {
    registry.get(name).unwrap().id
}

/// What changed between two texts, line by line.
fn difference(before: &str, after: &str) -> Vec<String> {
    let gone = before
        .lines()
        .filter(|line| !after.lines().any(|other| other == *line))
        .map(|line| format!("-{}", line.trim()));
    let new = after
        .lines()
        .filter(|line| !before.lines().any(|other| other == *line))
        .map(|line| format!("+{}", line.trim()));
    gone.chain(new).collect()
}

#[test]
fn the_first_vault_is_the_default_and_the_active_one() {
    let mut registry = Registry::default();
    assert_eq!((registry.active(), registry.default_vault()), (None, None));
    registry.add(local("One")).unwrap();
    registry.add(local("Two")).unwrap();
    assert_eq!(registry.active().unwrap().name, "One");
    assert_eq!(registry.default_vault().unwrap().name, "One");
    assert_eq!(parse(&registry.to_text()).unwrap(), registry, "what is written is what is read");
}

#[test]
fn a_new_registry_has_the_shape_of_the_recorder() {
    let mut registry = Registry::default();
    let mut vault = local("One");
    vault.id = VaultId(Uuid::from_u128(0x11));
    registry.add(vault).unwrap();
    assert_eq!(
        registry.to_text(),
        r#"{
  "version": "1.0",
  "active_vault_id": "00000000-0000-0000-0000-000000000011",
  "vaults": [
    {
      "id": "00000000-0000-0000-0000-000000000011",
      "name": "One",
      "provider": "local",
      "path": "/vaults/One",
      "is_default": true,
      "vaultfs": {
        "layout": "plain",
        "mount": {
          "auto": true,
          "read_only": false,
          "allow_other": false
        }
      }
    }
  ]
}"#
    );
}

#[test]
fn every_change_touches_its_own_lines_only() {
    let registry = parse(LATER).unwrap();
    assert_eq!(registry.to_text(), LATER);
    let (work, personal) = (id(&registry, "Work"), id(&registry, "Personal"));
    let changed = |change: &dyn Fn(&mut Registry)| {
        let mut registry = registry.clone();
        change(&mut registry);
        let text = registry.to_text();
        assert_eq!(parse(&text).unwrap().list(), registry.list(), "views and document agree");
        difference(LATER, &text)
    };
    assert_eq!(
        changed(&|registry| assert_eq!(registry.rename(work, "Büro").unwrap().id, work)),
        ["-\"name\": \"Work\",", "+\"name\": \"Büro\","]
    );
    assert_eq!(
        changed(&|registry| registry.update_status(work, SyncStatus::Error, None).unwrap()),
        ["-\"sync_status\": \"synced\"", "+\"sync_status\": \"error\""]
    );
    let location = DropboxConfig { folder_path: "/Apps/Muze/Other".into() };
    assert_eq!(
        changed(&|registry| assert_eq!(registry.update_location(work, Some(location.clone()), None).unwrap().id, work)),
        ["-\"folder_path\": \"/Apps/Muze/MyVault\",", "+\"folder_path\": \"/Apps/Muze/Other\","]
    );
    assert_eq!(
        changed(&|registry| registry.set_active(personal).unwrap()),
        [
            format!("-\"active_vault_id\": \"{}\",", id(&registry, "Local")),
            format!("+\"active_vault_id\": \"{personal}\",")
        ]
    );
    let removed = changed(&|registry| assert_eq!(registry.remove(personal).unwrap().id, personal));
    assert!(removed.iter().all(|line| line.starts_with('-')), "{removed:?}");
}

#[test]
fn settings_of_vaultfs_keep_unknown_fields_and_lose_absent_ones() {
    let text = r#"{"vaults": [{"id": "00000000-0000-0000-0000-000000000011", "name": "A", "provider": "local", "path": "/a",
        "is_default": true, "vaultfs": {"account": "anna", "later": 1, "layout": "cases", "mount": {"later": 2, "path": "/m"}}}]}"#;
    let mut registry = parse(text).unwrap();
    let vault = registry.get("a").unwrap().clone();
    assert_eq!(vault.vaultfs.layout, LayoutKind::Cases);
    assert!(vault.vaultfs.mount.auto, "absent means the default");
    let settings = VaultfsSettings {
        account: None,
        mount: MountSettings { auto: false, ..MountSettings::default() },
        ..vault.vaultfs
    };
    registry.update_settings(vault.id, settings.clone()).unwrap();
    let record = registry.record_of(vault.id).unwrap()["vaultfs"].to_string();
    assert_eq!(
        record,
        r#"{"later":1,"layout":"cases","mount":{"later":2,"auto":false,"read_only":false,"allow_other":false}}"#
    );
    assert_eq!(parse(&registry.to_text()).unwrap().get("A").unwrap().vaultfs, settings);
}

#[test]
fn status_and_time_are_those_of_the_format() {
    let mut registry = registry(&["A"]);
    let a = id(&registry, "A");
    assert_eq!((&registry.list()[0].last_synced, registry.list()[0].sync_status), (&None, None));
    for status in SyncStatus::ALL {
        registry.update_status(a, status, None).unwrap();
        assert_eq!(registry.record_of(a).unwrap()["sync_status"], status.as_str());
    }
    assert_eq!(registry.list()[0].last_synced, None, "only a successful sync sets it");
    registry.update_status(a, SyncStatus::Synced, Some(NOW)).unwrap();
    assert_eq!(registry.record_of(a).unwrap()["last_synced"], "2026-03-01T10:00:00Z");
    assert_eq!(registry.list()[0].last_synced_at(), Some(NOW));
}

#[test]
fn vaults_are_found_by_id_and_by_name_without_case() {
    let registry = registry(&["Café", "Other"]);
    let cafe = id(&registry, "Café");
    assert_eq!(registry.get("CAFE\u{301}").unwrap().id, cafe);
    assert_eq!(registry.get(&cafe.to_string()).unwrap().id, cafe);
    assert_eq!(registry.get("nobody").unwrap_err().to_string(), "there is no vault \"nobody\"; there are: Café, Other");
    assert_eq!(
        Registry::default().get("x").unwrap_err().to_string(),
        "there is no vault \"x\"; there are none yet: add one with `vaultfs vault add`"
    );
}

#[test]
fn names_are_unique_and_can_be_folders() {
    let mut registry = registry(&["Café", "Work"]);
    let work = id(&registry, "Work");
    registry.rename(work, "WORK").unwrap();
    assert!(matches!(registry.rename(work, "cafe\u{301}"), Err(RegistryError::NameTaken { .. })));
    assert!(matches!(registry.add(local("work")), Err(RegistryError::NameTaken { .. })));
    for bad in ["", ".", "a/b", ".hidden", " x", "x ", "a\tb", &"x".repeat(256)] {
        assert!(matches!(registry.rename(work, bad), Err(RegistryError::NameRefused { .. })), "{bad:?}");
    }
    assert_eq!(
        registry.check_name(".x", None).unwrap_err().to_string(),
        "\".x\" cannot be the name of a vault, because it is the name of its folder in the mount: it starts with a dot"
    );
    assert_eq!(registry.get("Work").unwrap().name, "WORK");
}

#[test]
fn folders_and_locations_are_checked() {
    let mut registry = registry(&["A"]);
    let add = |registry: &mut Registry, provider, path: &str| {
        registry.add(NewVault::new("B", provider, path, LayoutKind::Music)).map(|vault| vault.path.clone())
    };
    assert!(matches!(add(&mut registry, ProviderKind::Local, "/vaults//A/"), Err(RegistryError::RootTaken { .. })));
    assert!(matches!(add(&mut registry, ProviderKind::Local, "relative"), Err(RegistryError::RootRefused(_))));
    let a = id(&registry, "A");
    for bad in ["Apps", "/", "/a/../b", "/a//b", "/a/", "ns:", "ns:/a", "ns:1 2/a", "ns:1/a/../b"] {
        let config = Some(DropboxConfig { folder_path: bad.into() });
        assert!(matches!(registry.update_location(a, config, None), Err(RegistryError::ConfigRefused { .. })), "{bad}");
    }
    let config = Some(DropboxConfig { folder_path: "ns:2470000001/Cases".into() });
    registry.update_location(a, config, None).unwrap();
    let config = Some(IcloudConfig { container_id: "not an id".into() });
    assert!(matches!(registry.update_location(a, None, config), Err(RegistryError::ConfigRefused { .. })));
    assert_eq!(add(&mut registry, ProviderKind::Local, "/vaults/B/.").unwrap(), "/vaults/B");
}

#[test]
fn the_only_the_active_and_the_default_vault_stay() {
    let mut registry = registry(&["A"]);
    let a = id(&registry, "A");
    assert!(matches!(registry.remove(a), Err(RegistryError::OnlyVault(_))));
    registry.add(local("B")).unwrap();
    let b = id(&registry, "B");
    assert!(matches!(registry.remove(a), Err(RegistryError::ActiveVault(_))));
    registry.set_active(b).unwrap();
    assert_eq!(
        registry.remove(a).unwrap_err().to_string(),
        "\"A\" is the default vault and cannot be removed; make another one the default first"
    );
    registry.set_default(b).unwrap();
    assert_eq!(registry.remove(a).unwrap().name, "A");
    assert!(matches!(registry.remove(a), Err(RegistryError::NoSuchVault { .. })));
}

#[test]
fn what_cannot_be_understood_is_refused_with_file_place_and_advice() {
    let refusal = |text: &str| parse(text).unwrap_err().to_string();
    let vault = |fields: &str| format!(r#"{{"version": "1.0", "vaults": [{{{fields}}}]}}"#);
    const ID: &str = r#""id": "00000000-0000-0000-0000-000000000011""#;
    const ADVICE: &str =
        "; correct it, or move the file away and add the vaults again (their files stay where they are)";
    assert_eq!(
        refusal("{\n  \"version\": \"1.0\",\n  oops\n}"),
        "/c/vaults.json:3:3: the registry of vaults is not valid JSON; correct it, or move it away and add the vaults \
         again (their files stay where they are)"
    );
    assert_eq!(
        refusal(&vault(&format!(r#"{ID}, "name": "Band", "provider": "gdrive", "path": "/p""#))),
        "/c/vaults.json: vault \"Band\": \"gdrive\" is not a provider that vaultfs knows: local, icloud or dropbox; \
         correct it, or update vaultfs if a later version wrote it"
    );
    assert_eq!(refusal("[]"), format!("/c/vaults.json: the registry is not an object{ADVICE}"));
    assert_eq!(refusal(&vault(ID)), format!("/c/vaults.json: vault number 1 has no \"name\"{ADVICE}"));
    assert_eq!(
        refusal(&vault(r#""id": "17", "name": "Band", "provider": "local", "path": "/p""#)),
        format!(
            "/c/vaults.json: vault \"Band\" has a wrong \"id\": UUID parsing failed: invalid length: found 2{ADVICE}"
        )
    );
    assert_eq!(
        refusal(&vault(&format!(
            r#"{ID}, "name": "Band", "provider": "local", "path": "/p", "sync_status": "Synced""#
        ))),
        format!(
            "/c/vaults.json: vault \"Band\" has a wrong \"sync_status\": unknown variant `Synced`, expected one of \
             `synced`, `syncing`, `offline`, `error`{ADVICE}"
        )
    );
    assert_eq!(
        refusal(r#"{"version": "2.0", "vaults": []}"#),
        "/c/vaults.json: version 2.0 of the registry is newer than this program; update vaultfs"
    );
    parse(r#"{"version": "1.7", "vaults": []}"#).unwrap();
    let twice = format!(r#"{{{ID}, "name": "Band", "provider": "local", "path": "/p"}}"#);
    assert!(refusal(&format!(r#"{{"vaults": [{twice}, {twice}]}}"#)).contains("has the id of another vault"));
}

/// A registry of three vaults as somebody else may have left it.
fn left_by_others(defaults: [bool; 3], active: Option<u8>) -> String {
    let vaults: Vec<String> = defaults
        .iter()
        .enumerate()
        .map(|(at, default)| {
            let id = Uuid::from_u128(at as u128 + 1);
            format!(
                r#"{{"id": "{id}", "name": "V{at}", "provider": "local", "path": "/v{at}", "is_default": {default}}}"#
            )
        })
        .collect();
    let active = active.map_or(String::new(), |active| {
        format!(r#""active_vault_id": "{}", "#, Uuid::from_u128(u128::from(active) + 1))
    });
    format!(r#"{{"version": "1.0", {active}"vaults": [{}]}}"#, vaults.join(", "))
}

#[test]
fn a_broken_default_follows_the_active_vault() {
    let names = |defaults, active| {
        let registry = parse(&left_by_others(defaults, active)).unwrap();
        (registry.default_vault().unwrap().name.clone(), registry.active().unwrap().name.clone())
    };
    assert_eq!(names([false, false, false], Some(1)), ("V1".into(), "V1".into()));
    assert_eq!(names([true, true, false], Some(1)), ("V1".into(), "V1".into()));
    assert_eq!(names([true, true, false], Some(2)), ("V0".into(), "V2".into()));
    assert_eq!(names([false, true, false], Some(9)), ("V1".into(), "V1".into()));
    assert_eq!(names([false, false, false], None), ("V0".into(), "V0".into()));
}

proptest! {
    #[test]
    fn there_is_always_exactly_one_default_and_one_active_vault(
        start in prop::option::of((any::<[bool; 3]>(), prop::option::of(0_u8..5))),
        steps in prop::collection::vec((0_u8..5, 0_usize..6), 0..40),
    ) {
        let mut registry = match start {
            Some((defaults, active)) => parse(&left_by_others(defaults, active)).unwrap(),
            None => Registry::default(),
        };
        for (number, (step, which)) in steps.into_iter().enumerate() {
            let id = registry.list().get(which).map_or(VaultId(Uuid::nil()), |vault| vault.id);
            let ids_before: Vec<VaultId> = registry.list().iter().map(|vault| vault.id).collect();
            // Refusals are part of the game: they must change nothing.
            let before = registry.clone();
            let refused = match step {
                0 => registry.add(local(&format!("N{number}"))).map(|_| ()).is_err(),
                1 => registry.remove(id).is_err(),
                2 => registry.set_default(id).is_err(),
                3 => registry.set_active(id).is_err(),
                _ => registry.rename(id, &format!("R{number}")).map(|_| ()).is_err(),
            };
            if refused {
                prop_assert_eq!(&registry, &before);
            }
            let expected = usize::from(!registry.list().is_empty());
            prop_assert_eq!(registry.list().iter().filter(|vault| vault.is_default).count(), expected);
            prop_assert_eq!(usize::from(registry.active().is_some()), expected);
            if step > 1 {
                let ids: Vec<VaultId> = registry.list().iter().map(|vault| vault.id).collect();
                prop_assert_eq!(ids, ids_before, "ids are stable");
            }
            registry.repair();
            let read = parse(&registry.to_text()).unwrap();
            prop_assert_eq!(read.list(), registry.list());
            prop_assert_eq!(read.active().map(|vault| vault.id), registry.active().map(|vault| vault.id));
        }
    }
}
