//! How the local provider notices: by the operating system's word, and by looking where there is none.

use std::fs;
use std::time::Duration;

use vaultfs::provider::local::{LocalConfig, LocalProvider, Watching};
use vaultfs::provider::{EntryBody, Provider};
use vaultfs::types::{ContentHash, HashKind};

use crate::harness::{Mirror, WebUser as _, create, name, root};
use crate::local_world::{Folder, new_disk};

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn notices_are_used_where_they_are_to_be_had() {
    let (_disk, config) = new_disk();
    let provider = LocalProvider::open(config).unwrap();
    root(&provider).await;
    assert_eq!(provider.watching(), Watching::Notified);
}

#[tokio::test]
async fn without_notices_the_folder_is_scanned() {
    let (_disk, config) = new_disk();
    let web = Folder(config.root.clone());
    let config = LocalConfig { watch: false, poll_every: Duration::from_millis(10), ..config };
    let provider = LocalProvider::open(config).unwrap();
    let mut mirror = Mirror::of(&provider).await;
    assert!(matches!(provider.watching(), Watching::Polled(_)));
    web.make_folder("folder").await;
    web.write("folder/file", b"bytes").await;
    provider.wait_for_changes(mirror.cursor.as_ref().unwrap(), LONG).await.unwrap();
    mirror.pull(&provider).await;
    assert_eq!(mirror.entries.len(), 2);
}

/// What is put into a folder before it is watched is found all the same.
#[tokio::test]
async fn deep_trees_that_appear_at_once_are_found() {
    let (_disk, config) = new_disk();
    let root = config.root.clone();
    let provider = LocalProvider::open(config).unwrap();
    let mut mirror = Mirror::of(&provider).await;
    let writer = std::thread::spawn(move || {
        for branch in 0..20 {
            let mut path = root.join(format!("branch {branch}"));
            for level in 0..5 {
                path = path.join(level.to_string());
                fs::create_dir_all(&path).unwrap();
                fs::write(path.join("file"), level.to_string()).unwrap();
            }
        }
    });
    while mirror.entries.len() < 20 * 11 {
        let cursor = mirror.cursor.clone().unwrap();
        provider.wait_for_changes(&cursor, LONG).await.unwrap();
        mirror.pull(&provider).await;
    }
    writer.join().unwrap();
    mirror.by_path(&provider).await;
}

#[tokio::test]
async fn a_scan_reads_no_content_and_the_hash_of_an_upload_is_kept() {
    let (_disk, config) = new_disk();
    let web = Folder(config.root.clone());
    let provider = LocalProvider::open(config.clone()).unwrap();
    let made = create(&provider, &root(&provider).await, "ours", b"bytes").await.unwrap();
    web.write("theirs", b"bytes").await;
    drop(provider);
    let provider = LocalProvider::open(config).unwrap();
    let mirror = Mirror::of(&provider).await;
    let hash = |file: &str| match &mirror.entries.values().find(|entry| entry.name == name(file)).unwrap().body {
        EntryBody::File { hash, .. } => *hash,
        body @ (EntryBody::Folder | EntryBody::Symlink { .. }) => panic!("not a file: {body:?}"),
    };
    assert_eq!(mirror.entries[&made.id], made);
    assert_eq!(hash("ours"), Some(ContentHash::of(HashKind::Blake3, b"bytes")));
    assert_eq!(hash("theirs"), None);
}

#[tokio::test]
async fn hard_links_are_two_files() {
    let (_disk, config) = new_disk();
    let web = Folder(config.root.clone());
    let provider = LocalProvider::open(config).unwrap();
    web.write("one", b"bytes").await;
    fs::hard_link(web.path("one"), web.path("two")).unwrap();
    let mut mirror = Mirror::of(&provider).await;
    assert_eq!(mirror.entries.len(), 2);
    assert_eq!(mirror.pull(&provider).await, []);
    web.remove("one").await;
    while mirror.entries.len() > 1 {
        provider.wait_for_changes(&mirror.cursor.clone().unwrap(), LONG).await.unwrap();
        mirror.pull(&provider).await;
    }
    assert_eq!(mirror.by_path(&provider).await.keys().collect::<Vec<_>>(), ["two"]);
}
