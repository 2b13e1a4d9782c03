//! Batches against a real catalog: what R is afterwards, and what has to be asked for first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::root::set_root;
use super::{Batch, apply, arrange, fold};
use crate::catalog::Catalog;
use crate::provider::{Capabilities, Change, ChangeFeed, EntryBody, Limits, RemoteEntry};
use crate::types::{EntryName, NameRules, NodeId, RemoteId, Revision, SystemClock, VaultId};

pub(super) struct Bench {
    pub(super) catalog: Catalog,
    pub(super) capabilities: Capabilities,
    _folder: tempfile::TempDir,
}

pub(super) fn rid(text: &str) -> RemoteId {
    RemoteId(text.to_owned())
}

fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

pub(super) fn entry(id: &str, parent: &str, text: &str, body: EntryBody) -> RemoteEntry {
    RemoteEntry { id: rid(id), parent: Some(rid(parent)), name: name(text), body }
}

pub(super) fn folder(id: &str, parent: &str, text: &str) -> Change {
    Change::Upsert(entry(id, parent, text, EntryBody::Folder))
}

pub(super) fn file_at(id: &str, parent: &str, text: &str, revision: &str) -> Change {
    let revision = Revision(revision.to_owned());
    Change::Upsert(entry(id, parent, text, EntryBody::File { revision, size: 1, hash: None, modified: None }))
}

pub(super) fn file(id: &str, parent: &str, text: &str) -> Change {
    file_at(id, parent, text, "1")
}

pub(super) fn removed(id: &str) -> Change {
    Change::Removed(rid(id))
}

pub(super) fn removed_at(parent: &str, text: &str) -> Change {
    Change::RemovedAt { parent: rid(parent), name: name(text) }
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = NameRules { case_insensitive: true, normalization_insensitive: true, ..NameRules::EXACT };
        let vault = VaultId(uuid::Uuid::from_u128(1));
        let (catalog, _) = Catalog::open(folder.path(), vault, names, Arc::new(SystemClock)).unwrap();
        let root = RemoteEntry { id: rid("root"), parent: None, name: name("root"), body: EntryBody::Folder };
        catalog.write(|txn| set_root(txn, &root)).unwrap();
        let capabilities = Capabilities {
            direct: false,
            ranged_read: true,
            stable_ids: true,
            conditional_write: true,
            overwrite_keeps_id: true,
            folder_move: true,
            server_copy: false,
            reports_case_rename: true,
            symlinks: true,
            change_feed: ChangeFeed::Polled(Duration::from_secs(1)),
            content_hash: None,
            names,
            limits: Limits { max_file_bytes: 1, parallel_calls: 1, max_read_bytes: 1 },
        };
        Self { catalog, capabilities, _folder: folder }
    }

    pub(super) fn fold(&self, changes: Vec<Change>, full: bool) -> Batch {
        self.catalog.read(|view| fold(view, &self.capabilities.names, changes, full)).unwrap()
    }

    /// Applies; the doubts if there are any.
    pub(super) fn apply(&self, batch: &Batch, fresh: &[&str]) -> Result<(u64, Vec<String>), Vec<String>> {
        let is_fresh = |id: &RemoteId| fresh.contains(&id.0.as_str());
        self.catalog
            .write(|txn| {
                let arrangement = arrange(txn, &self.capabilities, batch, &is_fresh)?;
                if !arrangement.doubts.is_empty() {
                    return Ok(Err(arrangement.doubts.into_iter().map(|id| id.0).collect()));
                }
                let changed = apply(txn, &arrangement)?;
                Ok::<_, crate::catalog::CatalogError>(Ok((changed, arrangement.problems)))
            })
            .unwrap()
    }

    pub(super) fn tell(&self, changes: Vec<Change>) -> u64 {
        let (changed, problems) = self.apply(&self.fold(changes, false), &[]).unwrap();
        assert_eq!(problems, Vec::<String>::new());
        changed
    }

    /// R by path: id and node.
    pub(super) fn remote(&self) -> BTreeMap<String, (String, NodeId)> {
        self.catalog
            .read(|view| {
                let (mut found, mut pending) = (BTreeMap::new(), vec![(NodeId::ROOT, String::new())]);
                while let Some((folder, path)) = pending.pop() {
                    for row in view.remote_children(folder)? {
                        let path = format!("{path}/{}", row.name);
                        found.insert(path.clone(), (row.rid.0, row.node));
                        pending.push((row.node, path));
                    }
                }
                Ok(found)
            })
            .unwrap()
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.remote().into_keys().collect()
    }
}

#[test]
fn children_may_come_before_their_folders_and_an_echo_changes_nothing() {
    let bench = Bench::new();
    let batch = || vec![file("f", "b", "x"), folder("b", "a", "B"), folder("a", "root", "A")];
    assert_eq!(bench.tell(batch()), 3);
    assert_eq!(bench.paths(), ["/A", "/A/B", "/A/B/x"]);
    for node in bench.catalog.read(|view| view.dirty()).unwrap() {
        bench.catalog.write(|txn| txn.clear_dirty(node.node)).unwrap();
    }
    assert_eq!(bench.tell(batch()), 0);
    assert!(bench.catalog.read(|view| view.dirty()).unwrap().is_empty(), "an echo makes nothing dirty");
}

#[test]
fn a_removal_and_an_arrival_of_one_id_are_a_move_in_any_order() {
    for reverse in [false, true] {
        let bench = Bench::new();
        bench.tell(vec![folder("a", "root", "A"), file("f", "root", "x")]);
        let node = bench.remote()["/x"].1;
        let mut batch = vec![removed_at("root", "x"), file("f", "a", "y")];
        if reverse {
            batch.reverse();
        }
        bench.tell(batch);
        assert_eq!(bench.remote()["/A/y"], ("f".to_owned(), node));
        assert_eq!(bench.paths().len(), 2);
    }
}

#[test]
fn names_swap_and_folders_turn_inside_out_within_a_batch() {
    let bench = Bench::new();
    bench.tell(vec![file("f", "root", "x"), file("g", "root", "y"), folder("a", "root", "A"), folder("b", "a", "B")]);
    bench.tell(vec![file("f", "root", "y"), file("g", "root", "x"), folder("b", "root", "B"), folder("a", "b", "A")]);
    let remote = bench.remote();
    assert_eq!((remote["/x"].0.as_str(), remote["/y"].0.as_str()), ("g", "f"));
    assert_eq!(bench.paths(), ["/B", "/B/A", "/x", "/y"]);
}

#[test]
fn a_deletion_by_place_means_who_was_there_before_the_batch() {
    let bench = Bench::new();
    bench.tell(vec![file("f", "root", "x")]);
    // Made and deleted within the batch.
    bench.tell(vec![file("g", "root", "y"), removed_at("root", "Y")]);
    assert_eq!(bench.paths(), ["/x"]);
    // Another id has taken the place: whether the former one is gone or elsewhere must be asked.
    let mut batch = bench.fold(vec![removed_at("root", "x"), file("h", "root", "x")], false);
    assert_eq!(bench.apply(&batch, &[]), Err(vec!["f".to_owned()]));
    batch.confirm_gone(rid("f"));
    bench.apply(&batch, &[]).unwrap();
    assert_eq!(bench.remote()["/x"].0, "h");
    // Another id had the place for a while: nothing is left to ask.
    bench.tell(vec![removed_at("root", "x"), file("i", "root", "x"), file("i", "root", "z")]);
    assert_eq!(bench.paths(), ["/z"]);
}

#[test]
fn a_removed_folder_takes_everything_along_but_what_moved_out() {
    let bench = Bench::new();
    bench.tell(vec![folder("a", "root", "A"), folder("b", "a", "B"), file("f", "b", "x"), file("g", "b", "y")]);
    bench.tell(vec![file("f", "root", "saved"), removed("a")]);
    assert_eq!(bench.paths(), ["/saved"]);
}

#[test]
fn an_entry_in_an_unknown_folder_is_asked_for_and_never_stored_as_an_orphan() {
    let bench = Bench::new();
    let mut batch = bench.fold(vec![file("f", "nowhere", "x"), file("g", "root", "y")], false);
    assert_eq!(bench.apply(&batch, &[]), Err(vec!["f".to_owned()]));
    batch.confirm(entry("f", "nowhere", "x", EntryBody::Folder));
    assert_eq!(bench.apply(&batch, &[]), Err(vec!["nowhere".to_owned()]));
    batch.confirm_gone(rid("nowhere"));
    bench.apply(&batch, &[]).unwrap();
    assert_eq!(bench.paths(), ["/y"]);
}

#[test]
fn a_known_entry_whose_new_folder_does_not_exist_does_not_keep_its_old_one() {
    let bench = Bench::new();
    bench.tell(vec![folder("a", "root", "A"), file("f", "a", "x")]);
    let mut batch = bench.fold(vec![file("f", "nowhere", "x"), removed("a")], false);
    if let Change::Upsert(entry) = file("f", "nowhere", "x") {
        batch.confirm(entry);
    }
    batch.confirm_gone(rid("nowhere"));
    bench.apply(&batch, &[]).unwrap();
    assert_eq!(bench.paths(), Vec::<String>::new());
}

#[test]
fn a_late_page_is_checked_against_what_is_known_for_certain() {
    let bench = Bench::new();
    bench.tell(vec![file_at("f", "root", "x", "2")]);
    let old = bench.fold(vec![file_at("f", "root", "x", "1")], false);
    assert_eq!(bench.apply(&old, &["f"]), Err(vec!["f".to_owned()]));
    let gone = bench.fold(vec![removed_at("root", "x")], false);
    assert_eq!(bench.apply(&gone, &["f"]), Err(vec!["f".to_owned()]));
    let echo = bench.fold(vec![file_at("f", "root", "x", "2")], false);
    assert_eq!(bench.apply(&echo, &["f"]).unwrap().0, 0, "an echo needs no question");
}

#[test]
fn where_ids_do_not_last_a_place_hands_its_node_on() {
    let mut bench = Bench::new();
    bench.capabilities.overwrite_keeps_id = false;
    bench.tell(vec![file("f", "root", "x")]);
    let node = bench.remote()["/x"].1;
    bench.tell(vec![file_at("g", "root", "x", "2"), removed("f")]);
    assert_eq!(bench.remote()["/x"], ("g".to_owned(), node));
    bench.capabilities.overwrite_keeps_id = true;
    bench.tell(vec![removed("g"), file_at("h", "root", "x", "3")]);
    assert_ne!(bench.remote()["/x"].1, node, "where ids last, another id is another file");
}

#[test]
fn a_complete_listing_removes_what_it_does_not_show() {
    let bench = Bench::new();
    bench.tell(vec![folder("a", "root", "A"), file("f", "a", "x"), file("g", "root", "y"), file("h", "root", "z")]);
    let node = bench.remote()["/z"].1;
    let batch = bench.fold(vec![file("h2", "root", "z"), file("g", "root", "y")], true);
    bench.apply(&batch, &[]).unwrap();
    assert_eq!(bench.paths(), ["/y", "/z"]);
    assert_eq!(bench.remote()["/z"], ("h2".to_owned(), node), "matched by place");
}

#[test]
fn an_id_that_changes_its_kind_is_another_node() {
    let bench = Bench::new();
    bench.tell(vec![file("f", "root", "x")]);
    let node = bench.remote()["/x"].1;
    bench.tell(vec![folder("f", "root", "x")]);
    assert_ne!(bench.remote()["/x"].1, node);
}

#[test]
fn a_circle_is_a_contradiction_that_is_asked_about() {
    let bench = Bench::new();
    bench.tell(vec![folder("a", "root", "A"), folder("b", "root", "B")]);
    let batch = bench.fold(vec![folder("a", "b", "A"), folder("b", "a", "B")], false);
    assert_eq!(bench.apply(&batch, &[]), Err(vec!["a".to_owned(), "b".to_owned()]));
    let mut confirmed = Batch::looked_at([entry("a", "b", "A", EntryBody::Folder)]);
    confirmed.confirm(entry("b", "a", "B", EntryBody::Folder));
    let (changed, problems) = bench.apply(&confirmed, &[]).unwrap();
    assert_eq!((changed, problems.len()), (0, 2));
    assert_eq!(bench.paths(), ["/A", "/B"]);
}

#[test]
fn reserved_names_are_not_seen_unless_something_is_on_its_way() {
    let bench = Bench::new();
    bench.tell(vec![file("t", "root", ".vaultfs-upload-1"), file("f", "root", "x")]);
    assert_eq!(bench.paths(), ["/x"]);
    let aside = super::super::plan::aside_name(NodeId(7));
    bench.tell(vec![file("f", "root", aside.as_str())]);
    assert_eq!(bench.paths(), [format!("/{aside}")]);
}
