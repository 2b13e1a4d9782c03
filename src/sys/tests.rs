//! The wrappers against the real kernel.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use super::{disk, durable, lock, process};
use crate::types::{BLOCK_BYTES, ByteRange};

const MIB: u64 = 1 << 20;

#[test]
fn holes_are_made_found_and_counted() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(4 * MIB).unwrap();
    assert_eq!(disk::seek_data(&file, 0).unwrap(), None);
    file.write_all_at(&vec![7; 1 << 20], MIB).unwrap();
    assert_eq!(disk::seek_data(&file, 0).unwrap(), Some(MIB));
    assert_eq!(disk::seek_hole(&file, MIB).unwrap(), Some(2 * MIB));
    assert_eq!(disk::seek_hole(&file, 9 * MIB).unwrap(), None);
    assert_eq!(disk::data_bytes(&file, ByteRange::new(0, 4 * MIB)).unwrap(), MIB);
    assert!(disk::allocated_bytes(&file).unwrap() >= MIB);

    disk::punch_hole(&file, ByteRange::new(MIB, 2 * MIB - 10)).unwrap();
    let mut tail = [1; 12];
    file.read_exact_at(&mut tail, 2 * MIB - 12).unwrap();
    assert_eq!(tail, [0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
    assert!(disk::data_bytes(&file, ByteRange::new(0, 4 * MIB)).unwrap() <= 4096);
}

#[test]
fn blocks_of_zeros_are_written_as_holes() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(4 * MIB).unwrap();
    file.write_all_at(&vec![7; 1 << 20], MIB).unwrap();
    // Zeros over data, data in the middle of a block of zeros, and a part of a block at the end.
    let mut bytes = vec![0; 2 << 20];
    bytes[700_000] = 1;
    bytes.extend([0; 100]);
    bytes.extend([2; 3]);
    assert_eq!(disk::write_sparse(&file, &bytes, MIB).unwrap(), BLOCK_BYTES + 103);
    let mut found = vec![9; bytes.len()];
    file.read_exact_at(&mut found, MIB).unwrap();
    assert!(found == bytes);
    assert!(disk::data_bytes(&file, ByteRange::new(MIB, 4 * MIB)).unwrap() <= 2 * BLOCK_BYTES);
    assert_eq!(disk::write_sparse(&file, &[], 0).unwrap(), 0);
}

#[test]
fn allocation_reserves_and_grows_only_if_asked() {
    let file = tempfile::tempfile().unwrap();
    disk::allocate(&file, ByteRange::new(0, MIB), true).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 0);
    assert!(disk::allocated_bytes(&file).unwrap() >= MIB);
    disk::allocate(&file, ByteRange::new(MIB, 2 * MIB), false).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 2 * MIB);
    let too_far = disk::allocate(&file, ByteRange::new(0, u64::MAX), false).unwrap_err();
    assert_eq!(too_far.raw_os_error(), Some(libc::EFBIG));
}

#[test]
fn a_disk_has_space_and_folders_sync() {
    let folder = tempfile::tempdir().unwrap();
    let space = disk::disk_space(folder.path()).unwrap();
    assert!(space.available > 0 && space.available <= space.total);
    durable::sync_directory(folder.path()).unwrap();
    assert!(disk::disk_space(&folder.path().join("absent")).is_err());
}

#[test]
fn a_second_open_file_does_not_get_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let (first, second) = (File::create(&path).unwrap(), File::create(&path).unwrap());
    assert!(lock::try_lock_exclusive(&first).unwrap());
    assert!(!lock::try_lock_exclusive(&second).unwrap());
    drop(first);
    assert!(lock::try_lock_exclusive(&second).unwrap());
    lock::unlock(&second).unwrap();
    lock::lock_exclusive(&second).unwrap();
}

#[test]
fn the_peer_of_our_own_socket_is_us() {
    let (one, _other) = UnixStream::pair().unwrap();
    let peer = process::peer_credentials(&one).unwrap();
    assert_eq!((peer.uid, peer.gid), (process::effective_uid(), process::effective_gid()));
    assert_eq!(peer.pid, i32::try_from(std::process::id()).ok());
    assert!(process::peer_credentials(&File::open("/").unwrap()).is_err());
}

#[test]
fn a_thread_that_was_killed_has_ended() {
    let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let thread = crate::types::ThreadNo(child.id());
    assert!(!process::has_ended(thread));
    assert!(!process::has_ended(crate::types::ThreadNo(std::process::id())));
    child.kill().unwrap();
    // With no look at its exit code yet, and after it.
    while !process::has_ended(thread) {
        std::thread::yield_now();
    }
    child.wait().unwrap();
    assert!(process::has_ended(thread));
}

#[test]
fn the_boot_has_an_id_that_stays() {
    assert!(process::boot_id().is_some_and(|id| !id.is_empty()));
    assert_eq!(process::boot_id(), process::boot_id());
}
