//! A file larger than 32 bits can count, mostly holes: through the mount, to the provider, and from there to a second device.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::api::wait_idle;
use crate::figure;
use crate::probe::Daemon;
use crate::size;
use crate::support::{Device, eventually};

/// What the daemon may use, whatever the size of the file.
const MEMORY_BYTES: u64 = 128 << 20;
/// What a few hundred kilobytes in a file of gigabytes may take on the disk.
const DISK_BYTES: u64 = 16 << 20;

/// What 32 bits can count.
const FOUR_GIB: u64 = 1 << 32;

/// Pieces of data at the start, in the middle, across the end of what 32 bits can count, and at the very end.
fn pieces(bytes: u64) -> Vec<(u64, Vec<u8>)> {
    let piece = |at: u64, seed: u64| {
        let fill = (0..100_003_u64).map(|byte| u8::try_from((byte.wrapping_mul(seed) >> 3) % 251).unwrap()).collect();
        (at, fill)
    };
    let across = if bytes > FOUR_GIB + (1 << 20) { FOUR_GIB - 50_000 } else { bytes / 3 * 2 };
    vec![piece(0, 3), piece(bytes / 3, 5), piece(across, 7), piece(bytes - 100_003, 11)]
}

fn sha256(path: &Path) -> String {
    let mut file = File::open(path).unwrap();
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            return hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        }
        hasher.update(&buffer[..read]);
    }
}

/// Bytes on the disk of everything below a folder.
fn allocated(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let metadata = path.symlink_metadata().unwrap();
            metadata.blocks() * 512 + if metadata.is_dir() { allocated(&path) } else { 0 }
        })
        .sum()
}

#[test]
fn a_sparse_file_of_many_gigabytes_goes_through_both_ways_and_stays_cheap() {
    let mebibytes = size("VAULTFS_SCALE_SPARSE_MIB", 200);
    let bytes = (mebibytes as u64) << 20;
    figure("MiB of the file", mebibytes);
    let (studio, stage) = (Device::new("studio"), Device::new("stage"));
    let remote = studio.path("remote");
    let here = studio.mount_local(&remote);
    let daemon = Daemon::of(&studio);
    let span = daemon.span();
    let take = here.join("take.wav");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&take).unwrap();
    file.set_len(bytes - 200_000).unwrap();
    for (at, piece) in pieces(bytes) {
        file.write_all_at(&piece, at).unwrap();
    }
    file.sync_all().unwrap();
    assert_eq!(file.metadata().unwrap().len(), bytes);
    for (at, piece) in pieces(bytes) {
        let mut found = vec![0; piece.len()];
        file.read_exact_at(&mut found, at).unwrap();
        assert!(found == piece, "what was written at {at} is read back");
    }
    let mut hole = vec![1; 4096];
    file.read_exact_at(&mut hole, bytes / 2).unwrap();
    assert!(hole.iter().all(|byte| *byte == 0), "a hole reads as zeros");
    let mut peak = span.end("write at both ends, fsync, read back");
    let staged = allocated(&studio.path("state"));
    figure("on disk while it is staged", format!("{} KiB", staged >> 10));
    assert!(staged < DISK_BYTES, "holes are staged as {staged} bytes");

    let span = daemon.span();
    drop(file);
    wait_idle(&studio);
    peak = peak.max(span.end("close, until it is at the provider"));
    let span = daemon.span();
    let expected = sha256(&take);
    peak = peak.max(span.end("read through the mount, and SHA-256"));
    assert_eq!(sha256(&remote.join("take.wav")), expected);
    let stored = fs::metadata(remote.join("take.wav")).unwrap();
    figure("on disk at the provider", format!("{} KiB", stored.blocks() / 2));
    assert!(stored.blocks() * 512 < DISK_BYTES, "holes are stored as {} bytes", stored.blocks() * 512);

    // The second device is behind a link, so that it has to cache what it reads.
    let shown = remote.to_str().unwrap();
    stage.ok(["vault", "add", "vault", "--provider", "local", "--path", shown, "--link-latency", "1"]);
    let there = stage.mount();
    let daemon = Daemon::of(&stage);
    let span = daemon.span();
    eventually("the file is shown", || fs::metadata(there.join("take.wav")).is_ok_and(|found| found.len() == bytes));
    assert_eq!(sha256(&there.join("take.wav")), expected);
    peak = peak.max(span.end("read whole on a second device, and SHA-256"));
    let cached = allocated(&stage.path("cache"));
    figure("on disk in the cache", format!("{} KiB", cached >> 10));

    // An edit of a few bytes on the second device: one block is staged, and the whole is sent.
    let span = daemon.span();
    let file = OpenOptions::new().write(true).open(there.join("take.wav")).unwrap();
    file.write_all_at(b"RIFF", bytes - 12).unwrap();
    drop(file);
    wait_idle(&stage);
    peak = peak.max(span.end("an edit of four bytes there, until it is at the provider"));
    let expected = sha256(&there.join("take.wav"));
    eventually("the edit arrives", || {
        let mut found = [0; 4];
        let file = File::open(&take).unwrap();
        file.read_exact_at(&mut found, bytes - 12).unwrap();
        &found == b"RIFF"
    });
    assert_eq!(sha256(&take), expected);
    assert!(peak <= MEMORY_BYTES, "a daemon used {} MiB", peak >> 20);
}
