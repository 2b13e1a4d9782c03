//! Listings, cursors, changes and long polls.

use std::time::Duration;

use cloud_sim::dropbox::CaseRenames;
use serde_json::{Value, json};

use crate::client::{Client, send, shown, start, web};

#[tokio::test]
async fn a_recursive_listing_holds_the_folder_itself_and_the_root_has_no_entry() {
    let (sim, client) = start();
    web(&sim).write("/a/b/c", b"x").unwrap();
    let (entries, _) = client.list(json!({ "path": "/A", "recursive": true })).await;
    assert_eq!(entries.iter().map(shown).collect::<Vec<_>>(), ["folder /a", "folder /a/b", "file /a/b/c"]);
    let (entries, _) = client.list(json!({ "path": "/a" })).await;
    assert_eq!(entries.iter().map(shown).collect::<Vec<_>>(), ["folder /a/b"]);
    let (entries, _) = client.list(json!({ "path": "", "recursive": true })).await;
    assert_eq!(entries.len(), 3);
    let error = client.error("files/list_folder", json!({ "path": "/a/b/c" })).await;
    assert_eq!(error["path"], json!({ ".tag": "not_folder" }));
}

#[tokio::test]
async fn pages_hold_everything_once_and_what_changes_meanwhile_is_not_lost() {
    let (sim, client) = start();
    let website = web(&sim);
    for number in 0..25 {
        website.write(&format!("/f/{number:02}"), b"x").unwrap();
        website.write(&format!("/f/{number:02} folder/inside"), b"x").unwrap();
    }
    let mut page = client.call("files/list_folder", json!({ "path": "/f", "limit": 7 })).await;
    website.write("/f/00 new and early", b"x").unwrap();
    website.delete("/f/24").unwrap();
    let mut known = std::collections::BTreeSet::new();
    loop {
        for entry in page["entries"].as_array().unwrap() {
            let name = entry["name"].as_str().unwrap().to_owned();
            if entry[".tag"] == "deleted" {
                known.remove(&name)
            } else {
                known.insert(name)
            };
        }
        if page["has_more"] == false {
            break;
        }
        page = client.call("files/list_folder/continue", json!({ "cursor": page["cursor"] })).await;
    }
    assert_eq!(known.len(), 50, "{known:?}");
    assert!(known.contains("00 new and early") && !known.contains("24"));
}

#[tokio::test]
async fn a_cursor_can_be_used_again_and_each_path_stands_once_in_its_latest_state() {
    let (sim, client) = start();
    let website = web(&sim);
    let cursor = client.latest(json!({ "path": "", "recursive": true })).await;
    website.write("/a", b"1").unwrap();
    website.write("/b", b"1").unwrap();
    website.write("/a", b"2").unwrap();
    website.delete("/b").unwrap();
    let (first, _) = client.changes(&cursor).await;
    assert_eq!(first, ["file /a", "deleted /b"]);
    assert_eq!(client.changes(&cursor).await.0, first, "the same cursor gives the same");
}

#[tokio::test]
async fn changes_of_a_moved_folder_name_every_descendant_twice_and_keep_ids() {
    let (sim, client) = start();
    let website = web(&sim);
    website.write("/top/sub/file", b"x").unwrap();
    let before = client.call("files/get_metadata", json!({ "path": "/top/sub/file" })).await;
    let cursor = client.latest(json!({ "path": "", "recursive": true })).await;
    website.rename("/top", "/else").unwrap();
    let page = client.call("files/list_folder/continue", json!({ "cursor": cursor })).await;
    let entries = page["entries"].as_array().unwrap();
    assert_eq!(
        entries.iter().map(shown).collect::<Vec<_>>(),
        [
            "deleted /top",
            "deleted /top/sub",
            "deleted /top/sub/file",
            "folder /else",
            "folder /else/sub",
            "file /else/sub/file"
        ]
    );
    assert!(entries[..3].iter().all(|entry| entry.get("id").is_none()), "deleted entries have no id");
    assert_eq!(entries[5]["id"], before["id"]);
    assert_ne!(entries[5]["rev"], before["rev"]);
    assert_eq!(entries[5]["content_hash"], before["content_hash"]);
}

#[tokio::test]
async fn a_file_in_the_place_of_a_folder_is_one_entry_and_the_old_descendants_are_deleted() {
    let (sim, client) = start();
    let website = web(&sim);
    website.write("/x/inside", b"x").unwrap();
    let cursor = client.latest(json!({ "path": "", "recursive": true })).await;
    website.delete("/x").unwrap();
    website.write("/x", b"now a file").unwrap();
    assert_eq!(client.changes(&cursor).await.0, ["deleted /x/inside", "file /x"]);
}

#[tokio::test]
async fn a_cursor_without_recursion_sees_its_own_level_only() {
    let (sim, client) = start();
    let website = web(&sim);
    website.write("/a/b/deep", b"x").unwrap();
    let cursor = client.latest(json!({ "path": "/a" })).await;
    website.write("/a/b/deeper", b"x").unwrap();
    website.write("/elsewhere", b"x").unwrap();
    website.write("/a/here", b"x").unwrap();
    assert_eq!(client.changes(&cursor).await.0, ["file /a/here"]);
}

#[tokio::test]
async fn first_listings_have_no_deleted_entries_unless_asked_for() {
    let (sim, client) = start();
    let website = web(&sim);
    website.write("/gone", b"x").unwrap();
    website.delete("/gone").unwrap();
    assert!(client.list(json!({ "path": "" })).await.0.is_empty());
    let (entries, _) = client.list(json!({ "path": "", "include_deleted": true })).await;
    assert_eq!(entries.iter().map(shown).collect::<Vec<_>>(), ["deleted /gone"]);
}

#[tokio::test]
async fn documents_of_the_cloud_are_listed_unless_left_out() {
    let (sim, client) = start();
    web(&sim).write_cloud_document("/Notes.paper", b"# Notes", "md").unwrap();
    let (entries, _) = client.list(json!({ "path": "" })).await;
    assert_eq!((&entries[0]["is_downloadable"], entries[0].get("content_hash")), (&json!(false), None));
    assert_eq!(entries[0]["export_info"], json!({ "export_as": "md" }));
    let (entries, _) = client.list(json!({ "path": "", "include_non_downloadable_files": false })).await;
    assert!(entries.is_empty());
}

#[tokio::test]
async fn case_only_renames_are_not_reported_unless_they_work() {
    let (sim, client) = start();
    web(&sim).write("/song.wav", b"x").unwrap();
    let cursor = client.latest(json!({ "path": "" })).await;
    let argument = json!({ "from_path": "/song.wav", "to_path": "/Song.WAV" });
    let moved = client.call("files/move_v2", argument.clone()).await;
    assert_eq!(moved["metadata"]["name"], "song.wav", "success is answered and nothing changes");
    assert!(client.changes(&cursor).await.0.is_empty());
    sim.set_case_renames(CaseRenames::Refused);
    let error = client.error("files/move_v2", argument.clone()).await;
    assert_eq!(error["to"]["conflict"], json!({ ".tag": "file" }));
    sim.set_case_renames(CaseRenames::Work);
    assert_eq!(client.call("files/move_v2", argument).await["metadata"]["name"], "Song.WAV");
    assert_eq!(client.changes(&cursor).await.0, ["file /Song.WAV"]);
}

#[tokio::test]
async fn the_watched_folder_that_is_deleted_is_not_found_and_cursors_can_be_reset() {
    let (sim, client) = start();
    let website = web(&sim);
    website.create_folder("/watched").unwrap();
    let cursor = client.latest(json!({ "path": "/watched", "recursive": true })).await;
    website.delete("/watched").unwrap();
    let error = client.error("files/list_folder/continue", json!({ "cursor": cursor })).await;
    assert_eq!(error["path"], json!({ ".tag": "not_found" }));
    website.create_folder("/watched").unwrap();
    assert_eq!(client.changes(&cursor).await.0, ["folder /watched"]);
    sim.reset_cursors();
    let error = client.error("files/list_folder/continue", json!({ "cursor": cursor })).await;
    assert_eq!(error, json!({ ".tag": "reset" }));
    let other = sim.account("Other Person").token("device");
    let fresh = client.latest(json!({ "path": "" })).await;
    let stranger = Client::new(&sim, &other).ask("files/list_folder/continue", &json!({ "cursor": fresh })).await;
    assert_eq!(stranger.status, 400);
}

async fn longpoll(client: &Client, argument: &Value) -> crate::client::Answer {
    send(client.http.post(format!("{}/2/files/list_folder/longpoll", client.base)).json(argument)).await
}

#[tokio::test]
async fn a_long_poll_waits_for_a_change_and_takes_no_token() {
    let (sim, client) = start();
    let cursor = client.latest(json!({ "path": "", "recursive": true })).await;
    let argument = json!({ "cursor": cursor });
    let with_token = client.ask("files/list_folder/longpoll", &argument).await;
    assert_eq!(with_token.status, 400);
    assert!(with_token.text().ends_with("but this function does not use it."));
    for timeout in [29, 481] {
        assert_eq!(longpoll(&client, &json!({ "cursor": cursor, "timeout": timeout })).await.status, 400);
    }
    let website = web(&sim);
    let (answer, ()) = tokio::join!(longpoll(&client, &argument), async {
        sim.log().until(|log| log.iter().filter(|record| record.route().ends_with("longpoll")).count() == 4).await;
        website.write("/change", b"x").unwrap();
    });
    assert_eq!(answer.json(), json!({ "changes": true }));
    assert_eq!(longpoll(&client, &argument).await.json()["changes"], true, "what is pending is told at once");
}

#[tokio::test]
async fn a_long_poll_ends_by_the_services_clock_and_may_ask_for_a_pause() {
    let (sim, client) = start();
    sim.set_longpoll_backoff(Some(Duration::from_secs(60)));
    let cursor = client.latest(json!({ "path": "" })).await;
    let argument = json!({ "cursor": cursor, "timeout": 480 });
    let (answer, ()) = tokio::join!(longpoll(&client, &argument), async {
        sim.log().until(|log| log.iter().any(|record| record.route().ends_with("longpoll"))).await;
        sim.clock().advance(Duration::from_secs(481));
    });
    assert_eq!(answer.json(), json!({ "changes": false, "backoff": 60 }));
}

#[tokio::test]
async fn a_long_listing_has_every_entry() {
    let (sim, client) = start();
    web(&sim).write_many("/many", 100_000).unwrap();
    let mut page = client.ask("files/list_folder", &json!({ "path": "", "recursive": true, "limit": 2000 })).await;
    let mut count = 0;
    loop {
        let body = page.json();
        count += body["entries"].as_array().unwrap().len();
        if body["has_more"] == false {
            break;
        }
        page = client.ask("files/list_folder/continue", &json!({ "cursor": body["cursor"] })).await;
    }
    assert_eq!(count, 100_001);
}
