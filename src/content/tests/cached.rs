//! Cached files: what was filled in is read back, and nothing else ever is.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::Arc;

use super::*;
use crate::content::ContentError;
use crate::types::ByteRange;

/// Changes one byte of a file behind the store's back.
fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[test]
fn blocks_are_read_back_and_the_rest_is_missing() {
    let fixture = Fixture::new();
    let bytes = pattern(1, 5 * BLOCK + 100);
    let cached = fixture.store.cached(&version("a", bytes.len())).unwrap();
    assert_eq!(read_cached(&cached, 0, 10), Err(vec![run(0, 1)]));
    assert_eq!(cached.missing(ByteRange::new(0, u64::MAX)), [run(0, 6)]);

    cached.fill(BlockIndex(1), &bytes[BLOCK..3 * BLOCK]).unwrap();
    cached.fill(BlockIndex(5), &bytes[5 * BLOCK..]).unwrap();
    assert_eq!(read_cached(&cached, 70_000, 100_000).unwrap(), bytes[70_000..170_000]);
    assert_eq!(read_cached(&cached, blocks(5) + 3, 97).unwrap(), bytes[5 * BLOCK + 3..]);
    assert_eq!(read_cached(&cached, 10, 5 * BLOCK), Err(vec![run(0, 1), run(3, 5)]));
    assert_eq!(cached.missing(ByteRange::new(1, u64::MAX)), [run(0, 1), run(3, 5)]);
    assert_eq!(cached.present_bytes(), blocks(2) + 100);
    assert!(!cached.is_complete());

    cached.fill(BlockIndex(0), &bytes).unwrap();
    assert!(cached.is_complete());
    assert_eq!(read_cached(&cached, 0, bytes.len()).unwrap(), bytes);
    assert_eq!(fixture.store.cached_bytes(cached.version()), cached.version().size);
}

#[test]
fn blocks_survive_a_restart_and_files_are_private() {
    let mut fixture = Fixture::new();
    let bytes = pattern(2, 3 * BLOCK);
    let version = version("a", bytes.len());
    fixture.store.cached(&version).unwrap().fill(BlockIndex(1), &bytes[BLOCK..]).unwrap();
    let used = fixture.store.cache_usage();
    assert!(used >= blocks(2));
    fixture = fixture.reopen();
    assert_eq!(fixture.store.cache_usage(), used);
    let cached = fixture.store.cached_if_present(&version).unwrap().unwrap();
    assert_eq!(cached.missing(ByteRange::new(0, version.size)), [run(0, 1)]);
    assert_eq!(read_cached(&cached, blocks(1), 2 * BLOCK).unwrap(), bytes[BLOCK..]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fixture.block_file("data")), 0o600);
    assert_eq!(mode(&fixture.block_file("idx")), 0o600);
    assert_eq!(mode(fixture.block_file("idx").parent().unwrap()), 0o700);
    for folder in [fixture.dirs().blocks, fixture.dirs().staging, fixture.dirs().history] {
        assert_eq!(mode(&folder), 0o700);
    }
}

#[test]
fn one_object_per_version_and_none_on_disk_before_a_fill() {
    let fixture = Fixture::new();
    let (first, second) = (version("a", 10), Version { revision: Revision("2".into()), ..version("a", 10) });
    let held = fixture.store.cached(&first).unwrap();
    assert!(Arc::ptr_eq(&held, &fixture.store.cached(&first).unwrap()));
    assert!(!Arc::ptr_eq(&held, &fixture.store.cached(&second).unwrap()));
    assert!(fixture.store.cached_if_present(&first).unwrap().is_none());
    assert!(fs::read_dir(fixture.dirs().blocks).unwrap().next().is_none());
    // An empty version has all of its bytes.
    let empty = fixture.store.cached_if_present(&version("empty", 0)).unwrap().unwrap();
    assert!(empty.is_complete());
    assert_eq!(read_cached(&empty, 0, 0), Ok(Vec::new()));
}

#[test]
fn a_rotten_block_is_missing_and_can_be_fetched_again() {
    let fixture = Fixture::new();
    let bytes = pattern(3, 3 * BLOCK);
    let cached = fixture.cached_with(&version("a", bytes.len()), &bytes);
    flip(&fixture.block_file("data"), blocks(1) + 17);
    // Also where the damaged byte itself is not asked for.
    assert_eq!(read_cached(&cached, blocks(1) + 500, 10), Err(vec![run(1, 2)]));
    assert_eq!(fixture.store.rotten_blocks(), 1);
    assert_eq!(cached.present_bytes(), blocks(2));
    assert_eq!(read_cached(&cached, 0, BLOCK).unwrap(), bytes[..BLOCK]);
    cached.fill(BlockIndex(1), &bytes[BLOCK..2 * BLOCK]).unwrap();
    assert_eq!(read_cached(&cached, 0, bytes.len()).unwrap(), bytes);
}

#[test]
fn data_that_was_cut_short_is_missing() {
    let fixture = Fixture::new();
    let bytes = pattern(4, 3 * BLOCK);
    let cached = fixture.cached_with(&version("a", bytes.len()), &bytes);
    OpenOptions::new().write(true).open(fixture.block_file("data")).unwrap().set_len(blocks(1) + 5).unwrap();
    assert_eq!(read_cached(&cached, 0, bytes.len()), Err(vec![run(1, 2)]));
    assert_eq!(read_cached(&cached, 0, BLOCK).unwrap(), bytes[..BLOCK]);
}

#[test]
fn an_index_that_cannot_be_believed_counts_as_absent() {
    // A bit of the header, the format number, another version's index.
    for damage in ["header", "format", "other", "empty", "torn"] {
        let mut fixture = Fixture::new();
        let bytes = pattern(5, 2 * BLOCK);
        let version = version("a", bytes.len());
        drop(fixture.cached_with(&version, &bytes));
        let index = fixture.block_file("idx");
        match damage {
            "header" => flip(&index, 60),
            "format" => flip(&index, 8),
            "other" => {
                let other = super::version("b", bytes.len());
                drop(fixture.cached_with(&other, &pattern(6, bytes.len())));
                let from = fixture.block_files("idx").into_iter().find(|path| *path != index).unwrap();
                fs::copy(from, &index).unwrap();
            }
            "empty" => fs::write(&index, b"").unwrap(),
            _ => OpenOptions::new().write(true).open(&index).unwrap().set_len(45).unwrap(),
        }
        fixture = fixture.reopen();
        assert!(fixture.store.cached_if_present(&version).unwrap().is_none(), "{damage}");
        let cached = fixture.cached_with(&version, &bytes);
        assert_eq!(read_cached(&cached, 0, bytes.len()).unwrap(), bytes, "{damage}");
    }
}

#[test]
fn leftovers_of_a_crash_are_dropped_before_the_cache_is_measured() {
    let mut fixture = Fixture::new();
    let bytes = pattern(7, BLOCK);
    drop(fixture.cached_with(&version("kept", BLOCK), &bytes));
    drop(fixture.cached_with(&version("data only", BLOCK), &bytes));
    let index = fixture.store.core.index_path(crate::content::Key::of(&version("data only", BLOCK)));
    fs::remove_file(&index).unwrap();
    fs::write(index.with_file_name(".tmp-half"), b"x").unwrap();
    drop(fixture.cached_with(&version("index only", BLOCK), &bytes));
    fs::remove_file(fixture.store.core.data_path(crate::content::Key::of(&version("index only", BLOCK)))).unwrap();
    fixture = fixture.reopen();
    assert_eq!(fixture.store.cache_usage(), blocks(1));
    assert_eq!((fixture.block_files("data").len(), fixture.block_files("idx").len()), (1, 1));
    assert!(!index.with_file_name(".tmp-half").exists());
}

#[test]
fn fills_and_reads_beyond_the_version_are_refused() {
    let fixture = Fixture::new();
    let cached = fixture.store.cached(&version("a", BLOCK + 10)).unwrap();
    let refused =
        |start: u64, len: usize| matches!(cached.fill(BlockIndex(start), &vec![1; len]), Err(ContentError::Io { .. }));
    assert!(refused(0, 10), "part of a block");
    assert!(refused(1, 9), "part of the last block");
    assert!(refused(1, 11), "more than the last block");
    assert!(refused(2, 1));
    assert!(refused(u64::MAX, 1));
    assert!(cached.read(blocks(1), &mut [0; 11]).is_err());
    assert!(fixture.store.cached(&Version { size: u64::MAX, ..version("b", 0) }).is_err());
    assert_eq!(cached.present_bytes(), 0);
}

#[test]
fn a_fill_that_fails_leaves_nothing_counted() {
    let fixture = Fixture::new();
    let version = version("a", BLOCK);
    let folder = fixture.store.core.blocks_folder(crate::content::Key::of(&version));
    let cached = fixture.store.cached(&version).unwrap();
    fs::write(&folder, b"in the way").unwrap();
    assert!(cached.fill(BlockIndex(0), &pattern(1, BLOCK)).is_err());
    assert_eq!(fixture.store.cache_usage(), 0);
    fs::remove_file(&folder).unwrap();
    fixture.cached_with(&version, &pattern(1, BLOCK));
    assert_eq!(fixture.store.cache_usage(), blocks(1));
}

#[test]
fn readers_evictions_and_fills_at_once_never_give_wrong_bytes() {
    let fixture = Fixture::new();
    let bytes = pattern(8, 8 * BLOCK);
    let version = version("a", bytes.len());
    let cached = fixture.cached_with(&version, &bytes);
    std::thread::scope(|scope| {
        for reader in 0..3_usize {
            let (cached, bytes) = (&cached, &bytes);
            scope.spawn(move || {
                for round in 0..200 {
                    let at = (round * 37_123 + reader * 11_777) % (7 * BLOCK);
                    if let Ok(got) = read_cached(cached, u64::try_from(at).unwrap(), BLOCK) {
                        assert!(got == bytes[at..at + BLOCK], "wrong bytes at {at}");
                    }
                }
            });
        }
        for round in 0..40 {
            if round % 8 == 0 {
                fixture.store.evict(&version).unwrap();
            }
            let block = round % 8;
            let part = &bytes[block * BLOCK..(block + 1) * BLOCK];
            cached.fill(BlockIndex(u64::try_from(block).unwrap()), part).unwrap();
        }
    });
    assert_eq!(fixture.store.rotten_blocks(), 0);
    assert_eq!(read_cached(&cached, 0, bytes.len()).unwrap(), bytes);
}
