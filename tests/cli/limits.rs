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
