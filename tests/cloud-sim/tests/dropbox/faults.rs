//! What goes wrong by plan, limits, the log and the network.

use std::time::Duration;

use cloud_sim::dropbox::{Contention, RateLimit};
use cloud_sim::faults::{Failure, Fault, Special};
use serde_json::{Value, json};

use crate::client::{ascii, start, web};

#[tokio::test]
async fn limits_come_as_json_and_text_with_and_without_a_time() {
    let (sim, client) = start();
    let limited = |retry_after, text| Fault::Failure(Failure::TooManyRequests { retry_after, text });
    sim.faults().next("check/user", limited(Some(7), false));
    sim.faults().next("check/user", limited(None, true));
    sim.faults().next("check/user", Fault::Failure(Failure::TooManyWrites { retry_after: Some(3) }));
    let ask = async || client.ask("check/user", &json!({})).await;
    let json_answer = ask().await;
    assert_eq!((json_answer.status, json_answer.header("retry-after")), (429, "7"));
    assert_eq!(json_answer.json()["error"], json!({ "reason": { ".tag": "too_many_requests" }, "retry_after": 7 }));
    let text = ask().await;
    assert_eq!(
        (text.status, text.header("retry-after"), text.header("content-type")),
        (429, "", "text/plain; charset=utf-8")
    );
    let writes = ask().await;
    assert_eq!(writes.header("retry-after"), "3");
    assert_eq!(writes.json()["error"], json!({ "reason": { ".tag": "too_many_write_operations" } }), "only the header");
    assert_eq!(ask().await.status, 200);
}

#[tokio::test]
async fn an_answer_is_lost_before_or_after_the_effect() {
    let (sim, client) = start();
    let cases =
        [(Fault::DropBefore, false), (Fault::ResetBefore, false), (Fault::DropAfter, true), (Fault::ResetAfter, true)];
    for (number, (fault, effect)) in cases.into_iter().enumerate() {
        let path = format!("/{number}");
        sim.faults().next("files/upload", fault.clone());
        let request = client.request("/2/files/upload").header("Dropbox-API-Arg", ascii(&json!({ "path": path })));
        let answer = request.header("Content-Type", "application/octet-stream").body("x").send().await;
        assert!(answer.is_err(), "{fault:?}");
        assert_eq!(web(&sim).item(&path).is_some(), effect, "{fault:?}");
        assert!(sim.log().of("files/upload")[number].fault().is_some());
    }
}

#[tokio::test]
async fn bodies_are_cut_shortened_and_changed() {
    let (sim, client) = start();
    let content = vec![7; 1_000_000];
    web(&sim).write("/f", &content).unwrap();
    let get = || async {
        let request = client.request("/2/files/download").header("Dropbox-API-Arg", r#"{"path":"/f"}"#);
        let response = request.send().await.unwrap();
        let announced = response.content_length();
        (announced, response.bytes().await)
    };
    sim.faults().next("files/download", Fault::Truncate { after: Some(300_000) });
    let (announced, cut) = get().await;
    assert!(announced == Some(1_000_000) && cut.is_err());
    assert_eq!(sim.log().of("files/download")[0].sent(), 300_000);
    sim.faults().next("files/download", Fault::ShortBody { after: Some(10) });
    let (announced, short) = get().await;
    assert_eq!((announced, short.unwrap().len()), (Some(10), 10));
    sim.faults().next("files/download", Fault::WrongByte { at: None });
    let wrong = get().await.1.unwrap();
    assert_eq!(wrong.iter().zip(&content).filter(|(got, right)| got != right).count(), 1);
}

#[tokio::test]
async fn pages_html_redirects_and_unknown_fields_are_sent() {
    let (sim, client) = start();
    web(&sim).write("/f", b"x").unwrap();
    let ask = async || client.ask("files/list_folder", &json!({ "path": "" })).await;
    sim.faults().next("files/list_folder", Fault::Failure(Failure::Html(200)));
    let html = ask().await;
    assert_eq!((html.status, html.header("content-type")), (200, "text/html; charset=utf-8"));
    sim.faults().next("files/list_folder", Fault::Redirect("http://127.0.0.1:1/".to_owned()));
    let moved = ask().await;
    assert_eq!((moved.status, moved.header("location")), (307, "http://127.0.0.1:1/"));
    sim.faults().next("files/list_folder", Fault::Special(Special::UnknownFields));
    let page = ask().await.json();
    assert!(page["x_new_field"].is_object() && page["entries"][0]["x_new_field"].is_object());
    sim.faults().next("files/list_folder", Fault::Special(Special::EmptyPage));
    let empty = ask().await.json();
    assert_eq!((&empty["entries"], &empty["has_more"]), (&json!([]), &json!(true)));
    let next = client.call("files/list_folder/continue", json!({ "cursor": empty["cursor"] })).await;
    assert_eq!(next["entries"][0]["name"], "f", "nothing is lost by an empty page");
    sim.faults().next("files/list_folder", Fault::Special(Special::RepeatPage));
    assert_eq!(ask().await.json()["entries"].as_array().unwrap().len(), 2);
    sim.faults().next("files/get_metadata", Fault::Special(Special::UnknownTags));
    let error = client.error("files/get_metadata", json!({ "path": "/none" })).await;
    assert_eq!(error, json!({ ".tag": "novel_trouble" }));
    sim.faults().next("files/list_folder", Fault::CompressionBomb);
    let bomb = ask().await;
    assert!(bomb.header("content-encoding") == "gzip" && bomb.body.len() < 2_000_000);
    let mut whole = flate2::read::GzDecoder::new(&bomb.body[..]);
    assert_eq!(std::io::copy(&mut whole, &mut std::io::sink()).unwrap(), 1 << 30);
}

#[tokio::test]
async fn ranges_are_ignored_or_answered_with_others() {
    let (sim, client) = start();
    web(&sim).write("/f", b"0123456789").unwrap();
    sim.faults().next("files/download", Fault::Special(Special::IgnoreRange));
    let whole = client.download("/f", Some("bytes=2-3")).await;
    assert_eq!((whole.status, whole.body.len()), (200, 10));
    sim.faults().next("files/download", Fault::Special(Special::OtherRange));
    let other = client.download("/f", Some("bytes=2-3")).await;
    assert_eq!((other.header("content-range"), other.text().as_str()), ("bytes 1-2/10", "12"));
}

#[tokio::test]
async fn an_account_has_so_many_requests_in_a_time() {
    let (sim, client) = start();
    sim.set_rate_limit(Some(RateLimit { requests: 2, seconds: 10 }));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.ask("check/user", &json!({})).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    sim.clock().advance(Duration::from_secs(11));
    assert_eq!(client.ask("check/user", &json!({})).await.status, 200);
}

#[tokio::test]
async fn commits_that_overlap_in_a_namespace_are_refused() {
    let (sim, client) = start();
    sim.set_contention(Some(Contention { hold: Duration::from_secs(2), patience: Duration::from_millis(1) }));
    let make = |path: &'static str| {
        let client = &client;
        async move { client.ask("files/create_folder_v2", &json!({ "path": path })).await }
    };
    let (one, other) = tokio::join!(make("/a"), make("/b"));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 429]);
    let refused = if one.status == 429 { one } else { other };
    assert_eq!(refused.json()["error"]["reason"], json!({ ".tag": "too_many_write_operations" }));
}

#[tokio::test]
async fn the_network_goes_away_and_comes_back() {
    let (sim, client) = start();
    sim.link().refuse().await;
    let refused = client.request("/2/users/get_current_account").send().await;
    assert!(refused.unwrap_err().is_request());
    sim.link().up().await;
    client.call("users/get_current_account", Value::Null).await;
    sim.link().go_silent();
    let request = client.request("/2/users/get_current_account").timeout(Duration::from_millis(200));
    assert!(request.send().await.unwrap_err().is_timeout());
    sim.link().up().await;
    client.call("users/get_current_account", Value::Null).await;
}

#[tokio::test]
async fn the_log_counts_bytes_and_holds_no_token() {
    let (sim, client) = start();
    client.send("files/upload", &json!({ "path": "/f" }), vec![1; 1000]).await;
    client.download("/f", Some("bytes=0-99")).await;
    assert_eq!((sim.log().received("files/upload"), sim.log().sent("files/download")), (1000, 100));
    let record = &sim.log().of("files/upload")[0];
    assert_eq!((record.status(), record.device(), record.argument()), (200, Some("first"), Some(r#"{"path":"/f"}"#)));
    let whole: Vec<String> = sim.log().entries().iter().map(|record| record.to_json().to_string()).collect();
    assert!(!whole.join("").contains(sim.token()));
    sim.log().clear();
    assert!(sim.log().entries().is_empty());
}

#[tokio::test]
async fn what_was_written_a_moment_ago_can_be_invisible() {
    let (sim, client) = start();
    web(&sim).write("/f", b"x").unwrap();
    sim.faults().next("files/move_v2", Fault::Special(Special::NotFoundYet));
    let argument = json!({ "from_path": "/f", "to_path": "/g" });
    let error = client.error("files/move_v2", argument.clone()).await;
    assert_eq!(error["from_lookup"], json!({ ".tag": "not_found" }));
    client.call("files/move_v2", argument).await;
}
