//! Long runs of the feed that are taken in while they are read end in the same R as if they had been looked at together.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::tests::{Bench, entry, file, file_at, folder, removed, removed_at, rid};
use super::{Around, Arrangement, Batch, Identity, Intake, apply};
use crate::catalog::{Attempt, Made};
use crate::provider::{Change, EntryBody, RemoteEntry};
use crate::types::{EntryName, NodeId, RemoteId};

/// Takes a run in, in portions; returns what is left of it.
fn take_in(bench: &Bench, portions: &[&[Change]], full: bool, attempts: &[Attempt]) -> Batch {
    let names = bench.capabilities.names;
    let fresh = |_: &RemoteId| false;
    let around = Around { names: &names, attempts, fresh: &fresh };
    let mut intake = Intake::default();
    let put = |intake: &mut Intake, additions: Vec<RemoteEntry>| {
        let placed = additions.into_iter().map(|entry| (entry, Identity::New)).collect();
        let arrangement = Arrangement { placed, ..Arrangement::default() };
        bench
            .catalog
            .write(|txn| {
                let count = apply(txn, &arrangement)?;
                intake.have_taken(txn, &arrangement)?;
                Ok::<_, crate::catalog::CatalogError>(count)
            })
            .unwrap()
    };
    for portion in portions {
        let additions = bench.catalog.read(|view| intake.sort(view, &around, portion.to_vec())).unwrap();
        put(&mut intake, additions);
    }
    loop {
        let additions = bench.catalog.read(|view| intake.sort_again(view, &around)).unwrap();
        if put(&mut intake, additions) == 0 {
            break;
        }
    }
    let (rest, seen) = intake.into_parts();
    Batch { seen, ..bench.fold(rest, full) }
}

fn left(batch: &Batch) -> Vec<&str> {
    batch.present.keys().chain(&batch.gone).map(|id| id.0.as_str()).collect()
}

#[test]
fn additions_go_in_at_once_and_what_is_known_is_not_kept() {
    let bench = Bench::new();
    bench.tell(vec![folder("a", "root", "A"), file("f", "a", "x")]);
    let told = [folder("a", "root", "A"), file("f", "a", "x"), folder("b", "a", "B"), file("g", "b", "y")];
    let batch = take_in(&bench, &[&told[..3], &told[3..]], true, &[]);
    assert_eq!(bench.paths(), ["/A", "/A/B", "/A/B/y", "/A/x"]);
    assert_eq!(left(&batch), Vec::<&str>::new());
    assert_eq!(bench.apply(&batch, &[]).unwrap(), (0, vec![]), "nothing is gone");
    let batch = take_in(&bench, &[&told[..2]], true, &[]);
    bench.apply(&batch, &[]).unwrap();
    assert_eq!(bench.paths(), ["/A", "/A/x"], "a listing removes what it does not show");
}

#[test]
fn what_comes_before_its_folder_finds_its_place_at_the_end() {
    let bench = Bench::new();
    let told = [file("f", "b", "x"), folder("b", "a", "B"), folder("a", "root", "A")];
    let batch = take_in(&bench, &[&told[..1], &told[1..]], true, &[]);
    assert_eq!(left(&batch), Vec::<&str>::new());
    assert_eq!(bench.paths(), ["/A", "/A/B", "/A/B/x"]);
}

#[test]
fn changes_removals_and_taken_places_wait_for_the_end() {
    let bench = Bench::new();
    bench.tell(vec![file("f", "root", "x"), file("g", "root", "y")]);
    let told =
        [file_at("f", "root", "x", "2"), removed("h"), file("h", "root", "z"), file("i", "root", "Y"), removed("g")];
    let batch = take_in(&bench, &[&told], false, &[]);
    assert_eq!(left(&batch), ["f", "h", "i", "g"]);
    bench.apply(&batch, &[]).unwrap();
    assert_eq!(bench.paths(), ["/Y", "/x", "/z"]);
}

#[test]
fn a_place_that_was_told_to_be_empty_keeps_who_came_after() {
    let bench = Bench::new();
    bench.tell(vec![file("f", "root", "x")]);
    // Deletions by place come before the arrival of another, and before the return of the same.
    let told = [removed_at("root", "y"), file("g", "root", "y"), removed_at("root", "x"), file("f", "root", "x")];
    let batch = take_in(&bench, &[&told], false, &[]);
    bench.apply(&batch, &[]).unwrap();
    assert_eq!(bench.paths(), ["/x", "/y"]);
}

#[test]
fn an_entry_that_a_call_under_way_may_have_made_is_left_to_that_call() {
    let bench = Bench::new();
    let attempt = Attempt {
        node: NodeId(7),
        over: None,
        parent: rid("root"),
        name: EntryName::new("x").unwrap(),
        made: Made::Folder,
    };
    let batch = take_in(&bench, &[&[folder("a", "root", "x"), file("f", "root", "y")]], true, &[attempt]);
    assert_eq!((bench.paths(), left(&batch)), (vec!["/y".to_owned()], vec!["a"]));
}

#[test]
fn an_entry_told_to_be_in_a_folder_that_is_gone_is_asked_for() {
    let bench = Bench::new();
    bench.tell(vec![folder("a", "root", "A"), file("f", "a", "x")]);
    let mut batch = take_in(&bench, &[&[file("f", "a", "x"), file("g", "a", "y")]], true, &[]);
    let doubts = bench.apply(&batch, &[]).unwrap_err();
    assert_eq!(doubts, ["f", "g"]);
    batch.confirm(entry("f", "root", "x", EntryBody::Folder));
    batch.confirm_gone(rid("g"));
    bench.apply(&batch, &[]).unwrap();
    assert_eq!(bench.paths(), ["/x"]);
}

/// Ids with their folder, name, revision, and whether they are a folder.
type World = BTreeMap<String, (String, String, u32, bool)>;

fn told(world: &World, id: &str) -> Change {
    match &world[id] {
        (parent, name, _, true) => folder(id, parent, name),
        (parent, name, revision, false) => file_at(id, parent, name, &revision.to_string()),
    }
}

fn is_inside(world: &World, id: &str, of: &str) -> bool {
    id == of || world.get(id).is_some_and(|(parent, ..)| is_inside(world, parent, of))
}

/// Changes something; returns what the feed tells of it.
fn change(world: &mut World, random: &mut StdRng, number: usize) -> Vec<Change> {
    let pick = |random: &mut StdRng, world: &World, folders: bool| {
        let ids: Vec<String> =
            world.iter().filter(|(_, entry)| entry.3 || !folders).map(|(id, _)| id.clone()).collect();
        if ids.is_empty() || folders && random.random_range(0..3_u8) == 0 {
            "root".to_owned()
        } else {
            ids[random.random_range(0..ids.len())].clone()
        }
    };
    let (id, parent) = (pick(random, world, false), pick(random, world, true));
    let name = format!("n{}", random.random_range(0..6_u8));
    let is_taken = world.values().any(|entry| entry.0 == parent && entry.1 == name);
    match random.random_range(0..6_u8) {
        0..3 if !is_taken => {
            let id = format!("{:03}-{number}", random.random_range(0..999_u16));
            world.insert(id.clone(), (parent, name, 0, random.random_range(0..3_u8) == 0));
            vec![told(world, &id)]
        }
        3 if id != "root" && !is_taken && !is_inside(world, &parent, &id) => {
            let Some(entry) = world.get_mut(&id) else { return Vec::new() };
            (entry.0, entry.1) = (parent, name);
            vec![told(world, &id)]
        }
        4 if id != "root" => {
            let doomed: Vec<String> = world.keys().filter(|inner| is_inside(world, inner, &id)).cloned().collect();
            let (parent, name) = (world[&id].0.clone(), world[&id].1.clone());
            doomed.iter().for_each(|id| drop(world.remove(id)));
            if random.random() { vec![removed(&id)] } else { vec![removed_at(&parent, &name)] }
        }
        5 if id != "root" => {
            let Some(entry) = world.get_mut(&id) else { return Vec::new() };
            entry.2 += 1;
            vec![told(world, &id)]
        }
        _ => Vec::new(),
    }
}

/// Applies, with the world as the one who is asked.
fn settle(bench: &Bench, mut batch: Batch, world: &World) {
    for _ in 0..50 {
        let Err(doubts) = bench.apply(&batch, &[]) else { return };
        for id in doubts {
            match world.contains_key(&id).then(|| told(world, &id)) {
                Some(Change::Upsert(entry)) => batch.confirm(entry),
                Some(Change::Removed(_) | Change::RemovedAt { .. }) | None => batch.confirm_gone(rid(&id)),
            }
        }
    }
    panic!("doubts do not end");
}

fn paths_of(world: &World) -> BTreeMap<String, String> {
    let path = |id: &str| {
        let (mut path, mut at) = (String::new(), id);
        while let Some((parent, name, ..)) = world.get(at) {
            path = format!("/{name}{path}");
            at = parent;
        }
        path
    };
    world.keys().map(|id| (path(id), id.clone())).collect()
}

#[test]
fn a_run_in_portions_ends_where_the_whole_run_ends() {
    for seed in 0..100 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut world = World::new();
        let (whole, portioned) = (Bench::new(), Bench::new());
        for number in 0..20 {
            change(&mut world, &mut random, number);
        }
        let known: Vec<Change> = world.keys().map(|id| told(&world, id)).collect();
        for bench in [&whole, &portioned] {
            settle(bench, bench.fold(known.clone(), true), &world);
        }
        let full = random.random();
        let (mut run, mut log) = (Vec::new(), Vec::new());
        for number in 20..40 {
            log.extend(change(&mut world, &mut random, number));
        }
        if full {
            // The listing goes by id while the world changes; what changed meanwhile is told after it.
            log.clear();
            let mut after = String::new();
            let mut number = 40;
            while let Some(id) = world.keys().find(|id| **id > after).cloned() {
                run.push(told(&world, &id));
                log.extend(change(&mut world, &mut random, number));
                (after, number) = (id, number + 1);
                if number > 70 {
                    break;
                }
            }
            run.extend(world.keys().filter(|id| **id > after).map(|id| told(&world, id)));
        }
        run.extend(log);
        let nodes = portioned.remote();
        settle(&whole, whole.fold(run.clone(), full), &world);
        let size = random.random_range(1..6_usize);
        let portions: Vec<&[Change]> = run.chunks(size).collect();
        settle(&portioned, take_in(&portioned, &portions, full, &[]), &world);
        let of =
            |bench: &Bench| bench.remote().into_iter().map(|(path, (id, _))| (path, id)).collect::<BTreeMap<_, _>>();
        assert_eq!(of(&portioned), paths_of(&world), "seed {seed}, portions of {size}: {run:#?}");
        assert_eq!(of(&whole), paths_of(&world), "seed {seed}, at once: {run:#?}");
        let now: BTreeMap<String, NodeId> = portioned.remote().into_values().collect();
        for (id, node) in nodes.into_values() {
            assert!(now.get(&id).is_none_or(|now| *now == node), "seed {seed}: {id} is the node that it was");
        }
    }
}
