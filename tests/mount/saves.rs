//! How programs save: every style keeps one file with one identity, and nothing but whole versions reaches the provider.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::{Device, tree};

/// Saves "second" over "first" in some style, and checks that the provider then holds that one file under its old inode or a
/// replaced one, and nothing else.
fn check_style(save: impl FnOnce(&Path)) {
    let device = Device::new("saves");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    fs::write(mnt.join("song.txt"), "first").unwrap();
    device.wait_synced();
    save(&mnt);
    device.wait_synced();
    let expected = [("song.txt".to_owned(), b"second".to_vec())].into();
    assert_eq!(tree(&mnt), expected, "in the mount");
    assert_eq!(tree(&remote), expected, "at the provider");
    let conflicts: serde_json::Value =
        serde_json::from_str(&device.ok(["conflicts", "list", "--vault", "vault", "--json"])).unwrap();
    assert!(conflicts["items"].as_array().is_some_and(Vec::is_empty), "a save is no conflict: {conflicts}");
}

#[test]
fn in_place() {
    check_style(|mnt| fs::write(mnt.join("song.txt"), "second").unwrap());
}

#[test]
fn written_beside_and_renamed_over() {
    check_style(|mnt| {
        fs::write(mnt.join("song.txt.new"), "second").unwrap();
        fs::rename(mnt.join("song.txt.new"), mnt.join("song.txt")).unwrap();
    });
}

#[test]
fn moved_to_a_backup_written_anew_backup_deleted() {
    check_style(|mnt| {
        fs::rename(mnt.join("song.txt"), mnt.join("song.txt.bak")).unwrap();
        fs::write(mnt.join("song.txt"), "second").unwrap();
        fs::remove_file(mnt.join("song.txt.bak")).unwrap();
    });
}

#[test]
fn deleted_and_written_anew() {
    check_style(|mnt| {
        fs::remove_file(mnt.join("song.txt")).unwrap();
        fs::write(mnt.join("song.txt"), "second").unwrap();
    });
}

#[test]
fn deleted_and_renamed_to_its_place() {
    check_style(|mnt| {
        fs::write(mnt.join("other"), "second").unwrap();
        fs::remove_file(mnt.join("song.txt")).unwrap();
        fs::rename(mnt.join("other"), mnt.join("song.txt")).unwrap();
    });
}

#[test]
fn a_recorder_patches_the_header_when_it_stops() {
    let device = Device::new("saves");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    fs::create_dir(mnt.join("audio")).unwrap();
    let path = mnt.join("audio/track_0_1a2b3c4d.wav");
    let mut take = fs::File::create(&path).unwrap();
    take.write_all(b"RIFF\0\0\0\0WAVE").unwrap();
    for second in 0..50_u8 {
        take.write_all(&vec![second; 96_000]).unwrap();
    }
    assert!(!remote.join("audio/track_0_1a2b3c4d.wav").exists(), "a take is not sent while it is recorded");
    take.seek(SeekFrom::Start(4)).unwrap();
    take.write_all(&4_800_004_u32.to_le_bytes()).unwrap();
    drop(take);
    device.wait_synced();
    let sent = fs::read(remote.join("audio/track_0_1a2b3c4d.wav")).unwrap();
    assert_eq!(sent, fs::read(&path).unwrap());
    assert_eq!(u32::from_le_bytes(sent[4..8].try_into().unwrap()), 4_800_004);
}

#[test]
fn lock_files_and_their_like_work_here_and_never_leave() {
    let device = Device::new("saves");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    for name in [".~lock.case.odt#", "~$case.docx", ".DS_Store", "._case.pdf", ".song.txt.swp"] {
        fs::write(mnt.join(name), "here").unwrap();
        assert_eq!(fs::read_to_string(mnt.join(name)).unwrap(), "here");
    }
    fs::write(mnt.join("case.odt"), "text").unwrap();
    device.wait_synced();
    assert_eq!(tree(&remote).into_keys().collect::<Vec<_>>(), ["case.odt"]);
}

#[test]
fn the_same_bytes_again_are_no_new_version() {
    let device = Device::new("saves");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    fs::write(mnt.join("mix.json"), "{}").unwrap();
    device.wait_synced();
    let before = fs::metadata(remote.join("mix.json")).unwrap();
    fs::write(mnt.join("mix.json"), "{}").unwrap();
    device.wait_synced();
    let after = fs::metadata(remote.join("mix.json")).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()), "nothing was sent");
}
