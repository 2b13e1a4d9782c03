//! Who waits for what, who goes first, and that every waiter is answered.

use std::time::Duration;

use tokio::time::Instant;

use super::fake::*;
use crate::content::{FetchError, Urgency};
use crate::provider::ErrorKind;
use crate::types::{BLOCK_BYTES, ByteRange};

const FILE: u64 = 256 * MIB;

#[tokio::test(start_paused = true)]
async fn readers_of_a_block_in_flight_wait_for_the_same_read() {
    let world = World::new(FakeProvider::new());
    let version = unhashed("take.wav", FILE);
    let range = ByteRange::at(MIB, 64 * KIB);
    let waiting: Vec<_> = (0..10).map(|stream| world.request(&version, range, stream, Urgency::Demand)).collect();
    for (_ticket, answer) in waiting {
        assert_eq!(answer.await.unwrap(), Ok(()));
    }
    assert_eq!(world.provider.ranges(), [range]);
    let stats = world.fetcher.stats();
    assert_eq!((stats.misses, stats.joined, stats.running, stats.waiting), (10, 9, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn overlapping_requests_ask_only_for_what_is_not_in_flight() {
    let world = World::new(FakeProvider::new());
    let version = unhashed("take.wav", FILE);
    let (_first, one) = world.request(&version, ByteRange::at(MIB, 256 * KIB), 1, Urgency::Demand);
    let (_second, two) = world.request(&version, ByteRange::at(MIB + 128 * KIB, 256 * KIB), 2, Urgency::Demand);
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    assert_eq!(world.provider.ranges(), [ByteRange::at(MIB, 256 * KIB), ByteRange::at(MIB + 256 * KIB, 128 * KIB)]);
    world.store.file(&version).assert_pattern(ByteRange::at(MIB, 384 * KIB));
}

#[tokio::test(start_paused = true)]
async fn demand_goes_before_background_which_keeps_to_its_share() {
    let world = World::new(FakeProvider::new().bandwidth(4_000_000));
    let (pinned, played) = (unhashed("pinned.wav", FILE), unhashed("played.wav", FILE));
    let fetcher = world.fetcher.clone();
    let pin = tokio::spawn({
        let pinned = pinned.clone();
        async move { fetcher.hydrate(&pinned, Urgency::Background, &|_| {}).await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.fetcher.stats().running, 2, "half of the four slots");
    for at in [40, 80, 120, 160] {
        let before = world.provider.ranges().len();
        let (_ticket, answer) = world.request(&played, ByteRange::at(at * MIB, 64 * KIB), at, Urgency::Demand);
        tokio::task::yield_now().await;
        let next = world.provider.ranges()[before];
        assert_eq!(next, ByteRange::at(at * MIB, 64 * KIB), "started at once");
        answer.await.unwrap().unwrap();
    }
    pin.abort();
}

#[tokio::test(start_paused = true)]
async fn background_starts_nothing_while_a_reader_waits() {
    let world = World::new(FakeProvider::new().parallel(1));
    let version = unhashed("take.wav", FILE);
    let (_a, first) = world.request(&version, ByteRange::at(0, MIB / 2), 0, Urgency::Background);
    let (_b, second) = world.request(&version, ByteRange::at(8 * MIB, MIB / 2), 0, Urgency::Background);
    let (_c, demand) = world.request(&version, ByteRange::at(99 * MIB, 64 * KIB), 1, Urgency::Demand);
    first.await.unwrap().unwrap();
    demand.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    let starts: Vec<u64> = world.provider.ranges().iter().map(|range| range.start / MIB).collect();
    assert_eq!(starts, [0, 99, 8]);
}

#[tokio::test(start_paused = true)]
async fn read_ahead_leaves_a_slot_to_demand_and_background_does_not_take_it() {
    let world = World::new(FakeProvider::new().bandwidth(10_000_000));
    let (played, pinned) = (unhashed("played.wav", FILE), unhashed("pinned.wav", FILE));
    for start in (0..24 * MIB).step_by(128 * 1024) {
        world.read(&played, ByteRange::at(start, 128 * KIB), 1).await.unwrap();
    }
    let stats = world.fetcher.stats();
    assert!(stats.queued > 0 && stats.running == 3, "{stats:?}");
    let (_ticket, _pin) = world.request(&pinned, ByteRange::at(0, MIB), 0, Urgency::Background);
    tokio::task::yield_now().await;
    assert_eq!(world.fetcher.stats().running, 3);
    let before = world.provider.ranges().len();
    let (_other, _demand) = world.request(&pinned, ByteRange::at(99 * MIB, 64 * KIB), 2, Urgency::Demand);
    tokio::task::yield_now().await;
    assert_eq!(world.provider.ranges()[before..], [ByteRange::at(99 * MIB, 64 * KIB)]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_lifts_a_queued_background_block() {
    let world = World::new(FakeProvider::new().parallel(1));
    let version = unhashed("take.wav", FILE);
    let runs: Vec<_> = (0..4)
        .map(|at| world.request(&version, ByteRange::at(at * 8 * MIB, 64 * KIB), 0, Urgency::Background))
        .collect();
    let (_ticket, demand) = world.request(&version, ByteRange::at(24 * MIB, 64 * KIB), 1, Urgency::Demand);
    demand.await.unwrap().unwrap();
    let starts: Vec<u64> = world.provider.ranges().iter().map(|range| range.start / MIB).collect();
    assert_eq!(starts[..2], [0, 24], "not a second read of the same block either");
    for (_ticket, answer) in runs {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(world.provider.ranges().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_provider_is_an_error_at_the_bound_and_not_before() {
    let world = World::new(FakeProvider::new());
    let version = unhashed("take.wav", FILE);
    world.provider.fail_next([Fault::Stall]);
    let began = Instant::now();
    assert_eq!(
        world.read(&version, ByteRange::at(MIB, 64 * KIB), 1).await,
        Err(FetchError::TimedOut(Duration::from_secs(30)))
    );
    assert!(began.elapsed() >= Duration::from_secs(30) && began.elapsed() < Duration::from_secs(31));
    assert_eq!(world.fetcher.stats().timed_out, 1);
    // The stalled call is given up in time and does not block the vault for ever.
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(world.fetcher.stats().running, 0);
    world.read(&version, ByteRange::at(MIB, 64 * KIB), 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_a_slow_link_does_not_time_out_while_bytes_arrive() {
    let world = World::new(FakeProvider::new().parallel(1).bandwidth(50_000));
    let version = unhashed("take.wav", FILE);
    let began = Instant::now();
    let (_ticket, answer) = world.request(&version, ByteRange::at(MIB, 4 * MIB), 1, Urgency::Demand);
    answer.await.unwrap().unwrap();
    assert!(began.elapsed() > Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn known_to_be_offline_is_answered_at_once_and_ends_the_waiting() {
    let world = World::new(FakeProvider::new().parallel(1));
    let version = unhashed("take.wav", FILE);
    world.provider.fail_next([Fault::Stall]);
    let (_running, one) = world.request(&version, ByteRange::at(0, 64 * KIB), 1, Urgency::Demand);
    let (_queued, two) = world.request(&version, ByteRange::at(MIB, 64 * KIB), 1, Urgency::Demand);
    tokio::task::yield_now().await;
    let began = Instant::now();
    world.fetcher.set_online(false);
    assert_eq!(one.await.unwrap(), Err(FetchError::Offline));
    assert_eq!(two.await.unwrap(), Err(FetchError::Offline));
    assert_eq!(world.read(&version, ByteRange::at(2 * MIB, 64 * KIB), 1).await, Err(FetchError::Offline));
    assert_eq!(began.elapsed(), Duration::ZERO);
    world.fetcher.set_online(true);
    tokio::time::sleep(Duration::from_secs(61)).await;
    world.read(&version, ByteRange::at(2 * MIB, 64 * KIB), 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_blip_of_the_network_is_ridden_out_and_an_outage_is_told() {
    let world = World::new(FakeProvider::new());
    let version = unhashed("take.wav", FILE);
    world.provider.fail_next([Fault::Error(ErrorKind::Offline, None)]);
    world.read(&version, ByteRange::at(MIB, 64 * KIB), 1).await.unwrap();
    world.provider.fail_next(vec![Fault::Error(ErrorKind::Offline, None); 2]);
    let began = Instant::now();
    assert_eq!(world.read(&version, ByteRange::at(9 * MIB, 64 * KIB), 1).await, Err(FetchError::Offline));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn busy_is_tried_again_after_the_pause_that_the_provider_asked_for() {
    let world = World::new(FakeProvider::new());
    let version = unhashed("take.wav", FILE);
    world.provider.fail_next([
        Fault::Error(ErrorKind::Busy, Some(Duration::from_secs(7))),
        Fault::Error(ErrorKind::Ambiguous, None),
    ]);
    world.read(&version, ByteRange::at(MIB, 64 * KIB), 1).await.unwrap();
    let at: Vec<Instant> = world.provider.calls.lock().unwrap().iter().map(|call| call.at).collect();
    assert!(at[1] - at[0] >= Duration::from_secs(7) && at[2] - at[1] < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_wants_any_more_is_not_fetched() {
    let world = World::new(FakeProvider::new().parallel(1));
    let version = unhashed("take.wav", FILE);
    let (running, _one) = world.request(&version, ByteRange::at(0, 64 * KIB), 1, Urgency::Demand);
    let (queued, two) = world.request(&version, ByteRange::at(8 * MIB, 64 * KIB), 2, Urgency::Demand);
    let (_shared, three) = world.request(&version, ByteRange::at(16 * MIB, 64 * KIB), 3, Urgency::Demand);
    let (other, _four) = world.request(&version, ByteRange::at(16 * MIB, 64 * KIB), 4, Urgency::Demand);
    tokio::task::yield_now().await;
    drop((running, queued, other));
    assert!(two.await.is_err(), "a cancelled request is not answered");
    three.await.unwrap().unwrap();
    let starts: Vec<u64> = world.provider.ranges().iter().map(|range| range.start / MIB).collect();
    assert_eq!(starts, [0, 16], "the started read ends, the shared one runs, the cancelled one does not");
    assert_eq!(world.fetcher.stats().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_nothing_in_flight() {
    let world = World::new(FakeProvider::new().parallel(1));
    let version = unhashed("take.wav", FILE);
    world.provider.fail_next([Fault::Panic]);
    let result = world.read(&version, ByteRange::at(MIB, 64 * KIB), 1).await;
    assert!(matches!(result, Err(FetchError::Failed(_))), "{result:?}");
    assert_eq!(world.fetcher.stats().running, 0);
    world.read(&version, ByteRange::at(MIB, 64 * KIB), 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_panics_does_not_silence_the_others() {
    let world = World::new(FakeProvider::new());
    let version = unhashed("take.wav", FILE);
    let range = ByteRange::at(MIB, BLOCK_BYTES);
    let request = crate::content::FetchRequest {
        version: version.clone(),
        runs: vec![range.blocks()],
        stream: 1,
        urgency: Urgency::Demand,
        caller: None,
    };
    world.fetcher.fetch(request, Box::new(|_| panic!("a bug in the reader")));
    world.read(&version, range, 2).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_with_the_program_that_waits_for_it() {
    let world = World::new(FakeProvider::new().parallel(2));
    let version = unhashed("take.wav", FILE);
    world.provider.fail_next([Fault::Stall, Fault::Stall]);
    let mut program = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let ask = |caller: u32, at: u64| {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let request = crate::content::FetchRequest {
            version: version.clone(),
            runs: vec![ByteRange::at(at, BLOCK_BYTES).blocks()],
            stream: 1,
            urgency: Urgency::Demand,
            caller: Some(crate::types::ThreadNo(caller)),
        };
        world.fetcher.fetch(request, Box::new(move |result| answer.send(result).unwrap_or_default()));
        answered
    };
    let living = ask(program.id(), 0).await.unwrap();
    assert!(matches!(living, Err(FetchError::TimedOut(_))), "{living:?}");
    program.kill().unwrap();
    // Dead, and its parent has not looked yet: nobody waits for the bytes any more.
    assert_eq!(ask(program.id(), MIB).await.unwrap(), Err(FetchError::Abandoned));
    program.wait().unwrap();
    assert_eq!(ask(program.id(), 2 * MIB).await.unwrap(), Err(FetchError::Abandoned));
    assert_eq!(world.fetcher.stats().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn closing_answers_everybody_and_ends_the_calls() {
    let world = World::new(FakeProvider::new().parallel(1));
    let version = unhashed("take.wav", FILE);
    world.provider.fail_next([Fault::Stall]);
    let (_one, first) = world.request(&version, ByteRange::at(0, 64 * KIB), 1, Urgency::Demand);
    let (_two, second) = world.request(&version, ByteRange::at(MIB, 64 * KIB), 1, Urgency::Demand);
    tokio::task::yield_now().await;
    world.fetcher.close();
    assert!(matches!(first.await.unwrap(), Err(FetchError::Failed(_))));
    assert!(matches!(second.await.unwrap(), Err(FetchError::Failed(_))));
    tokio::task::yield_now().await;
    let stats = world.fetcher.stats();
    assert_eq!((stats.running, stats.queued, stats.waiting), (0, 0, 0));
    assert!(matches!(world.read(&version, ByteRange::at(0, 1), 1).await, Err(FetchError::Failed(_))));
}
