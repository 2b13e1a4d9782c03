//! Both directions between mount and provider, offline, and what may never happen: a missing disk that deletes.

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::support::api::Counts;
use crate::support::{Device, eventually, tree};

#[test]
fn what_is_at_the_provider_is_there_at_once_and_follows_its_changes() {
    let device = Device::new("syncing");
    let remote = device.path("remote");
    fs::create_dir_all(remote.join("Tour/Song/audio")).unwrap();
    fs::write(remote.join("Tour/Song/mix.json"), "{\"name\":\"Song\"}").unwrap();
    let mnt = device.mount_local(&remote);
    eventually("the provider's tree is shown", || tree(&mnt) == tree(&remote));

    fs::write(remote.join("Tour/new.txt"), "made elsewhere").unwrap();
    eventually("a new remote file", || {
        fs::read_to_string(mnt.join("Tour/new.txt")).is_ok_and(|text| text == "made elsewhere")
    });
    fs::write(remote.join("Tour/new.txt"), "edited elsewhere, and longer").unwrap();
    eventually("a remote edit", || {
        fs::read_to_string(mnt.join("Tour/new.txt")).unwrap() == "edited elsewhere, and longer"
    });
    fs::rename(remote.join("Tour"), remote.join("Concert")).unwrap();
    eventually("a remote rename of a folder", || {
        mnt.join("Concert/Song/mix.json").exists() && !mnt.join("Tour").exists()
    });
    fs::remove_file(remote.join("Concert/new.txt")).unwrap();
    eventually("a remote deletion", || !mnt.join("Concert/new.txt").exists());
    assert_eq!(tree(&mnt), tree(&remote));
}

#[test]
fn work_offline_is_queued_survives_a_restart_and_flows_on_return() {
    let device = Device::new("syncing");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    fs::write(mnt.join("kept.txt"), "one").unwrap();
    fs::write(mnt.join("gone.txt"), "x").unwrap();
    device.wait_synced();
    device.ok(["offline"]);
    assert_eq!(device.ok(["status", "--short"]).trim(), "offline");
    fs::create_dir(mnt.join("Mix")).unwrap();
    fs::write(mnt.join("Mix/mix.json"), "{}").unwrap();
    fs::write(mnt.join("kept.txt"), "two").unwrap();
    fs::remove_file(mnt.join("gone.txt")).unwrap();
    let queue: serde_json::Value = serde_json::from_str(&device.ok(["queue", "--json", "--vault", "vault"])).unwrap();
    assert!(queue["items"].as_array().is_some_and(|items| items.len() >= 4), "{queue}");
    device.kill_daemon();
    let mnt = device.mount();
    assert_eq!(fs::read_to_string(mnt.join("kept.txt")).unwrap(), "two");
    device.ok(["online"]);
    device.wait_synced();
    assert_eq!(tree(&remote), tree(&mnt));
    assert_eq!(fs::read_to_string(remote.join("kept.txt")).unwrap(), "two");
    assert!(!remote.join("gone.txt").exists());
    eventually("nothing is left", || device.ok(["status", "--short"]).trim() == "idle");
}

#[test]
fn both_sides_edited_keeps_both() {
    let device = Device::new("syncing");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    fs::write(mnt.join("brief.docx"), "draft").unwrap();
    device.wait_synced();
    device.ok(["offline"]);
    fs::write(mnt.join("brief.docx"), "ours, offline").unwrap();
    fs::write(remote.join("brief.docx"), "theirs").unwrap();
    device.ok(["online"]);
    eventually("the conflict is found", || {
        device.ok(["conflicts", "list", "--vault", "vault", "--json"]).contains("brief")
    });
    device.wait_synced();
    assert_eq!(fs::read_to_string(mnt.join("brief.docx")).unwrap(), "theirs");
    let files = tree(&remote);
    let copy = files.iter().find(|(name, _)| name.contains("conflict")).unwrap_or_else(|| panic!("{files:?}"));
    assert_eq!(copy.1, b"ours, offline");
    assert_eq!(files, tree(&mnt));
}

#[test]
fn a_handle_keeps_the_version_that_it_opened_and_writing_through_it_destroys_no_other() {
    let device = Device::new("syncing");
    let remote = device.path("remote");
    let (there, old, new, newest) = (remote.join("take.wav"), vec![1; 200_000], vec![2; 300_000], vec![4; 100_000]);
    fs::write(&there, &old).unwrap();
    let shown = remote.to_str().unwrap();
    device.ok(["vault", "add", "vault", "--provider", "local", "--path", shown, "--link-latency", "1"]);
    let path = device.mount().join("take.wav");
    assert!(fs::read(&path).unwrap() == old);

    let before = fs::File::open(&path).unwrap();
    fs::write(&there, &new).unwrap();
    eventually("the other version", || fs::read(&path).unwrap() == new);
    let mut found = vec![0; new.len()];
    let length = before.read_at(&mut found, 0).unwrap();
    assert!(found[..length] == old, "{length} bytes, not those of the version that was opened");

    let writer = fs::File::options().write(true).open(&path).unwrap();
    writer.write_all_at(&[3; 50], 0).unwrap();
    fs::write(&there, &newest).unwrap();
    device.ok(["sync", "now"]);
    assert_eq!(fs::metadata(&path).unwrap().len(), 300_000, "it waits while somebody writes");
    drop(writer);
    let mine = [vec![3; 50], new[50..].to_vec()].concat();
    eventually("both versions, on both sides", || {
        let (here, there) = (tree(&device.mnt()), tree(&remote));
        let copies: Vec<_> = here.iter().filter(|(name, _)| name.contains("(conflict ")).collect();
        here == there && here["take.wav"] == newest && copies.len() == 1 && *copies[0].1 == mine
    });
}

#[test]
fn a_missing_disk_deletes_nothing() {
    let device = Device::new("syncing");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    for name in ["a", "b", "c"] {
        fs::write(mnt.join(name), name).unwrap();
    }
    device.wait_synced();
    let elsewhere = device.path("remote-unplugged");
    fs::rename(&remote, &elsewhere).unwrap();
    fs::create_dir(&remote).unwrap();
    eventually("the missing root is said", || device.ok(["status", "--short"]).trim() == "error");
    fs::write(mnt.join("d"), "made meanwhile").unwrap();
    assert_eq!(fs::read_dir(&mnt).unwrap().count(), 4);
    assert_eq!(fs::read_dir(&remote).unwrap().count(), 0, "nothing is written to the wrong disk");
    fs::remove_dir(&remote).unwrap();
    fs::rename(&elsewhere, &remote).unwrap();
    device.wait_synced();
    assert_eq!(tree(&mnt), tree(&remote));
    assert_eq!(tree(&remote).len(), 4);
}

#[test]
fn metadata_answers_at_once_while_the_provider_is_away() {
    let device = Device::new("syncing");
    let mnt = device.mount_local(&device.path("remote"));
    fs::write(mnt.join("file"), "text").unwrap();
    device.wait_synced();
    device.ok(["offline"]);
    let started = Instant::now();
    fs::metadata(mnt.join("file")).unwrap();
    fs::read_dir(&mnt).unwrap().for_each(drop);
    fs::create_dir(mnt.join("folder")).unwrap();
    fs::rename(mnt.join("file"), mnt.join("folder/file")).unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "the promised bound of metadata");
}

#[test]
fn what_was_rewritten_without_a_change_is_not_sent_and_one_changed_byte_is() {
    let device = Device::new("syncing");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    let (file, text) = (mnt.join("brief.docx"), vec![b'x'; 100_000]);
    fs::write(&file, &text).unwrap();
    device.wait_synced();
    let saved = fs::metadata(&file).unwrap().modified().unwrap();
    let uploads = || Counts::of(&device).get("vaultfs_uploads_total");
    assert_eq!(uploads(), 1);

    // The same bytes with a new time: in place, and as editors save.
    fs::write(&file, &text).unwrap();
    device.wait_synced();
    fs::write(mnt.join("brief.new"), &text).unwrap();
    fs::rename(mnt.join("brief.new"), &file).unwrap();
    device.wait_synced();
    assert!(fs::metadata(&file).unwrap().modified().unwrap() > saved);
    assert_eq!(uploads(), 1, "equal bytes are no change");

    // One other byte with the old size and time: here, and at the provider.
    let write = |path: &std::path::Path, at: u64| {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(b"y", at).unwrap();
        file.set_modified(saved).unwrap();
    };
    write(&file, 50_000);
    device.wait_synced();
    assert_eq!(uploads(), 2);
    let mut expected = text;
    expected[50_000] = b'y';
    assert!(fs::read(remote.join("brief.docx")).unwrap() == expected);
    write(&remote.join("brief.docx"), 70_000);
    expected[70_000] = b'y';
    eventually("the provider's byte is here", || fs::read(&file).is_ok_and(|found| found == expected));
    assert_eq!(uploads(), 2, "what came from there does not go back");
}
