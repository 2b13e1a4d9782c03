//! What of a vault is changed after it was added: `vault set`, `vault unset`, the default and the active vault.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Device, is_mounted};

/// What the registry has for the first vault.
fn written(device: &Device, field: &str) -> Value {
    let text = fs::read_to_string(device.path("config/vaultfs/vaults.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    document["vaults"][0].pointer(field).cloned().unwrap_or_default()
}

/// Whether the mount takes a write.
fn writable(mountpoint: &Path) -> bool {
    match fs::write(mountpoint.join("probe"), "x") {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(30), "EROFS");
            false
        }
    }
}

#[test]
fn how_a_vault_is_mounted_is_changed_shown_and_put_back() {
    let device = Device::new();
    let (_, mountpoint) = device.mounted("Work");
    let again = || {
        device.ok("unmount @/mnt");
        device.ok("mount Work @/mnt");
    };
    let said = device.ok("vault set Work mount.read_only yes");
    assert!(said.err.contains("mounted again"), "{said:?}");
    assert!(writable(&mountpoint), "not before");
    again();
    assert!(!writable(&mountpoint));
    let shown = device.ok("vault show Work").out;
    assert!(shown.lines().any(|line| line.starts_with("read only") && line.ends_with("yes")), "{shown}");
    device.ok("vault unset Work mount.read_only");
    again();
    assert!(writable(&mountpoint));

    device.ok("vault set Work mount.allow_other true");
    assert_eq!(written(&device, "/vaultfs/mount/allow_other"), true);
    assert_eq!(device.json("vault show Work")["mount"]["allow_other"], true);
    device.ok("vault unset Work mount.allow_other");

    // A place of its own, which the daemon uses by itself.
    let own = device.folder("own");
    let said = device.ok("vault set Work mount.path own");
    assert!(said.err.contains("when it starts"), "{said:?}");
    assert_eq!(device.json("vault list")["vaults"][0]["mount"]["path"], own.to_str().unwrap());
    device.ok("daemon stop");
    device.ok("status");
    assert!(is_mounted(&own) && !is_mounted(&mountpoint));
    assert_eq!(device.json("vault show")["mounts"][0], own.to_str().unwrap());
    device.ok("vault set Work mount.auto false");
    device.ok("daemon stop");
    device.ok("status");
    assert!(!is_mounted(&own));
    device.ok("vault unset Work mount.auto");
    device.ok("vault unset Work mount.path");
    assert_eq!(written(&device, "/vaultfs/mount/path"), Value::Null);
}

#[test]
fn the_layout_is_changed_and_holds_at_once() {
    let device = Device::new();
    let (_, mountpoint) = device.mounted("Work");
    fs::create_dir(mountpoint.join("Before")).unwrap();
    let refused = device.run("vault set Work layout music");
    assert!(refused.code == 1 && refused.err.contains("vaultfs unmount"), "{refused:?}");
    assert_eq!(written(&device, "/vaultfs/layout"), "plain");
    device.ok("unmount @/mnt");
    device.ok("vault set Work layout music");
    device.ok("mount Work @/mnt");
    fs::create_dir(mountpoint.join("Tour")).unwrap();
    assert!(mountpoint.join("Tour/collection.json").exists());
    assert!(mountpoint.join("Before").exists() && !mountpoint.join("Before/collection.json").exists());
    assert_eq!(device.json("vault show")["layout"], "music");
}

#[test]
fn what_cannot_be_set_is_refused_with_what_could() {
    let device = Device::new();
    device.vault("Work");
    for (line, code, says) in [
        ("vault set Work colour red", 2, "mount.read_only"),
        ("vault unset Work mount", 2, "possible values"),
        ("vault set Work layout loud", 1, "expected plain, music or cases"),
        ("vault set Work mount.auto maybe", 1, "expected true or false"),
        ("vault set Work mount.path @/nowhere", 1, "mkdir -p"),
        ("vault set Work mount.path @/Work/inside", 1, "which vaultfs itself needs"),
        ("vault set Work folder /Apps", 1, "only a vault in Dropbox"),
        ("vault set Work path @/nowhere", 1, "does not exist"),
        ("vault set Work path @/home", 1, "no vault has been in this folder"),
        ("vault set Wrok layout music", 1, "vault list"),
    ] {
        let before = fs::read(device.path("config/vaultfs/vaults.json")).unwrap();
        let said = device.run(line);
        assert!(said.code == code && said.err.contains(says), "{line}: {said:?}");
        assert_eq!(fs::read(device.path("config/vaultfs/vaults.json")).unwrap(), before, "{line}");
    }
}

#[test]
fn a_local_vault_follows_its_folder() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    fs::write(mountpoint.join("file.txt"), "sent").unwrap();
    device.ok("wait @/mnt");
    device.ok("offline");
    fs::write(mountpoint.join("later.txt"), "not sent").unwrap();
    assert_eq!(device.run("vault set Work path @/Moved").code, 1, "it is mounted");
    device.ok("unmount @/mnt");
    let moved = device.path("Moved");
    fs::rename(&root, &moved).unwrap();
    device.ok("vault set Work path Moved");
    device.ok("online");
    device.ok("mount Work @/mnt");
    assert_eq!(fs::read_to_string(mountpoint.join("file.txt")).unwrap(), "sent");
    device.ok("wait @/mnt");
    assert_eq!(fs::read_to_string(moved.join("later.txt")).unwrap(), "not sent");
    assert!(!root.exists());
    // Another vault's folder is not its own.
    device.vault("Other");
    device.ok("sync now --vault Other");
    device.ok("unmount @/mnt");
    let refused = device.run("vault set Work path @/Other");
    assert!(refused.code == 1 && refused.err.contains("another vault"), "{refused:?}");
    assert_eq!(written(&device, "/path"), moved.to_str().unwrap());
}

#[test]
fn the_default_and_the_active_vault_are_chosen_apart() {
    let device = Device::new();
    device.mounted("One");
    device.vault("Two");
    let names = |command: &str| device.ok(command).out.trim().to_owned();
    assert_eq!((names("vault default"), names("vault switch")), ("One".to_owned(), "One".to_owned()));
    device.ok("vault switch two");
    assert_eq!((names("vault default"), names("vault switch")), ("One".to_owned(), "Two".to_owned()));
    let list = device.ok("vault list").out;
    assert!(list.contains("One (default)") && list.contains("Two (active)"), "{list}");
    let vaults = device.json("vault list")["vaults"].clone();
    assert_eq!((&vaults[0]["is_default"], &vaults[0]["is_active"]), (&true.into(), &false.into()));
    assert_eq!(vaults[1]["is_active"], true);
    // As Muze reads it; and what is mounted stays where it is.
    let text = fs::read_to_string(device.path("config/vaultfs/vaults.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["active_vault_id"], vaults[1]["id"]);
    fs::write(device.path("mnt/file"), "x").unwrap();
    device.ok("daemon stop");
    assert_eq!(names("vault switch"), "Two", "a restart changes nothing");
    let refused = device.run("vault remove Two");
    assert!(refused.code == 1 && refused.err.contains("vault switch NAME"), "{refused:?}");
    device.ok("vault default Two");
    device.ok("vault switch One");
    assert!(device.run("vault remove Two").err.contains("vault default NAME"));
    assert_eq!(device.run("vault switch Three").code, 1);
}
