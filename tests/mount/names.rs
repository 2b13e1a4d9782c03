//! Names, folders and attributes.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use crate::support::{Device, tree};
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
fn names_are_measured_in_bytes() {
    let device = Device::new("names");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    // 255 bytes of two, three and four bytes each, and one byte too many.
    let longest =
        [format!("{}x", "\u{e9}".repeat(127)), "\u{65e5}".repeat(85), format!("{}abc", "\u{1f3b8}".repeat(63))];
    for name in &longest {
        assert_eq!(name.len(), 255);
        fs::write(mnt.join(name), name).unwrap();
        let too_long = mnt.join(format!("{name}y"));
        assert_eq!(errno(fs::write(&too_long, "")), libc::ENAMETOOLONG);
        assert_eq!(errno(fs::create_dir(&too_long)), libc::ENAMETOOLONG);
        assert_eq!(errno(fs::rename(mnt.join(name), &too_long)), libc::ENAMETOOLONG);
        assert_eq!(errno(fs::metadata(&too_long)), libc::ENAMETOOLONG);
    }
    device.wait_synced();
    for name in &longest {
        assert_eq!(&fs::read_to_string(remote.join(name)).unwrap(), name);
    }
}

#[test]
fn files_and_folders_of_different_folders_change_places() {
    let device = Device::new("names");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    let (file, folder) = (mnt.join("Drafts/brief"), mnt.join("Sent/case"));
    fs::create_dir_all(mnt.join("Drafts")).unwrap();
    fs::create_dir_all(folder.join("inner")).unwrap();
    fs::write(&file, "text").unwrap();
    fs::write(folder.join("inner/letter"), "dear").unwrap();
    device.wait_synced();
    let numbers = [&file, &folder].map(|path| fs::metadata(path).unwrap().ino());
    let open = fs::File::options().append(true).open(&file).unwrap();
    system::rename(&file, &folder, libc::RENAME_EXCHANGE).unwrap();
    std::io::Write::write_all(&mut &open, b", and more").unwrap();
    drop(open);
    assert_eq!(numbers, [&folder, &file].map(|path| fs::metadata(path).unwrap().ino()), "each keeps its number");
    let exchange = |from: &str, to: &str| errno(system::rename(&mnt.join(from), &mnt.join(to), libc::RENAME_EXCHANGE));
    assert_eq!(exchange("Drafts", "Drafts/brief/inner"), libc::EINVAL);
    assert_eq!(exchange("Drafts/brief/inner", "Drafts"), libc::EINVAL);
    assert_eq!(exchange("Drafts", "nothing"), libc::ENOENT);
    let both = libc::RENAME_EXCHANGE | libc::RENAME_NOREPLACE;
    assert_eq!(errno(system::rename(&file, &folder, both)), libc::EINVAL);
    device.wait_synced();
    assert_eq!(tree(&mnt), tree(&remote));
    assert_eq!(fs::read_to_string(remote.join("Sent/case")).unwrap(), "text, and more");
    assert_eq!(fs::read_to_string(remote.join("Drafts/brief/inner/letter")).unwrap(), "dear");
}

#[test]
fn a_listing_holds_while_the_folder_changes() {
    let device = Device::new("names");
    let folder = device.mount_local(&device.path("remote")).join("many");
    fs::create_dir(&folder).unwrap();
    let name = |at: usize| format!("entry {at}");
    for at in 0..2_000 {
        fs::write(folder.join(name(at)), "").unwrap();
    }
    let mut listing = fs::read_dir(&folder).unwrap();
    let entry = |found: std::io::Result<fs::DirEntry>| found.unwrap().file_name().into_string().unwrap();
    let mut seen: Vec<String> = listing.by_ref().take(100).map(entry).collect();
    for at in 0..2_000 {
        match at % 3 {
            0 => fs::remove_file(folder.join(name(at))).unwrap(),
            1 => fs::write(folder.join(name(at + 10_000)), "").unwrap(),
            _ => {}
        }
    }
    seen.extend(listing.map(entry));
    let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "an entry was listed twice");
    for at in (0..2_000).filter(|at| at % 3 != 0) {
        assert!(distinct.contains(&name(at)), "{} was there all the while", name(at));
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2_000);
}

#[test]
fn a_place_in_a_listing_is_found_again_and_numbers_are_those_of_stat() {
    let device = Device::new("names");
    let folder = device.mount_local(&device.path("remote")).join("many");
    fs::create_dir(&folder).unwrap();
    for at in 0..1_000 {
        fs::write(folder.join(format!("entry {at}")), "").unwrap();
    }
    let mut listing = rustix::fs::Dir::new(fs::File::open(&folder).unwrap()).unwrap();
    let all: Vec<_> = listing.by_ref().map(Result::unwrap).collect();
    assert_eq!(all.len(), 1_002, "with both dots");
    for at in [0, 1, 2, 3, 500, 999, 1_000] {
        // The place of an entry is that after it.
        listing.seek(all[at].offset()).unwrap();
        let next = listing.read().unwrap().unwrap();
        assert_eq!(next.file_name(), all[at + 1].file_name(), "after entry {at}");
    }
    for entry in all.iter().step_by(97) {
        let name = entry.file_name().to_str().unwrap();
        assert_eq!(entry.ino(), fs::metadata(folder.join(name)).unwrap().ino(), "{name}");
    }
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
