//! A disk that fails: the N-th write, sync, rename or creation of the state and the cache is refused (`EIO`, `ENOSPC`) or done in part,
//! once, from then on, or together with everything after it. The application gets an error or loses nothing, the daemon lives, and on a healthy disk everything is in order.
//!
//! `VAULTFS_DISK_FAULTS` sets how many, spread over a day's work, `VAULTFS_SEED` which.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::day::Day;
use crate::disk::Disk;
use crate::evidence::Evidence;
use crate::faults::{Fault, Faults, Kind, Then};
use crate::setting;
use crate::support::Device;

/// How long a day that a fault has disturbed is given to send its work. What cannot be sent is told.
const PATIENCE: Duration = Duration::from_secs(3);

/// The rest of a day on a failing disk, and the morning after. What was refused.
fn one_day(
    device: &Device,
    day: &mut Day,
    evidence: &mut Evidence<'_>,
    faults: &Faults,
    what: &str,
) -> BTreeMap<Kind, u64> {
    let daemon = device.daemon_pid();
    let errors = day.work(&mut || true);
    let until = Instant::now() + PATIENCE;
    let mut goes_on = || Instant::now() < until;
    if day.exchange(&mut goes_on) {
        day.tidy(&mut goes_on);
    }
    assert_eq!(device.daemon_pid(), daemon, "{what}: the daemon has died\n{errors:?}");
    let (_, struck) = faults.heal();
    device.kill_daemon();
    evidence.end_run();
    device.mount();
    day.verify(what);
    device.wait_synced();
    day.verify_agreement(what);
    device.ok(["verify", "--deep"]);
    struck
}

#[test]
fn a_disk_that_fails_anywhere_loses_nothing_acknowledged() {
    let (rounds, seed) = (setting("VAULTFS_DISK_FAULTS", 16), setting("VAULTFS_SEED", 1));
    let mut random = StdRng::seed_from_u64(seed ^ 0x6469_736b);
    let device = Device::new("failing");
    let faults = Arc::new(Faults::default());
    let _disks = ["state", "cache"].map(|folder| Disk::failing(&device.path(folder), Arc::clone(&faults)));
    let mut evidence = Evidence::gather(&device);
    let mut day = Day::new(&device);
    // A day on which nothing fails tells how many operations there are.
    day.put_away(&device);
    faults.heal();
    day.work(&mut || true);
    assert!(day.exchange(&mut || true));
    day.tidy(&mut || true);
    let (seen, _) = faults.heal();
    let kinds: Vec<Kind> = seen.keys().copied().collect();
    assert!(seen.contains_key(&("sync", "file")) && seen.contains_key(&("write", "database")), "{seen:?}");
    let mut refused: BTreeMap<Kind, u64> = BTreeMap::new();
    for round in 0..rounds {
        day.put_away(&device);
        let kind = kinds[usize::try_from(round).unwrap() % kinds.len()];
        let at = random.random_range(1..=seen[&kind]);
        let fault = [Fault::Broken, Fault::Full, Fault::Short][random.random_range(0..3_usize)];
        let then = [Then::Heals, Then::Same, Then::Dies][random.random_range(0..3_usize)];
        let what = format!(
            "fault {round} of {rounds} (seed {seed}): {kind:?} {at} of {}: {fault:?}, then {then:?}",
            seen[&kind]
        );
        println!("{what}");
        faults.arm(kind, at, fault, then);
        for (operation, count) in one_day(&device, &mut day, &mut evidence, &faults, &what) {
            *refused.entry(operation).or_default() += count;
        }
    }
    println!(
        "{rounds} faults, {} acknowledged operations, seed {seed}: nothing lost; refused: {refused:?}",
        day.acknowledged()
    );
    let spared: Vec<_> = kinds.iter().filter(|kind| !refused.contains_key(*kind)).collect();
    assert!(rounds < 100 || spared.is_empty(), "{rounds} faults and never one of these: {spared:?}");
    assert!(!refused.is_empty(), "no operation was ever refused");
}
