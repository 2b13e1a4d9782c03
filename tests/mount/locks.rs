//! Locks between processes: kept while their holder lives, free when it is killed.

use std::fs::{self, OpenOptions};

use crate::support::Device;
use crate::system::{self, Lock};

#[test]
fn locks_of_one_process_keep_others_out_until_it_is_killed() {
    let device = Device::new("locks");
    let path = device.mount_local(&device.path("remote")).join("case.odt");
    fs::write(&path, "text").unwrap();
    for kind in [Lock::WholeFile, Lock::Record] {
        let mut holder = system::hold_lock(&path, kind);
        // Opened after: a process that closes any handle of a file loses its records' locks, and the holder inherits those of this one.
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let refused = system::try_lock(&file, kind).map_err(|error| error.raw_os_error());
        assert_eq!(refused, Err(Some(libc::EAGAIN)), "{kind:?}");
        holder.kill().unwrap();
        holder.wait().unwrap();
        system::try_lock(&file, kind).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        system::unlock(&file, kind).unwrap();
    }
    // The lock of another file is another lock, and one of a renamed file stays.
    let mut holder = system::hold_lock(&path, Lock::Record);
    let renamed = path.with_file_name("renamed.odt");
    fs::rename(&path, &renamed).unwrap();
    fs::write(&path, "another").unwrap();
    let other = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    system::try_lock(&other, Lock::Record).unwrap();
    let same = OpenOptions::new().read(true).write(true).open(&renamed).unwrap();
    assert_eq!(system::try_lock(&same, Lock::Record).unwrap_err().raw_os_error(), Some(libc::EAGAIN));
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn locks_are_kept_between_handles() {
    let device = Device::new("locks");
    let path = device.mount_local(&device.path("remote")).join("case.odt");
    fs::write(&path, "text").unwrap();
    let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let (first, second) = (open(), open());
    system::try_lock(&first, Lock::Record).unwrap();
    assert_eq!(system::try_lock(&second, Lock::Record).unwrap_err().raw_os_error(), Some(libc::EAGAIN));
    drop(first);
    system::try_lock(&second, Lock::Record).unwrap();
    let third = open();
    second.lock().unwrap();
    assert!(third.try_lock().is_err(), "flock is not shared with record locks but between handles");
}
