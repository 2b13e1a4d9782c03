//! Downloads, ranges, revisions, temporary links, and what stands beside the contents.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{send, start, web};

#[tokio::test]
async fn ranges_are_clipped_and_the_metadata_is_that_of_the_whole() {
    let (sim, client) = start();
    web(&sim).write("/f", b"0123456789").unwrap();
    let cases = [("bytes=2-4", "234", "bytes 2-4/10"), ("bytes=7-", "789", "bytes 7-9/10")];
    let more = [("bytes=-3", "789", "bytes 7-9/10"), ("bytes=8-100", "89", "bytes 8-9/10")];
    for (range, bytes, header) in cases.into_iter().chain(more) {
        let answer = client.download("/f", Some(range)).await;
        assert_eq!((answer.status, answer.text().as_str(), answer.header("content-range")), (206, bytes, header));
        assert_eq!((answer.result()["size"].as_u64(), answer.header("original-content-length")), (Some(10), "10"));
        assert_eq!(answer.header("content-length"), bytes.len().to_string());
    }
    let whole = client.download("/f", None).await;
    assert_eq!((whole.status, whole.header("accept-ranges")), (200, "bytes"));
    assert_eq!(whole.header("etag"), format!("W/\"{}\"", whole.result()["rev"].as_str().unwrap()));
    let several = client.download("/f", Some("bytes=0-1,4-5")).await;
    assert_eq!((several.status, several.body.len()), (200, 10), "several ranges are not supported");
}

#[tokio::test]
async fn nothing_is_satisfiable_past_the_end() {
    let (sim, client) = start();
    web(&sim).write("/empty", b"").unwrap();
    web(&sim).write("/f", b"0123456789").unwrap();
    for (path, range) in [("/f", "bytes=10-"), ("/f", "bytes=50-60"), ("/empty", "bytes=0-"), ("/empty", "bytes=-1")] {
        let answer = client.download(path, Some(range)).await;
        assert_eq!(answer.status, 409, "{path} {range}");
        assert_eq!(answer.json()["error"]["range"], json!({ ".tag": "not_satisfiable" }));
    }
    assert_eq!(client.download("/empty", None).await.body, b"");
}

#[tokio::test]
async fn revisions_are_served_after_overwriting_and_deleting() {
    let (sim, client) = start();
    let website = web(&sim);
    let first = website.write("/f", b"first").unwrap();
    website.write("/f", b"second").unwrap();
    website.delete("/f").unwrap();
    assert_eq!(client.download(&format!("rev:{first}"), None).await.body, b"first");
    assert_eq!(client.download("/f", None).await.json()["error"]["path"], json!({ ".tag": "not_found" }));
    let metadata = client.call("files/get_metadata", json!({ "path": "/f", "include_deleted": true })).await;
    assert_eq!((&metadata[".tag"], metadata.get("id")), (&json!("deleted"), None));
    let revisions = client.call("files/list_revisions", json!({ "path": "/f", "limit": 1 })).await;
    assert_eq!((&revisions["is_deleted"], &revisions["has_more"]), (&json!(true), &json!(true)));
    assert_eq!(revisions["entries"][0]["size"], 6);
}

#[tokio::test]
async fn restoring_keeps_the_id_and_gives_a_new_revision() {
    let (sim, client) = start();
    let website = web(&sim);
    let rev = website.write("/f", b"first").unwrap();
    let before = client.call("files/get_metadata", json!({ "path": "/f" })).await;
    website.delete("/f").unwrap();
    let restored = client.call("files/restore", json!({ "path": "/f", "rev": rev })).await;
    assert_eq!(restored["id"], before["id"]);
    assert_ne!(restored["rev"], before["rev"]);
    let error = client.error("files/restore", json!({ "path": "/f", "rev": "0123456789" })).await;
    assert_eq!(error, json!({ ".tag": "invalid_revision" }));
    let error = client.error("files/restore", json!({ "path": "/never", "rev": rev })).await;
    assert_eq!(error["path_lookup"], json!({ ".tag": "not_found" }));
}

#[tokio::test]
async fn temporary_links_point_here_need_no_token_and_end() {
    let (sim, client) = start();
    web(&sim).write("/f", b"0123456789").unwrap();
    let link = client.call("files/get_temporary_link", json!({ "path": "/f" })).await["link"].clone();
    let link = link.as_str().unwrap();
    assert!(link.starts_with(&sim.base_url()));
    let part = send(client.http.get(link).header("Range", "bytes=1-2")).await;
    assert_eq!((part.status, part.text().as_str()), (206, "12"));
    sim.clock().advance(Duration::from_secs(4 * 3600));
    assert_eq!(send(client.http.get(link)).await.status, 410);
}

#[tokio::test]
async fn files_that_cannot_be_downloaded_say_why() {
    let (sim, client) = start();
    let website = web(&sim);
    website.write_restricted("/blocked", b"x").unwrap();
    website.write_cloud_document("/Notes.paper", b"# Notes", "md").unwrap();
    website.create_folder("/folder").unwrap();
    let error = |answer: crate::client::Answer| answer.json()["error"].clone();
    let blocked = error(client.download("/blocked", None).await);
    assert_eq!(blocked["path"], json!({ ".tag": "restricted_content" }));
    assert_eq!(error(client.download("/Notes.paper", None).await), json!({ ".tag": "unsupported_file" }));
    assert_eq!(error(client.download("/folder", None).await)["path"], json!({ ".tag": "not_file" }));
    let export = client.request("/2/files/export").header("Dropbox-API-Arg", r#"{"path":"/Notes.paper"}"#);
    let exported = send(export).await;
    assert_eq!(exported.text(), "# Notes");
    assert_eq!(exported.result()["export_metadata"]["name"], "Notes.md");
}

#[tokio::test]
async fn previews_and_thumbnails_are_for_some_kinds_only() {
    let (sim, client) = start();
    for name in ["/a.png", "/b.docx", "/c.wav"] {
        web(&sim).write(name, b"x").unwrap();
    }
    let ask = |route: &str, argument: Value| {
        send(client.request(&format!("/2/{route}")).header("Dropbox-API-Arg", argument.to_string()))
    };
    let thumbnail = ask("files/get_thumbnail_v2", json!({ "resource": { ".tag": "path", "path": "/a.png" } })).await;
    assert!(thumbnail.status == 200 && thumbnail.body.starts_with(b"\x89PNG"), "{thumbnail:?}");
    let preview = ask("files/get_preview", json!({ "path": "/b.docx" })).await;
    assert!(preview.body.starts_with(b"%PDF"));
    let none = ask("files/get_thumbnail", json!({ "path": "/c.wav" })).await;
    assert_eq!(none.json()["error"], json!({ ".tag": "unsupported_extension" }));
}

#[tokio::test]
async fn long_contents_take_no_room() {
    let (sim, client) = start();
    let website = web(&sim);
    website.write_zeros("/zeros", 5 << 30).unwrap();
    website.write_computed("/computed", 100_000, 3).unwrap();
    let part = client.download("/zeros", Some("bytes=5368709110-")).await;
    assert_eq!((part.body, part.status), (vec![0; 10], 206));
    let whole = client.download("/computed", None).await.body;
    assert_eq!(client.download("/computed", Some("bytes=777-1776")).await.body, whole[777..1777]);
    assert_eq!(sim.first_account().used(), (5 << 30) + 100_000);
}

#[tokio::test]
async fn searching_finds_names_by_words() {
    let (sim, client) = start();
    for name in ["/a/Big Song.wav", "/b/small song.json", "/other"] {
        web(&sim).write(name, b"x").unwrap();
    }
    let found = client.call("files/search_v2", json!({ "query": "SONG", "options": { "max_results": 1 } })).await;
    assert_eq!(found["matches"][0]["metadata"]["metadata"]["name"], "Big Song.wav");
    let rest = client.call("files/search/continue_v2", json!({ "cursor": found["cursor"] })).await;
    assert_eq!(rest["matches"][0]["metadata"]["metadata"]["name"], "small song.json");
    assert_eq!(rest["has_more"], false);
}
