//! Times, modes, owners, extended attributes and free space.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::support::Device;
use crate::system::{self, Time};

fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

/// Last access and change of content, each as seconds and nanoseconds.
fn times(path: &Path) -> [(i64, i64); 2] {
    let shown = fs::metadata(path).unwrap();
    [(shown.atime(), shown.atime_nsec()), (shown.mtime(), shown.mtime_nsec())]
}

/// The change time of an inode; later calls give a later one, as far as the clock tells.
fn changed(path: &Path) -> (i64, i64) {
    let shown = fs::metadata(path).unwrap();
    (shown.ctime(), shown.ctime_nsec())
}

#[test]
fn times_are_set_to_the_nanosecond_left_out_or_taken_from_the_clock() {
    let device = Device::new("attributes");
    let file = device.mount_local(&device.path("remote")).join("take.wav");
    fs::write(&file, "samples").unwrap();
    for [atime, mtime] in
        [[(1, 2), (3, 999_999_999)], [(-5, 1), (-1_000_000_000, 7)], [(1 << 32, 0), ((1 << 32) + 1, 5)]]
    {
        system::set_times(&file, Time::At(atime), Time::At(mtime)).unwrap();
        assert_eq!(times(&file), [atime, mtime]);
    }
    system::set_times(&file, Time::Omit, Time::At((10, 11))).unwrap();
    assert_eq!(times(&file), [(1 << 32, 0), (10, 11)]);
    let before = changed(&file);
    system::set_times(&file, Time::Omit, Time::Omit).unwrap();
    assert_eq!((times(&file), changed(&file)), ([(1 << 32, 0), (10, 11)], before), "nothing to do, nothing done");
    system::set_times(&file, Time::Now, Time::Omit).unwrap();
    let [(atime, _), mtime] = times(&file);
    assert!((1_700_000_000..1 << 32).contains(&atime) && mtime == (10, 11), "{:?}", times(&file));
    device.wait_synced();
    assert_eq!(times(&file)[1], (10, 11), "sending moves no time");
}

#[test]
fn a_time_that_is_set_after_a_write_stays_and_reading_moves_none() {
    let device = Device::new("attributes");
    let path = device.mount_local(&device.path("remote")).join("copy.wav");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"copied").unwrap();
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_500_000_000, 42);
    file.set_modified(time).unwrap();
    file.sync_all().unwrap();
    drop(file);
    assert_eq!(times(&path)[1], (1_500_000_000, 42));
    let before = changed(&path);
    fs::read(&path).unwrap();
    assert_eq!((times(&path)[1], changed(&path)), ((1_500_000_000, 42), before));
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"!").unwrap();
    assert!(times(&path)[1] > (1_500_000_000, 42) && changed(&path) > before, "a write moves both while it is open");
}

#[test]
fn whatever_changes_an_inode_moves_its_change_time() {
    let device = Device::new("attributes");
    let mnt = device.mount_local(&device.path("remote"));
    let (file, moved) = (mnt.join("file"), mnt.join("moved"));
    fs::write(&file, "text").unwrap();
    let tag = || system::set_xattr(&file, "user.tag", b"1", 0).unwrap();
    let steps: [(&str, &dyn Fn()); 7] = [
        ("chmod", &|| fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap()),
        ("chown", &|| chown(&file, Some(fs::metadata(&file).unwrap().uid()), None).unwrap()),
        ("utimens", &|| system::set_times(&file, Time::At((1, 1)), Time::At((1, 1))).unwrap()),
        ("truncate", &|| system::truncate(&file, 2).unwrap()),
        ("setxattr", &tag),
        ("removexattr", &|| system::remove_xattr(&file, "user.tag").unwrap()),
        ("rename", &|| {
            fs::rename(&file, &moved).unwrap();
            fs::rename(&moved, &file).unwrap();
        }),
    ];
    // Closed first, then while a handle has unstored changes of its own.
    for open in [false, true] {
        let handle = open.then(|| {
            let mut handle = OpenOptions::new().append(true).open(&file).unwrap();
            handle.write_all(b"more").unwrap();
            handle
        });
        for (what, step) in &steps {
            let before = changed(&file);
            step();
            assert!(changed(&file) > before, "{what}, open: {open}");
        }
        let last = changed(&file);
        drop(handle);
        assert_eq!(changed(&file), last, "closing changes nothing");
    }
}

#[test]
fn permission_bits_owners_and_access_follow_the_manual() {
    let device = Device::new("attributes");
    let file = device.mount_local(&device.path("remote")).join("script");
    fs::write(&file, "#!/bin/sh\n").unwrap();
    let allowed = |access| rustix::fs::access(&file, access).is_ok();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!allowed(rustix::fs::Access::EXEC_OK) && allowed(rustix::fs::Access::READ_OK));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
    assert!(allowed(rustix::fs::Access::EXEC_OK));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o4755);
    let owner = fs::metadata(&file).unwrap().uid();
    chown(&file, Some(owner), None).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o755, "a change of owner takes set-user-id away");
    chown(&file, None, None).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().uid(), owner);
    let absent = rustix::fs::access(file.with_extension("absent"), rustix::fs::Access::EXISTS);
    assert_eq!(absent.unwrap_err(), rustix::io::Errno::NOENT);
}

#[test]
fn attributes_of_every_size_up_to_the_limits_are_kept_and_others_refused() {
    let device = Device::new("attributes");
    let mnt = device.mount_local(&device.path("remote"));
    let (file, folder) = (mnt.join("case.pdf"), mnt.join("folder"));
    fs::write(&file, "%PDF").unwrap();
    fs::create_dir(&folder).unwrap();
    for len in [0, 1, 4096, 65_536] {
        for place in [&file, &folder] {
            system::set_xattr(place, "user.value", &vec![b'v'; len], 0).unwrap();
            assert_eq!(system::xattr(place, "user.value").unwrap(), vec![b'v'; len]);
        }
    }
    assert_eq!(errno(system::set_xattr(&file, "user.value", &vec![0; 65_537], 0)), libc::E2BIG);
    let longest = format!("user.{}", "n".repeat(250));
    system::set_xattr(&file, &longest, b"1", 0).unwrap();
    assert_eq!(errno(system::set_xattr(&file, &format!("{longest}n"), b"1", 0)), libc::ERANGE);
    let names = system::xattr_names(&file).unwrap();
    assert!(names.contains(&longest) && names.contains(&"user.value".to_owned()), "{names:?}");
    assert_eq!(errno(system::xattr_into(&file, "user.value", 10)), libc::ERANGE, "the buffer is too small");
    assert_eq!(errno(system::set_xattr(&file, "system.a", b"1", 0)), libc::EOPNOTSUPP);
    for ours in ["user.vaultfs.status", "user.vaultfs.local", "user.vaultfs.cloud", "user.vaultfs.new"] {
        assert_eq!(errno(system::set_xattr(&file, ours, b"1", 0)), libc::EPERM, "{ours}");
        assert_eq!(errno(system::remove_xattr(&file, ours)), libc::EPERM, "{ours}");
    }
    assert_eq!(errno(system::xattr(&file, "user.vaultfs.new")), libc::ENODATA);
    system::remove_xattr(&file, "user.value").unwrap();
    assert_eq!(errno(system::remove_xattr(&file, "user.value")), libc::ENODATA);
}

#[test]
fn space_is_told_in_numbers_that_agree() {
    let device = Device::new("attributes");
    let mnt = device.mount_local(&device.path("remote"));
    let (here, disk) = (rustix::fs::statvfs(&mnt).unwrap(), rustix::fs::statvfs(device.path("state")).unwrap());
    assert_eq!(here.f_namemax, 255);
    assert!(here.f_bavail > 0 && here.f_bavail <= here.f_bfree && here.f_bfree <= here.f_blocks);
    assert!(here.f_ffree > 0 && here.f_ffree <= here.f_files, "{} {}", here.f_ffree, here.f_files);
    assert_eq!(here.f_blocks * here.f_frsize / 4096, disk.f_blocks * disk.f_frsize / 4096, "that of the disk below");
    fs::write(mnt.join("one more"), "").unwrap();
    let after = rustix::fs::statvfs(&mnt).unwrap();
    assert_eq!(after.f_files - after.f_ffree, here.f_files - here.f_ffree + 1);
}
