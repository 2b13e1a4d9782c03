//! Names, folders and attributes.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use crate::support::Device;
use crate::system;

fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

#[test]
fn what_was_created_is_what_is_listed() {
    let device = Device::new("names");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    let names = [
        "x".repeat(255),
        "Caf\u{e9}".into(),
        "Cafe\u{301}".into(),
        "emoji \u{1f3b8}".into(),
        "a:b\\c".into(),
        "trailing dot.".into(),
        "trailing space ".into(),
        "CON".into(),
        "new\nline".into(),
        "-rf".into(),
    ];
    for name in &names {
        fs::write(mnt.join(name), name).unwrap();
    }
    let mut listed: Vec<String> =
        fs::read_dir(&mnt).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut expected = names.to_vec();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    device.wait_synced();
    for name in &names {
        assert_eq!(&fs::read_to_string(remote.join(name)).unwrap(), name);
    }
}

#[test]
fn names_that_cannot_be_are_refused_with_the_right_number() {
    let device = Device::new("names");
    let mnt = device.mount_local(&device.path("remote"));
    assert_eq!(errno(fs::write(mnt.join("x".repeat(256)), "")), libc::ENAMETOOLONG);
    assert_eq!(errno(fs::write(mnt.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "")), libc::EILSEQ);
    fs::create_dir_all(mnt.join("full/inner")).unwrap();
    fs::write(mnt.join("file"), "").unwrap();
    assert_eq!(errno(fs::remove_dir(mnt.join("full"))), libc::ENOTEMPTY);
    assert_eq!(errno(fs::create_dir(mnt.join("file"))), libc::EEXIST);
    assert_eq!(errno(fs::read_dir(mnt.join("file"))), libc::ENOTDIR);
    assert_eq!(errno(fs::rename(mnt.join("full"), mnt.join("full/inner/below"))), libc::EINVAL);
    assert_eq!(errno(fs::hard_link(mnt.join("file"), mnt.join("second name"))), libc::EPERM);
}

#[test]
fn rename_flags_mean_what_the_manual_says() {
    let device = Device::new("names");
    let mnt = device.mount_local(&device.path("remote"));
    let (a, b) = (mnt.join("a"), mnt.join("b"));
    fs::write(&a, "A").unwrap();
    fs::write(&b, "B").unwrap();
    assert_eq!(errno(system::rename(&a, &b, libc::RENAME_NOREPLACE)), libc::EEXIST);
    system::rename(&a, &b, libc::RENAME_EXCHANGE).unwrap();
    assert_eq!((fs::read_to_string(&a).unwrap(), fs::read_to_string(&b).unwrap()), ("B".into(), "A".into()));
    system::rename(&a, &mnt.join("c"), libc::RENAME_NOREPLACE).unwrap();
    assert_eq!(errno(system::rename(&a, &b, libc::RENAME_EXCHANGE)), libc::ENOENT);
    device.wait_synced();
    assert_eq!(fs::read_to_string(device.path("remote/b")).unwrap(), "A");
}

#[test]
fn every_entry_is_listed_once_and_rm_rf_misses_nothing() {
    let device = Device::new("names");
    let mnt = device.mount_local(&device.path("remote"));
    let folder = mnt.join("many");
    fs::create_dir(&folder).unwrap();
    for at in 0..3_000 {
        fs::write(folder.join(format!("entry {at}")), "").unwrap();
    }
    let mut seen: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3_000);
    fs::remove_dir_all(&folder).unwrap();
    assert!(!folder.exists());
}

#[test]
fn times_modes_and_inode_numbers_survive_the_upload() {
    let device = Device::new("names");
    let mnt = device.mount_local(&device.path("remote"));
    let script = mnt.join("build.sh");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_000);
    fs::File::options().write(true).open(&script).unwrap().set_modified(time).unwrap();
    let before = fs::metadata(&script).unwrap();
    device.wait_synced();
    let after = fs::metadata(&script).unwrap();
    assert_eq!(after.modified().unwrap(), time);
    assert_eq!((after.mode() & 0o7777, after.ino(), after.ctime_nsec()), (0o755, before.ino(), before.ctime_nsec()));
    fs::rename(&script, mnt.join("renamed.sh")).unwrap();
    assert_eq!(fs::metadata(mnt.join("renamed.sh")).unwrap().ino(), before.ino());
}

#[test]
fn attributes_are_kept_over_rename_and_upload() {
    let device = Device::new("names");
    let mnt = device.mount_local(&device.path("remote"));
    let file = mnt.join("case.pdf");
    fs::write(&file, "%PDF").unwrap();
    system::set_xattr(&file, "user.tag", b"urgent", libc::XATTR_CREATE).unwrap();
    assert_eq!(errno(system::set_xattr(&file, "user.tag", b"x", libc::XATTR_CREATE)), libc::EEXIST);
    assert_eq!(errno(system::set_xattr(&file, "user.none", b"x", libc::XATTR_REPLACE)), libc::ENODATA);
    assert_eq!(errno(system::set_xattr(&file, "user.vaultfs.status", b"synced", 0)), libc::EPERM);
    device.wait_synced();
    let renamed = mnt.join("renamed.pdf");
    fs::rename(&file, &renamed).unwrap();
    device.wait_synced();
    assert_eq!(system::xattr(&renamed, "user.tag").unwrap(), b"urgent");
    assert_eq!(system::xattr(&renamed, "user.vaultfs.status").unwrap(), b"synced");
}

#[test]
fn symbolic_links_are_kept_as_they_were_given() {
    let device = Device::new("names");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    for (name, target) in [("good", "target"), ("dangling", "../nowhere/at all")] {
        std::os::unix::fs::symlink(target, mnt.join(name)).unwrap();
        assert_eq!(fs::read_link(mnt.join(name)).unwrap().to_str(), Some(target));
    }
    device.wait_synced();
    assert_eq!(fs::read_link(remote.join("dangling")).unwrap().to_str(), Some("../nowhere/at all"));
}

#[test]
fn free_space_is_not_zero() {
    let device = Device::new("names");
    let mnt = device.mount_local(&device.path("remote"));
    let output = std::process::Command::new("df").arg("--output=avail").arg(&mnt).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let available: u64 = text.lines().last().unwrap().trim().parse().unwrap();
    assert!(available > 1024, "{available} KiB");
}
