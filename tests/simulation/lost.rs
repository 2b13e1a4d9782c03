//! An answer is lost, and the look for what became of the call fails as well. Whatever is tried next, and however it ends, what the
//! first call has made is our own work (promise P22).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vaultfs::provider::ErrorKind;
use vaultfs::types::NodeId;

use crate::clock::SimClock;
use crate::cloud::{Cloud, Manner, name};
use crate::device::Device;
use crate::gate::{Gated, Release, Side};
use crate::kills::shown;
use crate::provider::SimProvider;

/// What the user does before the call is tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meanwhile {
    Nothing,
    Edit,
    Rename,
}

/// `refused_after`: how long after the failed look every upload begins to be refused.
async fn run(manner: Manner, meanwhile: Meanwhile, refused_after: Duration) {
    let cloud = Arc::new(Mutex::new(Cloud::new(manner, 1)));
    let provider = Gated::new(SimProvider::new(Arc::clone(&cloud), 1));
    let mut device = Device::new("anna", provider, SimClock::new(0), Duration::from_millis(50), 1);
    let provider = Arc::clone(&device.provider);
    provider.arm_call("upload", Side::After);
    device.create(NodeId::ROOT, &name("mix.json"), b"one", true).unwrap();
    provider.stopped().await;
    provider.disarm();
    provider.inner.set_trouble(Some(("find", ErrorKind::Busy)));
    provider.release(Release::Lose);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let node = device.rows()["mix.json"].node;
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Edit => assert!(device.write(node, b"another", true)),
        Meanwhile::Rename => assert!(device.rename(node, NodeId::ROOT, &name("take.json"))),
    }
    tokio::time::sleep(refused_after).await;
    provider.inner.set_trouble(Some(("upload", ErrorKind::Offline)));
    tokio::time::sleep(Duration::from_secs(10)).await;
    provider.inner.set_trouble(None);
    tokio::time::sleep(Duration::from_secs(1200)).await;
    let expected: BTreeMap<String, Option<Vec<u8>>> = match meanwhile {
        Meanwhile::Nothing => [("mix.json".into(), Some(b"one".to_vec()))].into(),
        Meanwhile::Edit => [("mix.json".into(), Some(b"another".to_vec()))].into(),
        Meanwhile::Rename => [("take.json".into(), Some(b"one".to_vec()))].into(),
    };
    assert_eq!(shown(&device).await, expected, "{manner:?} {meanwhile:?} {refused_after:?}");
    assert_eq!(cloud.lock().unwrap().tree(), expected, "{manner:?} {meanwhile:?} {refused_after:?}");
    drop(provider);
    device.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_call_has_made_is_ours_however_the_next_one_ends() {
    for manner in [Manner::Dropbox, Manner::Icloud] {
        for meanwhile in [Meanwhile::Nothing, Meanwhile::Edit, Meanwhile::Rename] {
            for milliseconds in [1, 30, 100, 300, 1_000, 3_000, 10_000] {
                run(manner, meanwhile, Duration::from_millis(milliseconds)).await;
            }
        }
    }
}
