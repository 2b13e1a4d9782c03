//! What every provider and every decorator promises, written against the trait. One file per method; a case takes a fresh
//! world: a provider, and a "web user" who edits the remote behind its back. A case is left out only where the provider
//! does not claim the capability that it is about.
//!
//! A provider joins with a [`harness::World`] and one line below.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod changes;
mod copy;
mod create;
mod delete;
mod direct;
mod dropbox_batches;
mod dropbox_calls;
mod dropbox_long_names;
mod dropbox_matrix;
mod dropbox_ways;
mod dropbox_world;
mod errors;
mod faulty;
mod feed_identity;
mod harness;
mod limit;
mod local_attributes;
mod local_confinement;
mod local_root;
mod local_watch;
mod local_world;
mod lookup;
mod names;
mod read;
mod relocate;
mod root;
mod upload;
mod wait;

/// Runs every case in a world.
macro_rules! behaviour {
    ($name:ident, $world:ty) => {
        behaviour! { @cases $name, $world,
            root: a_folder_without_a_parent, the_same_after_a_restart;
            changes: a_full_listing_equals_the_truth, an_empty_remote_lists_nothing, listings_come_in_pages,
                long_change_logs_come_in_pages, edits_of_others_are_told, our_own_edits_are_told,
                a_quiet_feed_tells_nothing, a_cursor_outlives_the_provider, an_old_cursor_is_told_again,
                a_strange_cursor_is_reset, a_deleted_folder_goes_with_everything_in_it,
                a_file_that_becomes_a_folder_is_another_entry, links_are_links;
            feed_identity: renames_keep_the_id, moved_folders_keep_all_ids, swapped_names_keep_their_ids,
                atomic_saves_keep_the_id, backup_saves_have_one_file_per_name, renames_keep_the_revision,
                case_renames_are_told, moves_while_the_provider_is_down, a_replaced_folder_keeps_what_is_in_it;
            wait: an_edit_of_others_wakes, a_quiet_wait_ends, a_wait_with_something_to_tell_ends_at_once;
            lookup: stat_tells_the_present, stat_of_nothing, find_tells_the_present, find_below_nothing;
            read: whole_and_parts, beyond_the_end, an_old_revision_is_gone_or_itself, a_deleted_file, a_large_file_in_parallel;
            create: a_folder, a_folder_that_exists, a_folder_below_nothing, a_link, a_link_where_something_is;
            upload: a_new_file, an_empty_file, a_large_file_with_progress, a_name_that_is_taken, below_nothing,
                the_next_version, a_stale_revision_is_refused, a_version_of_nothing, a_wrong_hash_is_refused,
                readers_see_old_or_new, a_cancelled_upload_leaves_nothing, a_failing_source_leaves_nothing,
                the_modification_time_is_carried, one_of_two_writers_wins;
            copy: of_a_file_that_is_there, of_what_has_changed, of_what_is_gone, where_something_is;
            relocate: a_rename, a_move_to_another_folder, a_folder_with_everything_in_it, where_it_already_is,
                onto_another_entry, into_itself, below_nothing, of_nothing, only_the_case, the_revision_stays;
            delete: a_file, a_link, an_empty_folder, a_folder_with_entries, what_is_gone_already,
                a_stale_revision_is_refused, without_a_condition;
            direct: the_file_itself, only_the_present_revision, an_edit_is_noticed, a_rename_is_no_edit,
                nothing_unless_claimed;
            names: long_and_strange_names, both_spellings_of_an_accent, case_twins, refused_names_are_refused;
            errors: space_is_told, errors_name_the_call;
        }
    };
    (@cases $name:ident, $world:ty, $($file:ident: $($case:ident),+;)+) => {
        mod $name {
            $(mod $file {
                $(#[tokio::test]
                async fn $case() {
                    crate::$file::$case::<$world>().await;
                })+
            })+
        }
    };
}

behaviour!(local, crate::local_world::LocalWorld<crate::local_world::Plain>);
behaviour!(local_faulty, crate::local_world::LocalWorld<crate::local_world::NoFaults>);
behaviour!(local_limited, crate::local_world::LocalWorld<crate::local_world::Bounded>);
behaviour!(local_indirect, crate::local_world::LocalWorld<crate::local_world::Indirect>);
behaviour!(dropbox, crate::dropbox_world::DropboxWorld<crate::dropbox_world::InFolder>);
behaviour!(dropbox_whole, crate::dropbox_world::DropboxWorld<crate::dropbox_world::Everything>);
behaviour!(dropbox_parts, crate::dropbox_world::DropboxWorld<crate::dropbox_world::InParts>);
