//! How things stand is told alike wherever it is asked: extended attributes, `status`, `manifest`. And progress is the sum of its parts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Device, eventually};

const MIB: usize = 1 << 20;

/// The state of a file, from everybody who tells it.
fn told(device: &Device, mountpoint: &Path, path: &str) -> Vec<String> {
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(mountpoint.join(path), "user.vaultfs.status", &mut value).unwrap();
    let attribute = String::from_utf8(value[..length].to_vec()).unwrap();
    let word = device.ok(&format!("status --short @/mnt/{path}")).out.trim().to_owned();
    let status = device.json(&format!("status @/mnt/{path}"))["state"].as_str().unwrap().to_owned();
    let manifest = device.ok("manifest --json").out;
    let items = manifest.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let item = items.into_iter().find(|item| item["path"] == path).unwrap();
    vec![attribute, word, status, item["state"].as_str().unwrap().to_owned()]
}

#[test]
fn every_state_of_a_file_is_told_alike_by_everybody() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    let is = |path: &str, state: &str| {
        eventually(&format!("{path} is {state}"), || {
            let told = told(&device, &mountpoint, path);
            told.iter().all(|word| word == state)
        });
    };
    fs::write(mountpoint.join("brief.docx"), "draft").unwrap();
    fs::write(mountpoint.join(".DS_Store"), "junk").unwrap();
    is("brief.docx", "synced");
    is(".DS_Store", "local-only");

    device.ok("queue pause");
    fs::write(mountpoint.join("held.txt"), "held").unwrap();
    is("held.txt", "pending");
    device.ok("queue hold @/mnt/held.txt");
    is("held.txt", "held");
    fs::write(mountpoint.join("brief.docx"), "ours").unwrap();
    fs::write(root.join("brief.docx"), "theirs, longer").unwrap();
    is("brief.docx", "pending");
    device.ok("queue resume");
    is("brief.docx", "conflict");
    is("held.txt", "held");

    device.ok("config set --vault Work sync.exclude *.bak");
    fs::write(mountpoint.join("made.bak"), "made").unwrap();
    is("made.bak", "filtered");

    device.ok("config set bandwidth.up 1KiB/s");
    fs::write(mountpoint.join("take.wav"), vec![7; MIB]).unwrap();
    is("take.wav", "syncing");
    device.ok("config unset bandwidth.up");
    is("take.wav", "synced");
    device.ok("queue release");
    device.ok("conflicts resolve");
    is("held.txt", "synced");
    is("brief.docx", "synced");
}

#[test]
fn progress_only_grows_and_is_the_sum_of_its_parts() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    device.ok("queue pause");
    for name in ["first.wav", "second.wav"] {
        fs::write(mountpoint.join(name), vec![7; MIB]).unwrap();
    }
    device.ok("config set bandwidth.up 1KiB/s");
    device.ok("queue resume");
    let number = |value: &Value, key: &str| value[key].as_u64().unwrap();
    let (mut last, mut parts): (u64, BTreeMap<String, u64>) = (0, BTreeMap::new());
    // False once nothing is on its way any more.
    let mut look = || {
        let vault = device.json("status")["vaults"][0].clone();
        let transfers = vault["transfers"].as_array().unwrap().clone();
        if vault["progress"].is_null() {
            assert!(transfers.is_empty(), "{vault}");
            return false;
        }
        let (done, total) = (number(&vault["progress"], "done"), number(&vault["progress"], "total"));
        assert_eq!(total, 2 * u64::try_from(MIB).unwrap(), "{vault}");
        assert!(last <= done && done <= total, "{last} before {vault}");
        last = done;
        let moving: u64 = transfers.iter().map(|transfer| number(transfer, "done")).sum();
        let ended = transfers.iter().fold(total, |left, transfer| left - number(transfer, "total"));
        assert!(done == moving || done == moving + ended || transfers.is_empty(), "{vault}");
        for transfer in &transfers {
            let part = parts.entry(transfer["path"].as_str().unwrap().to_owned()).or_default();
            assert!(*part <= number(transfer, "done"), "{vault}");
            *part = number(transfer, "done");
        }
        true
    };
    eventually("something is on its way", || look() && device.json("status")["vaults"][0]["progress"]["done"] != 0);
    device.ok("config unset bandwidth.up");
    eventually("both have arrived", || !look());
    assert!(!parts.is_empty(), "nothing was seen on its way");
    assert_eq!(fs::read(root.join("second.wav")).unwrap().len(), MIB);
}
