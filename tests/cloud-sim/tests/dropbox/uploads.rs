//! Single uploads: conflict modes, names, quota, hashes.

use cloud_sim::ContentHash;
use serde_json::{Value, json};

use crate::client::{Client, start, web};

fn conflict(kind: &str) -> Value {
    json!({ ".tag": "conflict", "conflict": { ".tag": kind } })
}

/// What an upload with a mode does to what stands there: `write`, `nothing`, or the conflict.
async fn outcome(client: &Client, path: &str, mode: &Value, strict: bool, bytes: &[u8]) -> String {
    let before = client.ask("files/get_metadata", &json!({ "path": path })).await;
    let argument = json!({ "path": path, "mode": mode, "strict_conflict": strict });
    let answer = client.send("files/upload", &argument, bytes).await;
    let body = answer.json();
    if answer.status == 409 {
        let reason = &body["error"]["reason"];
        return format!("{} {}", reason[".tag"].as_str().unwrap(), reason["conflict"][".tag"].as_str().unwrap());
    }
    let same = before.status == 200 && before.json()["rev"] == body["rev"];
    if same { "nothing".to_owned() } else { "write".to_owned() }
}

#[tokio::test]
async fn every_mode_meets_every_state_as_the_table_says() {
    let (sim, client) = start();
    let website = web(&sim);
    let stale = website.write("/seed", b"zero").unwrap();
    let (file, folder) = ("conflict file", "conflict folder");
    // State, then what add, overwrite, update with the current revision and with a stale one do; then the same strictly.
    let table = [
        ("nothing", [["write", "write", "write", "write"], ["write", "write", file, file]]),
        ("same", [["nothing", "nothing", "nothing", "nothing"], [file, "nothing", "nothing", file]]),
        ("other", [[file, "write", "write", file], [file, "write", "write", file]]),
        ("folder", [[folder; 4], [folder; 4]]),
    ];
    let mut number = 0;
    for (state, expected) in table {
        for strict in [false, true] {
            for (column, mode) in ["add", "overwrite", "current", "stale"].into_iter().enumerate() {
                number += 1;
                let path = format!("/{number}");
                let current = match state {
                    "same" => website.write(&path, b"content").unwrap(),
                    "other" => website.write(&path, b"other").unwrap(),
                    "folder" => {
                        website.create_folder(&path).unwrap();
                        stale.clone()
                    }
                    _ => stale.clone(),
                };
                let mode = match mode {
                    "current" => json!({ ".tag": "update", "update": current }),
                    "stale" => json!({ ".tag": "update", "update": stale }),
                    plain => json!(plain),
                };
                let got = outcome(&client, &path, &mode, strict, b"content").await;
                assert_eq!(got, expected[usize::from(strict)][column], "{state}, {mode}, strict {strict}");
            }
        }
    }
}

#[tokio::test]
async fn an_overwrite_in_another_case_is_the_same_file() {
    let (sim, client) = start();
    let first = client.upload(json!({ "path": "/Caf\u{e9}.WAV" }), b"1").await;
    let second = client.upload(json!({ "path": "/cafe\u{301}.wav", "mode": "overwrite" }), b"2").await;
    assert_eq!((&second["id"], &second["name"]), (&first["id"], &first["name"]));
    assert_ne!(second["rev"], first["rev"]);
    assert_eq!(web(&sim).tree().len(), 1);
}

#[tokio::test]
async fn automatic_names_have_a_number_or_a_name_and_a_new_id() {
    let (_sim, client) = start();
    let first = client.upload(json!({ "path": "/a.b/song.wav" }), b"1").await;
    let mut names = Vec::new();
    for bytes in [b"2", b"3"] {
        let copy = client.upload(json!({ "path": "/a.b/song.wav", "autorename": true }), bytes).await;
        assert_ne!(copy["id"], first["id"]);
        names.push(copy["name"].clone());
    }
    let second = client.upload(json!({ "path": "/a.b/song.wav", "mode": "overwrite" }), b"4").await;
    assert_eq!(second["id"], first["id"]);
    let mode = json!({ ".tag": "update", "update": first["rev"] });
    for bytes in [b"5", b"6"] {
        let argument = json!({ "path": "/a.b/song.wav", "mode": mode, "autorename": true });
        names.push(client.upload(argument, bytes).await["name"].clone());
    }
    let expected = [
        "song (1).wav",
        "song (2).wav",
        "song (Stub User's conflicted copy).wav",
        "song (Stub User's conflicted copy 1).wav",
    ];
    assert_eq!(names, expected);
    let below = client.upload_error(json!({ "path": "/a.b/song.wav/x", "autorename": true }), b"").await;
    assert_eq!(below, conflict("file_ancestor"));
}

#[tokio::test]
async fn names_are_refused_as_the_service_refuses_them() {
    let (sim, client) = start();
    let malformed = ["/a\\b", "/a//b", "/a/", "/.", "/a/../b", "/trailing ", "/del\u{7f}", "/tab\t"];
    for path in malformed.into_iter().map(str::to_owned).chain([format!("/{}", "x".repeat(256))]) {
        let error = client.upload_error(json!({ "path": path }), b"x").await;
        assert_eq!(error, json!({ ".tag": "malformed_path" }), "{path:?}");
    }
    for path in ["/desktop.ini", "/THUMBS.DB", "/.ds_store", "/x/Icon\r", "/.dropbox", "/.dropbox.attr"] {
        let error = client.upload_error(json!({ "path": path }), b"x").await;
        assert_eq!(error, json!({ ".tag": "disallowed_name" }), "{path:?}");
    }
    for path in ["/<>:\"|?*", "/~$lock", "/CON", "/🎵"] {
        client.upload(json!({ "path": path }), b"x").await;
    }
    sim.set_emoji(false);
    let error = client.upload_error(json!({ "path": "/🎶" }), b"x").await;
    assert_eq!(error, json!({ ".tag": "malformed_path" }));
}

#[tokio::test]
async fn what_does_not_fit_is_kept_in_a_session() {
    let (sim, client) = start();
    sim.first_account().set_quota(5);
    let answer = client.send("files/upload", &json!({ "path": "/big" }), "123456").await;
    let error = answer.json()["error"].clone();
    assert_eq!(error["reason"], json!({ ".tag": "insufficient_space" }));
    sim.first_account().set_quota(6);
    let cursor = json!({ "session_id": error["upload_session_id"], "offset": 6 });
    let argument = json!({ "cursor": cursor, "commit": { "path": "/big" } });
    let done = client.send("files/upload_session/finish", &argument, "").await;
    assert_eq!((done.status, &done.json()["size"]), (200, &json!(6)));
    client.upload(json!({ "path": "/big", "mode": "overwrite" }), b"654321").await;
    let usage = client.call("users/get_space_usage", Value::Null).await;
    assert_eq!(usage, json!({ "used": 6, "allocation": { ".tag": "individual", "allocated": 6 } }));
}

#[tokio::test]
async fn a_wrong_hash_stores_nothing() {
    let (sim, client) = start();
    let wrong = ContentHash::of(b"other").to_string();
    let answer = client.send("files/upload", &json!({ "path": "/a", "content_hash": wrong }), "this").await;
    assert_eq!(answer.json()["error"], json!({ ".tag": "content_hash_mismatch" }));
    let right = ContentHash::of(b"this").to_string();
    let uploaded = client.upload(json!({ "path": "/a", "content_hash": right }), b"this").await;
    assert_eq!(uploaded["content_hash"], right);
    assert_eq!(web(&sim).tree().len(), 1);
}

#[tokio::test]
async fn a_request_carries_150_mib_and_no_byte_more() {
    let (_sim, client) = start();
    let most = vec![0; 150 * 1024 * 1024];
    let mut more = most.clone();
    more.push(0);
    let answer = client.send("files/upload", &json!({ "path": "/more" }), more).await;
    assert_eq!(answer.json()["error"], json!({ ".tag": "payload_too_large" }));
    assert_eq!(client.upload(json!({ "path": "/most" }), &most).await["size"], most.len());
}
