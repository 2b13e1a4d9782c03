//! T0, folders: every cell of the table by name, and the rules 1 to 3, 5, 6 and 9.

use super::case::{EXACT, case};
use super::drawing::read;

/// A cell of the table for the folder 2 with the file 3 in it, which S has as `d/x` with the bytes 1.
fn cell(name: &'static str, folder: [&str; 2], child: [&str; 2], first: &[&str], end: &[&str]) {
    let drawing = format!(
        "2 dir L {} | R {} | S d
         3 file L {} | R {} | S 2/x 1",
        folder[0], folder[1], child[0], child[1]
    );
    case(EXACT, name, &drawing).counts(name).plans(first).ends_with(end);
}

const THERE: [&str; 2] = ["2/x 1", "2/x 1"];
const HERE_ONLY: [&str; 2] = ["2/x 1", "-"];
const REMOTE_ONLY: [&str; 2] = ["-", "2/x 1"];

#[test]
fn unchanged_here() {
    cell("dir - x -", ["d", "d"], THERE, &[], &["d", "d/x=1"]);
    cell("dir - x M", ["d", "e"], THERE, &["2 move local e"], &["e", "e/x=1"]);
    cell("dir - x D", ["d", "-"], HERE_ONLY, &["3 delete local", "2 delete local"], &[]);
}

#[test]
fn moved_here() {
    cell("dir M x -", ["e", "d"], THERE, &["2 move remote e"], &["e", "e/x=1"]);
    cell("dir M x M", ["e", "f"], THERE, &["2 move local f"], &["f", "f/x=1"]);
    cell("dir M x M", ["e", "e"], THERE, &["2 mark synced"], &["e", "e/x=1"]);
    cell("dir M x D", ["e", "-"], HERE_ONLY, &["3 drop synced", "2 create remote e"], &["e", "e/x=1"]);
}

#[test]
fn deleted_here() {
    cell("dir D x -", ["-", "d"], REMOTE_ONLY, &["3 delete remote", "2 delete remote"], &[]);
    cell("dir D x M", ["-", "e"], REMOTE_ONLY, &["3 drop synced", "2 create local e"], &["e", "e/x=1"]);
    cell("dir D x D", ["-", "-"], ["-", "-"], &["2 drop synced", "3 drop synced"], &[]);
}

#[test]
fn a_folder_moved_over_the_one_that_it_was_in_takes_it_over() {
    // As a filter leaves it that came when `b/b` had been moved over `b`, and went when that had been deleted there.
    case(
        EXACT,
        "C x C folders",
        "2 dir L - | R b | S -
         3 dir L b | R - | S 2/b",
    )
    .plans(&["3 drop synced"])
    .ends_with(&["b"]);
}

#[test]
fn moving_a_folder_of_many_is_one_step() {
    let mut drawing = "2 dir L e | R d | S d\n".to_owned();
    for node in 3..103 {
        drawing += &format!("{node} file L 2/f{node} 1 | R 2/f{node} 1 | S 2/f{node} 1\n");
    }
    case(EXACT, "M x -", &drawing).plans(&["2 move remote e"]);
}

#[test]
fn a_moved_folder_comes_back_whole() {
    // L moved d; R deleted it with everything below. The restored children survive a stop after any step.
    case(
        EXACT,
        "M x D",
        "2 dir L e | R - | S d
         3 dir L 2/in | R - | S 2/in
         4 file L 3/x 1 | R - | S 3/x 1
         5 file L 2/y *9 | R - | S 2/y 2",
    )
    .plans(&["4 drop synced", "3 drop synced", "2 create remote e", "5 upload 2/y"])
    .ends_with(&["e", "e/in", "e/in/x=1", "e/y=9"]);
}

#[test]
fn rule_1_an_edit_inside_a_deleted_folder_survives_alone() {
    case(
        EXACT,
        "rule 1, deleted there",
        "2 dir L d | R - | S d
         3 file L 2/edited *9 | R - | S 2/edited 1
         4 file L 2/untouched 2 | R - | S 2/untouched 2",
    )
    .counts("rule 1: edit inside a deleted folder")
    .plans(&["2 create remote d", "4 delete local", "3 upload 2/edited"])
    .ends_with(&["d", "d/edited=9"]);
    case(
        EXACT,
        "rule 1, deleted here",
        "2 dir L - | R d | S d
         3 file L - | R 2/edited 5 | S 2/edited 1
         4 file L - | R 2/untouched 2 | S 2/untouched 2",
    )
    .plans(&["2 create local d", "4 delete remote", "3 create local 2/edited"])
    .ends_with(&["d", "d/edited=5"]);
}

#[test]
fn rule_2_something_new_in_a_deleted_folder_keeps_it() {
    case(
        EXACT,
        "rule 2",
        "2 dir L d | R - | S d
         3 dir L 2/in | R - | S 2/in
         4 file L 3/new ?9 | R - | S -
         5 file L 2/old 1 | R - | S 2/old 1",
    )
    .counts("rule 2: created or moved into a deleted folder")
    .ends_with(&["d", "d/in", "d/in/new=9"]);
}

#[test]
fn rule_3_what_was_moved_out_of_a_deleted_folder_stays_out() {
    case(
        EXACT,
        "rule 3",
        "2 dir L d | R - | S d
         3 file L x 1 | R - | S 2/x 1",
    )
    .counts("rule 3: moved out of a deleted folder")
    .ends_with(&["x=1"]);
}

#[test]
fn rule_5_crossing_moves_undo_the_local_one() {
    case(
        EXACT,
        "rule 5",
        "2 dir L 3/a | R a | S a
         3 dir L b | R 2/b | S b",
    )
    .counts("rule 5: cycle by concurrent moves")
    .plans(&["2 move local a", "3 move local 2/b"])
    .ends_with(&["a", "a/b"]);
    case(
        EXACT,
        "rule 5, three",
        "2 dir L 3/a | R a | S a
         3 dir L b | R 4/b | S b
         4 dir L c | R 2/c | S c",
    )
    .ends_with(&["a", "a/c", "a/c/b"]);
}

#[test]
fn rule_6_the_target_of_a_move_is_revived() {
    case(
        EXACT,
        "rule 6",
        "2 dir L d | R - | S d
         3 file L 2/x 1 | R x 1 | S x 1",
    )
    .counts("rule 6: a move into a deleted folder revives it")
    .plans(&["2 create remote d", "3 move remote 2/x"])
    .ends_with(&["d", "d/x=1"]);
}

#[test]
fn rule_9_nothing_is_concluded_from_a_missing_root() {
    let mut missing = case(
        EXACT,
        "rule 9",
        "2 dir L d | R - | S d
         3 file L 2/x *9 | R - | S 2/x 1",
    );
    read(&mut missing.world, "1 dir L root | R - | S root");
    let plan = missing.counts("rule 9: root missing, nothing is done").plan();
    assert!(plan.steps.is_empty() && plan.settled.is_empty(), "{plan:?}");
}

#[test]
fn folders_are_made_before_and_deleted_after_what_is_in_them() {
    case(
        EXACT,
        "order",
        "2 dir L 3/in | R - | S -
         3 dir L d | R - | S -
         4 file L 2/x ?1 | R - | S -",
    )
    .plans(&["3 create remote d", "2 create remote 3/in", "4 upload 2/x"])
    .ends_with(&["d", "d/in", "d/in/x=1"]);
    case(
        EXACT,
        "order of deletions",
        "2 dir L - | R 3/in | S 3/in
         3 dir L - | R d | S d
         4 file L - | R 2/x 1 | S 2/x 1",
    )
    .plans(&["4 delete remote", "2 delete remote", "3 delete remote"]);
}

#[test]
fn a_blocked_child_keeps_only_its_own_folder() {
    case(
        EXACT,
        "open below a deleted folder",
        "2 dir L d | R - | S d
         3 file open L 2/x 1 | R - | S 2/x 1
         4 file L 2/y 2 | R - | S 2/y 2",
    )
    .plans(&["4 delete local"])
    .rests_with(&["d", "d/x=1"]);
}
