//! The engine on a real provider: a plain folder whose files are served where they are. Real time, real notices.

use std::path::Path;
use std::time::Duration;

use vaultfs::catalog::LocalContent;
use vaultfs::provider::Provider;
use vaultfs::provider::local::{LocalConfig, LocalProvider, MarkerPolicy};
use vaultfs::sync::VaultState;
use vaultfs::types::{NodeId, NodeKind, SystemClock};

use crate::cloud::name;
use crate::device::{Device, VAULT};

const PATIENCE: Duration = Duration::from_secs(60);

fn device(root: &Path, index: &Path) -> Device<LocalProvider> {
    let config = LocalConfig::new(VAULT, root, index, MarkerPolicy::Create);
    let provider = LocalProvider::open(config).unwrap();
    Device::new("anna", provider, SystemClock, Duration::from_millis(20), 1)
}

/// Waits until the engine is idle and `done` holds.
async fn until(device: &Device<LocalProvider>, what: &str, done: impl Fn() -> bool) {
    let idle = async {
        loop {
            device.run().engine.sync_now(false).await.unwrap();
            if device.run().engine.status().unwrap().state == VaultState::Idle && done() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, idle).await.is_err() {
        let (status, queue) = (device.run().engine.status(), device.run().engine.queue());
        panic!("{what}: {status:#?} {queue:#?} {:?}", device.rows().keys());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_folder_and_the_mount_become_the_same() {
    let (root, index) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |path: &str| root.path().join(path);
    std::fs::write(at("theirs.json"), b"{}").unwrap();
    let device = device(root.path(), index.path());
    until(&device, "arrival", || device.rows().contains_key("theirs.json")).await;

    // Here to there: bytes, folders, and nothing stays staged or cached.
    let folder = device.mkdir(NodeId::ROOT, &name("Songs")).unwrap();
    let node = device.create(folder, &name("take.wav"), &vec![5; 300_000], true).unwrap();
    until(&device, "upload", || at("Songs/take.wav").exists()).await;
    assert_eq!(std::fs::read(at("Songs/take.wav")).unwrap(), vec![5; 300_000]);
    assert!(device.run().content.staged_ids().unwrap().is_empty());
    assert_eq!(device.run().content.cache_usage(), 0, "what is on this machine is not copied");
    let row = &device.rows()["Songs/take.wav"];
    let LocalContent::Clean(version) = &row.content else { panic!("{row:?}") };
    assert!(device.provider.open_direct(&version.rid, &version.revision).is_some());

    // An edit that keeps what it does not write.
    assert!(device.write(node, b"short", true));
    until(&device, "second version", || std::fs::read(at("Songs/take.wav")).unwrap() == b"short").await;

    // There to here: an edit in place, an atomic save, a rename, a deletion.
    std::fs::write(at("theirs.json"), b"{\"edited\":true}").unwrap();
    std::fs::rename(at("Songs"), at("Pieces")).unwrap();
    until(&device, "rename and edit", || {
        let rows = device.rows();
        rows.contains_key("Pieces/take.wav") && rows["theirs.json"].attr.size == 15
    })
    .await;
    assert_eq!(device.rows()["Pieces/take.wav"].node, node, "a node is a node for life");
    std::fs::remove_file(at("theirs.json")).unwrap();
    until(&device, "deletion", || !device.rows().contains_key("theirs.json")).await;

    // A rename here is a rename there.
    assert!(device.rename(node, NodeId::ROOT, &name("mix.wav")));
    until(&device, "rename there", || at("mix.wav").exists()).await;
    assert!(device.delete(device.rows()["Pieces"].node));
    until(&device, "folder gone", || !at("Pieces").exists()).await;
    assert_eq!(device.rows().len(), 1);
    assert_eq!(device.run().catalog.check().unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_edits_of_a_plain_folder_are_both_kept() {
    let (root, index) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |path: &str| root.path().join(path);
    std::fs::write(at("notes.txt"), b"base").unwrap();
    std::os::unix::fs::symlink("notes.txt", at("link")).unwrap();
    let device = device(root.path(), index.path());
    until(&device, "arrival", || device.rows().len() == 2).await;
    assert_eq!(device.rows()["link"].kind, NodeKind::Symlink);
    let node = device.rows()["notes.txt"].node;

    device.run().engine.pause();
    assert!(device.write(node, b"mine", true));
    std::fs::write(at("notes.txt"), b"theirs, longer").unwrap();
    device.run().engine.resume();
    let conflicts = || device.run().catalog.read(|view| view.conflicts(false)).unwrap().len();
    let both = async {
        while conflicts() == 0 || std::fs::read_dir(root.path()).unwrap().count() < 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, both).await.expect("both versions are there");
    assert_eq!(std::fs::read(at("notes.txt")).unwrap(), b"theirs, longer");
    let copy = device.rows().into_keys().find(|path| path.contains("(conflict anna ")).expect("a conflict copy");
    device.run().engine.wait_synced(device.rows()[&copy].node, PATIENCE).await.unwrap();
    assert_eq!(std::fs::read(at(&copy)).unwrap(), b"mine");
}
