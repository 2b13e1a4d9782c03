//! `kill -9` of the daemon while an application works on a real mount: nothing that was acknowledged is lost (promises P1 to P3). The
//! same with a power cut, for what was synced: see `power`.
//!
//! `VAULTFS_KILLS` and `VAULTFS_CUTS` set how many, `VAULTFS_SEED` which; `scripts/killloop.sh` runs long loops. A crash at every point
//! that the program names is in `points`, a disk that fails in `failing`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test that cannot go on fails, and nobody outside uses a test crate"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test binary uses its part of the harness")]
mod support;

mod day;
mod disk;
mod evidence;
mod failing;
mod faults;
mod points;
mod power;
mod workload;

use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use evidence::Evidence;
use support::Device;
use workload::Workload;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

/// Kills the daemon in a while.
fn kill_after(device: &Device, delay: Duration) -> JoinHandle<()> {
    let processes = device.daemon_processes();
    std::thread::spawn(move || {
        std::thread::sleep(delay);
        processes.into_iter().for_each(support::kill);
    })
}

#[test]
fn nothing_acknowledged_is_lost_by_kills() {
    let (kills, seed) = (setting("VAULTFS_KILLS", 10), setting("VAULTFS_SEED", 1));
    let device = Device::new("killed");
    let mut evidence = Evidence::gather(&device);
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    let mut workload = Workload::new(mnt, seed);
    let mut chance = StdRng::seed_from_u64(seed ^ 0x6b69_6c6c);
    for kill in 0..kills {
        // How much work is done before the kill is part of the seed; where inside an operation it strikes is up to the machine.
        let killer = kill_after(&device, Duration::from_micros(chance.random_range(0..400_000)));
        let done = workload.run_until_the_mount_dies();
        killer.join().unwrap();
        device.await_death();
        evidence.end_run();
        device.mount();
        workload.verify(&format!("after kill {} of {kills} (seed {seed}, {done} operations in this round)", kill + 1));
    }
    device.wait_synced();
    workload.verify("after everything was sent");
    let (mount, remote) = (support::tree(&device.mnt()), support::tree(&remote));
    assert_eq!(
        mount.keys().collect::<Vec<_>>(),
        remote.keys().collect::<Vec<_>>(),
        "names in the mount and at the provider"
    );
    assert!(mount == remote, "bytes in the mount and at the provider differ");
    println!("{kills} kills, {} acknowledged operations, seed {seed}: nothing lost", workload.acknowledged());
}
