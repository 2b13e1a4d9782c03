//! The index of folders: what is where, what was where, and from which places of the feed that can still be said.

use tempfile::TempDir;

use super::index::{FolderChanges, Index};
use crate::provider::{Cursor, index_file};
use crate::types::RemoteId;

struct Bench {
    index: Index,
    folder: TempDir,
}

fn id(text: &str) -> RemoteId {
    RemoteId(format!("id:{text}"))
}

fn cursor(text: &str) -> Cursor {
    Cursor(text.to_owned())
}

fn all(paths: &[&str]) -> Vec<(String, RemoteId)> {
    paths.iter().map(|path| ((*path).to_owned(), id(path.trim_start_matches('/')))).collect()
}

impl Bench {
    /// A full listing of these paths, each with its path as id, at the place `start`.
    fn new(paths: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut index = Index::open(&folder.path().join("index.db")).unwrap();
        index.replace(&all(paths), &cursor("start")).unwrap();
        Self { index, folder }
    }

    fn apply(&mut self, removed: &[&str], present: &[(&str, &str)], after: &str) {
        let changes = FolderChanges {
            removed: removed.iter().map(|path| (*path).to_owned()).collect(),
            present: present.iter().map(|(path, name)| ((*path).to_owned(), id(name))).collect(),
        };
        self.index.apply(&changes, &cursor(after)).unwrap();
    }

    fn at(&self, path: &str) -> Option<String> {
        self.index.folder_at(path).unwrap().map(|id| id.0)
    }

    /// Who has been at a path since a place of the feed.
    fn since(&self, path: &str, place: &str) -> Vec<String> {
        let since = self.index.place(&cursor(place)).unwrap().unwrap();
        self.index.folders_since(path, since).unwrap().into_iter().map(|id| id.0).collect()
    }
}

#[test]
fn it_is_what_the_feed_tells_and_what_it_told_before() {
    let mut bench = Bench::new(&["/a", "/a/b", "/ab"]);
    bench.apply(&["/a", "/a/b"], &[("/c", "a"), ("/c/b", "a/b")], "moved");
    assert_eq!((bench.at("/a"), bench.at("/a/b"), bench.at("/ab")), (None, None, Some("id:ab".into())));
    assert_eq!((bench.at("/c"), bench.at("/c/b")), (Some("id:a".into()), Some("id:a/b".into())));
    assert_eq!(bench.since("/a", "start"), ["id:a"]);
    assert!(bench.since("/a", "moved").is_empty());
    // A new folder takes the old name.
    bench.apply(&[], &[("/a", "new")], "taken");
    assert_eq!(bench.since("/a", "start"), ["id:a", "id:new"]);
    assert_eq!(bench.since("/a", "moved"), ["id:new"]);
    assert_eq!(bench.since("/a", "taken"), ["id:new"]);
}

#[test]
fn what_is_learned_in_between_takes_everything_below_along() {
    let mut bench = Bench::new(&["/a", "/a/b", "/a/b/c", "/a0", "/z"]);
    bench.index.learn("/z/moved", &id("a")).unwrap();
    assert_eq!((bench.at("/a/b/c"), bench.at("/z/moved/b/c")), (None, Some("id:a/b/c".into())));
    assert_eq!((bench.at("/a0"), bench.at("/z")), (Some("id:a0".into()), Some("id:z".into())));
    assert_eq!(bench.since("/a/b", "start"), ["id:a/b"], "a deletion that is still to be told means it");
    bench.index.learn("/z/moved", &id("a")).unwrap();
    bench.index.learn("/n", &id("n")).unwrap();
    assert_eq!(bench.since("/n", "start"), ["id:n"]);
    bench.index.forget(&id("a")).unwrap();
    assert_eq!((bench.at("/z/moved"), bench.at("/z/moved/b/c")), (None, None));
    assert_eq!(bench.since("/z/moved/b", "start"), ["id:a/b"]);
}

#[test]
fn what_we_moved_was_there_until_the_feed_has_told_of_it() {
    let mut bench = Bench::new(&["/a"]);
    bench.index.learn("/b", &id("a")).unwrap();
    // The feed is late: it tells of something else first.
    bench.apply(&[], &[("/other", "other")], "late");
    assert_eq!(bench.since("/a", "late"), ["id:a"]);
    bench.apply(&["/a"], &[("/b", "a")], "told");
    assert_eq!(bench.since("/a", "late"), ["id:a"]);
    assert!(bench.since("/a", "told").is_empty());
    // The same place again is the same place.
    bench.apply(&[], &[], "late");
    assert_eq!(bench.since("/a", "late"), ["id:a"]);
}

#[test]
fn it_survives_the_process_and_a_damaged_file_is_made_anew() {
    let Bench { index, folder } = Bench::new(&["/a"]);
    drop(index);
    let path = folder.path().join("index.db");
    let index = Index::open(&path).unwrap();
    assert_eq!(index.folder_at("/a").unwrap(), Some(id("a")));
    assert!(index.place(&cursor("start")).unwrap().is_some());
    drop(index);
    std::fs::write(&path, b"not a database at all, but long enough to be looked at".repeat(100)).unwrap();
    let index = Index::open(&path).unwrap();
    assert_eq!(index.place(&cursor("start")).unwrap(), None, "an unknown place is listed anew");
}

/// What is flushed before the catalog is (`flush_memory`): the log of an index that is open, written to by this process or not.
#[test]
fn what_it_learned_is_in_the_log_that_is_flushed() {
    let Bench { index, folder } = Bench::new(&["/a"]);
    drop(index);
    let path = folder.path().join("index.db");
    let mut index = Index::open(&path).unwrap();
    let log = index_file::open_log(&path).unwrap();
    let before = log.metadata().unwrap().len();
    index.learn("/b", &id("a")).unwrap();
    log.sync_data().unwrap();
    assert!(log.metadata().unwrap().len() > before);
    // A power cut leaves what was flushed: the database as it was, and the log.
    let (left, lost) = (folder.path().join("left.db"), folder.path().join("lost.db"));
    for (copy, has_log) in [(&left, true), (&lost, false)] {
        std::fs::copy(&path, copy).unwrap();
        if has_log {
            std::fs::copy(folder.path().join("index.db-wal"), folder.path().join("left.db-wal")).unwrap();
        }
    }
    assert_eq!(Index::open(&left).unwrap().folder_at("/b").unwrap(), Some(id("a")));
    assert_eq!(Index::open(&lost).unwrap().folder_at("/b").unwrap(), None);
}

#[test]
fn old_places_are_forgotten_with_what_only_they_needed() {
    let mut bench = Bench::new(&["/a"]);
    bench.apply(&["/a"], &[], "0");
    for round in 1..200 {
        let (now, path) = (round.to_string(), format!("/{round}"));
        bench.apply(&[&format!("/{}", round - 1)], &[(&path, &now)], &now);
    }
    assert_eq!(bench.index.place(&cursor("start")).unwrap(), None);
    assert_eq!(bench.since("/150", "149"), ["id:150"]);
    assert!(bench.index.folders_since("/a", 0).unwrap().is_empty(), "forgotten");
}
