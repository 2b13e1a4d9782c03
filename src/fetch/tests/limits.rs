//! Limits of bandwidth: what nobody waits for keeps to them, readers go ahead unless they are limited, too, and a change holds at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::fake::{FakeProvider, World, unhashed};
use crate::content::Urgency;
use crate::fetch::FetchConfig;
use crate::provider::{Bandwidth, Rate};
use crate::types::ByteRange;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

struct Limits {
    down: Arc<AtomicU64>,
    demand: Arc<AtomicBool>,
}

fn limited(down: u64) -> (World, Limits) {
    let limits = Limits { down: Arc::new(AtomicU64::new(down)), demand: Arc::default() };
    let (rate, demand) = (Arc::clone(&limits.down), Arc::clone(&limits.demand));
    let bandwidth = Bandwidth::new(Rate::new(|| 0), Rate::new(move || rate.load(Ordering::SeqCst)), move || {
        demand.load(Ordering::SeqCst)
    });
    let config = FetchConfig { bandwidth: Arc::new(bandwidth), ..FetchConfig::default() };
    (World::with_config(FakeProvider::new(), config), limits)
}

fn assert_about(found: Duration, seconds: u64) {
    let found = found.as_millis();
    let expected = u128::from(seconds) * 1000;
    assert!((expected * 9 / 10..=expected * 11 / 10).contains(&found), "{found} ms, expected about {expected}");
}

#[tokio::test(start_paused = true)]
async fn background_transfers_keep_to_the_limit_together() {
    let (world, limits) = limited(MIB);
    let (one, two) = (unhashed("one.wav", 30 * MIB), unhashed("two.wav", 30 * MIB));
    let started = Instant::now();
    let both = futures_util::future::join(
        world.fetcher.hydrate(&one, Urgency::Background, &|_| {}),
        world.fetcher.hydrate(&two, Urgency::Background, &|_| {}),
    );
    let (first, second) = both.await;
    first.and(second).unwrap();
    assert_about(started.elapsed(), 60);
    assert_eq!(world.provider.bytes_asked(), 60 * MIB);
    let widest = world.provider.ranges().iter().map(|range| range.len()).max().unwrap();
    assert!(widest <= MIB / 2, "{widest} bytes at once make a burst");
    // A limit so low that a single block takes longer than a reader would wait is still no failure.
    limits.down.store(KIB, Ordering::SeqCst);
    let small = unhashed("small.wav", 400 * KIB);
    world.fetcher.hydrate(&small, Urgency::Background, &|_| {}).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn readers_do_not_wait_unless_they_are_limited_too() {
    let (world, limits) = limited(16 * KIB);
    let (pinned, read) = (unhashed("pinned.wav", 10 * MIB), unhashed("read.wav", 10 * MIB));
    let (_ticket, _never) = world.request(&pinned, ByteRange::new(0, 10 * MIB), 0, Urgency::Background);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let started = Instant::now();
    world.read(&read, ByteRange::at(5 * MIB, MIB), 1).await.unwrap();
    // What is on its way in the background comes at once when somebody waits for it.
    world.read(&pinned, ByteRange::at(9 * MIB, 64 * KIB), 2).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    limits.demand.store(true, Ordering::SeqCst);
    let started = Instant::now();
    // Far longer than a reader waits without progress: the user's own limit is none.
    for at in 0..16 {
        world.read(&read, ByteRange::at(at * 64 * KIB, 64 * KIB), 10 + at).await.unwrap();
    }
    assert!(started.elapsed() > Duration::from_secs(50), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_lifted_holds_nobody_back() {
    let (world, limits) = limited(KIB);
    let version = unhashed("take.wav", 20 * MIB);
    let started = Instant::now();
    let lift = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!(world.provider.bytes_asked() <= 300 * KIB, "{} bytes", world.provider.bytes_asked());
        limits.down.store(0, Ordering::SeqCst);
    };
    let (fetched, ()) =
        futures_util::future::join(world.fetcher.hydrate(&version, Urgency::Background, &|_| {}), lift).await;
    fetched.unwrap();
    assert!(started.elapsed() < Duration::from_secs(130), "{:?}", started.elapsed());
}
