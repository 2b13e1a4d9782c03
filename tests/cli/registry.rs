//! What the registry tells other programs: how the sync of a vault stands, in one of four words, and when everything was last synced.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Device, eventually};

const MIB: usize = 1 << 20;

/// The record of the only vault, as another program reads it.
fn record(device: &Device) -> Value {
    let text = fs::read_to_string(device.path("config/vaultfs/vaults.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["vaults"][0].clone()
}

fn becomes(device: &Device, word: &str) {
    eventually(&format!("the registry says {word}"), || record(device)["sync_status"] == word);
    assert_eq!(device.json("vault list")["vaults"][0]["sync_status"], word);
}

fn last_synced(device: &Device) -> jiff::Timestamp {
    let text = record(device)["last_synced"].as_str().unwrap().to_owned();
    assert!(text.ends_with('Z'), "UTC: {text}");
    text.parse().unwrap()
}

/// Reads the events since the start of the daemon until it has come by these states, in this order.
fn hear(device: &Device, words: &[&str]) {
    let mut socket = UnixStream::connect(device.path("run/vaultfs/control.sock")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(socket, "GET /api/v1/events?after=0 HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut awaited = words.iter().enumerate().peekable();
    for line in BufReader::new(socket).lines() {
        let (place, word) = awaited.peek().unwrap();
        let line = line.unwrap_or_else(|error| panic!("{word}, number {place} of {words:?}, was not told: {error}"));
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        if event["kind"] == "state" && event["detail"] == **word {
            awaited.next();
            if awaited.peek().is_none() {
                return;
            }
        }
    }
    panic!("the stream ended before {awaited:?}");
}

/// An upload that takes as long as the test likes.
fn slow_upload(device: &Device, mountpoint: &Path) {
    device.ok("config set bandwidth.up 1KiB/s");
    fs::write(mountpoint.join("take.wav"), vec![7; MIB]).unwrap();
}

#[test]
fn each_of_the_four_words_is_written_when_it_is_so() {
    let device = Device::new();
    let root = device.vault("Work");
    assert_eq!(record(&device).get("sync_status"), None, "before the first sync");
    assert_eq!(record(&device).get("last_synced"), None);
    // As the registry has it: whole seconds.
    let before = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
    let mountpoint = device.folder("mnt");
    device.ok("mount Work @/mnt");
    becomes(&device, "synced");
    let first = last_synced(&device);
    assert!(before <= first && first <= jiff::Timestamp::now(), "{first}");

    slow_upload(&device, &mountpoint);
    becomes(&device, "syncing");
    assert_eq!(device.ok("status --short").out, "syncing\n");
    assert!(!root.join("take.wav").exists());
    assert_eq!(last_synced(&device), first, "nothing was synced since");
    device.ok("config unset bandwidth.up");
    becomes(&device, "synced");
    assert!(last_synced(&device) > first);
    assert!(root.join("take.wav").exists());

    device.ok("offline");
    becomes(&device, "offline");
    device.ok("online");
    becomes(&device, "synced");
    device.ok("queue pause");
    becomes(&device, "offline");

    // A trouble of this machine.
    device.ok("config set staging.max_bytes 1MiB");
    fs::write(mountpoint.join("too much"), vec![7; 2 * MIB]).unwrap_err();
    becomes(&device, "error");
    assert_eq!(device.ok("status --short").out, "error\n");
    device.ok("config unset staging.max_bytes");
    becomes(&device, "offline");
    device.ok("queue resume");
    becomes(&device, "synced");

    // A trouble at the other end.
    let away = device.path("unplugged");
    fs::rename(&root, &away).unwrap();
    device.run("sync now");
    becomes(&device, "error");
    fs::rename(&away, &root).unwrap();
    device.run("sync now");
    becomes(&device, "synced");

    // The stream of events has told the same, in its own words.
    let words = ["idle", "syncing", "idle", "offline", "idle", "paused", "error", "paused", "idle", "error", "idle"];
    hear(&device, &words);
}

#[test]
fn a_vault_that_cannot_be_opened_is_an_error() {
    let device = Device::new();
    let (_, mountpoint) = device.mounted("Work");
    fs::write(mountpoint.join("file"), "x").unwrap();
    device.ok("wait @/mnt/file");
    becomes(&device, "synced");
    let catalog = PathBuf::from(device.json("vault show")["state_dir"].as_str().unwrap()).join("catalog.db");
    device.ok("daemon stop");
    assert_eq!(record(&device)["sync_status"], "synced", "it is, with nobody there to sync");
    let newer = rusqlite::Connection::open(&catalog).unwrap();
    let version: i64 = newer.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    newer.pragma_update(None, "user_version", version + 1000).unwrap();
    assert_eq!(device.ok("status --short").out, "error\n");
    becomes(&device, "error");
    device.ok("daemon stop");
    newer.pragma_update(None, "user_version", version).unwrap();
    drop(newer);
    device.ok("status");
    becomes(&device, "synced");
}

#[test]
fn nobody_syncs_without_a_daemon() {
    let device = Device::new();
    let (_, mountpoint) = device.mounted("Work");
    slow_upload(&device, &mountpoint);
    becomes(&device, "syncing");
    device.ok("daemon stop");
    assert_eq!(record(&device)["sync_status"], "offline", "an edit waits");
    device.ok("config unset bandwidth.up");
    device.ok("status");
    becomes(&device, "synced");
}
