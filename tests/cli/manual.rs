//! `sync.auto = false`: nothing is sent or fetched anew before somebody says `sync now`, and nobody is left waiting for it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Device, eventually};

/// A vault over a folder with something in it, which syncs only when it is told to.
fn manual(device: &Device) -> (PathBuf, PathBuf) {
    device.set_manual();
    let (root, mountpoint) = (device.vault("Work"), device.folder("mnt"));
    fs::create_dir(root.join("Case 12")).unwrap();
    fs::write(root.join("Case 12/brief.txt"), "to the court").unwrap();
    (root, mountpoint)
}

impl Device {
    fn set_manual(&self) {
        self.ok("config set sync.auto false");
    }
}

/// What a vault that syncs by itself has done by now, another one would have, too.
fn let_time_pass(device: &Device) {
    let name = format!("Other{}", device.json("vault list")["vaults"].as_array().unwrap().len());
    device.vault(&name);
    device.ok(&format!("config set sync.auto true --vault {name}"));
    let other = device.folder(&format!("mnt{name}"));
    device.ok(&format!("mount {name} @/mnt{name}"));
    fs::write(other.join("file"), "x").unwrap();
    device.ok(&format!("wait @/mnt{name}/file"));
    device.ok(&format!("unmount @/mnt{name}"));
}

fn status(device: &Device) -> Value {
    device.json("status --vault Work")["vaults"][0].clone()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with(".vaultfs"));
    names.sort();
    names
}

#[test]
fn nothing_runs_before_it_is_asked_for() {
    let device = Device::new();
    let (root, mountpoint) = manual(&device);
    device.ok("mount Work @/mnt");
    assert_eq!(fs::read_to_string(mountpoint.join("Case 12/brief.txt")).unwrap(), "to the court", "names are there");
    fs::write(mountpoint.join("note.txt"), "made here").unwrap();
    fs::write(root.join("theirs.txt"), "made there").unwrap();
    let_time_pass(&device);
    assert_eq!(names(&root), ["Case 12", "theirs.txt"]);
    assert_eq!(names(&mountpoint), ["Case 12", "note.txt"]);

    // It is said what is so, and nobody hangs.
    assert_eq!(device.ok("status --short --vault Work").out, "paused\n");
    let told = device.ok("status --vault Work").out;
    assert!(told.contains("sync.auto is false") && told.contains("vaultfs sync now"), "{told}");
    assert!(!told.contains("queue resume"), "that would not help: {told}");
    let vault = status(&device);
    assert_eq!((&vault["manual"], &vault["paused"], &vault["unsent"]), (&true.into(), &false.into(), &1.into()));
    let refused = device.run("wait @/mnt/note.txt");
    assert_eq!(refused.code, 4, "somebody has to do something: {refused:?}");
    assert!(refused.err.contains("only when it is told to") && refused.err.contains("sync now"), "{}", refused.err);

    // One cycle, with its counts.
    let report = device.json("sync now --vault Work");
    assert_eq!((&report["pulled"], &report["failed"], &report["pending"]), (&1.into(), &0.into(), &0.into()));
    assert_eq!(report["done"], 2, "{report}");
    assert_eq!(fs::read_to_string(root.join("note.txt")).unwrap(), "made here");
    assert_eq!(fs::read_to_string(mountpoint.join("theirs.txt")).unwrap(), "made there");
    device.ok("wait @/mnt/note.txt");
    assert_eq!(device.ok("status --short --vault Work").out, "paused\n");
    // And no more than one.
    fs::write(mountpoint.join("later.txt"), "x").unwrap();
    let_time_pass(&device);
    assert!(!root.join("later.txt").exists());
    device.ok("unmount @/mnt");
    let_time_pass(&device);
    assert!(!root.join("later.txt").exists(), "an unmount is no request either");
    device.ok("daemon stop");
    let_time_pass(&device);
    assert!(!root.join("later.txt").exists(), "nor a start");
    device.ok("sync now --vault Work");
    assert!(root.join("later.txt").exists());
}

#[test]
fn the_setting_holds_at_once() {
    let device = Device::new();
    let (root, mountpoint) = manual(&device);
    device.ok("mount Work @/mnt");
    fs::write(mountpoint.join("note.txt"), "made here").unwrap();
    let daemon = device.daemon();
    let said = device.ok("config set sync.auto true");
    assert!(said.err.contains("from now on"), "{said:?}");
    device.ok("wait @/mnt/note.txt");
    assert!(root.join("note.txt").exists());
    eventually("idle", || device.ok("status --short").out == "idle\n");
    device.ok("config unset sync.auto");
    device.ok("config set sync.auto no --vault Work");
    assert_eq!(device.ok("status --short").out, "paused\n");
    fs::write(mountpoint.join("later.txt"), "x").unwrap();
    let_time_pass(&device);
    assert!(!root.join("later.txt").exists());
    assert_eq!(device.daemon(), daemon, "it was never restarted");
    // A pause of the user's own is one more reason, and the one that is told.
    device.ok("queue pause");
    assert_eq!(device.run("sync now --vault Work").code, 1);
    assert!(device.run("wait @/mnt/later.txt").err.contains("queue resume"));
    device.ok("queue resume");
    device.ok("sync now --vault Work");
    assert!(root.join("later.txt").exists());
}

#[test]
fn the_first_mount_lists_and_sends_nothing() {
    let device = Device::new();
    let (root, mountpoint) = manual(&device);
    device.ok("offline Work");
    device.ok("mount Work @/mnt");
    assert_eq!(names(&mountpoint), [""; 0], "nobody could know");
    fs::write(mountpoint.join("note.txt"), "made here").unwrap();
    device.ok("unmount @/mnt");
    device.ok("online Work");
    device.ok("mount Work @/mnt");
    assert_eq!(names(&mountpoint), ["Case 12", "note.txt"]);
    let_time_pass(&device);
    assert!(!root.join("note.txt").exists());
    device.ok("sync now --vault Work");
    assert!(root.join("note.txt").exists());
}
