//! What `fsync` makes durable, and what it need not make durable again.

use std::os::unix::fs::MetadataExt;

use super::*;

impl World {
    fn write(&self, handle: HandleNo, offset: u64, bytes: &[u8]) {
        let (answer, answered) = channel();
        self.vfs.write(handle, offset, bytes, None, Box::new(move |written| answer.send(written).unwrap()));
        answered.recv().unwrap().unwrap();
    }

    /// The record beside the only staged file, and the number of the file it is in: another one each time it is written.
    fn record(&self) -> (crate::content::StagedRecord, u64) {
        let content = &self.vfs.parts.content;
        let [id] = content.staged_ids().unwrap()[..] else { panic!("{:?}", content.staged_ids()) };
        let file = self.folder.path().join("staging").join(format!("{id}.rec"));
        (content.record(id).unwrap().unwrap(), std::fs::metadata(file).unwrap().ino())
    }

    fn is_durable(&self) -> bool {
        !self.vfs.parts.catalog.needs_sync()
    }
}

#[test]
fn bytes_that_are_written_again_need_neither_a_new_record_nor_a_new_row() {
    let world = World::new();
    let row = world.cold_file("take.wav", 10);
    let handle = world.vfs.open(row.ino, OpenIntent { read: true, write: true }, &serve_here).unwrap().handle;
    world.write(handle, 0, b"first");
    world.vfs.fsync(handle).unwrap();
    assert!(world.is_durable());
    let (record, first) = world.record();
    assert_eq!(record.path, "take.wav");
    world.write(handle, 8, b"more than there was");
    world.vfs.fsync(handle).unwrap();
    let stored = world.vfs.row(row.ino).unwrap().attr.size;
    assert_eq!((world.record().1, stored), (first, 10), "the staged file holds all that is new");
    // What the record or the row says is promised anew.
    let set = SetAttr { mode: Some(0o600), ..SetAttr::default() };
    world.vfs.set_attributes(row.ino, set).unwrap();
    world.vfs.fsync(handle).unwrap();
    let (record, second) = world.record();
    assert_eq!((record.mode, second != first, world.is_durable()), (0o600, true, true));
    let set = SetAttr { mtime: Some(SetTime::To(Timestamp(-7))), ..SetAttr::default() };
    world.vfs.set_attributes(row.ino, set).unwrap();
    world.vfs.fsync(handle).unwrap();
    let (record, third) = world.record();
    assert_eq!((record.mtime, third != second, world.is_durable()), (Timestamp(-7), true, true));
    let (from, to) = (OsStr::new("take.wav"), OsStr::new("final take.wav"));
    world.vfs.rename(InodeNo::ROOT, from, InodeNo::ROOT, to, RenameMode::Replace).unwrap();
    world.vfs.fsync(handle).unwrap();
    assert_eq!((world.record().0.path.as_str(), world.is_durable()), ("final take.wav", true));
}

#[test]
fn a_staged_file_carries_the_time_of_its_last_change() {
    let world = World::new();
    let row = world.cold_file("take.wav", 3 * BLOCK_BYTES);
    let handle = world.vfs.open(row.ino, OpenIntent { read: true, write: true }, &serve_here).unwrap().handle;
    world.write(handle, 0, b"first");
    let set = SetAttr { mtime: Some(SetTime::To(Timestamp(-7_000_000_000))), ..SetAttr::default() };
    world.vfs.set_attributes(row.ino, set).unwrap();
    let LocalContent::Staged { staged, .. } = world.vfs.row(row.ino).unwrap().content else { panic!("not staged") };
    let modified = || world.vfs.parts.content.staged(staged).unwrap().modified().unwrap();
    assert_eq!(modified(), Timestamp(-7_000_000_000));
    // Bytes of the version below are no change.
    world.read(handle, 2 * BLOCK_BYTES, 10);
    let file = world.vfs.parts.content.staged(staged).unwrap();
    let block = vec![1; usize::try_from(BLOCK_BYTES).unwrap()];
    file.fill_base(crate::types::BlockIndex(1), &block).unwrap();
    assert_eq!(modified(), Timestamp(-7_000_000_000));
    world.vfs.release(handle);
    let set = SetAttr { mtime: Some(SetTime::To(Timestamp(5_000_000_000))), ..SetAttr::default() };
    world.vfs.set_attributes(row.ino, set).unwrap();
    assert_eq!(modified(), Timestamp(5_000_000_000), "nobody has it open");
}
