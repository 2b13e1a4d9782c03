//! Many readers at once on real threads: every one is answered, no block is stored twice, nothing is left behind.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fake::*;
use crate::content::{FetchError, Urgency};
use crate::fetch::{CachedBlocks, FetchConfig};
use crate::provider::ErrorKind;
use crate::types::ByteRange;

const READERS: u64 = 12;
const READS: u64 = 60;

async fn reader(world: Arc<World>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let version = hashed("take.wav", 6 * MIB + 77);
    let mut at = 0;
    for _ in 0..READS {
        at =
            if random.random_bool(0.7) { (at + 64 * KIB) % version.size } else { random.random_range(0..version.size) };
        let range = ByteRange::at(at, random.random_range(1..300 * KIB)).clamp_to(version.size);
        match random.random_range(0..40) {
            0..4 => drop(world.request(&version, range, seed, Urgency::Demand)),
            4..8 => world.request(&version, range, seed, Urgency::Background).0.detach(),
            8 => world.provider.fail_next([Fault::Error(ErrorKind::Busy, None), Fault::Short]),
            9..13 => {
                let hydration = world.fetcher.hydrate(&version, Urgency::Background, &|_| {});
                let _cut = tokio::time::timeout(Duration::from_millis(1), hydration).await;
            }
            _ => match world.read(&version, range, seed).await {
                Ok(()) => world.store.file(&version).assert_pattern(range),
                Err(FetchError::Failed(_)) => {}
                Err(other) => panic!("seed {seed}: {other}"),
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_leave_nothing_behind() {
    let seed: u64 = rand::random();
    let config = FetchConfig { first_pause: Duration::from_millis(1), ..FetchConfig::default() };
    let world = Arc::new(World::with_config(FakeProvider::new().latency(Duration::from_micros(300)), config));
    let readers: Vec<_> =
        (0..READERS).map(|reader_no| tokio::spawn(reader(Arc::clone(&world), seed.wrapping_add(reader_no)))).collect();
    for reader in readers {
        let ended = tokio::time::timeout(Duration::from_secs(60), reader).await;
        ended.unwrap_or_else(|_| panic!("seed {seed}: a reader hangs: {:?}", world.fetcher.stats())).unwrap();
    }
    world.provider.faults.lock().unwrap().clear();
    let version = hashed("take.wav", 6 * MIB + 77);
    tokio::time::timeout(Duration::from_secs(60), world.fetcher.hydrate(&version, Urgency::Demand, &|_| {}))
        .await
        .unwrap_or_else(|_| panic!("seed {seed}: the hydration hangs: {:?}", world.fetcher.stats()))
        .unwrap();
    let whole = ByteRange::new(0, version.size);
    assert!(world.store.file(&version).missing(whole).is_empty());
    world.store.file(&version).assert_pattern(whole);
    world.fetcher.close();
    let settled = async {
        while world.fetcher.stats().running > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), settled).await.expect("a call outlives the fetcher");
    let stats = world.fetcher.stats();
    assert_eq!((stats.queued, stats.waiting), (0, 0), "seed {seed}");
}
