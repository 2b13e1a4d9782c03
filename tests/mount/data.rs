//! Data and handles: a read returns the last write, through any handle, at once.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};

use crate::support::{Device, eventually};
use crate::system;

#[test]
fn writes_are_seen_by_every_handle_and_by_stat_at_once() {
    let device = Device::new("data");
    let file = device.mount_local(&device.path("remote")).join("take.wav");
    let mut writer = File::create(&file).unwrap();
    let reader = File::open(&file).unwrap();
    for size in [10_u64, 70_000, 200_000] {
        writer.set_len(size).unwrap();
        writer.seek(SeekFrom::Start(size - 5)).unwrap();
        writer.write_all(b"track").unwrap();
        let mut tail = [0; 5];
        reader.read_exact_at(&mut tail, size - 5).unwrap();
        assert_eq!(&tail, b"track");
        assert_eq!((reader.metadata().unwrap().len(), fs::metadata(&file).unwrap().len()), (size, size));
    }
}

#[test]
fn a_deleted_file_stays_usable_by_those_who_have_it_open() {
    let device = Device::new("data");
    let mnt = device.mount_local(&device.path("remote"));
    fs::create_dir(mnt.join("folder")).unwrap();
    let path = mnt.join("folder/temporary");
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    file.write_all(b"still here").unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(file.metadata().unwrap().nlink(), 0);
    assert_eq!(fs::read_dir(mnt.join("folder")).unwrap().count(), 0, "no helper name appears");
    fs::remove_dir(mnt.join("folder")).unwrap();
    file.write_all(b", and growing").unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "still here, and growing");
}

#[test]
fn a_rename_over_an_open_file_leaves_its_readers_the_old_bytes() {
    let device = Device::new("data");
    let mnt = device.mount_local(&device.path("remote"));
    fs::write(mnt.join("mix.json"), "old").unwrap();
    device.wait_synced();
    let old = File::open(mnt.join("mix.json")).unwrap();
    fs::write(mnt.join("mix.json.new"), "the new one").unwrap();
    fs::rename(mnt.join("mix.json.new"), mnt.join("mix.json")).unwrap();
    let mut bytes = [0; 3];
    old.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!((&bytes, old.metadata().unwrap().len()), (b"old", 3));
    assert_eq!(fs::read_to_string(mnt.join("mix.json")).unwrap(), "the new one");
}

#[test]
fn a_folder_can_be_renamed_around_a_file_that_is_being_written() {
    let device = Device::new("data");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    fs::create_dir(mnt.join("Take 1")).unwrap();
    let mut file = File::create(mnt.join("Take 1/track.wav")).unwrap();
    file.write_all(b"before ").unwrap();
    fs::rename(mnt.join("Take 1"), mnt.join("Take 2")).unwrap();
    file.write_all(b"after").unwrap();
    drop(file);
    assert_eq!(fs::read_to_string(mnt.join("Take 2/track.wav")).unwrap(), "before after");
    device.wait_synced();
    assert_eq!(fs::read_to_string(remote.join("Take 2/track.wav")).unwrap(), "before after");
    assert!(!remote.join("Take 1").exists());
}

#[test]
fn a_file_that_nobody_has_open_is_cut_by_its_path_and_sent() {
    let device = Device::new("data");
    let remote = device.path("remote");
    let path = device.mount_local(&remote).join("take.wav");
    fs::write(&path, "twenty bytes of music").unwrap();
    device.wait_synced();
    system::truncate(&path, 6).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "twenty");
    eventually("the cut file is sent", || fs::read_to_string(remote.join("take.wav")).unwrap() == "twenty");
    system::truncate(&path, 8).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"twenty\0\0");
}

#[test]
fn holes_read_as_zero_and_stay_cheap() {
    let device = Device::new("data");
    let path = device.mount_local(&device.path("remote")).join("sparse");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    let five_gib = 5 << 30;
    file.write_all_at(b"end", five_gib).unwrap();
    assert_eq!(file.metadata().unwrap().len(), five_gib + 3);
    assert!(file.metadata().unwrap().blocks() * 512 < 1 << 20, "the hole occupies the disk");
    let mut bytes = [1; 4096];
    file.read_exact_at(&mut bytes, 1 << 30).unwrap();
    assert_eq!(bytes, [0; 4096]);
    let data = system::seek(&file, 0, libc::SEEK_DATA).unwrap();
    assert!(u64::try_from(data).unwrap() <= five_gib && data > 0, "data found at {data}");
    assert_eq!(system::seek(&file, 0, libc::SEEK_HOLE).unwrap(), 0);
}

#[test]
fn direct_io_and_synchronous_writes_work() {
    let device = Device::new("data");
    let mnt = device.mount_local(&device.path("remote"));
    for flag in [libc::O_DIRECT, libc::O_SYNC, libc::O_DSYNC] {
        let path = mnt.join(format!("flag {flag}"));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).custom_flags(flag).open(&path).unwrap();
        // Direct I/O wants aligned memory: the middle of a buffer that is twice as long has it.
        let buffer = vec![b'x'; 8192];
        let aligned = buffer.as_ptr().align_offset(4096);
        file.write_all_at(&buffer[aligned..aligned + 4096], 0).unwrap();
        file.sync_all().unwrap();
        assert_eq!(fs::read(&path).unwrap(), vec![b'x'; 4096]);
    }
}
