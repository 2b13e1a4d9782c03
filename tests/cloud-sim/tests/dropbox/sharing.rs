//! Namespaces: path roots, shared folders, team spaces, confined applications, locks.

use cloud_sim::dropbox::{Consent, SANDBOX_APP_KEY};
use serde_json::{Value, json};

use crate::client::{Client, shown, start, web};
use crate::signing_in::sign_in;

#[tokio::test]
async fn a_path_root_is_the_home_the_root_or_a_namespace() {
    let (sim, mut client) = start();
    web(&sim).write("/f", b"x").unwrap();
    let info = client.call("users/get_current_account", Value::Null).await["root_info"].clone();
    let (root, home) = (info["root_namespace_id"].clone(), info["home_namespace_id"].clone());
    assert_eq!((&info[".tag"], &root), (&json!("user"), &home));
    for path_root in [
        json!({ ".tag": "home" }),
        json!({ ".tag": "root", "root": root }),
        json!({ ".tag": "namespace_id", "namespace_id": home }),
    ] {
        client.path_root = Some(path_root.to_string());
        client.call("files/get_metadata", json!({ "path": "/f" })).await;
    }
    client.path_root = Some(json!({ ".tag": "root", "root": "1" }).to_string());
    let answer = client.ask("files/get_metadata", &json!({ "path": "/f" })).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["error"], json!({ ".tag": "invalid_root", "invalid_root": info }));
    client.path_root = Some(json!({ ".tag": "namespace_id", "namespace_id": "1" }).to_string());
    let answer = client.ask("files/get_metadata", &json!({ "path": "/f" })).await;
    assert_eq!((answer.status, &answer.json()["error"]), (422, &json!({ ".tag": "no_permission" })));
    client.path_root = None;
    let path = format!("ns:{}/f", home.as_str().unwrap());
    client.call("files/get_metadata", json!({ "path": path })).await;
}

#[tokio::test]
async fn in_a_team_space_the_home_is_a_folder_of_the_root() {
    let (sim, mut client) = start();
    web(&sim).write("/mine", b"x").unwrap();
    sim.join_team(&sim.first_account());
    let info = client.call("users/get_current_account", Value::Null).await["root_info"].clone();
    assert_eq!((&info[".tag"], &info["home_path"]), (&json!("team"), &json!("/Stub User")));
    client.call("files/get_metadata", json!({ "path": "/mine" })).await;
    client.path_root = Some(json!({ ".tag": "root", "root": info["root_namespace_id"] }).to_string());
    let found = client.call("files/get_metadata", json!({ "path": "/stub user/mine" })).await;
    assert_eq!(found["path_display"], "/Stub User/mine");
}

#[tokio::test]
async fn a_folder_that_is_shared_is_deleted_and_there_anew() {
    let (sim, client) = start();
    let (website, friend) = (web(&sim), sim.account("Other Person"));
    website.write("/band/song", b"x").unwrap();
    let before = client.call("files/get_metadata", json!({ "path": "/band/song" })).await;
    let cursor = client.latest(json!({ "path": "", "recursive": true })).await;
    website.share("/band", &[&friend]).unwrap();
    let (changes, cursor) = client.changes(&cursor).await;
    assert_eq!(changes, ["deleted /band/song", "folder /band", "file /band/song"]);
    let after = client.call("files/get_metadata", json!({ "path": "/band/song" })).await;
    assert_eq!((&after["id"], &after["content_hash"]), (&before["id"], &before["content_hash"]));
    assert!(after["sharing_info"]["parent_shared_folder_id"].is_string());
    friend.web().write("/band/solo", b"y").unwrap();
    assert_eq!(client.changes(&cursor).await.0, ["file /band/solo"]);
    let (entries, _) = client.list(json!({ "path": "", "recursive": true })).await;
    assert_eq!(entries.iter().map(shown).collect::<Vec<_>>(), ["folder /band", "file /band/solo", "file /band/song"]);
    website.unshare("/band").unwrap();
    assert_eq!(website.read("/band/solo").unwrap(), b"y");
}

#[tokio::test]
async fn locks_exist_in_shared_folders_and_keep_others_out() {
    let (sim, client) = start();
    let friend = sim.account("Other Person");
    let theirs = Client::new(&sim, &friend.token("laptop"));
    web(&sim).write("/band/song", b"x").unwrap();
    web(&sim).write("/alone", b"x").unwrap();
    web(&sim).share("/band", &[&friend]).unwrap();
    let entries =
        |paths: &[&str]| json!({ "entries": paths.iter().map(|path| json!({ "path": path })).collect::<Vec<_>>() });
    let locked = client.call("files/lock_file_batch", entries(&["/band/song", "/alone", "/none"])).await;
    assert_eq!(locked["entries"][0]["lock"]["content"][".tag"], "single_user");
    assert_eq!(locked["entries"][1]["failure"], json!({ ".tag": "file_not_shared" }));
    assert_eq!(locked["entries"][2]["failure"]["path_lookup"], json!({ ".tag": "not_found" }));
    let refused = theirs.upload_error(json!({ "path": "/band/song", "mode": "overwrite" }), b"y").await;
    assert_eq!(refused, json!({ ".tag": "no_write_permission" }));
    let conflict = theirs.call("files/lock_file_batch", entries(&["/band/song"])).await;
    assert_eq!(conflict["entries"][0]["failure"][".tag"], "lock_conflict");
    let seen = theirs.call("files/get_metadata", json!({ "path": "/band/song" })).await;
    assert_eq!(seen["file_lock_info"]["is_lockholder"], false);
    let freed = client.call("files/unlock_file_batch", entries(&["/band/song"])).await;
    assert_eq!(freed["entries"][0]["lock"]["content"], json!({ ".tag": "unlocked" }));
    theirs.upload(json!({ "path": "/band/song", "mode": "overwrite" }), b"y").await;
}

#[tokio::test]
async fn a_confined_application_sees_its_folder_as_the_root() {
    let (sim, _) = start();
    sim.oauth().set_consent(Consent::Approve);
    let granted = sign_in(&sim, SANDBOX_APP_KEY, &[]).await;
    let mut client = Client::new(&sim, granted["access_token"].as_str().unwrap());
    client.upload(json!({ "path": "/f" }), b"x").await;
    assert_eq!(web(&sim).read("/Apps/testfolderkey/f").unwrap(), b"x");
    web(&sim).write("/outside", b"x").unwrap();
    assert_eq!(client.list(json!({ "path": "" })).await.0.len(), 1);
    let locks = client.ask("files/lock_file_batch", &json!({ "entries": [{ "path": "/f" }] })).await;
    assert_eq!(locks.status, 400);
    client.path_root = Some(json!({ ".tag": "home" }).to_string());
    let rooted = client.ask("files/get_metadata", &json!({ "path": "/f" })).await;
    assert!(rooted.status == 400 && rooted.text().ends_with("Path root is not supported for sandbox app."));
}
