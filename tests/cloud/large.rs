//! Large uploads: which way they take, and what is sent again when the daemon is killed at half. The service's log is the witness.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud_sim::ContentHasher;
use cloud_sim::dropbox::Item;
use cloud_sim::faults::Fault;
use cloud_sim::log::Record;

use crate::seen;
use crate::world::{Seat, World};

const MIB: u64 = 1 << 20;
/// What the service takes in one call.
const LIMIT: u64 = 150 * MIB;
/// The parts of a session, and how many travel side by side.
const PART: u64 = 8 * MIB;
const PARALLEL: usize = 4;

/// What a file of mostly holes holds: at the start, in the middle, at the very end.
fn pieces(size: u64) -> Vec<(u64, Vec<u8>)> {
    let piece = |at: u64| (at, (0..70_001_u64).map(|byte| u8::try_from((byte ^ at) % 251).unwrap()).collect());
    vec![piece(0), piece(size / 2), piece(size - 70_001)]
}

/// Makes the file, in no more room on any disk than its pieces take.
fn write(path: &Path, size: u64) {
    let file = File::create_new(path).unwrap();
    file.set_len(size).unwrap();
    pieces(size).iter().for_each(|(at, piece)| file.write_all_at(piece, *at).unwrap());
    file.sync_all().unwrap();
}

/// The service's hash of it.
fn hash(size: u64) -> String {
    let (mut hasher, mut at, zeros) = (ContentHasher::default(), 0, vec![0; 1 << 20]);
    for (start, piece) in pieces(size) {
        while at < start {
            let length = (start - at).min(MIB);
            hasher.update(&zeros[..usize::try_from(length).unwrap()]);
            at += length;
        }
        hasher.update(&piece);
        at += piece.len() as u64;
    }
    hasher.finish().to_string()
}

fn assert_stored(world: &World, name: &str, size: u64) {
    match world.item(name) {
        Some(Item::File { size: stored, hash: found, .. }) => {
            assert_eq!((stored, found.to_string()), (size, hash(size)))
        }
        other => panic!("{name}: {other:?}"),
    }
}

fn wait(seat: &Seat<'_>) {
    seat.device.ok("wait --timeout 1800 @/mnt");
}

/// Parts among these requests.
fn parts(records: &[Arc<Record>]) -> impl Iterator<Item = &Arc<Record>> {
    records.iter().filter(|record| record.route() == seen::APPEND)
}

fn hangs(record: &Record) -> bool {
    record.fault() == Some("Hang")
}

#[test]
fn below_the_limit_it_is_one_call_and_from_there_on_a_session() {
    let world = World::new();
    let studio = world.device(1, "studio");
    for (name, size) in [("below.wav", LIMIT - 1), ("at.wav", LIMIT), ("above.wav", LIMIT + 1)] {
        let since = seen::now(world.sim.log());
        write(&studio.mnt().join(name), size);
        wait(&studio);
        assert_stored(&world, name, size);
        let records = seen::of_device(world.sim.log(), &studio.link, since);
        let count = |route: &str| records.iter().filter(|record| record.route() == route).count();
        let received = |route: &str| {
            records.iter().filter(|record| record.route() == route).map(|record| record.received()).sum::<u64>()
        };
        if size < LIMIT {
            assert_eq!((count(seen::UPLOAD), received(seen::UPLOAD), count(seen::START)), (1, size, 0), "{name}");
            continue;
        }
        assert_eq!((count(seen::UPLOAD), count(seen::START), count(seen::FINISH)), (0, 1, 1), "{name}");
        assert_eq!((count(seen::APPEND), received(seen::APPEND)), (19, size), "{name}");
    }
}

/// Uploads a file; when half of its parts are confirmed, the daemon is killed, and started again. No confirmed part may be sent again.
/// `late`: one of the first parts is not answered, so that what is confirmed has a hole.
fn killed_at_half(size: u64, late: bool) {
    let world = World::new();
    let studio = world.device(1, "studio");
    let half = usize::try_from(size.div_ceil(PART) / 2).unwrap();
    let faults = world.sim.faults();
    if late {
        faults.next(seen::APPEND, Fault::Hang);
    }
    // Half of the parts get through, then all hang: when every lane hangs, every answer before was heard.
    faults.times(half, seen::APPEND, Fault::Delay(Duration::ZERO));
    faults.always(seen::APPEND, Fault::Hang);
    let begun = Instant::now();
    write(&studio.mnt().join("take.wav"), size);
    println!("{} MiB written after {:?}", size / MIB, begun.elapsed());
    world.until("half of the parts are confirmed", |records| {
        parts(records).filter(|part| hangs(part)).count() == PARALLEL
    });
    println!("half is confirmed after {:?}", begun.elapsed());
    studio.kill();
    faults.clear();
    let since = seen::now(world.sim.log());
    studio.mount();
    wait(&studio);
    println!("all is stored after {:?}", begun.elapsed());
    assert_stored(&world, "take.wav", size);

    let all = seen::of_device(world.sim.log(), &studio.link, 0);
    let confirmed = |part: &&Arc<Record>| seen::worked(part);
    let before: BTreeSet<u64> =
        parts(&all).filter(|part| part.number() < since).filter(confirmed).map(|part| seen::offset(part)).collect();
    assert_eq!(before.len(), half, "half was confirmed");
    let without_a_hole: BTreeSet<u64> = (0..half as u64).map(|part| part * PART).collect();
    assert!(!late || before != without_a_hole, "what was late left a hole");
    let after: Vec<u64> = parts(&all).filter(|part| part.number() >= since).map(|part| seen::offset(part)).collect();
    let again: Vec<&u64> = after.iter().filter(|offset| before.contains(offset)).collect();
    assert!(again.is_empty(), "confirmed and sent again: {again:?}");
    let every: BTreeSet<u64> = before.iter().chain(&after).copied().collect();
    assert_eq!(every, (0..size.div_ceil(PART)).map(|part| part * PART).collect());
    assert_eq!(before.len() + after.len(), every.len(), "each part once");
    let sent: u64 = parts(&all).filter(|part| part.number() >= since).map(|part| part.received()).sum();
    assert_eq!(sent, size - half as u64 * PART, "what was missing, and nothing more");
    let count = |route: &str| all.iter().filter(|record| record.route() == route).count();
    assert_eq!((count(seen::START), count(seen::FINISH), count(seen::UPLOAD)), (1, 1, 0), "one session");
}

#[test]
fn a_killed_upload_goes_on_and_no_confirmed_byte_is_sent_again() {
    let mebibytes = std::env::var("VAULTFS_CLOUD_UPLOAD_MIB").map_or(600, |size| size.parse().unwrap());
    killed_at_half(mebibytes * MIB, false);
}

#[test]
fn a_late_part_does_not_make_those_behind_it_travel_twice() {
    killed_at_half(LIMIT + 1, true);
}
