//! A take from the microphone of one device to the loudspeakers of the other.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::harness::eventually;
use crate::seen;
use crate::world::{World, converged};

const BLOCK: usize = 64 * 1024;
const HEADER: usize = 44;

/// Bytes that tell where they stand and of which take they are.
fn block(take: u8, number: usize) -> Vec<u8> {
    (0..BLOCK).map(|at| u8::try_from((at * 7 + number * 31) % 251).unwrap() ^ take).collect()
}

/// Records as a DAW does: a header without lengths, block by block, the lengths last, fsync, close. `half` is called at half. Returns
/// what the file must be.
pub(crate) fn record(path: &Path, take: u8, blocks: usize, half: impl FnOnce()) -> Vec<u8> {
    let mut whole = vec![0; HEADER];
    whole[..4].copy_from_slice(b"RIFF");
    whole[8..16].copy_from_slice(b"WAVEfmt ");
    let mut file = File::create_new(path).unwrap();
    file.write_all(&whole).unwrap();
    let mut half = Some(half);
    for number in 0..blocks {
        let block = block(take, number);
        file.write_all(&block).unwrap();
        whole.extend_from_slice(&block);
        if number == blocks / 2 {
            file.sync_data().unwrap();
            half.take().unwrap()();
        }
    }
    let length = u32::try_from(whole.len()).unwrap();
    for (at, value) in [(4, length - 8), (40, length - 44)] {
        file.write_all_at(&value.to_le_bytes(), at).unwrap();
        let at = usize::try_from(at).unwrap();
        whole[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    file.sync_all().unwrap();
    whole
}

#[test]
fn a_take_is_sent_once_it_is_whole_and_the_other_device_fetches_it_when_it_is_played() {
    let world = World::new();
    let (studio, stage) = world.two_devices();
    fs::create_dir_all(studio.mnt().join("Tour/Song/audio")).unwrap();
    studio.wait_synced();
    let log = world.sim.log();
    let sent = |link: &str| seen::stored(&seen::of_device(log, link, 0));
    let take = record(&studio.mnt().join("Tour/Song/audio/take.wav"), 1, 200, || {
        fs::write(studio.mnt().join("Tour/Song/mix.json"), "{\"tracks\": []}").unwrap();
        studio.device.ok("wait --timeout 30 @/mnt/Tour/Song/mix.json");
        assert_eq!(sent(&studio.link).len(), 1, "while it is recorded, nothing of the take is sent");
    });
    studio.wait_synced();
    let stored = sent(&studio.link);
    assert_eq!(stored.len(), 2, "{stored:?}");
    assert!(stored.values().all(|times| *times == 1), "{stored:?}");
    let expected = take.len() as u64 + 14;
    assert_eq!(seen::sent(&seen::of_device(log, &studio.link, 0)), expected, "every byte was sent once");

    let there = stage.mnt().join("Tour/Song/audio/take.wav");
    eventually("the take is shown", || fs::metadata(&there).is_ok_and(|found| found.len() == take.len() as u64));
    eventually("the mix is here without being opened", || stage.status("Tour/Song/mix.json")["presence"] == "here");
    assert_eq!(seen::downloaded(log, &stage.link, 0), 14, "the mix and nothing of the take");
    assert_eq!(stage.status("Tour/Song/audio/take.wav")["hydrated_bytes"], 0);
    let mut header = [0; HEADER];
    File::open(&there).unwrap().read_exact(&mut header).unwrap();
    assert_eq!(header, take[..HEADER]);
    assert!(fs::read(&there).unwrap() == take, "byte by byte what was recorded");
    let fetched = seen::downloaded(log, &stage.link, 0);
    assert_eq!(fetched, expected, "every byte was fetched once");
    let tree = converged(&world, &[&studio, &stage]);
    assert_eq!(tree.len(), 5, "{:?}", tree.keys());
    assert_eq!(sent(&stage.link).len(), 0, "what came from there does not go back");
}
