//! The path without faults: what one device does arrives at the other.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vaultfs::provider::ErrorKind;
use vaultfs::sync::VaultState;
use vaultfs::types::NodeId;

use crate::clock::SimClock;
use crate::cloud::{Cloud, Manner, name};
use crate::device::Device;
use crate::provider::SimProvider;

fn devices(manner: Manner) -> (Arc<Mutex<Cloud>>, Device, Device) {
    let cloud = Arc::new(Mutex::new(Cloud::new(manner, 1)));
    let device = |text: &str, seed| {
        let provider = SimProvider::new(Arc::clone(&cloud), seed);
        Device::new(text, provider, SimClock::new(0), Duration::from_secs(2), seed)
    };
    let (anna, ben) = (device("anna", 1), device("ben", 2));
    (cloud, anna, ben)
}

async fn round_trip(manner: Manner) {
    let (cloud, anna, ben) = devices(manner);
    let folder = anna.mkdir(NodeId::ROOT, &name("Songs")).unwrap();
    let song = anna.create(folder, &name("mix.json"), b"{\"a\":1}", true).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(anna.run().engine.status().unwrap().state, VaultState::Idle, "{:#?}", anna.run().engine.queue());
    let rows = ben.rows();
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["Songs", "Songs/mix.json"]);
    assert_eq!(ben.open_and_read(&rows["Songs/mix.json"]).await.unwrap(), b"{\"a\":1}");

    assert!(ben.write(rows["Songs/mix.json"].node, b"{\"a\":2}", true));
    assert!(anna.rename(folder, NodeId::ROOT, &name("Pieces")));
    tokio::time::sleep(Duration::from_secs(120)).await;
    for device in [&anna, &ben] {
        let rows = device.rows();
        assert_eq!(rows.keys().collect::<Vec<_>>(), ["Pieces", "Pieces/mix.json"], "{}", device.name);
        assert_eq!(device.open_and_read(&rows["Pieces/mix.json"]).await.unwrap(), b"{\"a\":2}");
        assert_eq!(device.run().engine.status().unwrap().state, VaultState::Idle);
    }
    assert_eq!(anna.rows()["Pieces/mix.json"].node, song, "a node is a node for life");
    assert!(ben.delete(ben.rows()["Pieces"].node));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(anna.rows().is_empty(), "{:?}", anna.rows().keys());
    assert!(cloud.lock().unwrap().tree().is_empty());
    assert!(anna.history().contains(&b"{\"a\":2}".to_vec()), "what was read here can be restored");
}

#[tokio::test(start_paused = true)]
async fn changes_travel_between_two_devices_of_dropbox() {
    round_trip(Manner::Dropbox).await;
}

#[tokio::test(start_paused = true)]
async fn changes_travel_between_two_devices_of_icloud() {
    round_trip(Manner::Icloud).await;
}

/// What the provider has need not be sent: the copy arrives everywhere without a byte on the way.
#[tokio::test(start_paused = true)]
async fn a_duplicate_is_made_by_the_provider() {
    let (cloud, anna, ben) = devices(Manner::Dropbox);
    let take = vec![7; 100_000];
    anna.create(NodeId::ROOT, &name("take.wav"), &take, true).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let sent = anna.provider.received.load(Ordering::Relaxed);
    anna.create(NodeId::ROOT, &name("take 2.wav"), &take, true).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(anna.provider.received.load(Ordering::Relaxed), sent);
    assert_eq!(anna.provider.copies.load(Ordering::Relaxed), 1);
    assert_eq!(anna.run().engine.status().unwrap().state, VaultState::Idle);
    assert_eq!(cloud.lock().unwrap().tree().len(), 2);
    let rows = ben.rows();
    assert!(ben.open_and_read(&rows["take 2.wav"]).await.unwrap() == take);
    // Both are files of their own.
    assert!(ben.write(rows["take.wav"].node, b"other", true));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(anna.open_and_read(&anna.rows()["take 2.wav"]).await.unwrap() == take);
    assert_eq!(anna.open_and_read(&anna.rows()["take.wav"]).await.unwrap(), b"other");
}

/// Somebody renames on the website, in case alone: the feed keeps quiet.
fn rename_quietly(cloud: &Mutex<Cloud>, from: &str, to: &str) {
    let mut cloud = cloud.lock().unwrap();
    let entry = cloud.entries.values().find(|entry| entry.name.as_str() == from).cloned().unwrap();
    let (parent, groups) = (entry.parent.unwrap(), cloud.groups());
    cloud.relocate(&entry.id, &parent, &name(to)).unwrap();
    assert_eq!(cloud.groups(), groups, "nothing is told");
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_rename_of_case_alone_is_seen_within_a_day() {
    let (cloud, anna, ben) = devices(Manner::Dropbox);
    let folder = anna.mkdir(NodeId::ROOT, &name("Songs")).unwrap();
    anna.create(folder, &name("mix.json"), b"{}", true).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    rename_quietly(&cloud, "Songs", "SONGS");
    rename_quietly(&cloud, "mix.json", "Mix.json");
    tokio::time::sleep(HOUR).await;
    assert_eq!(ben.rows().keys().collect::<Vec<_>>(), ["Songs", "Songs/mix.json"]);
    tokio::time::sleep(24 * HOUR).await;
    for device in [&anna, &ben] {
        assert_eq!(device.rows().keys().collect::<Vec<_>>(), ["SONGS", "SONGS/Mix.json"], "{}", device.name);
        assert_eq!(device.provider.listed.load(Ordering::Relaxed), 0, "nobody has looked");
    }
    assert_eq!(anna.rows()["SONGS"].node, folder, "it is the same folder");
}

#[tokio::test(start_paused = true)]
async fn a_rename_of_case_alone_is_seen_by_whoever_opens_the_folder() {
    let (cloud, anna, ben) = devices(Manner::Dropbox);
    let folder = anna.mkdir(NodeId::ROOT, &name("Songs")).unwrap();
    anna.create(folder, &name("mix.json"), b"{}", true).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (engine, songs) = (Arc::clone(&ben.run().engine), ben.rows()["Songs"].node);
    let looks = || ben.provider.listed.load(Ordering::Relaxed);
    // Everything was listed a moment ago.
    engine.folder_opened(songs);
    tokio::time::sleep(Duration::from_secs(10)).await;
    rename_quietly(&cloud, "mix.json", "Mix.json");
    engine.folder_opened(songs);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((looks(), ben.rows().contains_key("Songs/mix.json")), (0, true));
    assert!(ben.run().mount.doubted.lock().unwrap().is_empty());
    // An hour later what the kernel knows of the folder is not believed any more, and whoever opens it sees what it is.
    tokio::time::sleep(HOUR + Duration::from_secs(600)).await;
    assert_eq!(*ben.run().mount.doubted.lock().unwrap(), [songs]);
    assert_eq!((looks(), ben.rows().contains_key("Songs/mix.json")), (0, true), "nobody has looked");
    engine.folder_opened(songs);
    engine.folder_opened(songs);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(looks(), 1);
    assert_eq!(ben.rows().keys().collect::<Vec<_>>(), ["Songs", "Songs/Mix.json"]);
    assert_eq!(engine.status().unwrap().state, VaultState::Idle);
    // A provider that cannot be asked now is no trouble: it comes with the next listing.
    rename_quietly(&cloud, "Mix.json", "MIX.json");
    tokio::time::sleep(2 * HOUR).await;
    ben.provider.set_trouble(Some(("list a folder", ErrorKind::Busy)));
    engine.folder_opened(songs);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((engine.status().unwrap().state, looks()), (VaultState::Idle, 2));
    tokio::time::sleep(24 * HOUR).await;
    assert!(ben.rows().contains_key("Songs/MIX.json"));
}
