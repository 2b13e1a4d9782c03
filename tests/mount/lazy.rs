//! Files behind a link: names at once, bytes block by block when they are read, written files whole at the provider. The link
//! is simulated (`vault add --link-latency`); everything else is what a cloud would meet.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Device;
use crate::system;

const MIB: u64 = 1 << 20;
const LARGE: u64 = 64 * MIB;

/// What may come along with a few wanted blocks: read-ahead of the kernel and of vaultfs.
const ALONG: u64 = 12 * MIB;

/// Bytes that tell where they stand, so that no block can pass for another.
fn pattern(size: u64) -> Vec<u8> {
    (0..size / 8).flat_map(|word| (word ^ (word << 29) ^ 0x5eed).to_le_bytes()).collect()
}

/// A vault with one large file behind a link that lets a few milliseconds be felt and the whole file not pass at once.
fn far(device: &Device) -> (PathBuf, Vec<u8>) {
    let remote = device.path("remote");
    let bytes = pattern(LARGE);
    fs::create_dir(remote.join("audio")).unwrap();
    fs::write(remote.join("audio/take.wav"), &bytes).unwrap();
    fs::write(remote.join("mix.json"), "{\"name\": \"Mix\"}").unwrap();
    let shown = remote.to_str().unwrap();
    let link = ["--link-latency", "20", "--link-rate", "32 MiB"];
    device.ok(["vault", "add", "vault", "--provider", "local", "--path", shown].into_iter().chain(link));
    (device.mount(), bytes)
}

fn status(device: &Device, path: &Path) -> Value {
    serde_json::from_str(&device.ok(["status", path.to_str().unwrap(), "--json"])).unwrap()
}

fn hydrated(device: &Device, path: &Path) -> u64 {
    status(device, path)["hydrated_bytes"].as_u64().unwrap()
}

/// Waits until nothing more arrives.
fn settled(device: &Device, path: &Path) -> u64 {
    let (mut last, mut since) = (hydrated(device, path), Instant::now());
    while since.elapsed() < Duration::from_millis(500) {
        std::thread::park_timeout(Duration::from_millis(50));
        let now = hydrated(device, path);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

fn slice(bytes: &[u8], at: u64, length: usize) -> &[u8] {
    let at = usize::try_from(at).unwrap();
    &bytes[at..at + length]
}

#[test]
fn names_are_free_and_a_read_far_inside_fetches_little() {
    let device = Device::new("lazy");
    let (mnt, bytes) = far(&device);
    let take = mnt.join("audio/take.wav");
    assert_eq!(fs::metadata(&take).unwrap().len(), LARGE);
    assert_eq!(fs::read_dir(&mnt).unwrap().count(), 2);
    assert_eq!(hydrated(&device, &take), 0);
    assert_eq!(status(&device, &take)["presence"], "online-only");

    let mut end = vec![0; 64 * 1024];
    let at = LARGE - 64 * 1024;
    File::open(&take).unwrap().read_exact_at(&mut end, at).unwrap();
    assert!(end == slice(&bytes, at, end.len()), "wrong bytes at the end");
    let fetched = settled(&device, &take);
    assert!((64 * 1024..=ALONG).contains(&fetched), "{fetched} bytes for 64 KiB");
    assert_eq!(status(&device, &take)["presence"], "partly");
}

#[test]
fn a_few_bytes_written_into_a_cold_file_fetch_few_blocks_and_the_whole_arrives() {
    let device = Device::new("lazy");
    let (mnt, mut bytes) = far(&device);
    let (take, at) = (mnt.join("audio/take.wav"), 40 * MIB + 123);
    // Nothing is sent yet: sending needs the rest of the file.
    device.ok(["queue", "pause"]);
    fs::OpenOptions::new().write(true).open(&take).unwrap().write_all_at(b"a splice", at).unwrap();
    bytes[usize::try_from(at).unwrap()..][..8].copy_from_slice(b"a splice");

    let mut around = vec![0; 4096];
    File::open(&take).unwrap().read_exact_at(&mut around, at - 2000).unwrap();
    assert!(around == slice(&bytes, at - 2000, 4096), "wrong bytes around the splice");
    let fetched = settled(&device, &take);
    assert!(fetched <= ALONG, "{fetched} bytes for a few");
    assert_eq!(status(&device, &take)["safe_here"], false, "the rest of it is not");
    device.ok(["queue", "resume"]);
    device.wait_synced();
    assert!(fs::read(device.path("remote/audio/take.wav")).unwrap() == bytes, "wrong bytes at the provider");
    assert!(fs::read(&take).unwrap() == bytes, "wrong bytes in the mount");
    assert_eq!(status(&device, &take)["safe_in_cloud"], true);
}

#[test]
fn a_save_of_a_cold_file_while_offline_fetches_nothing() {
    let device = Device::new("lazy");
    let (mnt, _) = far(&device);
    device.ok(["offline"]);
    fs::write(mnt.join("mix.json"), "{\"name\": \"Mix, offline\"}").unwrap();
    let take = mnt.join("audio/take.wav");
    let started = Instant::now();
    File::open(&take).and_then(|file| file.read_exact_at(&mut [0; 16], 0)).expect_err("its bytes are not here");
    assert!(started.elapsed() < Duration::from_secs(5), "an error, not a wait: {:?}", started.elapsed());
    assert_eq!(hydrated(&device, &take), 0);
    device.ok(["online"]);
    device.wait_synced();
    assert_eq!(fs::read_to_string(device.path("remote/mix.json")).unwrap(), "{\"name\": \"Mix, offline\"}");
}

#[test]
fn pinned_is_here_evicted_is_not_and_comes_back_equal() {
    let device = Device::new("lazy");
    let (mnt, bytes) = far(&device);
    let take = mnt.join("audio/take.wav");
    let shown = take.to_str().unwrap();
    device.ok(["pin", shown]);
    crate::support::eventually("the pinned file is here", || status(&device, &take)["presence"] == "here");
    device.ok(["offline"]);
    assert!(fs::read(&take).unwrap() == bytes, "a pinned file reads without the network");
    device.ok(["online"]);
    device.ok(["unpin", shown]);
    device.ok(["evict", shown]);
    assert_eq!(hydrated(&device, &take), 0);
    let file = File::open(&take).unwrap();
    crate::support::eventually("the kernel's memory is given back", || system::pages_in_memory(&file, LARGE) == 0);
    assert!(fs::read(&take).unwrap() == bytes, "wrong bytes after they were dropped");
    assert_eq!(hydrated(&device, &take), LARGE);
}

#[test]
fn bytes_that_are_not_here_are_data_and_no_hole() {
    let device = Device::new("lazy");
    let (mnt, bytes) = far(&device);
    let take = mnt.join("audio/take.wav");
    device.ok(["queue", "pause"]);
    let file = fs::OpenOptions::new().read(true).write(true).open(&take).unwrap();
    let (start, end) = (0, i64::try_from(LARGE).unwrap());
    let seek = |offset, whence| system::seek(&file, offset, whence);
    assert_eq!((seek(start, libc::SEEK_DATA).unwrap(), seek(start, libc::SEEK_HOLE).unwrap()), (start, end));
    // Written in part, and grown: the middle is still at the provider.
    file.write_all_at(b"a splice", 5 * MIB).unwrap();
    file.set_len(LARGE + 4 * MIB).unwrap();
    for at in [0, 5 * MIB, 30 * MIB, LARGE - 1] {
        let at = i64::try_from(at).unwrap();
        assert_eq!(seek(at, libc::SEEK_DATA).unwrap(), at, "there is data at {at}");
    }
    assert!(seek(start, libc::SEEK_HOLE).unwrap() >= end, "no hole before the old end");
    let past = seek(end + 4 * (1 << 20), libc::SEEK_DATA).unwrap_err();
    assert_eq!(past.raw_os_error(), Some(libc::ENXIO));
    // What copies around holes takes every byte along.
    let copy = device.path("config").join("copy");
    let copied = std::process::Command::new("cp").arg("--sparse=always").args([&take, &copy]).status().unwrap();
    assert!(copied.success());
    let copy = fs::read(copy).unwrap();
    let splice = usize::try_from(5 * MIB).unwrap();
    assert!(copy[..splice] == bytes[..splice] && copy[splice + 8..bytes.len()] == bytes[splice + 8..]);
    assert!(&copy[splice..splice + 8] == b"a splice" && copy[bytes.len()..].iter().all(|byte| *byte == 0));
}
