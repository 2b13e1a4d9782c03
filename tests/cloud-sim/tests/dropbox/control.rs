//! The simulator's own routes, as programs in other languages use them.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{http, start, web};

async fn control(sim: &cloud_sim::dropbox::DropboxSim, what: &str, fields: Value) -> (u16, String) {
    let answer = http().post(format!("{}/_sim/{what}", sim.base_url())).body(fields.to_string()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_folder_goes_into_the_account_and_comes_out_as_it_was() {
    let (sim, _) = start();
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("in/Sub/Empty")).unwrap();
    fs::write(dir.path().join("in/Sub/bytes"), [0, 159, 255]).unwrap();
    fs::write(dir.path().join("in/text"), "text").unwrap();
    let asked = json!({ "from": dir.path().join("in"), "path": "/Some/Vault" });
    assert_eq!(control(&sim, "web/import", asked).await.0, 200);
    web(&sim).write("/Some/Vault 2", b"beside it").unwrap();
    assert_eq!(web(&sim).read("/Some/Vault/Sub/bytes").unwrap(), [0, 159, 255]);
    let out = dir.path().join("out");
    assert_eq!(control(&sim, "web/export", json!({ "path": "/some/vault", "to": out })).await.0, 200);
    assert_eq!(fs::read(out.join("Sub/bytes")).unwrap(), [0, 159, 255]);
    assert_eq!(fs::read(out.join("text")).unwrap(), b"text");
    assert!(out.join("Sub/Empty").is_dir());
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
    let (status, text) = control(&sim, "web/export", json!({ "path": "/None", "to": out })).await;
    assert_eq!((status, text.as_str()), (400, "nothing stands at /None"));
}

#[tokio::test]
async fn the_link_and_the_faults_are_set_from_outside() {
    let (sim, client) = start();
    assert_eq!(control(&sim, "link", json!({ "round_trip_ms": 300 })).await.0, 200);
    let asked = Instant::now();
    client.call("users/get_current_account", Value::Null).await;
    assert!(asked.elapsed() >= Duration::from_millis(300));
    control(&sim, "link", json!({})).await;
    assert_eq!(control(&sim, "faults/chances", json!({ "faults": "500=1" })).await.0, 200);
    assert_eq!(client.ask("users/get_current_account", &Value::Null).await.status, 500);
    control(&sim, "faults/clear", json!({})).await;
    client.call("users/get_current_account", Value::Null).await;
    let (status, text) = control(&sim, "faults/chances", json!({ "faults": "fire=1" })).await;
    assert!(status == 400 && text.contains("not a fault"), "{text}");
}
