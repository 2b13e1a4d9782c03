//! What a crash or a power cut leaves behind in staging.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::*;
use crate::content::ContentError;
use crate::sys::disk;
use crate::types::ByteRange;

fn paths(fixture: &Fixture, id: StagedId) -> (PathBuf, PathBuf) {
    let data = fixture.dirs().staging.join(id.to_string());
    (data.clone(), data.with_extension("map"))
}

/// An overlay of three blocks: 0 written and synced, 1 written, 2 below.
fn overlay(fixture: &Fixture) -> StagedId {
    let staged = fixture.store.stage(StagedId::random(), Some(&version("base", 3 * BLOCK))).unwrap();
    staged.write(0, &pattern(1, BLOCK)).unwrap();
    staged.sync().unwrap();
    staged.write(blocks(1), &pattern(2, BLOCK)).unwrap();
    staged.id()
}

/// Loses part of the data of every block, as a power cut does with what was not written out.
fn lose(fixture: &Fixture, id: StagedId, other_boot: bool) {
    let (data, map) = paths(fixture, id);
    let data = OpenOptions::new().read(true).write(true).open(data).unwrap();
    disk::punch_hole(&data, ByteRange::new(blocks(1) + 4096, blocks(2))).unwrap();
    if other_boot {
        OpenOptions::new().write(true).open(map).unwrap().write_all_at(&[0x5A; 8], 48).unwrap();
    }
}

#[test]
fn an_unsynced_block_that_was_lost_with_the_power_shows_the_version_below() {
    let mut fixture = Fixture::new();
    let id = overlay(&fixture);
    lose(&fixture, id, true);
    fixture = fixture.reopen();
    let staged = fixture.store.staged(id).unwrap();
    assert_eq!(staged.missing(ByteRange::new(0, u64::MAX)), [run(1, 3)]);
    assert_eq!(read_staged(&staged, 0, BLOCK).unwrap(), pattern(1, BLOCK));
    // The decision is on disk: the next restart comes to the same.
    drop(staged);
    fixture = fixture.reopen();
    assert_eq!(fixture.store.staged(id).unwrap().missing(ByteRange::new(0, u64::MAX)), [run(1, 3)]);
}

#[test]
fn holes_made_on_purpose_stay_zeros_after_a_restart_and_a_power_cut() {
    for other_boot in [false, true] {
        let mut fixture = Fixture::new();
        let id = overlay(&fixture);
        // One that was synced, one that was written, one of the version below.
        fixture.store.staged(id).unwrap().punch(ByteRange::new(0, blocks(3))).unwrap();
        if other_boot {
            let (_, map) = paths(&fixture, id);
            OpenOptions::new().write(true).open(map).unwrap().write_all_at(&[0x5A; 8], 48).unwrap();
        }
        fixture = fixture.reopen();
        let staged = fixture.store.staged(id).unwrap();
        assert_eq!(read_staged(&staged, 0, 3 * BLOCK).unwrap(), vec![0; 3 * BLOCK], "other boot: {other_boot}");
    }
}

#[test]
fn without_a_power_cut_nothing_is_taken_back() {
    let mut fixture = Fixture::new();
    let id = overlay(&fixture);
    lose(&fixture, id, false);
    fixture = fixture.reopen();
    let staged = fixture.store.staged(id).unwrap();
    assert_eq!(staged.missing(ByteRange::new(0, u64::MAX)), [run(2, 3)]);
}

#[test]
fn a_crash_in_the_middle_of_a_truncation_brings_no_old_bytes_back() {
    let mut fixture = Fixture::new();
    let id = overlay(&fixture);
    // The data was cut, the map does not know yet.
    let (data, _) = paths(&fixture, id);
    OpenOptions::new().write(true).open(data).unwrap().set_len(blocks(2) + 10).unwrap();
    fixture = fixture.reopen();
    let staged = fixture.store.staged(id).unwrap();
    staged.truncate(blocks(3)).unwrap();
    staged.fill_base(BlockIndex(2), &pattern(3, BLOCK)).unwrap();
    let expected = [&pattern(3, BLOCK)[..10], &vec![0; BLOCK - 10]].concat();
    assert_eq!(read_staged(&staged, blocks(2), BLOCK).unwrap(), expected);
}

#[test]
fn data_whose_map_is_damaged_is_never_served() {
    for at in [0, 9, 33, 41, 60] {
        let mut fixture = Fixture::new();
        let id = overlay(&fixture);
        let (_, map) = paths(&fixture, id);
        let file = OpenOptions::new().read(true).write(true).open(map).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
        fixture = fixture.reopen();
        assert!(matches!(fixture.store.staged(id), Err(ContentError::StagedDamaged { .. })), "damage at {at}");
    }
}

#[test]
fn half_made_and_half_discarded_files_are_dropped_and_foreign_ones_left_alone() {
    let mut fixture = Fixture::new();
    let staging = fixture.dirs().staging;
    let kept = fixture.staged_with(b"kept").id();
    let orphan = StagedId::random();
    fs::write(staging.join(format!("{orphan}.map")), b"map without data").unwrap();
    fs::write(staging.join(".tmp-abc"), b"half a record").unwrap();
    fs::write(staging.join("notes.map"), b"not ours").unwrap();
    fs::write(fixture.dirs().history.join(".tmp-abc"), b"half a copy").unwrap();
    fixture = fixture.reopen();
    assert_eq!(fixture.staging_names(), [kept.to_string(), "notes.map".to_owned()]);
    assert_eq!(fixture.store.staged_ids().unwrap(), [kept]);
    assert_eq!(fs::read_dir(fixture.dirs().history).unwrap().count(), 0);
}
