//! How often what is saved again and again is sent, and how much of it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vaultfs::types::NodeId;

use crate::clock::SimClock;
use crate::cloud::{Cloud, Manner, name};
use crate::device::Device;
use crate::provider::SimProvider;

const QUIET: Duration = Duration::from_secs(2);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn device() -> (Arc<Mutex<Cloud>>, Device) {
    let cloud = Arc::new(Mutex::new(Cloud::new(Manner::Dropbox, 1)));
    let provider = SimProvider::new(Arc::clone(&cloud), 1);
    let device = Device::new("anna", provider, SimClock::new(0), QUIET, 1);
    (cloud, device)
}

fn commits(cloud: &Mutex<Cloud>) -> usize {
    cloud.lock().unwrap().committed_names().len()
}

#[tokio::test(start_paused = true)]
async fn ten_rapid_saves_are_two_uploads_at_most() {
    let (cloud, device) = device();
    tokio::time::sleep(MINUTE).await;
    let node = device.create(NodeId::ROOT, &name("mix.json"), b"{\"save\": 0}", true).unwrap();
    for save in 1..10 {
        tokio::time::sleep(SECOND / 2).await;
        assert!(device.write(node, format!("{{\"save\": {save}}}").as_bytes(), true));
    }
    device.run().engine.wait_synced(node, MINUTE).await.unwrap();
    assert_eq!(cloud.lock().unwrap().tree()["mix.json"].as_deref(), Some(&b"{\"save\": 9}"[..]));
    assert!((1..=2).contains(&commits(&cloud)), "{} uploads", commits(&cloud));
}

#[tokio::test(start_paused = true)]
async fn what_never_rests_is_sent_all_the_same_and_not_all_the_time() {
    let (cloud, device) = device();
    tokio::time::sleep(MINUTE).await;
    let node = device.create(NodeId::ROOT, &name("log.txt"), b"0", true).unwrap();
    for second in 1..=300_u64 {
        tokio::time::sleep(SECOND).await;
        assert!(device.write(node, second.to_string().as_bytes(), true));
        let sent = u64::try_from(commits(&cloud)).unwrap();
        // One for every thirty seconds: never later, and not much sooner.
        assert!((second.saturating_sub(5) / 32..=second / 28).contains(&sent), "{sent} uploads in {second} s");
    }
    device.run().engine.wait_synced(node, MINUTE).await.unwrap();
    assert_eq!(cloud.lock().unwrap().tree()["log.txt"].as_deref(), Some(&b"300"[..]));
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_manifest_beside_large_recordings_sends_the_manifest() {
    let (cloud, device) = device();
    for take in 0..8_u8 {
        device.create(NodeId::ROOT, &name(&format!("take {take}.wav")), &vec![take; 4_000_000], true).unwrap();
    }
    let manifest = device.create(NodeId::ROOT, &name("mix.json"), b"{\"name\": \"Mix\"}", true).unwrap();
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(cloud.lock().unwrap().tree().len(), 9);
    let before = device.provider.received.load(Ordering::Relaxed);
    assert!(before > 32_000_000, "{before} bytes: the recordings were sent");
    assert!(device.write(manifest, b"{\"name\": \"The mix\"}", true));
    device.run().engine.wait_synced(manifest, MINUTE).await.unwrap();
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(cloud.lock().unwrap().tree()["mix.json"].as_deref(), Some(&b"{\"name\": \"The mix\"}"[..]));
    let sent = device.provider.received.load(Ordering::Relaxed) - before;
    assert!(sent < 1_000_000, "{sent} bytes for an edit of a few");
}
