//! The engine on a real provider: a plain folder whose files are served where they are. Real time, real notices.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use vaultfs::catalog::LocalContent;
use vaultfs::provider::Provider;
use vaultfs::provider::local::{LocalConfig, LocalProvider, MarkerPolicy};
use vaultfs::sync::VaultState;
use vaultfs::types::{NodeId, NodeKind, SystemClock};

use crate::cloud::name;
use crate::device::{Device, VAULT};
use crate::gate::{Gated, Side};
use crate::kills::{DEEDS, act, furnish, shown, work};
use crate::spread;

const PATIENCE: Duration = Duration::from_secs(60);

fn provider(root: &Path, index: &Path) -> LocalProvider {
    LocalProvider::open(LocalConfig::new(VAULT, root, index, MarkerPolicy::Create)).unwrap()
}

fn device(root: &Path, index: &Path) -> Device<LocalProvider> {
    Device::new("anna", provider(root, index), SystemClock, Duration::from_millis(20), 1)
}

/// Waits until the engine is idle and `done` holds.
async fn until<P: Provider>(device: &Device<P>, what: &str, done: impl Fn() -> bool) {
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

/// Everything in a folder but what is ours.
fn tree(root: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let (mut tree, mut pending) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let shown = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if shown.starts_with(".vaultfs") {
                continue;
            }
            let bytes = path.is_file().then(|| std::fs::read(&path).unwrap());
            if bytes.is_none() {
                pending.push(path);
            }
            tree.insert(shown, bytes);
        }
    }
    tree
}

/// The provider's index as it is at this moment.
fn copy_index(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in ["provider.db", "provider.db-wal"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

/// Kills the process at some boundary of a call. What the call did to the folder may be missing in the provider's own index: that is
/// written after the folder.
async fn kill(seed: u64) -> bool {
    let mut random = StdRng::seed_from_u64(seed);
    let boundary = random.random_range(0..40);
    let (deed, choice) = (DEEDS[random.random_range(0..DEEDS.len())], random.random());
    let (is_index_behind, is_late) = (random.random_bool(0.6), random.random_bool(0.3));
    let (root, indexes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (indexes.path().join("first"), indexes.path().join("second"));
    let connection = Gated::new(provider(root.path(), &first));
    let mut device = Device::new("anna", connection, SystemClock, Duration::ZERO, 1);
    furnish(&device);
    until(&device, "the beginning", || tree(root.path()).len() == device.rows().len()).await;
    device.provider.arm(boundary);
    work(&device);
    let stopped = tokio::select! {
        stopped = device.provider.stopped() => stopped,
        () = until(&device, "all work", || tree(root.path()).len() == device.rows().len()) => return false,
    };
    if is_index_behind && stopped.side == Side::Before {
        copy_index(&first, &second);
        device.provider.freeze().await;
    } else {
        device.provider.freeze().await;
        copy_index(&first, &second);
    }
    if !is_late {
        act(&device, deed, Some(&stopped), choice).await;
    }
    device.crash().await;
    device.reconnect(Gated::new(provider(root.path(), &second)));
    device.start();
    if is_late {
        act(&device, deed, Some(&stopped), choice).await;
    }
    let expected = shown(&device).await;
    until(&device, "the end", || tree(root.path()) == expected).await;
    let case = format!("{stopped:?}, then {deed:?}, index behind: {is_index_behind}, late: {is_late}");
    assert_eq!(shown(&device).await, expected, "the mount has changed by itself: {case}");
    assert_eq!(device.run().catalog.check().unwrap(), Vec::<String>::new(), "{case}");
    true
}

#[test]
fn a_kill_between_the_folder_and_its_index_has_no_second_effect() {
    crate::seeds::log();
    let seeds = spread::wanted("VAULTFS_KILL_SEED", "VAULTFS_FOLDER_KILL_CASES", 24);
    let reached = spread::over(seeds.clone(), |seed| {
        println!("seed {seed}");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(kill(seed))
    });
    let count = reached.iter().filter(|(_, reached)| *reached).count();
    println!("{} cases from {}, {count} reached their boundary", reached.len(), seeds.start);
}
