//! What sync, fetch and the kernel hear of what happens here.

use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn two_handles_of_one_file_are_two_readers() {
    let world = World::new();
    let row = world.cold_file("take.wav", 8 * MIB);
    let (one, other) = (world.open(&row), world.open(&row));
    assert_ne!(one, other);
    for step in 0..3 {
        assert_eq!(world.read(one, step * BLOCK_BYTES, 10), [byte_at(step * BLOCK_BYTES); 10]);
        assert_eq!(world.told(), [Told::Fetch { stream: one.0 }, Told::ReadOn { stream: one.0 }]);
        let far = 4 * MIB + step * BLOCK_BYTES;
        assert_eq!(world.read(other, far, 10), [byte_at(far); 10]);
        assert_eq!(world.told(), [Told::Fetch { stream: other.0 }, Told::ReadOn { stream: other.0 }]);
    }
    assert_eq!(world.read(other, 0, 10), [0; 10]);
    assert_eq!(world.told(), [Told::ReadOn { stream: other.0 }], "what one has fetched the other need not");
}

#[test]
fn dropped_bytes_go_from_the_memory_of_the_kernel_too() {
    let world = World::new();
    let row = world.cold_file("take.wav", MIB);
    world.vfs.bytes_dropped(row.ino);
    assert_eq!(world.told(), [Told::Pages(row.ino)]);
    let LocalContent::Clean(version) = &row.content else { panic!("{row:?}") };
    world.vfs.version_dropped(version).unwrap();
    assert_eq!(world.told(), [Told::Pages(row.ino)]);
    world.vfs.version_dropped(&Version { rid: RemoteId("nobody".to_owned()), ..version.clone() }).unwrap();
    assert_eq!(world.told(), []);
}

#[test]
fn the_kernel_drops_the_pages_that_somebody_waits_for_when_nobody_does_any_more() {
    let world = World::new();
    let row = world.cold_file("take.wav", MIB);
    let handle = world.open(&row);
    world.provider_is_slow();
    let (answer, answered) = channel();
    for offset in [0, BLOCK_BYTES] {
        let answer = answer.clone();
        world.vfs.read(handle, offset, 10, None, Box::new(move |bytes| answer.send(bytes.is_err()).unwrap()));
    }
    assert_eq!(world.told(), [Told::Fetch { stream: handle.0 }, Told::Fetch { stream: handle.0 }]);
    assert!(!world.vfs.pages_are_free(row.ino), "the kernel would wait for the readers");
    assert!(!world.vfs.pages_are_free(row.ino));
    world.answers_arrive();
    assert_eq!((answered.try_iter().collect(), world.told()), (vec![true, true], vec![Told::Pages(row.ino)]));
    assert!(world.vfs.pages_are_free(row.ino));
    assert!(world.try_read(handle, 0, 10).is_ok() && world.vfs.pages_are_free(row.ino));
    assert_eq!(world.told(), [Told::Fetch { stream: handle.0 }, Told::ReadOn { stream: handle.0 }], "told once");
}

#[test]
fn a_truncation_of_a_file_that_nobody_has_open_is_told_to_sync_and_leaves_nothing_open() {
    let world = World::new();
    let row = world.cold_file("take.wav", MIB);
    let stat = world.set(row.ino, SetAttr { size: Some(3), ..SetAttr::default() }).unwrap();
    assert_eq!((stat.attr.size, world.lookup("take.wav").attr.size), (3, 3));
    let told = world.told();
    assert!(
        matches!(told[..], [Told::Fetch { .. }, Told::ReadOn { .. }, Told::Changed(node)] if node == row.node),
        "{told:?}"
    );
    assert!(!world.vfs.freeze().is_open(row.ino));
    let handle = world.open(&row);
    assert_eq!(world.read(handle, 0, 10), [byte_at(0); 3]);
}

#[test]
fn a_folder_that_is_listed_is_told_once_however_long_its_listing_is() {
    let world = World::new();
    (0..3).for_each(|number| drop(world.cold_file(&format!("{number}.wav"), 10)));
    world.told();
    let root = world.vfs.getattr(InodeNo::ROOT).unwrap().ino;
    let mut last = 0;
    while {
        let from = last;
        let tell = |entry: DirEntry| {
            last = entry.position;
            true
        };
        world.vfs.list(root, from, false, tell).unwrap();
        last != from
    } {}
    assert_eq!(world.told(), [Told::Listed(NodeId::ROOT)]);
    world.vfs.listing_doubted(NodeId::ROOT);
    assert_eq!(world.told(), [Told::Listing(root)]);
}
