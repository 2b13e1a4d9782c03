//! One device is cut off and killed, the other goes on: on return all are alike, and nothing was sent twice.

use std::fs;

use crate::recording::record;
use crate::seen;
use crate::world::{Seat, World, converged};

/// A vault that both devices have.
fn together<'w>(world: &'w World) -> (Seat<'w>, Seat<'w>) {
    let (studio, stage) = world.two_devices();
    let mnt = studio.mnt();
    fs::create_dir_all(mnt.join("Tour/Song/audio")).unwrap();
    fs::create_dir(mnt.join("Ideas")).unwrap();
    for name in ["Tour/Song/mix.json", "Tour/notes.txt", "Ideas/riff.txt", "Ideas/old.txt", "gone.txt", "brief.docx"] {
        fs::write(mnt.join(name), format!("{name} as it was")).unwrap();
    }
    record(&mnt.join("Tour/Song/audio/one.wav"), 1, 4, || ());
    converged(world, &[&studio, &stage]);
    (studio, stage)
}

fn text(tree: &crate::world::Tree, path: &str) -> String {
    let bytes = tree.get(path).unwrap_or_else(|| panic!("no {path} in {:?}", tree.keys())).as_ref().unwrap();
    String::from_utf8(bytes.clone()).unwrap()
}

#[test]
fn offline_work_survives_a_kill_and_joins_what_others_did_once() {
    let world = World::new();
    let (studio, stage) = together(&world);
    studio.cut_off();
    let since = seen::now(world.sim.log());
    let (here, there) = (studio.mnt(), stage.mnt());
    // Here: a new take, an edit, a rename, a moved folder, a deletion. There: other edits, a new file, a deletion.
    let take = record(&here.join("Tour/Song/audio/two.wav"), 2, 100, || ());
    fs::write(here.join("Tour/Song/mix.json"), "{\"tracks\": [\"two.wav\"]}").unwrap();
    fs::rename(here.join("Tour/Song/audio/one.wav"), here.join("Tour/Song/audio/first.wav")).unwrap();
    fs::rename(here.join("Tour/Song"), here.join("Song")).unwrap();
    fs::remove_file(here.join("gone.txt")).unwrap();
    fs::write(there.join("Tour/notes.txt"), "notes of the stage").unwrap();
    fs::write(there.join("Ideas/new.txt"), "an idea").unwrap();
    fs::remove_file(there.join("Ideas/old.txt")).unwrap();
    stage.wait_synced();
    studio.until_state("offline");
    let offline = studio.tree();
    studio.kill();
    studio.mount();
    assert!(studio.tree() == offline, "a kill loses nothing");
    studio.until_state("offline");

    studio.reconnect();
    let tree = converged(&world, &[&studio, &stage]);
    let expected = [
        "Ideas",
        "Ideas/new.txt",
        "Ideas/riff.txt",
        "Song",
        "Song/audio",
        "Song/audio/first.wav",
        "Song/audio/two.wav",
        "Song/mix.json",
        "Tour",
        "Tour/notes.txt",
        "brief.docx",
    ];
    assert_eq!(tree.keys().collect::<Vec<_>>(), expected, "no conflict copies, nothing lost, nothing back");
    assert!(tree["Song/audio/two.wav"].as_ref() == Some(&take), "the take is whole");
    assert_eq!(text(&tree, "Song/mix.json"), "{\"tracks\": [\"two.wav\"]}");
    assert_eq!(text(&tree, "Tour/notes.txt"), "notes of the stage");
    assert!(studio.conflicts().is_empty() && stage.conflicts().is_empty());

    let log = world.sim.log();
    let [from_studio, from_stage] = [&studio, &stage].map(|seat| seen::of_device(log, &seat.link, since));
    for (records, files) in [(&from_studio, 2), (&from_stage, 2)] {
        let stored = seen::stored(records);
        assert_eq!((stored.len(), stored.values().max()), (files, Some(&1)), "{stored:?}");
    }
    assert_eq!(seen::sent(&from_studio), take.len() as u64 + 23, "no byte twice, and none of what only moved");
    let first = from_studio.iter().position(|record| record.route() == seen::CONTINUE && seen::worked(record)).unwrap();
    assert!(seen::changes(&from_studio[..first]).is_empty(), "first what others did, then what we did");
}

#[test]
fn a_document_that_both_edited_is_there_twice_on_both() {
    let world = World::new();
    let (studio, stage) = together(&world);
    studio.cut_off();
    fs::write(studio.mnt().join("brief.docx"), "the studio's words").unwrap();
    fs::write(stage.mnt().join("brief.docx"), "the stage's words, and more").unwrap();
    stage.wait_synced();
    studio.kill();
    studio.mount();
    studio.reconnect();
    let tree = converged(&world, &[&studio, &stage]);
    assert_eq!(text(&tree, "brief.docx"), "the stage's words, and more");
    let copies: Vec<&String> = tree.keys().filter(|path| path.contains("conflict")).collect();
    let [copy] = copies[..] else { panic!("one conflict copy: {:?}", tree.keys()) };
    assert_eq!(text(&tree, copy), "the studio's words");
    assert_eq!(tree.len(), 12, "{:?}", tree.keys());
    assert_eq!(studio.conflicts().len(), 1);
}
