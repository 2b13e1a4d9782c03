//! A download that was interrupted goes on with what is missing.

use std::time::Duration;

use super::fake::{FakeProvider, World, hashed};
use crate::content::{FetchError, Urgency};
use crate::fetch::BlockStore;
use crate::types::ByteRange;

const MIB: u64 = 1024 * 1024;

#[tokio::test(start_paused = true)]
async fn after_a_cut_only_missing_blocks_are_asked_for() {
    let world = World::new(FakeProvider::new().bandwidth(4 * MIB));
    let version = hashed("take.wav", 40 * MIB + 123);
    let present = || world.store.cached_bytes(&version);
    let cut = async {
        while present() < version.size / 10 * 6 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.fetcher.set_online(false);
    };
    let (fetched, ()) =
        futures_util::future::join(world.fetcher.hydrate(&version, Urgency::Background, &|_| {}), cut).await;
    assert_eq!(fetched, Err(FetchError::Offline));
    // What was on its way when the link was cut may still come.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let here = world.store.file(&version).present();
    assert!(present() < version.size, "it was not interrupted");
    let asked = world.provider.ranges().len();

    world.fetcher.set_online(true);
    world.fetcher.hydrate(&version, Urgency::Background, &|_| {}).await.unwrap();
    let again = world.provider.ranges()[asked..].to_vec();
    for range in &again {
        assert!(range.blocks().iter().all(|block| !here.contains(&block.0)), "{range:?} was here already");
    }
    let missing: u64 = version.size.div_ceil(64 * 1024) - here.len() as u64;
    assert_eq!(again.iter().map(|range| range.blocks().len()).sum::<u64>(), missing, "each missing block once");
    world.store.file(&version).assert_pattern(ByteRange::new(0, version.size));
}
