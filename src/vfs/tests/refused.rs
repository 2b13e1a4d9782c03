//! Names that the provider could not hold beside what is there, and entries that it has not at all: refused when they are made.

use super::*;
use crate::vfs::{NewEntry, Owner, RenameMode};

const ME: Owner = Owner { uid: 0, gid: 0, mode: 0o644 };
const WRITING: OpenIntent = OpenIntent { read: true, write: true };
const FOLDED: NameRules = NameRules { case_insensitive: true, normalization_insensitive: true, ..NameRules::EXACT };

/// Every way to a new name, and what it answers.
fn ways_to(world: &World, name: &str) -> Vec<i32> {
    let (vfs, root, name) = (&world.vfs, InodeNo::ROOT, OsStr::new(name));
    let errno = |done: Result<()>| done.map_or_else(|error| error.errno(), |()| 0);
    let link = NewEntry::Symlink("target".to_owned());
    vec![
        errno(vfs.create(root, name, ME, WRITING, &serve_here).map(drop)),
        errno(vfs.make_closed_file(root, name, ME).map(drop)),
        errno(vfs.make(root, name, ME, NewEntry::Folder).map(drop)),
        errno(vfs.make(root, name, ME, link).map(drop)),
        errno(vfs.rename(root, OsStr::new("other"), root, name, RenameMode::Replace)),
        errno(vfs.rename(root, OsStr::new("other"), root, name, RenameMode::NoReplace)),
    ]
}

fn names(world: &World) -> Vec<String> {
    let mut names = Vec::new();
    let rows = world.vfs.parts.catalog.read(|view| view.local_children(NodeId::ROOT, NodeId(0), 100)).unwrap();
    names.extend(rows.into_iter().map(|row| row.name.to_string()));
    names.sort();
    names
}

#[test]
fn a_name_that_differs_only_in_case_or_normal_form_exists() {
    for (there, twin) in [("Mix.json", "mix.JSON"), ("Caf\u{e9}", "Cafe\u{301}"), ("Cafe\u{301}", "CAF\u{c9}")] {
        let world = World::with(FOLDED, true);
        for name in [there, "other"] {
            world.vfs.make_closed_file(InodeNo::ROOT, OsStr::new(name), ME).unwrap();
        }
        assert_eq!(ways_to(&world, twin), [libc::EEXIST; 6], "{twin} beside {there}");
        assert_eq!(names(&world), [there.to_owned(), "other".to_owned()], "nothing was made or moved");
        // Another spelling of its own name is free.
        world
            .vfs
            .rename(InodeNo::ROOT, OsStr::new(there), InodeNo::ROOT, OsStr::new(twin), RenameMode::NoReplace)
            .unwrap();
        assert_eq!(names(&world), [twin.to_owned(), "other".to_owned()]);
    }
}

#[test]
fn where_names_are_exact_both_are_there() {
    let world = World::with(NameRules::EXACT, true);
    for name in ["Mix.json", "mix.JSON", "Caf\u{e9}", "Cafe\u{301}"] {
        world.vfs.make_closed_file(InodeNo::ROOT, OsStr::new(name), ME).unwrap();
    }
    assert_eq!(names(&world).len(), 4);
}

#[test]
fn a_symbolic_link_is_refused_where_the_provider_has_none() {
    let link = || NewEntry::Symlink("target".to_owned());
    let world = World::with(NameRules::EXACT, false);
    let error = world.vfs.make(InodeNo::ROOT, OsStr::new("link"), ME, link()).unwrap_err();
    assert_eq!((error.errno(), error.to_string().contains("symbolic links")), (libc::EPERM, true), "{error}");
    assert!(names(&world).is_empty());
    let world = World::with(NameRules::EXACT, true);
    world.vfs.make(InodeNo::ROOT, OsStr::new("link"), ME, link()).unwrap();
    assert_eq!(names(&world), ["link"]);
}
