//! A long queue: what a file costs when there are thousands, and what else gets its turn meanwhile.

use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::api::{Counts, is_idle, wait_idle};
use crate::figure;
use crate::probe::{Daemon, Times};
use crate::size;
use crate::support::{Device, tree};

/// What the daemon may use while it sends 20,000 files.
const MEMORY_BYTES: u64 = 192 << 20;

/// How often the provider may be asked for changes while three files are sent: each may be told about on its own.
const MOST_PULLS: u64 = 8;

fn write_files(mnt: &Path, count: usize) {
    for at in 0..count {
        let folder = mnt.join(format!("Folder {:03}", at / 100));
        if at % 100 == 0 {
            fs::create_dir(&folder).unwrap();
        }
        fs::write(folder.join(format!("{at}.json")), format!("{{\"take\":{at}}}")).unwrap();
    }
}

#[test]
fn thousands_of_small_files_are_sent_while_everything_else_answers() {
    let files = size("VAULTFS_SCALE_FILES", 300);
    figure("small files", files);
    let device = Device::new("queue");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    fs::create_dir(mnt.join("known")).unwrap();
    for at in 0..100 {
        fs::write(mnt.join(format!("known/{at}")), "").unwrap();
    }
    wait_idle(&device);
    let daemon = Daemon::of(&device);
    let span = daemon.span();
    write_files(&mnt, files);
    span.end("write them");
    let span = daemon.span();
    let (mut api, mut listing, mut stat) = (Times::default(), Times::default(), Times::default());
    let mut at = 0;
    while !api.time(|| is_idle(&device)) {
        listing.time(|| assert_eq!(fs::read_dir(mnt.join("known")).unwrap().count(), 100));
        stat.time(|| fs::metadata(mnt.join(format!("known/{}", at % 100))).unwrap());
        at += 1;
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    let peak = span.end("from then until all are at the provider");
    api.print("ask the control API for the status meanwhile");
    listing.print("list a folder meanwhile");
    stat.print("look at a file meanwhile");
    assert_eq!(tree(&remote), tree(&mnt));
    assert!(peak <= MEMORY_BYTES, "the daemon used {} MiB", peak >> 20);
}

#[test]
fn three_changes_in_a_large_vault_are_three_transfers() {
    let files = size("VAULTFS_SCALE_BASELINE", 1_000);
    figure("files of the baseline", files);
    let device = Device::new("increment");
    let remote = device.path("remote");
    write_files(&remote, files);
    let mnt = device.mount_local(&remote);
    wait_idle(&device);
    let before = Counts::of(&device);
    let started = Instant::now();
    for at in [0, files / 2, files - 1] {
        let path = format!("Folder {:03}/{at}.json", at / 100);
        fs::write(mnt.join(path), "{\"edited\":true}").unwrap();
    }
    wait_idle(&device);
    let took = started.elapsed();
    let counts = Counts::of(&device);
    let (uploads, pulls) =
        (counts.since(&before, "vaultfs_uploads_total"), counts.since(&before, "vaultfs_pulls_total"));
    figure("three changes, until they are at the provider", format!("{took:?}, {uploads} uploads, {pulls} pulls"));
    assert_eq!(uploads, 3);
    assert!(pulls <= MOST_PULLS, "{pulls} pulls");
    assert_eq!(tree(&remote), tree(&mnt));
}
