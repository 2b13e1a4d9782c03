//! From staged to cached or kept, records, and removal.

use std::fs;
use std::io::Read;

use super::*;
use crate::content::{ContentError, StagedRecord};
use crate::types::{ByteRange, HashKind, Timestamp};

fn kept_bytes(fixture: &Fixture, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    fixture.store.open_kept(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn promoted_bytes_are_cached_without_a_copy_and_readers_go_on() {
    use std::os::unix::fs::MetadataExt;
    let mut fixture = Fixture::new();
    let bytes = pattern(1, 3 * BLOCK + 7);
    let staged = fixture.staged_with(&bytes);
    let version = version("a", bytes.len());
    let inode = fs::metadata(fixture.dirs().staging.join(staged.id().to_string())).unwrap().ino();
    let cached = fixture.store.promote(&staged, &version).unwrap();
    assert!(Arc::ptr_eq(&cached, &fixture.store.cached(&version).unwrap()));
    assert_eq!(fs::metadata(fixture.block_file("data")).unwrap().ino(), inode);
    // Until the catalog has committed, both are there.
    assert!(whole(&staged) == bytes);
    fixture.store.discard(staged.id()).unwrap();
    assert_eq!(fixture.staging_names(), Vec::<String>::new());
    assert!(whole(&staged) == bytes, "an open handle keeps reading");
    assert!(read_cached(&cached, 0, bytes.len()).unwrap() == bytes);
    assert!(fixture.store.cache_usage() >= version.size);
    drop((cached, staged));
    fixture = fixture.reopen();
    let cached = fixture.store.cached_if_present(&version).unwrap().unwrap();
    assert!(cached.is_complete());
    assert!(read_cached(&cached, 0, bytes.len()).unwrap() == bytes);
}

#[test]
fn writes_after_a_promotion_do_not_reach_the_cache_and_eviction_does_not_reach_the_writer() {
    let fixture = Fixture::new();
    let bytes = pattern(1, 2 * BLOCK);
    for writes_first in [true, false] {
        let staged = fixture.staged_with(&bytes);
        let version = version(if writes_first { "a" } else { "b" }, bytes.len());
        let cached = fixture.store.promote(&staged, &version).unwrap();
        if writes_first {
            staged.write(10, b"later").unwrap();
            assert!(read_cached(&cached, 0, bytes.len()).unwrap() == bytes);
            assert_eq!(read_staged(&staged, 10, 5).unwrap(), b"later");
            staged.sync().unwrap();
        } else {
            // The catalog's commit failed, then the disk was full.
            fixture.store.evict(&version).unwrap();
            assert_eq!(read_cached(&cached, 0, 1), Err(vec![run(0, 1)]));
            assert!(whole(&staged) == bytes);
            cached.fill(BlockIndex(0), &pattern(2, BLOCK)).unwrap();
            assert!(whole(&staged) == bytes);
        }
    }
}

#[test]
fn a_rotten_promoted_block_is_replaced_without_touching_the_staged_inode() {
    use std::os::unix::fs::FileExt;
    let fixture = Fixture::new();
    let bytes = pattern(1, 2 * BLOCK);
    let staged = fixture.staged_with(&bytes);
    let cached = fixture.store.promote(&staged, &version("a", bytes.len())).unwrap();
    let data = fs::OpenOptions::new().write(true).open(fixture.block_file("data")).unwrap();
    data.write_all_at(b"rot", 5).unwrap();
    assert_eq!(read_cached(&cached, 0, 10), Err(vec![run(0, 1)]));
    assert!(matches!(staged.read(0, &mut [0; 10]), Err(ContentError::StagedDamaged { .. })));
    // Neither dropping the block nor an eviction that began before the promotion makes a hole in the shared inode.
    assert_eq!(cached.evict_blocks(&[BlockIndex(1)]).unwrap(), 0);
    let inode = fs::read(fixture.dirs().staging.join(staged.id().to_string())).unwrap();
    assert!(inode[8..] == bytes[8..]);
    cached.fill(BlockIndex(0), &bytes[..BLOCK]).unwrap();
    assert!(read_cached(&cached, 0, BLOCK).unwrap() == bytes[..BLOCK]);
    assert!(matches!(staged.read(0, &mut [0; 10]), Err(ContentError::StagedDamaged { .. })), "not written over");
}

#[test]
fn promotion_replaces_older_blocks_and_may_be_repeated() {
    let fixture = Fixture::new();
    let bytes = pattern(1, 2 * BLOCK);
    let version = version("a", bytes.len());
    // A reader fetched some of it already.
    let cached = fixture.store.cached(&version).unwrap();
    cached.fill(BlockIndex(1), &bytes[BLOCK..]).unwrap();
    let staged = fixture.staged_with(&bytes);
    for _ in 0..2 {
        fixture.store.promote(&staged, &version).unwrap();
        assert!(read_cached(&cached, 0, bytes.len()).unwrap() == bytes);
    }
    assert_eq!((fixture.block_files("data").len(), fixture.block_files("idx").len()), (1, 1));
    assert_eq!(fixture.store.cache_usage(), blocks(2));
}

#[test]
fn promotion_refuses_what_is_not_the_version() {
    let fixture = Fixture::new();
    let staged = fixture.staged_with(b"12345");
    assert!(fixture.store.promote(&staged, &version("a", 6)).is_err());
    let overlay = fixture.store.stage(StagedId::random(), Some(&version("base", BLOCK))).unwrap();
    assert!(fixture.store.promote(&overlay, &version("b", BLOCK)).is_err());
    let empty = fixture.staged_with(b"");
    assert!(fixture.store.promote(&empty, &version("empty", 0)).unwrap().is_complete());
    // Discarded bytes have no name to link; they are copied.
    fixture.store.discard(staged.id()).unwrap();
    let cached = fixture.store.promote(&staged, &version("a", 5)).unwrap();
    assert_eq!(read_cached(&cached, 0, 5).unwrap(), b"12345");
}

#[test]
fn promoted_files_are_evicted_as_a_whole_and_last_used_counts() {
    let fixture = Fixture::with_budget(Budget { cache_bytes: blocks(10), ..Budget::UNBOUNDED });
    let bytes = pattern(1, 4 * BLOCK);
    let staged = fixture.staged_with(&bytes);
    let promoted = fixture.store.promote(&staged, &version("promoted", bytes.len())).unwrap();
    fixture.store.discard(staged.id()).unwrap();
    fixture.clock.advance_seconds(100);
    let other = fixture.cached_with(&version("other", 4 * BLOCK), &bytes);
    fixture.clock.advance_seconds(100);
    read_cached(&promoted, 0, 1).unwrap();
    fixture.cached_with(&version("third", 4 * BLOCK), &bytes);
    assert!(promoted.is_complete(), "one use keeps all of it");
    assert!(!other.is_complete());
    fixture.clock.advance_seconds(100);
    fixture.cached_with(&version("fourth", 9 * BLOCK), &pattern(2, 9 * BLOCK));
    assert_eq!(promoted.present_bytes(), 0);
    assert!(whole(&staged) == bytes, "an open handle keeps reading");
}

#[test]
fn kept_versions_are_durable_copies_of_their_moment() {
    let mut fixture = Fixture::new();
    let bytes = pattern(1, BLOCK + 5);
    let staged = fixture.staged_with(&bytes);
    let linked = fixture.store.keep_staged(&staged).unwrap();
    staged.write(0, b"changed").unwrap();
    staged.truncate(20).unwrap();
    let copied = fixture.store.keep_copy(&mut &bytes[..100]).unwrap();
    fixture.store.discard(staged.id()).unwrap();
    let nameless = fixture.store.keep_staged(&staged).unwrap();
    fixture = fixture.reopen();
    assert!(kept_bytes(&fixture, &linked) == bytes);
    assert!(kept_bytes(&fixture, &copied) == bytes[..100]);
    assert_eq!(kept_bytes(&fixture, &nameless)[..7], *b"changed");
    fixture.store.discard_kept(&linked).unwrap();
    fixture.store.discard_kept(&linked).unwrap();
    assert!(fixture.store.open_kept(&linked).is_err());
    let overlay = fixture.store.stage(StagedId::random(), Some(&version("base", BLOCK))).unwrap();
    assert!(fixture.store.keep_staged(&overlay).is_err());
}

#[test]
fn a_kept_inode_is_still_protected_after_a_restart() {
    let mut fixture = Fixture::new();
    let staged = fixture.staged_with(b"first");
    let (id, name) = (staged.id(), fixture.store.keep_staged(&staged).unwrap());
    drop(staged);
    fixture = fixture.reopen();
    fixture.store.staged(id).unwrap().write(0, b"later").unwrap();
    assert_eq!(kept_bytes(&fixture, &name), b"first");
    assert_eq!(whole(&fixture.store.staged(id).unwrap()), b"later");
}

#[test]
fn names_of_kept_versions_lead_nowhere_else() {
    let fixture = Fixture::new();
    fs::write(fixture.dirs().history.parent().unwrap().join("secret"), b"x").unwrap();
    for name in ["../secret", "", ".", "/etc/passwd", "0", "a/../b"] {
        assert!(matches!(fixture.store.open_kept(name), Err(ContentError::Io { .. })), "{name:?}");
        assert!(fixture.store.discard_kept(name).is_err(), "{name:?}");
    }
}

fn record_of(fixture: &Fixture, staged: &StagedFile) -> StagedRecord {
    StagedRecord {
        vault: fixture.vault,
        id: staged.id(),
        path: "Cases/Ünïcode \"quoted\"\n/brief.docx".to_owned(),
        based_on: Some(version("base", 10)),
        mode: 0o640,
        mtime: Timestamp(-5),
    }
}

#[test]
fn a_record_is_read_back_replaced_as_a_whole_and_removed() {
    let mut fixture = Fixture::new();
    let staged = fixture.staged_with(b"bytes");
    let mut record = record_of(&fixture, &staged);
    assert_eq!(fixture.store.record(staged.id()).unwrap(), None);
    staged.write_record(&record).unwrap();
    record.path = "elsewhere".to_owned();
    staged.write_record(&record).unwrap();
    staged.sync().unwrap();
    let id = staged.id();
    drop(staged);
    fixture = fixture.reopen();
    assert_eq!(fixture.store.record(id).unwrap(), Some(record));
    let staged = fixture.store.staged(id).unwrap();
    fixture.store.discard(id).unwrap();
    fixture.store.discard(id).unwrap();
    assert_eq!(fixture.store.record(id).unwrap(), None);
    assert!(matches!(staged.write_record(&record_of(&fixture, &staged)), Err(ContentError::StagedMissing(_))));
    // An open handle goes on without leaving a name behind.
    staged.write(0, b"more bytes").unwrap();
    staged.sync().unwrap();
    assert_eq!(fixture.staging_names(), Vec::<String>::new());
}

#[test]
fn a_damaged_or_foreign_record_is_none() {
    let fixture = Fixture::new();
    let (staged, other) = (fixture.staged_with(b"bytes"), fixture.staged_with(b"other"));
    let record = record_of(&fixture, &staged);
    staged.write_record(&record).unwrap();
    let path = fixture.dirs().staging.join(format!("{}.rec", staged.id()));
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert_eq!(fixture.store.record(staged.id()).unwrap(), None, "bit at {at}");
    }
    for len in [0, 10, good.len() - 1] {
        fs::write(&path, &good[..len]).unwrap();
        assert_eq!(fixture.store.record(staged.id()).unwrap(), None, "cut to {len}");
    }
    fs::write(fixture.dirs().staging.join(format!("{}.rec", other.id())), &good).unwrap();
    assert_eq!(fixture.store.record(other.id()).unwrap(), None, "another file's record");
    fs::write(&path, &good).unwrap();
    assert_eq!(fixture.store.record(staged.id()).unwrap(), Some(record));
}

#[test]
fn an_overlay_goes_up_after_its_base_is_filled_in() {
    let fixture = Fixture::new();
    let base = pattern(1, 2 * BLOCK);
    let staged = fixture.store.stage(StagedId::random(), Some(&version("base", base.len()))).unwrap();
    staged.fill_base(BlockIndex(0), &base[..BLOCK]).unwrap();
    staged.write(3, b"edit").unwrap();
    assert!(staged.hash(HashKind::Dropbox).is_err());
    assert!(staged.read_generation(staged.generation(), 0, &mut [0; 10]).is_ok());
    assert!(staged.read_generation(staged.generation(), blocks(1), &mut [0; 10]).is_err());
    let generation = staged.generation();
    staged.fill_base(BlockIndex(1), &base[BLOCK..]).unwrap();
    let (_, hashed) = staged.hash(HashKind::Dropbox).unwrap();
    assert_eq!(hashed, generation);
    let cached = fixture.store.promote(&staged, &version("next", base.len())).unwrap();
    assert_eq!(read_cached(&cached, 0, 10).unwrap()[3..7], *b"edit");
    assert!(staged.missing(ByteRange::new(0, u64::MAX)).is_empty());
}
