//! Limits and full disks: staged bytes have their own limit and go before cached ones, a refusal says why and changes nothing, and
//! whatever frees space ends it.

use super::*;
use crate::content::{ContentError, Shortage};
use crate::types::ByteRange;

fn refused<T>(result: crate::content::Result<T>) -> Shortage {
    match result {
        Err(ContentError::NoSpace { why, .. }) => why,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn a_disk_below_the_floor_refuses_new_bytes_but_not_overwrites() {
    let mut fixture = Fixture::new();
    let staged = fixture.staged_with(&pattern(1, 2 * BLOCK));
    let id = staged.id();
    drop(fixture.cached_with(&version("a", 2 * BLOCK), &pattern(2, 2 * BLOCK)));
    drop(staged);
    fixture = fixture.reopen_with(Budget { staging_free_bytes: u64::MAX, ..AMPLE });
    let staged = fixture.store.staged(id).unwrap();
    refused(staged.write(blocks(2), b"more"));
    refused(staged.append(b"more"));
    refused(staged.allocate(ByteRange::new(0, blocks(9)), false));
    refused(fixture.store.stage(StagedId::random(), None));
    refused(fixture.store.keep_copy(&mut &b"bytes"[..]));
    // What is allocated can be written again, and everything can be read, synced, cut and removed.
    staged.write(100, b"header").unwrap();
    staged.sync().unwrap();
    assert_eq!(read_staged(&staged, 100, 6).unwrap(), b"header");
    staged.truncate(10).unwrap();
    fixture.store.discard(id).unwrap();
    // Dropping the cache would not have helped, so it is still there.
    assert_eq!(fixture.store.cached_bytes(&version("a", 2 * BLOCK)), blocks(2));
    // Files are read all the same: blocks take the place of blocks.
    let b = fixture.store.cached(&version("b", 4 * BLOCK)).unwrap();
    b.fill(BlockIndex(0), &pattern(3, 2 * BLOCK)).unwrap();
    assert_eq!(fixture.store.cache_usage(), blocks(2));
    assert_eq!(read_cached(&b, 0, 2 * BLOCK).unwrap(), pattern(3, 2 * BLOCK));
    // Never more than there were.
    let c = fixture.store.cached(&version("c", 3 * BLOCK)).unwrap();
    refused(c.fill(BlockIndex(0), &pattern(4, 3 * BLOCK)));
}

#[test]
fn staged_bytes_take_the_room_of_cached_ones_on_a_small_disk() {
    let mut fixture = Fixture::new();
    // A disk of 40 blocks, of which 8 are the floor, that holds nothing but this store.
    fixture = fixture.reopen_on_disk_of(blocks(40), Budget { staging_free_bytes: blocks(8), ..AMPLE });
    let bytes = pattern(1, 30 * BLOCK);
    let cached = fixture.cached_with(&version("a", bytes.len()), &bytes);
    let staged = fixture.store.stage(StagedId::random(), None).unwrap();
    assert_eq!(fixture.store.shortage().unwrap(), None, "the cache would give way");
    for block in bytes.chunks(BLOCK) {
        staged.append(block).unwrap();
    }
    // 32 blocks in all: what was staged pushed the cache out, nothing was refused before.
    assert!(cached.present_bytes() <= blocks(2), "{} bytes stay", cached.present_bytes());
    assert!(whole(&staged) == bytes);
    let why = refused(staged.append(&bytes[..3 * BLOCK]));
    assert!(matches!(why, Shortage::DiskFloor { floor, .. } if floor == blocks(8)), "{why}");
    assert!(whole(&staged) == bytes, "nothing of a refused write is there");
    assert_eq!(fixture.store.shortage().unwrap(), Some(why), "it is said for as long as it is so");
    // An empty file needs no bytes.
    drop(fixture.store.stage(StagedId::random(), None).unwrap());
    // Fills are refused before they eat into the floor.
    let other = fixture.store.cached(&version("b", 5 * BLOCK)).unwrap();
    refused(other.fill(BlockIndex(0), &pattern(2, 5 * BLOCK)));
    fixture.store.discard(staged.id()).unwrap();
    drop(staged);
    assert_eq!(fixture.store.shortage().unwrap(), None);
    other.fill(BlockIndex(0), &pattern(2, 5 * BLOCK)).unwrap();
}

#[test]
fn the_cache_keeps_away_from_the_last_of_the_disk_but_for_a_working_set() {
    let budget =
        Budget { cache_free_bytes: blocks(30), working_set_bytes: blocks(4), staging_free_bytes: blocks(2), ..AMPLE };
    let mut fixture = Fixture::new();
    fixture = fixture.reopen_on_disk_of(blocks(40), budget);
    // 10 blocks may be used before the cache has to give way.
    for seed in 0..6_u8 {
        drop(fixture.cached_with(&version(&seed.to_string(), 4 * BLOCK), &pattern(seed, 4 * BLOCK)));
        fixture.clock.advance_seconds(1);
        assert!(fixture.store.cache_usage() <= blocks(10));
    }
    // Staged bytes have more right to the disk: after ten seconds a writer sees to it.
    let staged = fixture.staged_with(&pattern(9, 9 * BLOCK));
    fixture.clock.advance_seconds(10);
    staged.append(&pattern(9, 3 * BLOCK)).unwrap();
    assert_eq!(fixture.store.cache_usage(), blocks(4), "a working set stays");
    // And it works: another file is read in its place.
    let last = fixture.cached_with(&version("last", 4 * BLOCK), &pattern(7, 4 * BLOCK));
    assert!(last.is_complete());
    assert_eq!(fixture.store.cache_usage(), blocks(4));
}

#[test]
fn the_limit_of_staged_bytes_refuses_growth_and_nothing_else() {
    let limit = Budget { staging_bytes: blocks(10), ..AMPLE };
    let fixture = Fixture::with_budget(limit);
    let staged = fixture.staged_with(&pattern(1, 6 * BLOCK));
    let other = fixture.staged_with(&pattern(2, 4 * BLOCK));
    assert_eq!(fixture.store.staging_usage(), blocks(10));
    let why = refused(other.append(b"more"));
    assert_eq!(why, Shortage::StagingLimit { used: blocks(10), limit: blocks(10) });
    assert_eq!(other.size(), blocks(4), "nothing of a refused write is there");
    refused(other.allocate(ByteRange::new(0, blocks(5)), true));
    refused(staged.write(blocks(7), b"beyond"));
    staged.write(10, b"over what is there").unwrap();
    drop(fixture.store.stage(StagedId::random(), None).unwrap());
    assert_eq!(fixture.store.shortage().unwrap(), Some(why));
    assert_eq!(fixture.store.room().unwrap().free, 0);
    assert_eq!(fixture.store.room().unwrap().total, blocks(10));

    staged.truncate(blocks(2)).unwrap();
    assert_eq!(fixture.store.staging_usage(), blocks(6));
    assert_eq!(fixture.store.room().unwrap().free, blocks(4));
    assert_eq!(fixture.store.shortage().unwrap(), None);
    other.append(&pattern(3, 4 * BLOCK)).unwrap();
    other.punch(ByteRange::new(0, blocks(4))).unwrap();
    assert_eq!(fixture.store.staging_usage(), blocks(6));

    // Holes count nothing, and a limit that was lowered below what is there frees nothing.
    staged.truncate(blocks(1000)).unwrap();
    assert_eq!(fixture.store.staging_usage(), blocks(6));
    fixture.store.set_budget(Budget { staging_bytes: blocks(5), ..limit }).unwrap();
    refused(other.append(b"more"));
    drop(fixture.store.stage(StagedId::random(), None).unwrap());
    fixture.store.set_budget(limit).unwrap();
    other.append(b"more").unwrap();
}

#[test]
fn what_is_staged_is_counted_until_the_disk_has_it_back() {
    let mut fixture = Fixture::new();
    let (kept, sent, gone) = (pattern(1, 3 * BLOCK), pattern(2, 4 * BLOCK), pattern(3, 5 * BLOCK));
    let (to_keep, to_send, to_go) =
        (fixture.staged_with(&kept), fixture.staged_with(&sent), fixture.staged_with(&gone));
    let mut ids = [to_keep.id(), to_send.id(), to_go.id()];
    assert_eq!(fixture.store.staging_usage(), blocks(12));
    // To history and to the cache it goes by another name of the same bytes, which are theirs from then on.
    fixture.store.keep_staged(&to_keep).unwrap();
    fixture.store.discard(to_keep.id()).unwrap();
    assert_eq!(fixture.store.staging_usage(), blocks(9));
    let cached = fixture.store.promote(&to_send, &version("sent", sent.len())).unwrap();
    fixture.store.discard(to_send.id()).unwrap();
    assert_eq!(fixture.store.staging_usage(), blocks(5));
    assert_eq!(fixture.store.cache_usage(), blocks(4));
    // Written again while it is open, it has bytes of its own again.
    to_send.write(0, b"x").unwrap();
    assert_eq!(fixture.store.staging_usage(), blocks(9));
    drop((to_keep, to_send, cached));
    assert_eq!(fixture.store.staging_usage(), blocks(5));
    // A deleted file that is open still fills the disk.
    fixture.store.discard(to_go.id()).unwrap();
    assert_eq!(fixture.store.staging_usage(), blocks(5));
    drop(to_go);
    assert_eq!(fixture.store.staging_usage(), 0);

    let last = fixture.staged_with(&kept);
    ids[0] = last.id();
    drop(last);
    fixture = fixture.reopen();
    assert_eq!(fixture.store.staging_usage(), blocks(3), "what an earlier run left is counted");
    assert_eq!(whole(&fixture.store.staged(ids[0]).unwrap()), kept);
    assert_eq!(fixture.store.staging_usage(), blocks(3), "once");
    fixture.store.discard(ids[0]).unwrap();
    assert_eq!(fixture.store.staging_usage(), 0);
}

#[test]
fn a_smaller_budget_is_kept_at_once() {
    let fixture = Fixture::new();
    drop(fixture.cached_with(&version("a", 9 * BLOCK), &pattern(1, 9 * BLOCK)));
    fixture.store.set_budget(Budget { cache_bytes: blocks(4), ..AMPLE }).unwrap();
    assert_eq!(fixture.store.cache_usage(), blocks(4));
}
