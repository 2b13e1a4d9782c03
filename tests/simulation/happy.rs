//! The path without faults: what one device does arrives at the other.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
