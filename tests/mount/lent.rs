//! Files that the kernel reads and writes by itself where it may (as root here), and what becomes of them while they are open: sent,
//! settled, changed again, cut, removed, mapped. Where the kernel may not, all of this holds as well.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::support::api::Counts;
use crate::support::{Device, eventually};
use crate::system::Mapping;

/// Large enough to be lent to a reader.
const SIZE: usize = 300_000;

fn whole(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn writer(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Once with files lent to the kernel, once without: every test holds either way.
fn either_way(test: impl Fn(&Device)) {
    for passthrough in [true, false] {
        let device = Device::new("lent");
        device.ok(["config", "set", "mount.passthrough", &passthrough.to_string()]);
        test(&device);
        let lent = Counts::of(&device).get("vaultfs_lent_files_total");
        assert_eq!(lent > 0, passthrough && may_lend(), "{lent} files lent, passthrough: {passthrough}");
    }
}

/// The kernel lends since 6.9, and to root alone.
fn may_lend() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.trim().parse::<u32>().ok());
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    fs::metadata("/proc/self").unwrap().uid() == 0 && version >= (6, 9)
}

/// A reader keeps its file open while it is sent and settled, twice, and written to by others in between.
fn reads_while_others_write(device: &Device, mnt: &Path) {
    let remote = device.path("remote");
    let path = mnt.join("take.wav");
    fs::write(&path, vec![b'1'; SIZE]).unwrap();
    let reader = File::open(&path).unwrap();
    let inode = reader.metadata().unwrap().ino();
    for round in [b'2', b'3'] {
        device.wait_synced();
        // Clean by now, and still what the reader has.
        let before = whole(&reader);
        assert!(before == fs::read(remote.join("take.wav")).unwrap());
        let file = writer(&path);
        file.write_all_at(&[round; 1000], 5000).unwrap();
        file.write_all_at(b"longer", before.len() as u64).unwrap();
        let mut expected = before;
        expected[5000..6000].fill(round);
        expected.extend(b"longer");
        assert!(whole(&reader) == expected && whole(&file) == expected, "round {round}");
        drop(file);
        assert!(fs::read(&path).unwrap() == expected);
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        device.wait_synced();
        assert!(fs::read(remote.join("take.wav")).unwrap() == expected, "round {round}");
    }
    drop(reader);
    device.wait_synced();
    assert_eq!(fs::read_dir(staging(device)).unwrap().count(), 0, "what was sent is given back");
}

/// Where the bytes of the only vault are staged.
fn staging(device: &Device) -> PathBuf {
    let state = fs::read_dir(device.path("state").join("vaultfs")).unwrap();
    let mut folders = state.map(|entry| entry.unwrap().path().join("staging")).filter(|path| path.is_dir());
    folders.next().unwrap()
}

#[test]
fn readers_see_what_is_written_after_their_file_was_sent() {
    either_way(|device| {
        let mnt = device.mount_local(&device.path("remote"));
        reads_while_others_write(device, &mnt);
    });
}

#[test]
fn readers_see_what_is_written_after_their_file_went_to_the_cache() {
    either_way(|device| {
        let remote = device.path("remote");
        let link = ["--provider", "local", "--path", remote.to_str().unwrap(), "--link-latency", "1"];
        device.ok(["vault", "add", "vault"].into_iter().chain(link));
        reads_while_others_write(device, &device.mount());
    });
}

#[test]
fn size_and_times_are_those_of_the_file_at_every_moment() {
    either_way(|device| {
        let path = device.mount_local(&device.path("remote")).join("take.wav");
        let mut file = OpenOptions::new().create_new(true).read(true).append(true).open(&path).unwrap();
        let mut last = fs::metadata(&path).unwrap();
        for round in 1..=5_u64 {
            file.write_all(&[7; 70_000]).unwrap();
            let now = fs::metadata(&path).unwrap();
            assert_eq!((now.len(), now.ino()), (round * 70_000, last.ino()));
            assert!(now.modified().unwrap() >= last.modified().unwrap());
            assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), round * 70_000);
            last = now;
        }
        file.set_len(100_000).unwrap();
        file.write_all(b"end").unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_500_000_000, 42);
        file.set_modified(old).unwrap();
        file.sync_all().unwrap();
        let shown = fs::metadata(&path).unwrap();
        assert_eq!((shown.len(), shown.modified().unwrap()), (100_003, old));
        drop(file);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), old, "closing moves no time");
        device.wait_synced();
        assert_eq!(fs::metadata(device.path("remote/take.wav")).unwrap().len(), 100_003);
    });
}

#[test]
fn stores_through_a_mapping_of_a_closed_file_are_sent() {
    either_way(|device| {
        let remote = device.path("remote");
        let path = device.mount_local(&remote).join("bank.samples");
        fs::write(&path, vec![b'x'; SIZE]).unwrap();
        let file = writer(&path);
        let mut mapping = Mapping::new(&file, SIZE);
        drop(file);
        mapping.bytes()[..4].copy_from_slice(b"wave");
        let written = fs::metadata(&path).unwrap();
        drop(mapping);
        device.wait_synced();
        assert_eq!(&fs::read(remote.join("bank.samples")).unwrap()[..4], b"wave");
        eventually("the time of the store is shown", || {
            fs::metadata(&path).unwrap().modified().unwrap() >= written.modified().unwrap()
        });
    });
}

#[test]
fn a_file_that_is_removed_or_replaced_while_it_is_open_stays_with_its_handles() {
    either_way(|device| {
        let mnt = device.mount_local(&device.path("remote"));
        let (path, other) = (mnt.join("take.wav"), mnt.join("other.wav"));
        fs::write(&path, vec![1; SIZE]).unwrap();
        fs::write(&other, vec![2; SIZE]).unwrap();
        let (mut removed, replaced) = (writer(&path), writer(&other));
        fs::remove_file(&path).unwrap();
        fs::write(&path, vec![3; SIZE]).unwrap();
        fs::rename(&path, &other).unwrap();
        removed.write_all(b"unseen").unwrap();
        replaced.write_all_at(b"unseen", 10).unwrap();
        device.wait_synced();
        let mut bytes = Vec::new();
        removed.seek(SeekFrom::Start(0)).unwrap();
        removed.read_to_end(&mut bytes).unwrap();
        assert!(bytes.starts_with(b"unseen\x01") && bytes.len() == SIZE);
        assert_eq!(&whole(&replaced)[8..18], b"\x02\x02unseen\x02\x02");
        assert!(fs::read(&other).unwrap() == vec![3; SIZE]);
        assert_eq!(fs::read_dir(device.path("remote")).unwrap().count(), 2, "one file, and the mark of the root");
    });
}
