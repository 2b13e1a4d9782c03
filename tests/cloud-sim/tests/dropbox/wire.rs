//! Styles, content types, statuses and the shapes of errors.

use serde_json::{Value, json};

use crate::client::{Client, send, start, web};

#[tokio::test]
async fn void_arguments_are_null_or_nothing_and_answers_are_plain_json() {
    let (_sim, client) = start();
    let nothing = send(client.request("/2/users/get_current_account")).await;
    let null = client.ask("users/get_current_account", &Value::Null).await;
    for answer in [nothing, null] {
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        assert_eq!(answer.header("x-dropbox-request-id").len(), 32);
    }
    let object = client.ask("users/get_current_account", &json!({})).await;
    assert_eq!(object.status, 400);
}

#[tokio::test]
async fn bad_arguments_are_400_text_that_names_the_function_and_the_place() {
    let (_sim, client) = start();
    let cases = [
        (
            "files/list_folder",
            json!({ "path": "/" }),
            "path: Specify the root folder as an empty string rather than as \"/\".",
        ),
        ("files/list_folder", json!({ "path": "", "limit": 2001 }), "limit: 2001 is more than 2000"),
        ("files/list_folder", json!({ "path": "", "recursiv": true }), "unknown field 'recursiv'"),
        ("files/list_folder", json!({}), "missing required field 'path'"),
        ("files/get_metadata", json!({ "path": "" }), "path: The root folder is unsupported."),
        ("files/list_folder/continue", json!({ "cursor": "AAgarbage" }), "cursor: unsupported cursor type"),
        ("files/move_v2", json!({ "from_path": "a", "to_path": "/b" }), "from_path: 'a' did not match pattern"),
    ];
    for (route, argument, text) in cases {
        let answer = client.ask(route, &argument).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, "text/plain; charset=utf-8"), "{argument}");
        let start = format!("Error in call to API function \"{route}\": request body: {text}");
        assert!(answer.text().starts_with(&start), "{} is not {start}", answer.text());
    }
    let not_json =
        send(client.request("/2/files/list_folder").header("Content-Type", "application/json").body("{")).await;
    assert!(not_json.text().ends_with("request body: could not decode input as JSON"));
    let unknown = client.ask("files/no_such_route", &Value::Null).await;
    assert_eq!((unknown.status, unknown.text().as_str()), (400, "Unknown API function: \"files/no_such_route\""));
}

#[tokio::test]
async fn uploads_take_exactly_octet_stream() {
    let (_sim, client) = start();
    for kind in ["application/octet-stream; charset=utf8", "application/json", "text/plain"] {
        let request = client.request("/2/files/upload").header("Dropbox-API-Arg", r#"{"path":"/a"}"#);
        let answer = send(request.header("Content-Type", kind).body("x")).await;
        assert_eq!(answer.status, 400, "{kind}");
        let start = "Error in call to API function \"files/upload\": Bad HTTP \"Content-Type\" header: ";
        assert!(answer.text().starts_with(start), "{}", answer.text());
    }
}

#[tokio::test]
async fn the_header_may_be_raw_utf8_and_the_argument_may_stand_in_the_address() {
    let (_sim, client) = start();
    let raw = reqwest::header::HeaderValue::from_bytes(r#"{"path":"/Größe 🎵"}"#.as_bytes()).unwrap();
    let request = client.request("/2/files/upload").header("Dropbox-API-Arg", raw);
    let answer = send(request.header("Content-Type", "application/octet-stream").body("x")).await;
    assert_eq!(answer.json()["name"], "Größe 🎵");
    let address = format!("{}/2/files/download", client.base);
    let get = client.http.get(address).query(&[("arg", r#"{"path":"/größe 🎵"}"#)]).bearer_auth(&client.token);
    let answer = send(get).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "x"));
    assert!(answer.header("dropbox-api-result").is_ascii());
    assert!(answer.header("dropbox-api-result").contains(r"\ud83c\udfb5"));
}

#[tokio::test]
async fn uploads_need_no_length() {
    let (_sim, client) = start();
    // A stream has none: the body is sent in chunks.
    let stream = futures_of_chunks();
    let request = client.request("/2/files/upload").header("Dropbox-API-Arg", r#"{"path":"/chunked"}"#);
    let answer = send(request.header("Content-Type", "application/octet-stream").body(stream)).await;
    assert_eq!(answer.json()["size"], 6);
}

/// A body whose length nobody knows beforehand.
fn futures_of_chunks() -> reqwest::Body {
    struct Chunks(Vec<&'static [u8]>);
    impl http_body::Body for Chunks {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
            let next = self.0.pop().map(|chunk| Ok(http_body::Frame::data(bytes::Bytes::from_static(chunk))));
            std::task::Poll::Ready(next)
        }
    }
    reqwest::Body::wrap(Chunks(vec![b"def", b"abc"]))
}

#[tokio::test]
async fn errors_have_a_summary_that_ends_in_chance_and_nested_tags() {
    let (_sim, client) = start();
    let mut endings = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let answer = client.ask("files/get_metadata", &json!({ "path": "/nothing" })).await;
        let body = answer.json();
        assert_eq!(body["error"], json!({ ".tag": "path", "path": { ".tag": "not_found" } }));
        let summary = body["error_summary"].as_str().unwrap().to_owned();
        endings.insert(summary.strip_prefix("path/not_found/").unwrap().to_owned());
    }
    assert!(endings.len() > 1, "{endings:?}");
}

#[tokio::test]
async fn tags_stand_where_the_type_is_metadata_and_nowhere_else() {
    let (sim, client) = start();
    web(&sim).create_folder("/folder").unwrap();
    let uploaded = client.upload(json!({ "path": "/file" }), b"x").await;
    assert_eq!(uploaded.get(".tag"), None);
    assert_eq!(client.call("files/get_metadata", json!({ "path": "/file" })).await[".tag"], "file");
    assert_eq!(client.download("/file", None).await.result().get(".tag"), None);
    let made = client.call("files/create_folder_v2", json!({ "path": "/new" })).await;
    assert_eq!(made["metadata"].get(".tag"), None);
    assert_eq!(client.call("files/delete_v2", json!({ "path": "/new" })).await["metadata"][".tag"], "folder");
    let listed = client.send("files/upload", &json!({ "path": "/file" }), "x").await;
    assert_eq!(listed.header("dropbox-api-result"), "", "uploads answer in the body");
    let revisions = client.call("files/list_revisions", json!({ "path": "/file" })).await;
    assert_eq!(revisions["entries"][0].get(".tag"), None);
}

#[tokio::test]
async fn optional_fields_are_left_out_and_times_have_whole_seconds() {
    let (_sim, client) = start();
    let argument = json!({ "path": "/a", "client_modified": "2001-02-03T04:05:06Z" });
    let uploaded = client.upload(argument, b"x").await;
    assert_eq!(uploaded["client_modified"], "2001-02-03T04:05:06Z");
    assert!(uploaded.as_object().unwrap().values().all(|field| !field.is_null()));
    for wrong in ["2001-02-03T04:05:06.7Z", "2001-02-03 04:05:06", "2001-02-03T04:05:06+01:00"] {
        let answer = client.send("files/upload", &json!({ "path": "/b", "client_modified": wrong }), "").await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_request_without_a_token_and_one_with_a_malformed_token_are_400() {
    let (sim, client) = start();
    let bare = client.http.post(format!("{}/2/users/get_current_account", client.base));
    let answer = send(bare).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().ends_with("Must provide HTTP header \"Authorization\" or URL parameter \"authorization\"."));
    let malformed = Client::new(&sim, "nonsense").ask("users/get_current_account", &Value::Null).await;
    assert_eq!(malformed.status, 400);
    assert!(malformed.text().ends_with("The given OAuth 2 access token is malformed."));
    let unknown = Client::new(&sim, "sl.unknown").ask("users/get_current_account", &Value::Null).await;
    assert_eq!((unknown.status, unknown.header("www-authenticate")), (401, "Bearer realm=\"Dropbox-API\""));
    assert_eq!(unknown.json()["error"], json!({ ".tag": "invalid_access_token" }));
}
