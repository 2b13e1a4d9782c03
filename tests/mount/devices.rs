//! Two devices, two daemons, one provider: they converge to the same tree, offline in turns.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::{Device, eventually, tree};

fn work(mnt: &Path, random: &mut StdRng) {
    let name = |random: &mut StdRng| {
        format!("{}{}", ["", "a/", "b/"][random.random_range(0..3_usize)], random.random_range(0..8_u32))
    };
    for folder in ["a", "b"] {
        // Another device may have made or removed it a moment ago: both outcomes are fine.
        drop(fs::create_dir(mnt.join(folder)));
    }
    for _ in 0..12 {
        let (from, to) = (mnt.join(name(random)), mnt.join(name(random)));
        // Names come and go under the other device's hands; what counts is that both end equal.
        match random.random_range(0..6_u32) {
            0..3 => drop(fs::write(&from, random.random::<u64>().to_string())),
            3 => drop(fs::rename(&from, &to)),
            4 => drop(fs::remove_file(&from)),
            _ => drop(fs::copy(&from, &to)),
        }
    }
}

#[test]
fn two_devices_converge_after_random_work_offline_in_turns() {
    let (one, two) = (Device::new("one"), Device::new("two"));
    let remote = one.path("remote");
    let mounts = [one.mount_local(&remote), two.mount_local(&remote)];
    for seed in 0..4_u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let away = if seed.is_multiple_of(2) { &one } else { &two };
        away.ok(["offline"]);
        for mnt in &mounts {
            work(mnt, &mut random);
        }
        away.ok(["online"]);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            one.wait_synced();
            two.wait_synced();
            let (here, there, sent) = (tree(&mounts[0]), tree(&mounts[1]), tree(&remote));
            if here == there && here == sent {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "seed {seed}: one {}\ntwo {}\nprovider {}",
                shown(&here),
                shown(&there),
                shown(&sent)
            );
        }
    }
}

fn shown(tree: &BTreeMap<String, Vec<u8>>) -> String {
    let lines = tree.iter().map(|(name, bytes)| format!("\n  {name}: {}", String::from_utf8_lossy(bytes)));
    lines.collect()
}

#[test]
fn a_take_recorded_on_one_device_plays_on_the_other() {
    let (studio, stage) = (Device::new("studio"), Device::new("stage"));
    let remote = studio.path("remote");
    let (here, there) = (studio.mount_local(&remote), stage.mount_local(&remote));
    fs::create_dir_all(here.join("Tour/Song/Mix/audio")).unwrap();
    let take: Vec<u8> = (0..3_000_000_u32).map(|at| u8::try_from(at % 253).unwrap()).collect();
    fs::write(here.join("Tour/Song/Mix/audio/track.wav"), &take).unwrap();
    fs::write(here.join("Tour/Song/Mix/mix.json"), "{\"tracks\":[]}").unwrap();
    studio.wait_synced();
    eventually("the take arrives whole", || {
        fs::read(there.join("Tour/Song/Mix/audio/track.wav")).is_ok_and(|bytes| bytes == take)
    });
    fs::remove_dir_all(there.join("Tour/Song/Mix")).unwrap();
    stage.wait_synced();
    eventually("a deletion travels", || !here.join("Tour/Song/Mix").exists());
}
