//! Every setting of a vault is changed, put back, and refused with what would be right.

use serde_json::{Value, json};

use super::*;
use crate::vaults::NewVault;

fn registry() -> (Registry, VaultId, VaultId) {
    let mut registry = Registry::default();
    let local = NewVault::new("Local", ProviderKind::Local, "/srv/local", LayoutKind::Plain);
    let mut cloud = NewVault::new("Cloud", ProviderKind::Dropbox, "", LayoutKind::Plain);
    cloud.dropbox_config = Some(DropboxConfig { folder_path: "/Old".to_owned() });
    let ids = (local.id, cloud.id);
    registry.add(local).unwrap();
    registry.add(cloud).unwrap();
    (registry, ids.0, ids.1)
}

/// A field of the second vault's record, which is what other programs see.
fn written(registry: &Registry, field: &str) -> Value {
    serde_json::from_str::<Value>(&registry.to_text()).unwrap()["vaults"][1].pointer(field).cloned().unwrap_or_default()
}

#[test]
fn every_setting_is_changed_and_put_back() {
    let (mut registry, _, cloud) = registry();
    for (setting, word, field, set, unset) in [
        (VaultSetting::Layout, "music", "/vaultfs/layout", json!("music"), json!("plain")),
        (VaultSetting::MountPath, "/mnt/./cloud/", "/vaultfs/mount/path", json!("/mnt/cloud"), Value::Null),
        (VaultSetting::MountAuto, "no", "/vaultfs/mount/auto", json!(false), json!(true)),
        (VaultSetting::MountReadOnly, "yes", "/vaultfs/mount/read_only", json!(true), json!(false)),
        (VaultSetting::MountAllowOther, "true", "/vaultfs/mount/allow_other", json!(true), json!(false)),
        (VaultSetting::Path, "/mnt/cloud", "/path", json!("/mnt/cloud"), json!("")),
    ] {
        registry.change(cloud, setting, Some(word)).unwrap();
        assert_eq!(written(&registry, field), set, "{setting}");
        let read = Registry::parse("r".as_ref(), registry.to_text().as_bytes()).unwrap();
        assert_eq!(read, registry, "{setting}: the view and the document agree");
        registry.change(cloud, setting, None).unwrap();
        assert_eq!(written(&registry, field), unset, "{setting}");
    }
    registry.change(cloud, VaultSetting::Folder, Some("Apps/Muze/New/")).unwrap();
    assert_eq!(written(&registry, "/dropbox_config/folder_path"), "/Apps/Muze/New");
    registry.change(cloud, VaultSetting::Folder, Some("/")).unwrap();
    assert_eq!(written(&registry, "/dropbox_config/folder_path"), "");
}

#[test]
fn what_makes_no_sense_changes_nothing_and_says_what_would() {
    let (mut registry, local, cloud) = registry();
    let before = registry.clone();
    for (id, setting, value, says) in [
        (cloud, VaultSetting::Layout, Some("loud"), "expected plain, music or cases"),
        (cloud, VaultSetting::MountAuto, Some("maybe"), "expected true or false"),
        (cloud, VaultSetting::MountPath, Some("mnt"), "not an absolute path"),
        (cloud, VaultSetting::Folder, None, "a vault in Dropbox has one"),
        (cloud, VaultSetting::Folder, Some("/a/../b"), "expected a path such as"),
        (local, VaultSetting::Folder, Some("/New"), "only a vault in Dropbox"),
        (local, VaultSetting::Path, None, "give its path"),
        (local, VaultSetting::Path, Some("local"), "not an absolute path"),
    ] {
        let error = registry.change(id, setting, value).unwrap_err().to_string();
        assert!(error.contains(says), "{setting} {value:?}: {error}");
        assert_eq!(registry, before);
    }
    let error = "mount.colour".parse::<VaultSetting>().unwrap_err().to_string();
    assert!(error.contains("mount.colour") && error.contains("mount.read_only"), "{error}");
    assert!(VaultSetting::ALL.iter().all(|setting| setting.as_str().parse() == Ok(*setting)));
}

#[test]
fn two_local_vaults_have_two_folders() {
    let (mut registry, local, _) = registry();
    let other = NewVault::new("Other", ProviderKind::Local, "/srv/other", LayoutKind::Plain);
    registry.add(other).unwrap();
    assert!(registry.change(local, VaultSetting::Path, Some("/srv/other/")).unwrap_err().to_string().contains("Other"));
    registry.change(local, VaultSetting::Path, Some("/srv/local")).unwrap();
    assert_eq!(registry.change(local, VaultSetting::Path, Some("/srv/moved")).unwrap().path, "/srv/moved");
}
