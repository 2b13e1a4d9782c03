//! Making room: the budget holds, the least recently used goes first, pins stay.

use super::*;
use crate::content::ContentError;
use crate::types::ByteRange;

fn budget(cache_blocks: u64) -> Budget {
    Budget { cache_bytes: blocks(cache_blocks), ..Budget::UNBOUNDED }
}

fn present(file: &CachedFile) -> Vec<u64> {
    let missing = file.missing(ByteRange::new(0, u64::MAX));
    let all = 0..file.version().size.div_ceil(BLOCK_BYTES);
    all.filter(|block| !missing.iter().any(|run| run.iter().any(|gone| gone.0 == *block))).collect()
}

#[test]
fn the_budget_holds_and_the_oldest_blocks_of_all_files_go_first() {
    let fixture = Fixture::with_budget(budget(20));
    let bytes = pattern(1, 10 * BLOCK);
    let (a, b) = (version("a", bytes.len()), version("b", bytes.len()));
    let (file_a, file_b) = (fixture.store.cached(&a).unwrap(), fixture.store.cached(&b).unwrap());
    // Interleaved, one second apart.
    for block in 0..10_usize {
        for file in [&file_a, &file_b] {
            let part = &bytes[block * BLOCK..(block + 1) * BLOCK];
            file.fill(BlockIndex(u64::try_from(block).unwrap()), part).unwrap();
            fixture.clock.advance_seconds(1);
        }
    }
    assert_eq!(fixture.store.cache_usage(), blocks(20));
    // A use a minute later makes the oldest block of `a` young.
    fixture.clock.advance_seconds(100);
    read_cached(&file_a, 5, 10).unwrap();

    let c = fixture.cached_with(&version("c", 3 * BLOCK), &pattern(2, 3 * BLOCK));
    // 95 % of 20 is 19: four blocks went, in the order of their last use.
    assert_eq!(present(&file_a), [0, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(present(&file_b), [2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(c.is_complete());
    assert_eq!(fixture.store.cache_usage(), blocks(19));
    assert_eq!(read_cached(&file_b, blocks(2), 8 * BLOCK).unwrap(), bytes[2 * BLOCK..]);
}

#[test]
fn eviction_knows_files_from_before_a_restart_and_frees_the_disk() {
    let mut fixture = Fixture::with_budget(budget(10));
    for (seed, name) in [(1, "old"), (2, "new")] {
        drop(fixture.cached_with(&version(name, 5 * BLOCK), &pattern(seed, 5 * BLOCK)));
        fixture.clock.advance_seconds(10);
    }
    fixture = fixture.reopen_with(budget(10));
    drop(fixture.cached_with(&version("newest", 5 * BLOCK), &pattern(3, 5 * BLOCK)));
    assert!(fixture.store.cached_if_present(&version("old", 5 * BLOCK)).unwrap().is_none());
    assert_eq!(fixture.store.cached_bytes(&version("newest", 5 * BLOCK)), blocks(5));
    assert!(fixture.store.cached_bytes(&version("new", 5 * BLOCK)) >= blocks(4));
    // The files of the evicted version are gone, and what is counted is what is on disk.
    assert_eq!(fixture.block_files("data").len(), 2);
    let used = fixture.store.cache_usage();
    assert_eq!(fixture.reopen().store.cache_usage(), used);
}

#[test]
fn pinned_versions_stay_and_what_does_not_fit_is_refused() {
    let fixture = Fixture::with_budget(budget(10));
    let pinned = version("pinned", 8 * BLOCK);
    fixture.store.set_pinned(&pinned, true).unwrap();
    let file = fixture.cached_with(&pinned, &pattern(1, 8 * BLOCK));
    fixture.clock.advance_seconds(1000);
    let other = fixture.store.cached(&version("other", 4 * BLOCK)).unwrap();
    let bytes = pattern(2, 4 * BLOCK);
    other.fill(BlockIndex(0), &bytes[..2 * BLOCK]).unwrap();
    assert!(matches!(other.fill(BlockIndex(0), &bytes), Err(ContentError::NoSpace { .. })) || other.is_complete());
    assert!(matches!(
        fixture.store.cached(&version("big", 3 * BLOCK)).unwrap().fill(BlockIndex(0), &pattern(3, 3 * BLOCK)),
        Err(ContentError::NoSpace { .. })
    ));
    assert!(file.is_complete());
    assert_eq!(fixture.store.evict(&pinned).unwrap(), 0);
    assert!(fixture.store.cache_usage() <= blocks(10));

    fixture.store.set_pinned(&pinned, false).unwrap();
    assert_eq!(fixture.store.evict(&pinned).unwrap(), blocks(8));
    assert_eq!(read_cached(&file, 0, 10), Err(vec![run(0, 1)]));
    // Still usable by whoever holds it.
    file.fill(BlockIndex(0), &pattern(1, 8 * BLOCK)[..BLOCK]).unwrap();
    assert_eq!(read_cached(&file, 0, 10).unwrap(), pattern(1, 10));
}

#[test]
fn more_than_the_whole_budget_evicts_nothing() {
    let fixture = Fixture::with_budget(budget(4));
    let small = fixture.cached_with(&version("small", BLOCK), &pattern(1, BLOCK));
    let big = fixture.store.cached(&version("big", 5 * BLOCK)).unwrap();
    assert!(matches!(big.fill(BlockIndex(0), &pattern(2, 5 * BLOCK)), Err(ContentError::NoSpace { .. })));
    assert!(small.is_complete());
}

#[test]
fn concurrent_fills_do_not_exceed_the_budget() {
    let fixture = Fixture::with_budget(budget(16));
    std::thread::scope(|scope| {
        for seed in 0..4_u8 {
            let fixture = &fixture;
            scope.spawn(move || {
                let bytes = pattern(seed, 12 * BLOCK);
                let file = fixture.store.cached(&version(&format!("file {seed}"), bytes.len())).unwrap();
                for (block, part) in bytes.chunks(BLOCK).enumerate() {
                    file.fill(BlockIndex(u64::try_from(block).unwrap()), part).unwrap();
                    assert!(fixture.store.cache_usage() <= blocks(16));
                }
            });
        }
    });
    let used = fixture.store.cache_usage();
    assert_eq!(fixture.reopen().store.cache_usage(), used);
}
