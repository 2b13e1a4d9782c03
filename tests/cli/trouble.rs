//! Bad input and bad days that belong to no single command.

use std::fs;

use crate::golden;
use crate::harness::{Device, eventually};

#[test]
fn errors_are_json_when_json_is_asked_for() {
    let device = Device::new();
    device.vault("Work");
    let said = device.run("vault show Wrok --json");
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"]["code"], "unknown-vault");
    assert!(error["error"]["hint"].is_string());
}

#[test]
fn paths_outside_of_every_vault_are_refused() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    device.vault("Songs");
    fs::write(mountpoint.join("file"), "x").unwrap();
    let mut told = String::new();
    for line in [
        "status @/home/file",
        "pin /etc/passwd",
        "status @/mnt/nothing",
        "status ../file --vault Work",
        "status @/mnt/file --vault Songs",
        "wait nothing --vault Songs",
    ] {
        let said = device.run(line);
        assert_eq!(said.code, 1, "{line}: {said:?}");
        told += &format!("$ vaultfs {line}\n{}\n", device.golden(&said.err));
    }
    golden::check("paths-refused.txt", &told);
    drop(root);
}

#[test]
fn a_remote_that_vanishes_loses_nothing() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    fs::write(mountpoint.join("file"), "text").unwrap();
    device.ok("wait @/mnt/file");
    let away = device.path("unplugged");
    fs::rename(&root, &away).unwrap();
    fs::create_dir(&root).unwrap();
    device.run("sync now");
    eventually("it is noticed", || device.ok("status --short").out == "error\n");
    assert!(mountpoint.join("file").exists(), "a missing disk is not a deletion");
    assert_eq!(device.run("doctor").code, 1);
    fs::write(mountpoint.join("meanwhile"), "kept").unwrap();
    fs::remove_dir(&root).unwrap();
    fs::rename(&away, &root).unwrap();
    device.run("sync now");
    device.ok("wait @/mnt/meanwhile");
    assert_eq!(fs::read_to_string(root.join("meanwhile")).unwrap(), "kept");
    assert_eq!(fs::read_to_string(root.join("file")).unwrap(), "text");
}

#[test]
fn a_vault_whose_folder_is_gone_does_not_disturb_the_others() {
    let device = Device::new();
    let broken = device.vault("Broken");
    device.ok("sync now");
    fs::remove_dir_all(&broken).unwrap();
    let (_, mountpoint) = device.mounted("Work");
    fs::write(mountpoint.join("file"), "x").unwrap();
    device.ok("wait @/mnt/file");
    eventually("the broken one is told", || {
        let status = device.json("status");
        status["vaults"].as_array().unwrap().iter().any(|vault| vault["vault"] == "Broken" && vault["state"] == "error")
    });
}
