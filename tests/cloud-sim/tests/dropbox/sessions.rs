//! Upload sessions.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, start, web};

const MIB: usize = 1024 * 1024;
const BLOCK: usize = 4 * MIB;

async fn begin(client: &Client, argument: Value, bytes: &[u8]) -> String {
    let answer = client.send("files/upload_session/start", &argument, bytes).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["session_id"].as_str().unwrap().to_owned()
}

fn cursor(session: &str, offset: usize) -> Value {
    json!({ "session_id": session, "offset": offset })
}

/// An append; `null`, or its error.
async fn append(client: &Client, session: &str, offset: usize, close: bool, bytes: &[u8]) -> Value {
    let argument = json!({ "cursor": cursor(session, offset), "close": close });
    let body = client.send("files/upload_session/append_v2", &argument, bytes).await.json();
    body.get("error").cloned().unwrap_or(body)
}

/// A finish; the metadata, or its error.
async fn finish(client: &Client, session: &str, offset: usize, path: &str, bytes: &[u8]) -> Value {
    let argument = json!({ "cursor": cursor(session, offset), "commit": { "path": path } });
    let body = client.send("files/upload_session/finish", &argument, bytes).await.json();
    body.get("error").cloned().unwrap_or(body)
}

#[tokio::test]
async fn a_sequential_session_takes_its_bytes_in_order_only() {
    let (_sim, client) = start();
    let session = begin(&client, json!({}), b"abc").await;
    assert_eq!(append(&client, &session, 3, false, b"def").await, Value::Null);
    for offset in [3, 7] {
        let error = append(&client, &session, offset, false, b"def").await;
        assert_eq!(error, json!({ ".tag": "incorrect_offset", "correct_offset": 6 }));
    }
    let error = finish(&client, &session, 5, "/f", b"").await;
    let inner = json!({ ".tag": "incorrect_offset", "correct_offset": 6 });
    assert_eq!(error, json!({ ".tag": "lookup_failed", "lookup_failed": inner }));
    assert_eq!(finish(&client, &session, 6, "/f", b"ghi").await["size"], 9);
    assert_eq!(client.download("/f", None).await.body, b"abcdefghi");
    let gone = json!({ ".tag": "lookup_failed", "lookup_failed": { ".tag": "not_found" } });
    assert_eq!(finish(&client, &session, 9, "/g", b"").await, gone);
    assert_eq!(append(&client, &session, 9, false, b"").await, json!({ ".tag": "not_found" }));
}

#[tokio::test]
async fn bytes_of_a_finish_that_failed_are_in_the_session() {
    let (sim, client) = start();
    web(&sim).create_folder("/taken").unwrap();
    let session = begin(&client, json!({}), b"abc").await;
    let error = finish(&client, &session, 3, "/taken", b"def").await;
    let reason = json!({ ".tag": "conflict", "conflict": { ".tag": "folder" } });
    assert_eq!(error, json!({ ".tag": "path", "path": reason }), "a bare WriteError");
    assert_eq!(finish(&client, &session, 6, "/free", b"").await["size"], 6);
}

#[tokio::test]
async fn a_closed_session_takes_nothing_more_and_a_batch_takes_only_closed_ones() {
    let (_sim, client) = start();
    let closed = begin(&client, json!({ "close": true }), b"abc").await;
    let open = begin(&client, json!({}), b"abc").await;
    assert_eq!(append(&client, &closed, 3, false, b"x").await, json!({ ".tag": "closed" }));
    let entry = |session: &str, path: &str| json!({ "cursor": cursor(session, 3), "commit": { "path": path } });
    let entries = json!({ "entries": [entry(&closed, "/a"), entry(&open, "/b")] });
    let results = client.call("files/upload_session/finish_batch_v2", entries).await["entries"].clone();
    assert_eq!((&results[0][".tag"], &results[0]["name"]), (&json!("success"), &json!("a")), "inlined");
    let failure = json!({ ".tag": "lookup_failed", "lookup_failed": { ".tag": "not_closed" } });
    assert_eq!(results[1], json!({ ".tag": "failure", "failure": failure }));
}

#[tokio::test]
async fn a_concurrent_session_takes_whole_blocks_from_anywhere() {
    let (_sim, client) = start();
    let concurrent = json!({ "session_type": "concurrent" });
    let with_data = client.send("files/upload_session/start", &concurrent, "x").await;
    assert_eq!(with_data.json()["error"], json!({ ".tag": "concurrent_session_data_not_allowed" }));
    let closing = json!({ "session_type": "concurrent", "close": true });
    let closing = client.send("files/upload_session/start", &closing, "").await;
    assert_eq!(closing.json()["error"], json!({ ".tag": "concurrent_session_close_not_allowed" }));
    let session = begin(&client, concurrent, b"").await;
    let tag = |name: &str| json!({ ".tag": name });
    assert_eq!(append(&client, &session, 5, false, b"x").await, tag("concurrent_session_invalid_offset"));
    assert_eq!(append(&client, &session, 0, false, b"x").await, tag("concurrent_session_invalid_data_size"));
    let (first, second) = (vec![1; BLOCK], vec![2; 2 * BLOCK]);
    assert_eq!(append(&client, &session, BLOCK, false, &second).await, Value::Null);
    let end = 3 * BLOCK + 4;
    assert_eq!(finish(&client, &session, end, "/f", b"").await, tag("concurrent_session_not_closed"));
    assert_eq!(finish(&client, &session, end, "/f", b"x").await, tag("concurrent_session_data_not_allowed"));
    assert_eq!(append(&client, &session, 3 * BLOCK, true, b"tail").await, Value::Null);
    assert_eq!(finish(&client, &session, end, "/f", b"").await, tag("concurrent_session_missing_data"));
    assert_eq!(append(&client, &session, 0, false, &first).await, tag("closed"), "the closing part comes last in time");

    let session = begin(&client, json!({ "session_type": "concurrent" }), b"").await;
    for _again in 0..2 {
        assert_eq!(
            append(&client, &session, BLOCK, false, &second).await,
            Value::Null,
            "resending is the normal retry"
        );
    }
    assert_eq!(append(&client, &session, 0, false, &first).await, Value::Null);
    assert_eq!(append(&client, &session, 3 * BLOCK, true, b"tail").await, Value::Null);
    let done = finish(&client, &session, end, "/f", b"").await;
    let whole = [&first[..], &second, b"tail"].concat();
    assert_eq!(done["content_hash"], cloud_sim::ContentHash::of(&whole).to_string());
    assert_eq!(client.download("/f", None).await.body, whole);
}

#[tokio::test]
async fn hashes_are_right_whatever_the_pieces() {
    let (_sim, client) = start();
    let whole: Vec<u8> = (0..9 * MIB).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let session = begin(&client, json!({}), &whole[..3 * MIB]).await;
    assert_eq!(append(&client, &session, 3 * MIB, false, &whole[3 * MIB..8 * MIB]).await, Value::Null);
    let done = finish(&client, &session, 8 * MIB, "/f", &whole[8 * MIB..]).await;
    assert_eq!(done["content_hash"], cloud_sim::ContentHash::of(&whole).to_string());
}

#[tokio::test]
async fn a_session_lives_for_seven_days() {
    let (sim, client) = start();
    let session = begin(&client, json!({}), b"abc").await;
    sim.clock().advance(Duration::from_secs(7 * 24 * 3600 - 60));
    assert_eq!(append(&client, &session, 3, false, b"d").await, Value::Null);
    sim.clock().advance(Duration::from_secs(120));
    assert_eq!(append(&client, &session, 4, false, b"e").await, json!({ ".tag": "not_found" }));
}

#[tokio::test]
async fn a_batch_of_appends_has_an_outcome_for_each() {
    let (_sim, client) = start();
    let ids =
        client.call("files/upload_session/start_batch", json!({ "num_sessions": 2 })).await["session_ids"].clone();
    let (first, second) = (ids[0].as_str().unwrap(), ids[1].as_str().unwrap());
    let entry = |session: &str, offset: usize, length: usize| json!({ "cursor": cursor(session, offset), "length": length, "close": true });
    let argument = json!({ "entries": [entry(first, 0, 3), entry(second, 7, 2)] });
    let short = client.send("files/upload_session/append_batch", &argument, "abcd").await;
    assert_eq!(short.json()["error"], json!({ ".tag": "length_mismatch" }));
    let results = client.send("files/upload_session/append_batch", &argument, "abcde").await.json()["entries"].clone();
    assert_eq!(results[0], json!({ ".tag": "success" }));
    assert_eq!(results[1]["failure"], json!({ ".tag": "incorrect_offset", "correct_offset": 0 }));
    assert_eq!(finish(&client, first, 3, "/f", b"").await["size"], 3);
}

#[tokio::test]
async fn the_old_batch_is_a_job() {
    let (_sim, client) = start();
    let session = begin(&client, json!({ "close": true }), b"abc").await;
    let entries = json!({ "entries": [{ "cursor": cursor(&session, 3), "commit": { "path": "/a" } }] });
    let job = client.call("files/upload_session/finish_batch", entries).await["async_job_id"].clone();
    let check = json!({ "async_job_id": job });
    let route = "files/upload_session/finish_batch/check";
    assert_eq!(client.call(route, check.clone()).await, json!({ ".tag": "in_progress" }));
    assert_eq!(client.call(route, check).await["entries"][0]["name"], "a");
}
