//! Folders, moves, copies, deletions, and their jobs.

use serde_json::{Value, json};

use crate::client::{start, web};

fn tag(name: &str) -> Value {
    json!({ ".tag": name })
}

#[tokio::test]
async fn moves_keep_ids_and_times_and_copies_do_not_keep_ids() {
    let (_sim, client) = start();
    let argument = json!({ "path": "/a/f", "client_modified": "2001-02-03T04:05:06Z" });
    let first = client.upload(argument, b"x").await;
    let moved = client.call("files/move_v2", json!({ "from_path": "/a/f", "to_path": "/new/parents/f" })).await;
    let moved = &moved["metadata"];
    for field in ["id", "client_modified", "content_hash"] {
        assert_eq!(moved[field], first[field], "{field}");
    }
    assert_ne!(moved["rev"], first["rev"]);
    let copied = client.call("files/copy_v2", json!({ "from_path": moved["id"], "to_path": "/copy" })).await;
    assert_ne!(copied["metadata"]["id"], first["id"]);
    assert_eq!(copied["metadata"]["client_modified"], first["client_modified"]);
}

#[tokio::test]
async fn nothing_is_overwritten_by_a_move() {
    let (sim, client) = start();
    let website = web(&sim);
    website.write("/f", b"1").unwrap();
    website.write("/g", b"2").unwrap();
    website.write("/dir/x", b"3").unwrap();
    website.create_folder("/empty").unwrap();
    let relocate = |from: &str, to: &str| json!({ "from_path": from, "to_path": to });
    let cases = [
        ("/f", "/g", json!({ ".tag": "to", "to": { ".tag": "conflict", "conflict": tag("file") } })),
        ("/dir", "/empty", json!({ ".tag": "to", "to": { ".tag": "conflict", "conflict": tag("folder") } })),
        ("/f", "/g/x", json!({ ".tag": "to", "to": { ".tag": "conflict", "conflict": tag("file_ancestor") } })),
        ("/dir", "/dir/below/it", tag("cant_move_folder_into_itself")),
        ("/none", "/x", json!({ ".tag": "from_lookup", "from_lookup": tag("not_found") })),
        ("/f", "/x\\y", json!({ ".tag": "to", "to": tag("malformed_path") })),
        ("/f", "/f", tag("duplicated_or_nested_paths")),
    ];
    for (from, to, error) in cases {
        assert_eq!(client.error("files/move_v2", relocate(from, to)).await, error, "{from} to {to}");
    }
    let mut renamed = relocate("/f", "/g");
    renamed["autorename"] = true.into();
    assert_eq!(client.call("files/move_v2", renamed).await["metadata"]["name"], "g (1)");
}

#[tokio::test]
async fn more_than_ten_thousand_items_do_not_move_at_once() {
    let (sim, client) = start();
    web(&sim).write_many("/many", 10_000).unwrap();
    let error = client.error("files/move_v2", json!({ "from_path": "/many", "to_path": "/more" })).await;
    assert_eq!(error, tag("too_many_files"));
}

#[tokio::test]
async fn a_deletion_tells_what_was_there_and_minds_the_revision() {
    let (sim, client) = start();
    let website = web(&sim);
    let stale = website.write("/dir/f", b"1").unwrap();
    let rev = website.write("/dir/f", b"2").unwrap();
    let error = client.error("files/delete_v2", json!({ "path": "/dir/f", "parent_rev": stale })).await;
    assert_eq!(error["path_write"], json!({ ".tag": "conflict", "conflict": tag("file") }));
    let deleted = client.call("files/delete_v2", json!({ "path": "/dir/f", "parent_rev": rev })).await;
    assert_eq!((&deleted["metadata"][".tag"], &deleted["metadata"]["rev"]), (&json!("file"), &json!(rev)));
    let error = client.error("files/delete_v2", json!({ "path": "/dir/f" })).await;
    assert_eq!(error, json!({ ".tag": "path_lookup", "path_lookup": tag("not_found") }));
    website.write("/dir/deep/g", b"x").unwrap();
    client.call("files/delete_v2", json!({ "path": "/DIR" })).await;
    assert!(website.tree().is_empty(), "folders go with what is in them");
}

#[tokio::test]
async fn folders_are_made_with_their_parents_and_are_in_the_way_of_themselves() {
    let (_sim, client) = start();
    let made = client.call("files/create_folder_v2", json!({ "path": "/A/b/C" })).await;
    assert_eq!(made["metadata"]["path_display"], "/A/b/C");
    let error = client.error("files/create_folder_v2", json!({ "path": "/a/B/c" })).await;
    assert_eq!(error["path"], json!({ ".tag": "conflict", "conflict": tag("folder") }));
    let renamed = client.call("files/create_folder_v2", json!({ "path": "/A/b/C", "autorename": true })).await;
    assert_eq!(renamed["metadata"]["name"], "C (1)");
    let old = client.call("files/create_folder", json!({ "path": "/old" })).await;
    assert_eq!(old["name"], "old", "the old routes give the bare metadata");
}

#[tokio::test]
async fn jobs_say_that_they_are_in_progress_first() {
    let (sim, client) = start();
    let website = web(&sim);
    website.write("/a", b"1").unwrap();
    website.write("/b", b"2").unwrap();
    let entries = json!({ "entries": [
        { "from_path": "/a", "to_path": "/c" }, { "from_path": "/none", "to_path": "/d" }
    ] });
    let launch = client.call("files/move_batch_v2", entries).await;
    assert_eq!(launch[".tag"], "async_job_id");
    assert!(launch["async_job_id"].as_str().unwrap().starts_with("dbjid:AA"));
    let check = json!({ "async_job_id": launch["async_job_id"] });
    let wrong = client.error("files/delete_batch/check", check.clone()).await;
    assert_eq!(wrong, tag("invalid_async_job_id"));
    assert_eq!(client.call("files/move_batch/check_v2", check.clone()).await, tag("in_progress"));
    let done = client.call("files/move_batch/check_v2", check).await;
    let (moved, failed) = (&done["entries"][0], &done["entries"][1]);
    assert_eq!((&moved[".tag"], &moved["success"][".tag"]), (&json!("success"), &json!("file")), "nested");
    assert_eq!(failed["failure"]["relocation_error"]["from_lookup"], tag("not_found"));

    let entries = json!({ "entries": [{ "path": "/b" }, { "path": "/none" }] });
    let launch = client.call("files/delete_batch", entries).await;
    let check = json!({ "async_job_id": launch["async_job_id"] });
    assert_eq!(client.call("files/delete_batch/check", check.clone()).await, tag("in_progress"));
    let done = client.call("files/delete_batch/check", check).await;
    assert_eq!(done["entries"][0]["metadata"]["name"], "b");
    assert_eq!(done["entries"][1]["failure"]["path_lookup"], tag("not_found"));
}

#[tokio::test]
async fn few_folders_are_made_at_once_and_many_by_a_job() {
    let (_sim, client) = start();
    let few = client.call("files/create_folder_batch", json!({ "paths": ["/a", "/b", "/a"] })).await;
    assert_eq!((&few[".tag"], few["entries"].as_array().unwrap().len()), (&json!("complete"), 3));
    assert_eq!(few["entries"][0], few["entries"][2], "the same path is one folder");
    let paths: Vec<String> = (0..80).map(|number| format!("/many/{number}")).collect();
    let many = client.call("files/create_folder_batch", json!({ "paths": paths })).await;
    assert_eq!(many[".tag"], "async_job_id");
}
