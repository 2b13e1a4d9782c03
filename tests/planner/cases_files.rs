//! T0, files: every cell of the table by name, creations, blocks, classes and links.

use super::case::{EXACT, case};

/// A cell of the table for node 2, which S has as `a` with the bytes 1.
fn cell(name: &'static str, local: &str, remote: &str, first: &[&str], end: &[&str]) {
    let drawing = format!("2 file L {local} | R {remote} | S a 1");
    case(EXACT, name, &drawing).counts(name).plans(first).ends_with(end);
}

#[test]
fn unchanged_here() {
    cell("file - x -", "a 1", "a 1", &[], &["a=1"]);
    cell("file - x E", "a 1", "a 2", &["2 download"], &["a=2"]);
    cell("file - x M", "a 1", "c 1", &["2 move local c"], &["c=1"]);
    cell("file - x ME", "a 1", "c 2", &["2 move local c"], &["c=2"]);
    cell("file - x D", "a 1", "-", &["2 delete local"], &[]);
}

#[test]
fn edited_here() {
    cell("file E x -", "a *9", "a 1", &["2 upload over v1"], &["a=9"]);
    cell("file E x E", "a *9", "a 2", &["2 keep both, ours a (conflict)"], &["a (conflict)=9", "a=2"]);
    cell("file E x M", "a *9", "c 1", &["2 move local c"], &["c=9"]);
    cell("file E x ME", "a *9", "c 2", &["2 move local c"], &["c (conflict)=9", "c=2"]);
    cell("file E x D", "a *9", "-", &["2 upload a"], &["a=9"]);
}

#[test]
fn moved_here() {
    cell("file M x -", "b 1", "a 1", &["2 move remote b"], &["b=1"]);
    cell("file M x E", "b 1", "a 2", &["2 move remote b"], &["b=2"]);
    cell("file M x M", "b 1", "c 1", &["2 move local c"], &["c=1"]);
    cell("file M x ME", "b 1", "c 2", &["2 move local c"], &["c=2"]);
    cell("file M x D", "b 1", "-", &["2 upload b"], &["b=1"]);
}

#[test]
fn moved_and_edited_here() {
    cell("file ME x -", "b *9", "a 1", &["2 move remote b"], &["b=9"]);
    cell("file ME x E", "b *9", "a 2", &["2 move remote b"], &["b (conflict)=9", "b=2"]);
    cell("file ME x M", "b *9", "c 1", &["2 move local c"], &["c=9"]);
    cell("file ME x ME", "b *9", "c 2", &["2 move local c"], &["c (conflict)=9", "c=2"]);
    cell("file ME x D", "b *9", "-", &["2 upload b"], &["b=9"]);
}

#[test]
fn deleted_here() {
    cell("file D x -", "-", "a 1", &["2 delete remote"], &[]);
    cell("file D x E", "-", "a 2", &["2 create local a"], &["a=2"]);
    cell("file D x M", "-", "c 1", &["2 create local c"], &["c=1"]);
    cell("file D x ME", "-", "c 2", &["2 create local c"], &["c=2"]);
    cell("file D x D", "-", "-", &["2 drop synced"], &[]);
}

#[test]
fn both_moved_to_one_place() {
    cell("file M x M", "b 1", "b 1", &["2 mark synced"], &["b=1"]);
    cell("file ME x ME", "b *2", "b 2", &["2 mark synced"], &["b=2"]);
}

#[test]
fn equal_bytes_are_no_conflict() {
    cell("file E x E", "a *2", "a 2", &["2 mark synced"], &["a=2"]);
    // The sizes of 2 and 5 are equal: the hash has to tell, and then there are two.
    cell("file E x E", "a ?5", "a 2", &["2 hash"], &["a (conflict)=5", "a=2"]);
    cell("file E x E", "a ?2", "a 2", &["2 hash"], &["a=2"]);
}

#[test]
fn an_equal_rewrite_is_no_edit() {
    cell("file E x -", "a ?1", "a 1", &["2 hash"], &["a=1"]);
    cell("file - x -", "a *1", "a 1", &["2 mark synced"], &["a=1"]);
    cell("file E x D", "a ?1", "-", &["2 hash"], &[]);
    cell("file E x E", "a ?1", "a 2", &["2 hash"], &["a=2"]);
    cell("file - x E", "a *1", "a 2", &["2 download"], &["a=2"]);
}

#[test]
fn another_revision_of_the_same_bytes_is_no_edit() {
    let mut revised = case(EXACT, "revision only", "2 file L a *9 | R b 1 | S a 1");
    revised.world.new_revisions(vaultfs::types::NodeId(2));
    revised.counts("file E x M").plans(&["2 move local b"]).ends_with(&["b=9"]);
    let mut clean = case(EXACT, "revision only, clean", "2 file L a 1 | R a 1 | S a 1");
    clean.world.new_revisions(vaultfs::types::NodeId(2));
    clean.counts("file - x -").plans(&["2 mark synced"]).ends_with(&["a=1"]);
}

#[test]
fn without_hashes_revisions_decide() {
    let blind = super::model::Settings { hashes: false, ..EXACT };
    case(blind, "E x E", "2 file L a ?2 | R a 2 | S a 1")
        .plans(&["2 keep both, ours a (conflict)"])
        .ends_with(&["a (conflict)=2", "a=2"]);
    case(blind, "E x -", "2 file L a ?1 | R a 1 | S a 1").plans(&["2 upload over v1"]).ends_with(&["a=1"]);
}

#[test]
fn created_on_one_side() {
    case(EXACT, "C x -", "2 file L a ?1 | R - | S -").counts("C x -").plans(&["2 upload a"]).ends_with(&["a=1"]);
    case(EXACT, "- x C", "2 file L - | R a 1 | S -").counts("- x C").plans(&["2 create local a"]).ends_with(&["a=1"]);
}

#[test]
fn one_node_on_both_sides_without_a_past() {
    case(EXACT, "equal", "2 file L a 1 | R a 1 | S -").plans(&["2 mark synced"]).ends_with(&["a=1"]);
    case(EXACT, "place", "2 file L a 1 | R b 1 | S -").plans(&["2 move local b"]).ends_with(&["b=1"]);
    case(EXACT, "clean is older", "2 file L a 1 | R a 2 | S -").plans(&["2 download"]).ends_with(&["a=2"]);
    case(EXACT, "edited", "2 file L a *9 | R a 2 | S -")
        .plans(&["2 keep both, ours a (conflict)"])
        .ends_with(&["a (conflict)=9", "a=2"]);
}

#[test]
fn every_class_keeps_both_for_now() {
    for (name, copy) in [("m.json", "m (conflict).json"), ("t.wav", "t (conflict).wav"), ("d.txt", "d (conflict).txt")]
    {
        let drawing = format!("2 file L {name} *9 | R {name} 2 | S {name} 1");
        case(EXACT, "class", &drawing).ends_with(&[&format!("{copy}=9"), &format!("{name}=2")]);
    }
}

#[test]
fn links_are_like_tiny_files() {
    case(EXACT, "C x -", "2 link L a to | R - | S -").plans(&["2 create remote a"]).ends_with(&["a"]);
    case(EXACT, "- x C", "2 link L - | R a to | S -").plans(&["2 create local a"]).ends_with(&["a"]);
    case(EXACT, "- x E", "2 link L a to | R a else | S a to").plans(&["2 download"]).ends_with(&["a"]);
    case(EXACT, "D x -", "2 link L - | R a to | S a to").plans(&["2 delete remote"]).ends_with(&[]);
    case(EXACT, "- x M", "2 link L a to | R b to | S a to").plans(&["2 move local b"]).ends_with(&["b"]);
}

#[test]
fn a_block_stops_what_it_must_and_nothing_else() {
    for block in ["not-quiet", "held", "backing-off"] {
        let with = |sides: &str| format!("2 file {block} L {sides}");
        case(EXACT, "E x -", &with("a *9 | R a 1 | S a 1")).plans(&[]);
        case(EXACT, "M x -", &with("b 1 | R a 1 | S a 1")).plans(&[]);
        case(EXACT, "M x M", &with("b 1 | R c 1 | S a 1")).plans(&[]);
        case(EXACT, "D x -", &with("- | R a 1 | S a 1")).plans(&[]);
        case(EXACT, "D x E", &with("- | R a 2 | S a 1")).plans(&[]);
        case(EXACT, "E x E", &with("a *9 | R a 2 | S a 1")).plans(&[]);
        case(EXACT, "E x M", &with("a *9 | R c 1 | S a 1")).plans(&["2 move local c"]);
        case(EXACT, "- x E", &with("a 1 | R a 2 | S a 1")).plans(&["2 download"]);
        case(EXACT, "M x E", &with("b 1 | R a 2 | S a 1")).plans(&["2 download"]);
        case(EXACT, "- x D", &with("a 1 | R - | S a 1")).plans(&["2 delete local"]);
        case(EXACT, "other nodes go on", &format!("{}\n3 file L c *9 | R c 2 | S c 2", with("a *9 | R a 1 | S a 1")))
            .plans(&["3 upload over v2"]);
    }
}

#[test]
fn a_file_that_is_written_may_be_moved_only() {
    let open = |sides: &str| format!("2 file open L {sides}");
    case(EXACT, "E x -", &open("a *9 | R a 1 | S a 1")).plans(&[]);
    case(EXACT, "- x E", &open("a 1 | R a 2 | S a 1")).plans(&[]);
    case(EXACT, "- x D", &open("a 1 | R - | S a 1")).plans(&[]);
    case(EXACT, "E x M", &open("a *9 | R c 1 | S a 1")).plans(&["2 move local c"]);
    case(EXACT, "ME x -", &open("b *9 | R a 1 | S a 1")).plans(&["2 move remote b"]);
}
