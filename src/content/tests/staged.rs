//! Staged files: what is not a matter of bytes alone.

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::content::ContentError;
use crate::types::{ByteRange, ContentHash, HashKind};

#[test]
fn one_object_per_id_and_unknown_ids_are_missing() {
    let fixture = Fixture::new();
    let staged = fixture.staged_with(b"bytes");
    assert!(Arc::ptr_eq(&staged, &fixture.store.staged(staged.id()).unwrap()));
    assert!(matches!(fixture.store.staged(StagedId::random()), Err(ContentError::StagedMissing(_))));
    assert!(fixture.store.stage(staged.id(), Some(&version("a", 10))).is_err(), "an id is used once");
    assert_eq!(fixture.store.staged_ids().unwrap(), [staged.id()]);
    assert_eq!(fixture.staging_names(), [staged.id().to_string()], "no map is left beside it");
}

#[test]
fn an_overlay_fetches_only_what_it_must() {
    let fixture = Fixture::new();
    let base = pattern(1, 3 * BLOCK + 100);
    let version = version("base", base.len());
    let staged = fixture.store.stage(StagedId::random(), Some(&version)).unwrap();
    assert_eq!(staged.size(), version.size);
    assert_eq!(staged.overlay_base(), Some(version.clone()));
    assert!(staged.allocated_bytes() < blocks(1));
    // A whole block needs nothing, parts of blocks need theirs, and so does nothing beyond the base.
    let needs = |start: u64, end: u64| staged.missing_for_write(ByteRange::new(start, end));
    assert_eq!(needs(0, blocks(1)), []);
    assert_eq!(needs(5, blocks(2) + 5), [run(0, 1), run(2, 3)]);
    assert_eq!(needs(blocks(3), version.size), [], "the last block as a whole");
    assert_eq!(needs(version.size, version.size + 10), [], "an append");
    assert_eq!(needs(blocks(3), version.size - 1), [run(3, 4)]);
    assert!(matches!(staged.write(5, b"x"), Err(ContentError::Io { .. })));
    assert!(matches!(staged.punch(ByteRange::new(5, 6)), Err(ContentError::Io { .. })));

    assert_eq!(staged.append(b"tail").unwrap(), version.size);
    assert_eq!(read_staged(&staged, version.size, 4).unwrap(), b"tail");
    assert_eq!(read_staged(&staged, 0, 1), Err(vec![run(0, 1)]));
    staged.write(blocks(1), &pattern(2, BLOCK)).unwrap();
    assert_eq!(staged.missing(ByteRange::new(0, u64::MAX)), [run(0, 1), run(2, 4)]);
    // Filling from below does not undo what was written here.
    staged.fill_base(BlockIndex(0), &base).unwrap();
    assert_eq!(staged.overlay_base(), None);
    let expected = [&base[..BLOCK], &pattern(2, BLOCK), &base[2 * BLOCK..], b"tail"].concat();
    assert!(whole(&staged) == expected);
    // Once everything is here and durable, the map goes.
    assert_eq!(fixture.staging_names().len(), 2);
    staged.sync().unwrap();
    assert_eq!(fixture.staging_names(), [staged.id().to_string()]);
}

#[test]
fn bases_that_no_disk_can_hold_are_refused_and_leave_nothing() {
    let fixture = Fixture::new();
    for size in [u64::MAX, 1 << 50] {
        let base = Version { size, ..version("base", 0) };
        assert!(fixture.store.stage(StagedId::random(), Some(&base)).is_err());
    }
    let staged = fixture.staged_with(b"x");
    assert!(staged.write(u64::MAX - 1, b"xyz").is_err());
    assert!(staged.truncate(u64::MAX).is_err());
    assert_eq!(staged.size(), 1);
    assert_eq!(fixture.staging_names(), [staged.id().to_string()]);
    let empty_base = fixture.store.stage(StagedId::random(), Some(&version("empty", 0))).unwrap();
    assert_eq!(empty_base.overlay_base(), None);
}

#[test]
fn holes_and_base_blocks_are_told_apart() {
    let fixture = Fixture::new();
    let staged = fixture.store.stage(StagedId::random(), Some(&version("base", 3 * BLOCK))).unwrap();
    staged.truncate(blocks(8)).unwrap();
    staged.write(blocks(6), &pattern(1, BLOCK)).unwrap();
    assert_eq!(staged.seek_data(0).unwrap(), Some(0), "base blocks that are not here are data");
    assert_eq!(staged.seek_hole(0).unwrap(), blocks(3));
    assert_eq!(staged.seek_data(blocks(3)).unwrap(), Some(blocks(6)));
    assert_eq!(staged.seek_hole(blocks(6)).unwrap(), blocks(7));
    assert_eq!(staged.seek_data(blocks(7)).unwrap(), None);
    assert!(staged.seek_hole(blocks(8)).is_err());
    staged.punch(ByteRange::new(blocks(1), blocks(2))).unwrap();
    assert_eq!(staged.seek_hole(0).unwrap(), blocks(1));
    assert_eq!(staged.seek_data(blocks(1)).unwrap(), Some(blocks(2)));
    assert_eq!(read_staged(&staged, blocks(1), BLOCK).unwrap(), vec![0; BLOCK]);
    let before = staged.allocated_bytes();
    staged.punch(ByteRange::new(blocks(6), blocks(7))).unwrap();
    assert!(staged.allocated_bytes() + blocks(1) <= before);
}

#[test]
fn an_upload_never_reads_two_generations() {
    let fixture = Fixture::new();
    let staged = fixture.staged_with(&vec![0; 4 * BLOCK]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Every write fills the whole file with one byte.
            for byte in 1..=60_u8 {
                staged.write(0, &vec![byte; 4 * BLOCK]).unwrap();
            }
            stop.store(true, Ordering::Release);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut buffer = vec![0; BLOCK];
                while !stop.load(Ordering::Acquire) {
                    let generation = staged.generation();
                    let mut seen = None;
                    for block in 0..4 {
                        match staged.read_generation(generation, blocks(block), &mut buffer) {
                            Ok(()) => assert!(buffer.iter().all(|byte| *seen.get_or_insert(*byte) == *byte)),
                            Err(ContentError::Superseded(_)) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    match staged.hash(HashKind::Blake3) {
                        Ok((hash, _)) => {
                            let all = (0..=60_u8).map(|byte| ContentHash::of(HashKind::Blake3, &vec![byte; 4 * BLOCK]));
                            assert!(all.into_iter().any(|one| one == hash), "the hash of a mixture");
                        }
                        Err(ContentError::Superseded(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert!(whole(&staged).iter().all(|byte| *byte == 60));
}

#[test]
fn appends_of_many_threads_do_not_overlap() {
    let fixture = Fixture::new();
    let staged = fixture.store.stage(StagedId::random(), None).unwrap();
    std::thread::scope(|scope| {
        for byte in 1..=4_u8 {
            let staged = &staged;
            scope.spawn(move || {
                for _ in 0..50 {
                    let at = staged.append(&[byte; 1000]).unwrap();
                    assert_eq!(read_staged(staged, at, 1000).unwrap(), [byte; 1000]);
                }
            });
        }
    });
    assert_eq!(staged.size(), 200_000);
    let bytes = whole(&staged);
    assert!(bytes.chunks(1000).all(|chunk| chunk.iter().all(|byte| *byte == chunk[0] && *byte != 0)));
}

#[test]
fn superseded_bytes_are_told() {
    let fixture = Fixture::new();
    let staged = fixture.staged_with(b"one");
    let (_, generation) = staged.hash(HashKind::Dropbox).unwrap();
    let mut buffer = [0; 3];
    staged.read_generation(generation, 0, &mut buffer).unwrap();
    assert_eq!(&buffer, b"one");
    staged.write(0, b"two").unwrap();
    let again = staged.read_generation(generation, 0, &mut buffer);
    assert!(matches!(again, Err(ContentError::Superseded(id)) if id == staged.id()));
    assert_eq!(&buffer, b"one", "nothing of the other generation was given out");
}

#[test]
fn rot_after_the_hash_is_an_error_and_never_bytes() {
    let fixture = Fixture::new();
    let bytes = pattern(1, 3 * BLOCK);
    let staged = fixture.staged_with(&bytes);
    staged.hash(HashKind::Dropbox).unwrap();
    let path = fixture.dirs().staging.join(staged.id().to_string());
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[bytes[BLOCK + 9] ^ 1], blocks(1) + 9).unwrap();
    let damaged = |result: crate::content::Result<()>| {
        assert!(matches!(result, Err(ContentError::StagedDamaged { id, block: 1 }) if id == staged.id()));
    };
    damaged(staged.read(blocks(1), &mut [0; 4]).map(|_| ()));
    damaged(staged.read_generation(staged.generation(), 0, &mut vec![0; 3 * BLOCK]));
    damaged(staged.hash(HashKind::Blake3).map(|_| ()));
    // What was hashed is what the provider has: the damaged block is missing in the cache and will be fetched.
    let cached = fixture.store.promote(&staged, &version("a", bytes.len())).unwrap();
    assert_eq!(read_cached(&cached, 0, bytes.len()), Err(vec![run(1, 2)]));
    assert_eq!(read_staged(&staged, 0, BLOCK).unwrap(), bytes[..BLOCK]);
    // A write is a new generation, whose bytes nobody has vouched for yet.
    staged.write(blocks(1), &bytes[BLOCK..2 * BLOCK]).unwrap();
    assert!(whole(&staged) == bytes);
}

#[test]
fn a_failed_fsync_is_never_forgotten() {
    fail_fsync(true);
    fail_fsync(false);
}

fn fail_fsync(by_sync: bool) {
    let fixture = Fixture::new();
    let staged = fixture.staged_with(b"bytes");
    // A device that cannot be synced stands for a disk that fails.
    let good = {
        let mut state = staged.freeze();
        std::mem::replace(&mut state.data, Arc::new(fs::File::open("/dev/null").unwrap()))
    };
    if by_sync {
        assert!(staged.sync().is_err());
    } else {
        // Keeping it falls back to a copy of what can be read, and must not swallow what it learned.
        fixture.store.keep_staged(&staged).unwrap();
    }
    staged.freeze().data = good;
    assert!(staged.is_suspect());
    let again = staged.sync().unwrap_err();
    assert!(matches!(&again, ContentError::Io { source, .. } if source.raw_os_error() == Some(libc::EIO)));
    // What is there can still be read and kept, by a copy.
    let name = fixture.store.keep_staged(&staged).unwrap();
    assert_eq!(fixture.store.open_kept(&name).unwrap().metadata().unwrap().len(), 5);
    staged.truncate(0).unwrap();
    assert!(!staged.is_suspect());
    staged.write(0, b"again").unwrap();
    staged.sync().unwrap();
}
