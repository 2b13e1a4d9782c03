//! Mounting and unmounting.

use std::process::Stdio;

use crate::golden;
use crate::harness::{Device, eventually, is_mounted, signal};

#[test]
fn a_vault_is_mounted_read_and_unmounted() {
    let device = Device::new();
    let root = device.vault("Work");
    std::fs::create_dir(root.join("Cases")).unwrap();
    std::fs::write(root.join("Cases/brief.txt"), "to the court").unwrap();
    let mountpoint = device.folder("mnt");
    let said = device.ok("mount Work mnt");
    golden::check("mount.txt", &device.golden(&said.whole()));
    // At once: the first mount waits for the names.
    assert_eq!(std::fs::read_to_string(mountpoint.join("Cases/brief.txt")).unwrap(), "to the court");
    assert_eq!(device.json("vault show")["mounts"][0], mountpoint.to_str().unwrap());
    let said = device.ok("unmount mnt");
    golden::check("unmount.txt", &device.golden(&said.whole()));
    assert!(!is_mounted(&mountpoint));
    assert_eq!(std::fs::read_dir(&mountpoint).unwrap().count(), 0);
}

#[test]
fn mountpoints_that_cannot_be_are_explained() {
    let device = Device::new();
    device.vault("Work");
    device.vault("Songs");
    device.folder("mnt");
    std::fs::write(device.folder("full").join("file"), "").unwrap();
    device.ok("mount Work @/mnt");
    let mut told = String::new();
    for (line, code) in [
        ("mount Nobody @/mnt", 1),
        ("mount Songs @/nowhere", 1),
        ("mount Songs @/full/file", 1),
        ("mount Songs @/full", 1),
        ("mount Songs @/mnt", 1),
        ("mount Songs @/Songs", 1),
        ("mount Songs @/state", 1),
        ("mount Work @/mnt", 1),
        ("mount --all @/full", 1),
        ("unmount @/full", 1),
    ] {
        let said = device.run(line);
        assert_eq!(said.code, code, "{line}: {said:?}");
        assert!(said.err.contains("hint: "), "{line}: {said:?}");
        told += &format!("$ vaultfs {line}\n{}\n", device.golden(&said.err));
    }
    golden::check("mount-refused.txt", &told);
}

#[test]
fn all_vaults_are_folders_of_one_folder_and_come_and_go_with_the_registry() {
    let device = Device::new();
    device.vault("Work");
    std::fs::write(device.vault("Songs").join("take.wav"), "RIFF").unwrap();
    let all = device.folder("all");
    device.ok("mount --all @/all");
    eventually("names", || all.join("Songs/take.wav").exists());
    device.vault("Later");
    assert!(is_mounted(&all.join("Later")));
    device.ok("vault rename Later Archive");
    assert!(is_mounted(&all.join("Archive")) && !all.join("Later").exists());
    device.ok("vault remove Archive");
    assert!(!all.join("Archive").exists());
    assert!(is_mounted(&all.join("Work")), "the others stay");
    device.ok("unmount @/all");
    assert_eq!(std::fs::read_dir(&all).unwrap().count(), 0);
}

#[test]
fn a_mount_in_use_stays_and_the_error_says_how_to_find_the_user() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    std::fs::write(root.join("file"), "text").unwrap();
    eventually("the file shows", || mountpoint.join("file").exists());
    let open = std::fs::File::open(mountpoint.join("file")).unwrap();
    let refused = device.run("unmount @/mnt");
    assert_eq!(refused.code, 1);
    golden::check("unmount-in-use.txt", &device.golden(&refused.err));
    assert_eq!(std::fs::read_to_string(mountpoint.join("file")).unwrap(), "text");
    drop(open);
    device.ok("unmount @/mnt");
}

#[test]
fn what_is_unsent_is_listed_and_kept_and_sent_later() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    device.ok("offline");
    std::fs::write(mountpoint.join("draft.txt"), "precious").unwrap();
    let said = device.ok("unmount @/mnt");
    golden::check("unmount-unsent.txt", &device.golden(&said.err));
    device.ok("daemon stop");
    assert!(!root.join("draft.txt").exists());
    device.ok("online");
    device.ok("wait --vault Work .");
    assert_eq!(std::fs::read_to_string(root.join("draft.txt")).unwrap(), "precious");
}

#[test]
fn unmount_wait_returns_when_everything_is_in_the_cloud() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    std::fs::write(mountpoint.join("draft.txt"), "precious").unwrap();
    device.ok("unmount --wait @/mnt");
    assert_eq!(std::fs::read_to_string(root.join("draft.txt")).unwrap(), "precious");
}

#[test]
fn a_mount_of_a_daemon_that_was_killed_comes_back() {
    let device = Device::new();
    let (_, mountpoint) = device.mounted("Work");
    std::fs::write(mountpoint.join("note"), "text").unwrap();
    signal(device.daemon().unwrap(), "KILL");
    eventually("the mount is dead", || std::fs::metadata(&mountpoint).is_err());
    device.ok("status");
    assert_eq!(std::fs::read_to_string(mountpoint.join("note")).unwrap(), "text");
    // Whoever mounts after a crash gets the mount that came back; whoever mounts again is told that it is there.
    device.ok("mount Work @/mnt");
    assert_eq!(device.run("mount Work @/mnt").code, 1);
}

#[test]
fn somebody_elses_unmount_is_noticed() {
    let device = Device::new();
    let (_, mountpoint) = device.mounted("Work");
    assert!(std::process::Command::new("fusermount3").arg("-u").arg(&mountpoint).status().unwrap().success());
    assert_eq!(device.json("daemon status")["mounts"].as_array().unwrap().len(), 0);
    device.ok("mount Work @/mnt");
    assert!(is_mounted(&mountpoint));
}

#[test]
fn in_the_foreground_it_stays_and_unmounts_when_interrupted() {
    let device = Device::new();
    device.vault("Work");
    let mountpoint = device.folder("mnt");
    let stay =
        || device.command().args(["mount", "Work", "mnt", "--foreground"]).stderr(Stdio::null()).spawn().unwrap();
    let mut first = stay();
    eventually("it is mounted", || is_mounted(&mountpoint));
    signal(first.id(), "INT");
    assert!(first.wait().unwrap().success());
    assert!(!is_mounted(&mountpoint));
    let mut second = stay();
    eventually("it is mounted", || is_mounted(&mountpoint));
    device.ok("unmount mnt");
    assert!(second.wait().unwrap().success(), "it ends with the mount");
}
