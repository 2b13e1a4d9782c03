//! What becomes readable, and what becomes of bytes that are wrong.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::fake::*;
use crate::catalog::Version;
use crate::content::{FetchError, Urgency};
use crate::fetch::CachedBlocks;
use crate::provider::ErrorKind;
use crate::types::{BLOCK_BYTES, BlockIndex, ByteRange};

async fn hydrate(world: &World, version: &Version) -> Result<(), FetchError> {
    world.fetcher.hydrate(version, Urgency::Demand, &|_| {}).await
}

#[tokio::test(start_paused = true)]
async fn hydration_brings_each_block_once_in_order_and_tells_progress() {
    let world = World::new(FakeProvider::new());
    let version = hashed("take.wav", 9 * MIB + 12_345);
    let told = Mutex::new(Vec::new());
    world.fetcher.hydrate(&version, Urgency::Background, &|bytes| told.lock().unwrap().push(bytes)).await.unwrap();
    world.store.file(&version).assert_pattern(ByteRange::new(0, version.size));
    let ranges = world.provider.ranges();
    let disorder = ranges.windows(2).filter(|pair| pair[1].start + 2 * MIB < pair[0].end).count();
    assert_eq!(disorder, 0, "parts that run at once may start in either order, no more than that: {ranges:?}");
    assert_eq!(world.provider.bytes_asked(), version.size);
    let told = told.into_inner().unwrap();
    assert!(told.is_sorted() && told.first() == Some(&0) && told.last() == Some(&version.size), "{told:?}");
    assert_eq!(world.fetcher.progress(), []);
}

#[tokio::test(start_paused = true)]
async fn after_a_cut_only_missing_blocks_are_fetched() {
    let world = World::new(FakeProvider::new().bandwidth(2_000_000));
    let version = hashed("take.wav", 20 * MIB);
    let cut = tokio::time::timeout(Duration::from_secs(6), hydrate(&world, &version)).await;
    assert!(cut.is_err(), "cut in the middle");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let present = world.store.file(&version).present();
    let before = world.provider.ranges().len();
    assert!(present.len() > 32 && present.len() < 300, "{} blocks", present.len());
    hydrate(&world, &version).await.unwrap();
    for range in &world.provider.ranges()[before..] {
        assert!(range.blocks().iter().all(|block| !present.contains(&block.0)), "{range:?} again");
    }
    world.store.file(&version).assert_pattern(ByteRange::new(0, version.size));
}

#[tokio::test(start_paused = true)]
async fn a_read_of_the_wrong_length_is_never_stored() {
    let world = World::new(FakeProvider::new());
    let version = unhashed("take.wav", 64 * MIB);
    let range = ByteRange::at(MIB, 128 * KIB);
    world.provider.fail_next([Fault::Short]);
    world.read(&version, range, 1).await.unwrap();
    world.store.file(&version).assert_pattern(range);
    assert_eq!(world.fetcher.stats().rejected_bytes, 64 * KIB);
    world.provider.fail_next(vec![Fault::Short; 3]);
    let result = world.read(&version, ByteRange::at(9 * MIB, 128 * KIB), 1).await;
    assert!(
        matches!(&result, Err(FetchError::Failed(text)) if text.contains("65536 bytes where 131072")),
        "{result:?}"
    );
    assert_eq!(world.store.file(&version).present().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_small_file_is_verified_before_any_byte_is_readable() {
    let world = World::new(FakeProvider::new());
    let version = hashed("mix.json", 200 * KIB);
    world.provider.fail_next([Fault::Flip]);
    world.read(&version, ByteRange::at(0, 100), 1).await.unwrap();
    world.store.file(&version).assert_pattern(ByteRange::new(0, version.size));
    assert_eq!(world.provider.ranges(), vec![ByteRange::new(0, version.size); 2], "one read, and one more");
    assert_eq!(world.hints.corrupt.load(Ordering::SeqCst), 1);

    let other = hashed("other.json", 200 * KIB);
    world.provider.fail_next(vec![Fault::Flip; 2]);
    assert_eq!(world.read(&other, ByteRange::at(0, 100), 1).await, Err(FetchError::Corrupt));
    assert!(world.store.file(&other).present().is_empty());
    let before = world.provider.ranges().len();
    assert_eq!(world.read(&other, ByteRange::at(0, 100), 1).await, Err(FetchError::Corrupt));
    assert_eq!(world.provider.ranges().len(), before, "not asked again at once");
    tokio::time::sleep(Duration::from_secs(61)).await;
    world.read(&other, ByteRange::at(0, 100), 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_large_file_with_a_wrong_byte_is_never_complete_and_is_fetched_again() {
    let world = World::new(FakeProvider::new());
    let version = hashed("take.wav", 5 * MIB + 1);
    world.provider.fail_next([Fault::Flip]);
    hydrate(&world, &version).await.unwrap();
    world.store.file(&version).assert_pattern(ByteRange::new(0, version.size));
    assert_eq!(world.hints.corrupt.load(Ordering::SeqCst), 1);
    assert!(world.fetcher.stats().fetched_bytes >= 2 * version.size - MIB);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_stays_wrong_is_an_error_and_leaves_nothing() {
    let world = World::new(FakeProvider::new());
    let right = hashed("take.wav", 5 * MIB);
    let wrong = Version { hash: hashed("x", 1).hash, ..right };
    assert_eq!(hydrate(&world, &wrong).await, Err(FetchError::Corrupt));
    assert!(!world.store.file(&wrong).missing(ByteRange::new(0, wrong.size)).is_empty(), "never complete");
    assert_eq!(world.hints.corrupt.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_file_read_in_random_order_is_verified_by_its_last_block() {
    let world = World::new(FakeProvider::new());
    let version = hashed("take.wav", 12 * BLOCK_BYTES);
    for block in [7, 3, 11, 0, 5, 9, 1, 10, 2, 8, 4, 6] {
        world.read(&version, ByteRange::at(block * BLOCK_BYTES, 10), 100 + block).await.unwrap();
    }
    world.store.file(&version).assert_pattern(ByteRange::new(0, version.size));
    assert_eq!(world.hints.corrupt.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_gone_is_told_and_not_tried_again() {
    let world = World::new(FakeProvider::new());
    let version = unhashed("take.wav", 64 * MIB);
    world.provider.fail_next([Fault::Error(ErrorKind::RevisionGone, None)]);
    assert_eq!(world.read(&version, ByteRange::at(MIB, 10), 1).await, Err(FetchError::Gone));
    assert_eq!((world.hints.gone.load(Ordering::SeqCst), world.provider.ranges().len()), (1, 1));
    world.provider.fail_next([Fault::Error(ErrorKind::AuthRequired, None)]);
    assert_eq!(world.read(&version, ByteRange::at(MIB, 10), 1).await, Err(FetchError::AuthRequired));
}

#[tokio::test(start_paused = true)]
async fn on_a_full_disk_readers_are_served_from_memory_and_nobody_else() {
    let world = World::new(FakeProvider::new());
    *world.store.full.lock().unwrap() = true;
    let version = unhashed("take.wav", 64 * MIB);
    assert_eq!(world.fetcher.hydrate(&version, Urgency::Background, &|_| {}).await, Err(FetchError::NoSpace));
    assert_eq!(*world.store.file(&version).held.lock().unwrap(), []);
    // A reader who joins what somebody fetches in the background is a reader all the same. Another file: parts of the first may still be on
    // their way.
    let version = unhashed("other.wav", 64 * MIB);
    let range = ByteRange::at(MIB, 10);
    let (_background, stored) = world.request(&version, range, 0, Urgency::Background);
    let (_demand, read) = world.request(&version, range, 1, Urgency::Demand);
    read.await.unwrap().unwrap();
    stored.await.unwrap().unwrap();
    let held = world.store.file(&version).held.lock().unwrap().clone();
    assert_eq!(held, [BlockIndex::containing(MIB).bytes(version.size)]);
}

#[tokio::test(start_paused = true)]
async fn without_ranged_reads_the_whole_file_is_fetched_once() {
    let world = World::new(FakeProvider::new().unranged());
    let version = hashed("take.wav", 20 * MIB + 7);
    let (_one, first) = world.request(&version, ByteRange::at(9 * MIB, 10), 1, Urgency::Demand);
    let (_two, second) = world.request(&version, ByteRange::at(3 * MIB, 10), 2, Urgency::Demand);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    hydrate(&world, &version).await.unwrap();
    assert_eq!(world.provider.ranges(), [ByteRange::new(0, version.size)]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_file_needs_nothing() {
    let world = World::new(FakeProvider::new());
    let version = hashed("empty", 0);
    hydrate(&world, &version).await.unwrap();
    assert_eq!(world.provider.ranges(), []);
}
