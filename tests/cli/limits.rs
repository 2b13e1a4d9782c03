//! Limits that are set while the daemon runs hold at once.

use std::fs;
use std::path::Path;

use crate::harness::{Device, eventually};

const MIB: usize = 1 << 20;

fn write(path: &Path, mib: usize) -> Option<i32> {
    fs::write(path, vec![7; mib * MIB]).err().map(|error| error.raw_os_error().unwrap())
}

#[test]
fn the_limit_of_unsent_edits_is_set_met_explained_and_raised_without_a_restart() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    let daemon = device.daemon();
    device.ok("queue pause");
    let said = device.ok("config set staging.max_bytes 4MiB");
    assert!(said.err.contains("from now on"), "{said:?}");
    assert_eq!(write(&mountpoint.join("three"), 3), None);
    assert_eq!(write(&mountpoint.join("too much"), 2), Some(28), "ENOSPC");
    let status = device.json("status");
    let problem = &status["vaults"][0]["problems"][0];
    assert_eq!((&status["state"], &problem["code"]), (&"error".into(), &"no-space".into()), "{status}");
    assert!(problem["cause"][0].as_str().unwrap().contains("staging.max_bytes"), "{problem}");
    let doctor = device.run("doctor").out;
    assert!(doctor.contains("TROUBLE Work: space: ") && doctor.contains("config set staging.max_bytes"), "{doctor}");
    // Names, reading, and writing over what is there go on.
    fs::rename(mountpoint.join("three"), mountpoint.join("3")).unwrap();
    fs::create_dir(mountpoint.join("folder")).unwrap();
    assert_eq!(fs::read(mountpoint.join("3")).unwrap().len(), 3 * MIB);
    fs::remove_file(mountpoint.join("too much")).unwrap();

    device.ok("config set staging.max_bytes 8MiB");
    assert_eq!(write(&mountpoint.join("two"), 2), None);
    assert_eq!(device.ok("status --short").out, "paused\n");
    // Not by its exit status: it also tells of the dead mounts of others, and other tests have some.
    assert!(device.run("doctor --vault Work").out.contains("ok      Work: space: "));
    // A limit for one vault only, back to what holds for all, and one that makes no sense.
    device.ok("config set staging.max_bytes 1MiB --vault Work");
    assert_eq!(write(&mountpoint.join("more"), 1), Some(28));
    device.ok("config unset staging.max_bytes --vault Work");
    assert_eq!(write(&mountpoint.join("more"), 1), None);
    assert_eq!(device.run("config set staging.max_bytes much").code, 1);
    let later = device.ok("config set fetch.parallel 3");
    assert!(later.err.contains("when it starts again"), "{later:?}");
    assert_eq!(device.daemon(), daemon, "it was never restarted");
    device.ok("queue resume");
    device.ok("wait @/mnt");
    assert_eq!(fs::read(root.join("3")).unwrap().len(), 3 * MIB);
    // What was sent no longer counts.
    device.ok("config set staging.max_bytes 4MiB");
    eventually("sent bytes are not staged any more", || write(&mountpoint.join("again"), 3).is_none());
}

/// Transfers of a direction: how many bytes are done, and of how many.
fn transfers(device: &Device, direction: &str) -> Vec<(u64, u64)> {
    let status = device.json("status");
    let all = status["vaults"][0]["transfers"].as_array().unwrap();
    let meant = all.iter().filter(|transfer| transfer["direction"] == direction);
    meant.map(|transfer| (transfer["done"].as_u64().unwrap(), transfer["total"].as_u64().unwrap())).collect()
}

#[test]
fn a_limit_of_uploads_holds_until_it_is_lifted_while_they_run() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    device.ok("config set bandwidth.up 1KiB/s");
    assert_eq!(write(&mountpoint.join("take.wav"), 3), None);
    eventually("the upload has begun", || transfers(&device, "upload").iter().any(|(done, _)| *done > 0));
    let (done, total) = transfers(&device, "upload")[0];
    assert!(done < total / 10, "{done} of {total} bytes at a kibibyte per second");
    assert!(!root.join("take.wav").exists());
    // By the clock: all day long, without a limit.
    let schedule = ["config", "set", "bandwidth.schedule", "00:00-24:00 up 0"];
    assert!(device.command().args(schedule).status().unwrap().success());
    device.ok("wait @/mnt/take.wav");
    assert_eq!(fs::read(root.join("take.wav")).unwrap().len(), 3 * MIB);
}

#[test]
fn a_limit_of_downloads_slows_what_nobody_waits_for() {
    let device = Device::new();
    let root = device.folder("far");
    for name in ["pinned.wav", "read.wav"] {
        fs::write(root.join(name), vec![7; 3 * MIB]).unwrap();
    }
    device.ok("vault add Far --provider local --path @/far --link-latency 1");
    let mountpoint = device.folder("mnt");
    device.ok("mount Far @/mnt");
    device.ok("config set bandwidth.down 1KiB/s");
    device.ok("pin @/mnt/pinned.wav");
    eventually("the pinned file is on its way", || {
        transfers(&device, "download").iter().any(|(done, total)| *done > 0 && done < total)
    });
    assert_eq!(fs::read(mountpoint.join("read.wav")).unwrap().len(), 3 * MIB);
    let hydrated = || device.json("status @/mnt/pinned.wav")["hydrated_bytes"].as_u64().unwrap();
    assert!(hydrated() < 3 << 20, "it came at full speed");
    device.ok("config unset bandwidth.down");
    eventually("without a limit the rest arrives", || hydrated() == 3 << 20);
}
