//! One folder with very many entries.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::api::{is_idle, wait_idle};
use crate::figure;
use crate::probe::{Daemon, Times};
use crate::support::eventually;
use crate::{device, size};

/// What the daemon may use while it takes in, shows and changes a folder of 100,000 entries.
const MEMORY_BYTES: u64 = 256 << 20;

/// Lists with the system's own `ls`; returns the number of lines.
fn ls(option: &str, folder: &Path) -> usize {
    let output = Command::new("ls").arg(option).arg(folder).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "ls {option}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout.iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn a_folder_of_very_many_entries_is_shown_and_changed() {
    let entries = size("VAULTFS_SCALE_ENTRIES", 3_000);
    figure("entries of one folder", entries);
    let (device, remote) = device("folder", |remote| {
        fs::create_dir(remote.join("big")).unwrap();
        for at in 0..entries {
            fs::write(remote.join(format!("big/Take {at:06}.wav")), "take").unwrap();
        }
    });
    let daemon = Daemon::of(&device);
    let span = daemon.span();
    let mnt = device.mount();
    wait_idle(&device);
    let mut peak = span.end("first scan, until everything is shown");
    let big = mnt.join("big");

    // `ls -f` tells `.` and `..` as well, `ls -l` the sum of blocks.
    for round in ["cold", "warm"] {
        let span = daemon.span();
        assert_eq!(ls("-f", &big), entries + 2);
        peak = peak.max(span.end(&format!("ls -f, {round}")));
        let span = daemon.span();
        assert_eq!(ls("-l", &big), entries + 1);
        peak = peak.max(span.end(&format!("ls -l, {round}")));
    }

    let changes = (entries / 20).clamp(20, 1_000);
    let (mut create, mut rename, mut delete) = (Times::default(), Times::default(), Times::default());
    let span = daemon.span();
    for at in 0..changes {
        create.time(|| fs::write(big.join(format!("new {at}")), "new").unwrap());
    }
    create.print("create a file of three bytes");
    wait_idle(&device);
    peak = peak.max(span.end(&format!("{changes} files created, until all are at the provider")));
    let span = daemon.span();
    for at in 0..changes {
        rename.time(|| fs::rename(big.join(format!("new {at}")), big.join(format!("newer {at}"))).unwrap());
    }
    rename.print("rename a file");
    wait_idle(&device);
    peak = peak.max(span.end(&format!("{changes} files renamed, until all are at the provider")));
    let span = daemon.span();
    for at in 0..changes {
        delete.time(|| fs::remove_file(big.join(format!("newer {at}"))).unwrap());
    }
    delete.print("delete a file");
    wait_idle(&device);
    peak = peak.max(span.end(&format!("{changes} files deleted, until all are at the provider")));
    assert_eq!(fs::read_dir(remote.join("big")).unwrap().count(), entries);

    fs::rename(&big, mnt.join("large")).unwrap();
    wait_idle(&device);
    let large = mnt.join("large");
    assert_eq!(ls("-f", &large), entries + 2);
    assert!(remote.join("large").is_dir());

    device.ok(["daemon", "stop"]);
    let mut restart = Times::default();
    restart.time(|| device.mount());
    restart.print("start the daemon and mount");
    let daemon = Daemon::of(&device);
    let span = daemon.span();
    assert_eq!(ls("-f", &large), entries + 2);
    peak = peak.max(span.end("ls -f, daemon just started"));
    eventually("the daemon has looked around", || is_idle(&device));
    let span = daemon.span();
    fs::write(remote.join("large/from elsewhere"), "").unwrap();
    eventually("a change at the provider is shown", || large.join("from elsewhere").exists());
    peak = peak.max(span.end("one file made at the provider, until it is shown"));
    assert!(peak <= MEMORY_BYTES, "the daemon used {} MiB", peak >> 20);
}
