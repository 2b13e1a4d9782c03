//! A catalog that is damaged, missing or too new, and staged bytes that are damaged: found, told, and nothing that was saved is lost (P27).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::harness::{Device, eventually, signal};

/// Saves so that the bytes survive the loss of the catalog.
fn save(path: &Path, text: &str) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.sync_all().unwrap();
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn state_dir(device: &Device) -> PathBuf {
    PathBuf::from(device.json("vault show Work")["state_dir"].as_str().unwrap())
}

/// A vault with something that was sent and then edited, something new, and something that was only closed; none of it sent since.
fn with_unsent(device: &Device) -> (PathBuf, PathBuf) {
    let (root, mountpoint) = device.mounted("Work");
    save(&mountpoint.join("brief.txt"), "first");
    save(&mountpoint.join("untouched.txt"), "as it was");
    device.ok("wait @/mnt");
    device.ok("offline");
    save(&mountpoint.join("brief.txt"), "second, not sent");
    fs::create_dir(mountpoint.join("Case 12")).unwrap();
    save(&mountpoint.join("Case 12/notes.txt"), "written on the train");
    fs::write(mountpoint.join("closed.txt"), "closed and no more").unwrap();
    (root, mountpoint)
}

/// The bytes of kept versions.
fn kept(device: &Device) -> Vec<String> {
    let out = device.path("exported");
    device.ok("history export @/exported");
    let mut texts = Vec::new();
    let mut folders = vec![out];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { texts.push(text(path)) }
        }
    }
    texts
}

fn vault_problems(device: &Device) -> String {
    device.json("status")["vaults"][0]["problems"].to_string()
}

/// What was saved is at its place, what was only closed is in history, and everything gets to the provider.
fn assert_all_is_there(device: &Device, root: &Path, mountpoint: &Path) {
    eventually("edits are there again", || {
        text(mountpoint.join("brief.txt")) == "second, not sent"
            && text(mountpoint.join("Case 12/notes.txt")) == "written on the train"
    });
    assert_eq!(text(mountpoint.join("untouched.txt")), "as it was");
    assert!(kept(device).contains(&"closed and no more".to_owned()), "{:?}", kept(device));
    device.ok("wait @/mnt");
    assert_eq!(text(root.join("brief.txt")), "second, not sent");
    assert_eq!(text(root.join("Case 12/notes.txt")), "written on the train");
    assert_eq!(text(root.join("untouched.txt")), "as it was");
    assert_eq!(device.json("conflicts")["items"].as_array().unwrap().len(), 0);
}

#[test]
fn a_damaged_catalog_is_put_aside_told_and_rebuilt_with_everything_that_was_not_sent() {
    let device = Device::new();
    let (root, mountpoint) = with_unsent(&device);
    let state = state_dir(&device);
    signal(device.daemon().unwrap(), "KILL");
    eventually("the daemon is gone or back", || device.daemon().is_some());
    device.ok("daemon stop");
    let damaged = vec![0x5a; 8192];
    fs::write(state.join("catalog.db"), &damaged).unwrap();
    for beside in ["catalog.db-wal", "catalog.db-shm"] {
        drop(fs::remove_file(state.join(beside)));
    }
    device.ok("mount Work @/mnt");
    assert_all_is_there(&device, &root, &mountpoint);

    let aside: Vec<PathBuf> =
        fs::read_dir(state.join("quarantine")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(fs::read(aside[0].join("catalog.db")).unwrap() == damaged, "as it was");
    let told = vault_problems(&device);
    assert!(told.contains("damaged and put aside") && told.contains("the catalog of"), "{told}");
    let doctor = device.run("doctor").out;
    assert!(doctor.contains("TROUBLE Work: damage: ") && doctor.contains("quarantine"), "{doctor}");
    eventually("the vault works", || device.ok("status --short").out == "idle\n");
    fs::remove_dir_all(state.join("quarantine")).unwrap();
    assert_eq!(vault_problems(&device), "[]");
}

#[test]
fn a_missing_catalog_is_rebuilt_with_everything_that_was_not_sent() {
    let device = Device::new();
    let (root, mountpoint) = with_unsent(&device);
    let state = state_dir(&device);
    device.ok("daemon stop");
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        drop(fs::remove_file(state.join(name)));
    }
    device.ok("mount Work @/mnt");
    assert_all_is_there(&device, &root, &mountpoint);
}

#[test]
fn a_catalog_of_a_newer_program_is_refused_and_left_alone() {
    let device = Device::new();
    with_unsent(&device);
    let state = state_dir(&device);
    device.vault("Other");
    device.ok("daemon stop");
    let catalog = state.join("catalog.db");
    let set_version = |version: i64| {
        let connection = rusqlite::Connection::open(&catalog).unwrap();
        let before: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
        connection.close().unwrap();
        before
    };
    let version = set_version(999);
    let before = fs::read(&catalog).unwrap();
    let refused = device.run("mount Work @/mnt");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("newer than this vaultfs") && refused.err.contains("update vaultfs"), "{refused:?}");
    device.ok("mount Other @/home");
    device.ok("daemon stop");
    assert!(fs::read(&catalog).unwrap() == before, "it was touched");
    assert!(!state.join("quarantine").exists());
    set_version(version);
    device.ok("mount Work @/mnt");
    assert_eq!(text(device.path("mnt/brief.txt")), "second, not sent");
    assert_eq!(text(device.path("mnt/closed.txt")), "closed and no more");
}

#[test]
fn a_damaged_record_of_unsent_bytes_costs_their_name_and_never_the_bytes() {
    let device = Device::new();
    let (_, mountpoint) = with_unsent(&device);
    let state = state_dir(&device);
    device.ok("daemon stop");
    for entry in fs::read_dir(state.join("staging")).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "rec") {
            let mut record = fs::read(&path).unwrap();
            let last = record.len() - 3;
            record[last] ^= 1;
            fs::write(&path, record).unwrap();
        }
    }
    // With the catalog they are not needed,
    device.ok("mount Work @/mnt");
    assert_eq!(text(mountpoint.join("brief.txt")), "second, not sent");
    device.ok("daemon stop");
    // and without it the bytes are kept all the same.
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        drop(fs::remove_file(state.join(name)));
    }
    device.ok("mount Work @/mnt");
    eventually("the provider's version", || text(mountpoint.join("brief.txt")) == "first");
    let kept = kept(&device);
    for lost in ["second, not sent", "written on the train", "closed and no more"] {
        assert!(kept.contains(&lost.to_owned()), "{lost}: {kept:?}");
    }
    let listed = device.ok("history list").out;
    assert!(listed.contains("recovered/"), "{listed}");
}

#[test]
fn unsent_bytes_that_nobody_can_read_any_more_are_put_aside_and_the_vault_opens() {
    let device = Device::new();
    let root = device.folder("far");
    fs::write(root.join("take.wav"), vec![7; 300_000]).unwrap();
    fs::write(root.join("notes.txt"), "as they were").unwrap();
    device.ok("vault add Work --provider local --path @/far --link-latency 1");
    let mountpoint = device.folder("mnt");
    device.ok("mount Work @/mnt");
    eventually("names", || mountpoint.join("take.wav").exists());
    device.ok("queue pause");
    let take = fs::OpenOptions::new().write(true).open(mountpoint.join("take.wav")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&take, b"a splice", 150_000).unwrap();
    take.sync_all().unwrap();
    drop(take);
    let state = state_dir(&device);
    device.ok("daemon stop");
    let map = fs::read_dir(state.join("staging")).unwrap().map(|entry| entry.unwrap().path());
    let map = map.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "map")).expect("a map");
    let mut bytes = fs::read(&map).unwrap();
    bytes[9] ^= 0x40;
    fs::write(&map, bytes).unwrap();

    device.ok("mount Work @/mnt");
    assert_eq!(text(mountpoint.join("notes.txt")), "as they were");
    assert!(fs::read(mountpoint.join("take.wav")).unwrap() == vec![7; 300_000], "the version that the provider has");
    let conflicts = device.json("conflicts");
    assert_eq!(conflicts["items"][0]["path"], "take.wav", "{conflicts}");
    let told = vault_problems(&device);
    assert!(told.contains("unsent bytes"), "{told}");
    let aside = fs::read_dir(state.join("quarantine")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(aside.join("bytes")).unwrap();
    assert_eq!(&bytes[150_000..150_008], b"a splice");
    assert!(aside.join("map").exists() && text(aside.join("record")).contains("take.wav"));
}
