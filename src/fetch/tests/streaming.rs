//! How much is fetched, how early, and how many calls run at once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::fake::*;
use crate::types::{BLOCK_BYTES, ByteRange};

#[tokio::test(start_paused = true)]
async fn random_reads_of_a_cold_recording_fetch_at_most_four_times_what_was_asked_and_wait_one_round_trip() {
    let world = World::new(FakeProvider::new());
    let version = unhashed("take.wav", 2048 * MIB);
    let mut seed = 0x5eed_u64;
    let (mut asked, rounds) = (0, 200);
    for _ in 0..rounds {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let range = ByteRange::at((seed >> 16) % (2047 * MIB), 64 * KIB);
        let began = Instant::now();
        world.read(&version, range, 1).await.unwrap();
        assert!(began.elapsed() <= Duration::from_millis(52), "waited {:?}", began.elapsed());
        asked += range.len();
    }
    let fetched = world.provider.bytes_asked();
    assert!(fetched <= 4 * asked, "{fetched} bytes fetched for {asked}");
}

#[tokio::test(start_paused = true)]
async fn the_header_of_a_cold_file_costs_one_small_call() {
    let world = World::new(FakeProvider::new());
    world.read(&unhashed("take.wav", 2048 * MIB), ByteRange::at(0, 44), 1).await.unwrap();
    assert_eq!(world.provider.ranges(), [ByteRange::new(0, 128 * KIB)]);
}

#[tokio::test(start_paused = true)]
async fn a_cold_sequential_read_runs_at_the_bandwidth_of_the_link() {
    let bandwidth = 50_000_000;
    let world = World::new(FakeProvider::new().bandwidth(bandwidth).parallel(6));
    let version = unhashed("take.wav", 192 * MIB);
    let began = Instant::now();
    for start in (0..version.size).step_by(128 * 1024) {
        world.read(&version, ByteRange::at(start, 128 * KIB), 1).await.unwrap();
    }
    let took = began.elapsed().as_secs_f64();
    let ideal = 192.0 * 1024.0 * 1024.0 / 50_000_000.0;
    assert!(took / ideal < 1.10, "{:.3} of the ideal", took / ideal);
    assert_eq!(world.provider.bytes_asked(), version.size, "each byte once");
    assert!(world.provider.most_running.load(Ordering::SeqCst) >= 3, "several ranges in flight");
    assert!(world.provider.ranges().len() < 400, "{} calls", world.provider.ranges().len());
}

#[tokio::test(start_paused = true)]
async fn a_player_slower_than_the_link_waits_only_at_its_start() {
    let world = World::new(FakeProvider::new().bandwidth(20_000_000));
    let version = unhashed("take.wav", 64 * MIB);
    let mut waits = Vec::new();
    for (index, start) in (0..version.size).step_by(64 * 1024).enumerate() {
        let began = Instant::now();
        world.read(&version, ByteRange::at(start, 64 * KIB), 1).await.unwrap();
        if began.elapsed() > Duration::ZERO {
            waits.push(index);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(waits.iter().all(|index| *index < 16), "stutters at reads {waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_seek_drops_what_was_asked_ahead_and_has_not_started() {
    let world = World::new(FakeProvider::new().bandwidth(10_000_000));
    let version = unhashed("take.wav", 512 * MIB);
    for start in (0..24 * MIB).step_by(128 * 1024) {
        world.read(&version, ByteRange::at(start, 128 * KIB), 1).await.unwrap();
    }
    assert!(world.fetcher.stats().queued > 0, "the window is wide open");
    world.read(&version, ByteRange::at(400 * MIB, 64 * KIB), 1).await.unwrap();
    let stats = world.fetcher.stats();
    assert_eq!(stats.queued, 0, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn runs_with_small_gaps_are_read_in_one_call() {
    let world = World::new(FakeProvider::new());
    let version = unhashed("take.wav", 64 * MIB);
    let at = |block: u64| ByteRange::at(32 * MIB + block * BLOCK_BYTES, BLOCK_BYTES).blocks();
    let (answer, answered) = tokio::sync::oneshot::channel();
    let request = crate::content::FetchRequest {
        version: version.clone(),
        runs: vec![at(0), at(2), at(40)],
        stream: 1,
        urgency: crate::content::Urgency::Demand,
        caller: None,
    };
    world.fetcher.fetch(request, Box::new(move |result| answer.send(result).unwrap_or_default()));
    answered.await.unwrap().unwrap();
    let lengths: Vec<u64> = world.provider.ranges().iter().map(|range| range.len() / BLOCK_BYTES).collect();
    assert_eq!(lengths, [3, 1]);
}
