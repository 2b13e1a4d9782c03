//! One content, however it is reached: read and write, shared mappings, direct I/O, handles that outlive their names.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::Command;

use crate::support::{Device, eventually, tree};
use crate::system::{self, Mapping};

const PAGE: usize = 4096;

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

fn read(file: &File, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset).unwrap();
    bytes
}

/// What another process reads at the start of a file.
fn read_elsewhere(path: &Path, length: usize) -> Vec<u8> {
    Command::new("head").args(["-c", &length.to_string()]).arg(path).output().unwrap().stdout
}

#[test]
fn shared_mappings_and_reads_see_each_other_at_once() {
    let device = Device::new("maps");
    let path = device.mount_local(&device.path("remote")).join("bank.samples");
    fs::write(&path, vec![b'.'; 3 * PAGE]).unwrap();
    device.wait_synced();
    let file = open(&path);
    let (mut one, other) = (Mapping::new(&file, 3 * PAGE), Mapping::new(&open(&path), 3 * PAGE));
    one.bytes()[5..8].copy_from_slice(b"abc");
    assert_eq!((&read(&file, 4, 5)[..], &other.shown()[4..9]), (&b".abc."[..], &b".abc."[..]));
    assert_eq!(read_elsewhere(&path, 9), b".....abc.", "without msync");
    file.write_all_at(b"XYZ", 5000).unwrap();
    assert_eq!((&one.shown()[4999..5004], &other.shown()[4999..5004]), (&b".XYZ."[..], &b".XYZ."[..]));
    one.sync();
    assert_eq!(fs::read(&path).unwrap()[5..8], *b"abc");
}

#[test]
fn what_is_cut_off_comes_back_as_zeros_in_a_mapping_too() {
    let device = Device::new("maps");
    let path = device.mount_local(&device.path("remote")).join("bank.samples");
    fs::write(&path, vec![b'z'; 3 * PAGE]).unwrap();
    device.wait_synced();
    let file = open(&path);
    let map = Mapping::new(&file, 3 * PAGE);
    assert_eq!(map.shown()[2 * PAGE], b'z');
    let cut = PAGE + 100;
    file.set_len(cut as u64).unwrap();
    file.set_len(3 * PAGE as u64).unwrap();
    assert_eq!(map.shown()[cut - 1..cut + 2], [b'z', 0, 0]);
    assert!(map.shown()[cut..].iter().all(|byte| *byte == 0) && read(&file, cut as u64, PAGE) == vec![0; PAGE]);
}

#[test]
fn stores_through_a_mapping_reach_the_file_the_provider_and_mtime() {
    let device = Device::new("maps");
    let remote = device.path("remote");
    let path = device.mount_local(&remote).join("samples");
    fs::write(&path, vec![b'.'; 10_000]).unwrap();
    device.wait_synced();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut map = Mapping::new(&file, 10_000);
    drop(file);
    map.bytes()[5_000..5_003].copy_from_slice(b"abc");
    drop(map);
    assert_eq!(&fs::read(&path).unwrap()[4_999..5_004], b".abc.");
    eventually("the mapping's stores move mtime", || fs::metadata(&path).unwrap().modified().unwrap() > before);
    device.wait_synced();
    eventually("the mapping's stores reach the provider", || fs::read(remote.join("samples")).unwrap()[5_000] == b'a');
}

#[test]
fn direct_and_ordinary_input_and_output_see_each_other() {
    let device = Device::new("maps");
    let path = device.mount_local(&device.path("remote")).join("stream");
    fs::write(&path, vec![b'.'; 3 * PAGE]).unwrap();
    let (file, map) = (open(&path), Mapping::new(&open(&path), 3 * PAGE));
    assert_eq!(map.shown()[PAGE], b'.');
    let direct = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(&path).unwrap();
    // Direct I/O wants aligned memory: the middle of a buffer that is twice as long has it.
    let mut buffer = vec![b'D'; 2 * PAGE];
    let at = buffer.as_ptr().align_offset(PAGE);
    direct.write_all_at(&buffer[at..at + PAGE], PAGE as u64).unwrap();
    assert_eq!((&read(&file, PAGE as u64 - 2, 4)[..], &map.shown()[PAGE - 2..PAGE + 2]), (&b"..DD"[..], &b"..DD"[..]));
    file.write_all_at(b"ordinary", 2 * PAGE as u64).unwrap();
    direct.read_exact_at(&mut buffer[at..at + PAGE], 2 * PAGE as u64).unwrap();
    assert_eq!(&buffer[at..at + 8], b"ordinary");
}

#[test]
fn a_file_that_was_deleted_or_replaced_can_be_written_by_those_who_have_it_open() {
    let device = Device::new("maps");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    for name in ["deleted", "replaced"] {
        fs::write(mnt.join(name), "old").unwrap();
    }
    device.wait_synced();
    let (mut deleted, mut replaced) = (open(&mnt.join("deleted")), open(&mnt.join("replaced")));
    fs::remove_file(mnt.join("deleted")).unwrap();
    fs::write(mnt.join("beside"), "the new one").unwrap();
    fs::rename(mnt.join("beside"), mnt.join("replaced")).unwrap();
    for file in [&mut deleted, &mut replaced] {
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(b", and more").unwrap();
        file.set_len(8).unwrap();
        file.sync_all().unwrap();
        let shown = file.metadata().unwrap();
        assert_eq!((read(file, 0, 8), shown.len(), shown.nlink()), (b"old, and".to_vec(), 8, 0));
    }
    device.wait_synced();
    assert_eq!(fs::read_to_string(mnt.join("replaced")).unwrap(), "the new one");
    drop((deleted, replaced));
    device.wait_synced();
    let kept: BTreeMap<String, Vec<u8>> = [("replaced".to_owned(), b"the new one".to_vec())].into();
    assert_eq!(tree(&mnt), kept);
    assert_eq!(tree(&remote), kept);
}

#[test]
fn appends_through_handles_of_two_processes_lose_and_tear_nothing() {
    let device = Device::new("maps");
    let path = device.mount_local(&device.path("remote")).join("log");
    fs::write(&path, "").unwrap();
    let line = |letter: &str, length| letter.repeat(length) + "\n";
    let script = "for i in $(seq 300); do echo \"$1\"; done >> \"$2\"";
    let mut other = Command::new("sh").args(["-c", script, "-"]).arg("b".repeat(90)).arg(&path).spawn().unwrap();
    let mut ours = OpenOptions::new().append(true).open(&path).unwrap();
    for _ in 0..300 {
        ours.write_all(line("a", 70).as_bytes()).unwrap();
    }
    assert!(other.wait().unwrap().success());
    let text = fs::read_to_string(&path).unwrap();
    for whole in [line("a", 70), line("b", 90)] {
        assert_eq!(text.lines().filter(|found| *found == whole.trim_end()).count(), 300);
    }
    assert_eq!(text.lines().count(), 600);
    ours.write_all_at(b"at the end all the same\n", 0).unwrap();
    assert!(fs::read_to_string(&path).unwrap().ends_with("same\n"));
}

#[test]
fn ways_to_reserve_and_free_space_work_or_are_refused_whole() {
    let device = Device::new("maps");
    let path = device.mount_local(&device.path("remote")).join("reserved");
    fs::write(&path, vec![7; 100_000]).unwrap();
    let file = open(&path);
    let size = || file.metadata().unwrap().len();
    let (keep, punch) = (libc::FALLOC_FL_KEEP_SIZE, libc::FALLOC_FL_PUNCH_HOLE);
    system::fallocate(&file, keep, 0, 900_000).unwrap();
    assert_eq!(size(), 100_000, "reserved beyond the end");
    system::fallocate(&file, keep | punch, 1_000, 50_000).unwrap();
    system::fallocate(&file, keep | punch, 90_000, 9_000_000).unwrap();
    let expected: Vec<u8> =
        (0..100_000).map(|at| if (1_000..51_000).contains(&at) || at >= 90_000 { 0 } else { 7 }).collect();
    assert!(fs::read(&path).unwrap() == expected && size() == 100_000);
    system::fallocate(&file, 0, 0, 120_000).unwrap();
    let expected = [expected, vec![0; 20_000]].concat();
    assert!(fs::read(&path).unwrap() == expected && size() == 120_000);
    let unknown =
        [punch, libc::FALLOC_FL_COLLAPSE_RANGE, libc::FALLOC_FL_ZERO_RANGE, libc::FALLOC_FL_INSERT_RANGE, 0x40];
    for mode in unknown {
        assert_eq!(system::fallocate(&file, mode, 0, 4096).unwrap_err().raw_os_error(), Some(libc::EOPNOTSUPP));
    }
    let too_far = system::fallocate(&file, 0, 1 << 62, 1 << 62).unwrap_err();
    assert_eq!(too_far.raw_os_error(), Some(libc::EFBIG));
    assert!(fs::read(&path).unwrap() == expected && size() == 120_000, "a refused call changed the file");
    let read_only = File::open(&path).unwrap();
    assert_eq!(system::fallocate(&read_only, 0, 0, 10).unwrap_err().raw_os_error(), Some(libc::EBADF));
}
