//! T0, names: collisions, adoption, swaps, case and normalisation, kind changes (rules 4, 7 and 8), local-only names, and the guard.

use vaultfs::sync::plan::aside_name;
use vaultfs::types::NodeId;

use super::case::{EXACT, FOLDED, case};

#[test]
fn the_same_file_made_on_both_sides_becomes_one() {
    case(EXACT, "C x C equal", "2 file L a *1 | R - | S -\n3 file L - | R a 1 | S -")
        .counts("C x C equal")
        .plans(&["2 adopt 3"])
        .ends_with(&["a=1"]);
    case(EXACT, "C x C, hash first", "2 file L a ?1 | R - | S -\n3 file L - | R a 1 | S -")
        .plans(&["2 hash"])
        .ends_with(&["a=1"]);
}

#[test]
fn different_files_of_one_name_are_both_kept() {
    case(EXACT, "C x C different", "2 file L a.txt *5 | R - | S -\n3 file L - | R a.txt 2 | S -")
        .counts("C x C different")
        .plans(&["2 move local a (conflict).txt", "3 create local a.txt"])
        .ends_with(&["a (conflict).txt=5", "a.txt=2"]);
}

#[test]
fn folders_made_on_both_sides_are_merged() {
    case(
        FOLDED,
        "C x C folders",
        "2 dir L d | R - | S -
         3 file L 2/x ?9 | R - | S -
         4 dir L - | R D | S -
         5 file L - | R 4/y 1 | S -
         6 file L - | R 4/X 2 | S -",
    )
    .counts("C x C folders")
    .plans(&["2 adopt 4"])
    .ends_with(&["D", "D/X=2", "D/x (conflict)=9", "D/y=1"]);
}

#[test]
fn a_folder_deleted_and_made_again_takes_over_what_lives_in_the_old_one() {
    case(
        EXACT,
        "adoption of a container",
        "2 dir L - | R d | S d
         3 file L - | R 2/edited 5 | S 2/edited 1
         4 file L - | R 2/old 2 | S 2/old 2
         5 dir L d | R - | S -",
    )
    .ends_with(&["d", "d/edited=5"]);
}

#[test]
fn our_own_upload_told_by_the_feed_first_is_no_conflict() {
    // E x D was sent as a new file; R has it under another node before the reply was recorded.
    case(EXACT, "echo", "2 file L a *9 | R - | S a 1\n3 file L - | R a 9 | S -")
        .plans(&["2 adopt 3"])
        .ends_with(&["a=9"]);
}

#[test]
fn names_collide_by_key() {
    case(FOLDED, "case", "2 file L Mix *5 | R - | S -\n3 file L - | R mix 2 | S -")
        .ends_with(&["Mix (conflict)=5", "mix=2"]);
    case(FOLDED, "normalisation", "2 file L caf\u{e9} *5 | R - | S -\n3 file L - | R cafe\u{301} 2 | S -")
        .ends_with(&["cafe\u{301}=2", "caf\u{e9} (conflict)=5"]);
    case(EXACT, "no collision", "2 file L Mix *5 | R - | S -\n3 file L - | R mix 2 | S -")
        .ends_with(&["Mix=5", "mix=2"]);
}

#[test]
fn a_move_onto_a_name_that_the_provider_gave_away_gives_way() {
    case(EXACT, "M against C", "2 file L x 1 | R a 1 | S a 1\n3 file L - | R x 2 | S -")
        .counts("name: collision")
        .plans(&["2 move local x (conflict)", "3 create local x"])
        .ends_with(&["x (conflict)=1", "x=2"]);
}

#[test]
fn a_folder_keeps_its_name_against_a_file() {
    case(EXACT, "file there", "2 dir L x | R - | S -\n3 file L - | R x 1 | S -")
        .plans(&["3 create local x (conflict)"])
        .ends_with(&["x", "x (conflict)=1"]);
    case(EXACT, "file here", "2 file L x ?1 | R - | S -\n3 dir L - | R x | S -")
        .plans(&["2 move local x (conflict)", "3 create local x"])
        .ends_with(&["x", "x (conflict)=1"]);
}

#[test]
fn rule_4_a_kind_change_is_two_nodes() {
    case(EXACT, "rule 4", "2 file L - | R x 1 | S x 1\n3 dir L x | R - | S -")
        .counts("rule 4: kind change is two nodes")
        .plans(&["2 delete remote", "3 create remote x"])
        .ends_with(&["x"]);
    case(EXACT, "rule 4, edited there", "2 file L - | R x 5 | S x 1\n3 dir L x | R - | S -")
        .counts("rule 4: kind change is two nodes")
        .ends_with(&["x", "x (conflict)=5"]);
}

#[test]
fn rule_7_swaps_and_rotations_go_through_one_reserved_name() {
    case(EXACT, "swap here", "2 file L b 1 | R a 1 | S a 1\n3 file L a 2 | R b 2 | S b 2")
        .counts("rule 7: swap or rotation of names")
        .plans(&["2 move remote aside", "3 move remote a"])
        .ends_with(&["a=2", "b=1"]);
    let aside = aside_name(NodeId(2));
    case(EXACT, "swap there", "2 file L a 1 | R b 1 | S a 1\n3 file L b 2 | R a 2 | S b 2")
        .plans(&[&format!("2 move local {aside}"), "3 move local a"])
        .ends_with(&["a=2", "b=1"]);
    case(
        EXACT,
        "rotation",
        "2 file L b 1 | R a 1 | S a 1
         3 file L c 2 | R b 2 | S b 2
         4 file L a 3 | R c 3 | S c 3",
    )
    .plans(&["2 move remote aside", "4 move remote a", "3 move remote c"])
    .ends_with(&["a=3", "b=1", "c=2"]);
}

#[test]
fn a_new_folder_takes_the_name_of_what_moved_into_it() {
    case(EXACT, "wrap", "2 dir L 3/x | R x | S x\n3 dir L x | R - | S -")
        .plans(&["2 move remote aside", "3 create remote x"])
        .ends_with(&["x", "x/x"]);
}

#[test]
fn a_reserved_name_is_never_shown_and_never_wins() {
    let aside = aside_name(NodeId(2));
    case(EXACT, "ours", &format!("2 file L b 1 | R {aside} 1 | S a 1")).plans(&["2 move remote b"]).ends_with(&["b=1"]);
    case(EXACT, "back", &format!("2 file L a 1 | R {aside} 1 | S a 1")).plans(&["2 move remote a"]).ends_with(&["a=1"]);
    case(EXACT, "gone", &format!("2 file L - | R {aside} 1 | S a 1")).plans(&["2 delete remote"]).ends_with(&[]);
    case(EXACT, "edited", &format!("2 file L - | R {aside} 5 | S a 1"))
        .plans(&["2 create local a"])
        .ends_with(&["a=5"]);
    case(EXACT, "another device's", "2 file L - | R .vaultfs-aside-7 1 | S -").plans(&[]).rests_with(&[]);
}

#[test]
fn a_rename_of_case_only_goes_through_another_name_where_it_must() {
    case(FOLDED, "case only", "2 file L MIX 1 | R mix 1 | S mix 1")
        .plans(&["2 move remote aside"])
        .ends_with(&["MIX=1"]);
    let reports = super::model::Settings { reports_case_rename: true, ..FOLDED };
    case(reports, "case only", "2 file L MIX 1 | R mix 1 | S mix 1")
        .plans(&["2 move remote MIX"])
        .ends_with(&["MIX=1"]);
    case(FOLDED, "there", "2 file L mix 1 | R MIX 1 | S mix 1").plans(&["2 move local MIX"]).ends_with(&["MIX=1"]);
}

#[test]
fn another_normalisation_is_no_rename() {
    case(FOLDED, "no ping-pong", "2 file L caf\u{e9} 1 | R cafe\u{301} 1 | S caf\u{e9} 1")
        .plans(&[])
        .ends_with(&["caf\u{e9}=1"]);
}

#[test]
fn rule_8_deleted_and_made_again_is_two_nodes() {
    case(EXACT, "rule 8", "2 file L - | R x 1 | S x 1\n3 file L x *9 | R - | S -")
        .counts("rule 8: deleted and made again is two nodes")
        .plans(&["2 delete remote", "3 upload x"])
        .ends_with(&["x=9"]);
    case(EXACT, "rule 8, edited there", "2 file L - | R x 5 | S x 1\n3 file L x *9 | R - | S -")
        .counts("rule 8: deleted and made again is two nodes")
        .ends_with(&["x (conflict)=9", "x=5"]);
}

#[test]
fn local_only_names_never_reach_the_provider() {
    case(EXACT, "new", "2 file local-only L l.tmp ?1 | R - | S -").plans(&[]).ends_with(&["l.tmp=1"]);
    case(EXACT, "renamed", "2 file local-only L l.tmp 1 | R a 1 | S a 1")
        .plans(&["2 delete remote"])
        .ends_with(&["l.tmp=1"]);
    case(EXACT, "renamed, edited there", "2 file local-only L l.tmp 1 | R a 2 | S a 1")
        .plans(&["2 move local a"])
        .rests_with(&["a=2"]);
    case(EXACT, "the name came from there", "2 file local-only L l.tmp 1 | R l.tmp 1 | S l.tmp 1").plans(&[]);
    case(EXACT, "hidden", "2 file local-only L - | R l.tmp 1 | S -").plans(&[]).ends_with(&[]);
    case(FOLDED, "links without links", "2 link L a to | R - | S -").plans(&[]).ends_with(&["a"]);
}

#[test]
fn local_only_nodes_go_with_their_folder_and_give_way_to_shared_ones() {
    case(EXACT, "goes with it", "2 dir L d | R - | S d\n3 file local-only L 2/l.tmp ?1 | R - | S -")
        .plans(&["3 delete local", "2 delete local"])
        .ends_with(&[]);
    case(FOLDED, "gives way", "2 link L a to | R - | S -\n3 file L - | R a 1 | S -")
        .plans(&["2 move local a (conflict)", "3 create local a"])
        .ends_with(&["a (conflict)", "a=1"]);
}

#[test]
fn a_blocked_node_keeps_its_name_until_it_is_free() {
    case(EXACT, "held", "2 file held L a *5 | R - | S -\n3 file L - | R a 2 | S -\n4 file L - | R b 3 | S -")
        .plans(&["4 create local b"])
        .rests_with(&["a=5", "b=3"]);
}

#[test]
fn too_many_deletions_wait_for_a_word() {
    let many = || {
        let mut drawing = "2 file L a *9 | R a 1 | S a 1\n3 file L b ?2 | R - | S -\n".to_owned();
        for node in 10..20 {
            drawing += &format!("{node} file L f{node} 1 | R - | S f{node} 1\n");
        }
        case(EXACT, "guard", &drawing)
    };
    let guarded = many().guard(30, 9, 25).plans(&["2 upload over v1", "3 upload b"]).plan();
    assert_eq!(guarded.guarded.len(), 10);
    assert_eq!(many().guard(30, 10, 25).plan().guarded, [], "not more than so many");
    assert_eq!(many().guard(100, 9, 25).plan().guarded, [], "not more than such a share");
    many().ends_with(&["a=9", "b=2"]);
}
