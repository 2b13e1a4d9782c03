//! What people ask of an engine, and what it says about itself: queue, status, pause, hold, discard, guard; and the states in which a
//! vault waits for something without losing anything.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vaultfs::catalog::{HistoryReason, RemoteBody};
use vaultfs::provider::ErrorKind;
use vaultfs::sync::{Standing, VaultState, VaultStatus};
use vaultfs::types::NodeId;

use crate::clock::SimClock;
use crate::cloud::{Cloud, Manner, name, root_id};
use crate::device::Device;
use crate::provider::{Faults, SimProvider};

const MINUTE: Duration = Duration::from_secs(60);

struct Setting {
    cloud: Arc<Mutex<Cloud>>,
    device: Device,
}

impl Setting {
    fn new() -> Self {
        Self::with(Cloud::new(Manner::Dropbox, 1))
    }

    fn with(cloud: Cloud) -> Self {
        let cloud = Arc::new(Mutex::new(cloud));
        let provider = SimProvider::new(Arc::clone(&cloud), 1);
        let device = Device::new("anna", provider, SimClock::new(0), Duration::from_secs(2), 1);
        Self { cloud, device }
    }

    fn status(&self) -> VaultStatus {
        self.device.run().engine.status().unwrap()
    }

    fn create(&self, text: &str, bytes: &[u8]) -> NodeId {
        self.device.create(NodeId::ROOT, &name(text), bytes, true).unwrap()
    }

    fn in_cloud(&self, text: &str) -> Option<Vec<u8>> {
        self.cloud.lock().unwrap().tree().get(text).cloned().flatten()
    }

    /// Somebody else creates files `0`, `1`, ...
    fn filled(count: usize) -> Self {
        let mut cloud = Cloud::new(Manner::Dropbox, 1);
        cloud.fill(count);
        Self::with(cloud)
    }

    fn web_deletes(&self, numbers: std::ops::Range<usize>) {
        let mut cloud = self.cloud.lock().unwrap();
        for number in numbers {
            let id = cloud.child(&root_id(), &name(&number.to_string())).unwrap().id.clone();
            cloud.remove(&id);
        }
    }
}

async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}

#[tokio::test(start_paused = true)]
async fn offline_work_queues_and_drains_after_a_pull() {
    let setting = Setting::new();
    wait(MINUTE).await;
    assert_eq!(setting.status().state, VaultState::Idle);
    setting.device.provider.set_offline(true);
    let node = setting.create("mix.json", b"{}");
    setting.cloud.lock().unwrap().create_file(&root_id(), &name("theirs"), b"x".to_vec()).unwrap();
    wait(10 * MINUTE).await;
    assert_eq!(setting.status().state, VaultState::Offline);
    let queue = setting.device.run().engine.queue().unwrap();
    assert_eq!(
        queue.iter().map(|item| (item.path.as_str(), item.action)).collect::<Vec<_>>(),
        [("mix.json", "upload")]
    );
    assert_eq!(setting.device.run().engine.standing_of(node).unwrap(), Standing::Pending);

    setting.device.provider.set_offline(false);
    setting.device.run().engine.wait_synced(node, MINUTE).await.unwrap();
    assert!(setting.device.rows().contains_key("theirs"), "pulled before it was drained");
    assert_eq!(setting.in_cloud("mix.json").unwrap(), b"{}");
    wait(MINUTE).await;
    assert_eq!(setting.status().state, VaultState::Idle);
    assert_eq!(setting.device.run().engine.standing_of(node).unwrap(), Standing::Synced);
}

#[tokio::test(start_paused = true)]
async fn a_probe_finds_the_network_within_ten_seconds() {
    let setting = Setting::new();
    setting.device.provider.set_offline(true);
    wait(60 * MINUTE).await;
    setting.device.provider.set_offline(false);
    wait(Duration::from_secs(12)).await;
    assert_eq!(setting.status().state, VaultState::Idle);
}

#[tokio::test(start_paused = true)]
async fn manifests_go_before_recordings() {
    let setting = Setting::new();
    wait(MINUTE).await;
    for number in 0..6 {
        setting.create(&format!("{number}.wav"), &vec![1; 200_000]);
    }
    setting.create("mix.json", b"{}");
    setting.create("small", b"x");
    wait(10 * MINUTE).await;
    let committed = setting.cloud.lock().unwrap().committed_names();
    assert_eq!(committed.len(), 8);
    assert_eq!(committed[0], "mix.json");
    assert_eq!(committed[1], "small");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_stays_and_what_has_priority_goes_first() {
    let setting = Setting::new();
    wait(MINUTE).await;
    setting.device.provider.set_offline(true);
    let held = setting.create("held", b"1");
    let urgent = setting.create("urgent.wav", &vec![1; 300_000]);
    setting.create("other", b"2");
    let engine = &setting.device.run().engine;
    engine.hold(held).unwrap();
    engine.prioritise(urgent, 1).unwrap();
    setting.device.provider.set_faults(Faults { delay_ms: 1, ..Faults::default() });
    setting.device.provider.set_offline(false);
    wait(5 * MINUTE).await;
    assert!(setting.in_cloud("held").is_none() && setting.in_cloud("urgent.wav").is_some());
    assert_ne!(setting.status().state, VaultState::Idle, "something is kept back: that is not idle");
    engine.unhold(held).unwrap();
    wait(MINUTE).await;
    assert!(setting.in_cloud("held").is_some());
    assert_eq!(setting.status().state, VaultState::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_discarded_edit_can_be_restored() {
    let setting = Setting::new();
    let node = setting.create("song", b"first");
    wait(MINUTE).await;
    let engine = &setting.device.run().engine;
    assert!(engine.discard(node).await.is_err(), "there is nothing to discard");
    engine.pause();
    assert!(setting.device.write(node, b"second", true));
    wait(MINUTE).await;
    assert_eq!(setting.status().state, VaultState::Paused);
    engine.discard(node).await.unwrap();
    engine.resume();
    wait(MINUTE).await;
    let rows = setting.device.rows();
    assert_eq!(setting.device.open_and_read(&rows["song"]).await.unwrap(), b"first");
    assert_eq!(setting.in_cloud("song").unwrap(), b"first");
    let history = setting.device.run().catalog.read(|view| view.history(Some(node))).unwrap();
    assert_eq!(history.iter().map(|row| row.reason).collect::<Vec<_>>(), [HistoryReason::Discarded]);
    assert_eq!(setting.device.history(), [b"second".to_vec()]);
}

#[tokio::test(start_paused = true)]
async fn a_mass_deletion_waits_for_a_yes() {
    let setting = Setting::filled(120);
    wait(MINUTE).await;
    assert_eq!(setting.device.rows().len(), 120);
    setting.web_deletes(0..100);
    wait(10 * MINUTE).await;
    assert_eq!(setting.device.rows().len(), 120, "everything stays readable");
    let status = setting.status();
    assert_eq!((status.state, status.guarded), (VaultState::Error, 100));
    setting.device.run().engine.confirm_deletes(true).unwrap();
    wait(MINUTE).await;
    assert_eq!(setting.device.rows().len(), 20);
    assert_eq!(setting.status().state, VaultState::Idle);

    // A confirmation is good for one deletion.
    for number in 200..400 {
        setting.create(&number.to_string(), b"x");
    }
    wait(10 * MINUTE).await;
    setting.web_deletes(200..400);
    wait(MINUTE).await;
    assert_eq!(setting.status().guarded, 200);
}

#[tokio::test(start_paused = true)]
async fn a_refused_mass_deletion_is_undone() {
    let setting = Setting::filled(120);
    wait(MINUTE).await;
    for row in setting.device.rows().into_values() {
        assert!(setting.device.open_and_read(&row).await.is_some());
    }
    setting.web_deletes(0..100);
    wait(MINUTE).await;
    setting.device.run().engine.confirm_deletes(false).unwrap();
    wait(10 * MINUTE).await;
    assert_eq!(setting.device.rows().len(), 120);
    assert_eq!(setting.cloud.lock().unwrap().tree().len(), 120);
    assert_eq!(setting.status().state, VaultState::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_missing_root_is_no_empty_vault() {
    let setting = Setting::filled(3);
    wait(MINUTE).await;
    setting.device.provider.set_trouble(Some(("*", ErrorKind::RootMissing)));
    setting.create("mine", b"x");
    wait(10 * MINUTE).await;
    assert_eq!(setting.status().state, VaultState::Error);
    assert_eq!(setting.device.rows().len(), 4);
    setting.device.provider.set_trouble(None);
    wait(MINUTE).await;
    assert_eq!(setting.status().state, VaultState::Idle);
    assert!(setting.in_cloud("mine").is_some());
}

#[tokio::test(start_paused = true)]
async fn expired_sign_in_loses_nothing_and_is_not_hammered() {
    let setting = Setting::new();
    wait(MINUTE).await;
    setting.device.provider.set_trouble(Some(("*", ErrorKind::AuthRequired)));
    setting.create("mine", b"x");
    wait(MINUTE).await;
    assert_eq!(setting.status().state, VaultState::AuthRequired);
    let before = setting.device.calls();
    wait(60 * MINUTE).await;
    assert!(setting.device.calls() - before <= 61, "{} calls", setting.device.calls() - before);
    setting.device.provider.set_trouble(None);
    wait(2 * MINUTE).await;
    assert!(setting.in_cloud("mine").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_hopeless_node_is_parked_and_stops_nobody() {
    let setting = Setting::new();
    wait(MINUTE).await;
    setting.device.provider.set_trouble(Some(("upload", ErrorKind::Refused)));
    let node = setting.create("bad", b"x");
    setting.device.mkdir(NodeId::ROOT, &name("folder")).unwrap();
    wait(60 * MINUTE).await;
    assert!(setting.cloud.lock().unwrap().tree().contains_key("folder"));
    let engine = &setting.device.run().engine;
    let queue = engine.queue().unwrap();
    assert_eq!((queue[0].node, queue[0].attempts), (node, 8));
    assert!(queue[0].problem.as_ref().unwrap().starts_with("parked"), "{queue:?}");
    assert_eq!(setting.status().state, VaultState::Error);
    let before = setting.device.calls();
    wait(60 * MINUTE).await;
    assert!(setting.device.calls() - before < 30, "only the feed is asked");
    // An edit is another chance.
    setting.device.provider.set_trouble(None);
    assert!(setting.device.write(node, b"better", true));
    wait(MINUTE).await;
    assert_eq!(setting.in_cloud("bad").unwrap(), b"better");
    assert_eq!(setting.status().state, VaultState::Idle);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_upload_goes_on_where_it_was() {
    let mut setting = Setting::new();
    wait(MINUTE).await;
    setting.device.provider.set_faults(Faults { delay_ms: 2_000, ..Faults::default() });
    let node = setting.create("take.wav", &vec![7; 1_000_000]);
    let engine = Arc::clone(&setting.device.run().engine);
    while setting.device.provider.received.load(Ordering::Relaxed) < 400_000 {
        wait(Duration::from_millis(100)).await;
    }
    drop(engine);
    setting.device.crash().await;
    setting.device.start();
    setting.device.run().engine.wait_synced(node, 10 * MINUTE).await.unwrap();
    assert_eq!(setting.in_cloud("take.wav").unwrap(), vec![7; 1_000_000]);
    let received = setting.device.provider.received.load(Ordering::Relaxed);
    assert!(received <= 1_120_000, "{received} bytes were sent");
}

#[tokio::test(start_paused = true)]
async fn a_file_written_while_it_is_sent_arrives_in_its_last_version_only() {
    let setting = Setting::new();
    wait(MINUTE).await;
    setting.device.provider.set_faults(Faults { delay_ms: 2_000, ..Faults::default() });
    let node = setting.create("take.wav", &vec![7; 400_000]);
    wait(Duration::from_secs(6)).await;
    assert!(setting.device.provider.received.load(Ordering::Relaxed) > 0);
    assert!(setting.device.write(node, &vec![8; 300_000], true));
    setting.device.run().engine.wait_synced(node, 10 * MINUTE).await.unwrap();
    assert_eq!(setting.in_cloud("take.wav").unwrap(), vec![8; 300_000]);
    assert_eq!(setting.cloud.lock().unwrap().committed_names().len(), 1, "the first version was never committed");
}

/// A provider that tells no hashes may tell of a revision again after its hash was learnt here.
#[tokio::test(start_paused = true)]
async fn bytes_that_the_provider_is_known_to_hold_are_not_sent_again() {
    let setting = Setting::with(Cloud::new(Manner::Icloud, 1));
    let node = setting.create("song", b"bytes");
    wait(MINUTE).await;
    let catalog = &setting.device.run().catalog;
    let mut row = catalog.read(|view| view.remote(node)).unwrap().unwrap();
    let RemoteBody::File { hash, .. } = &mut row.body else { panic!("{row:?}") };
    assert!(hash.take().is_some(), "hashed here");
    catalog.write(|txn| txn.put_remote(&row)).unwrap();
    let before = setting.cloud.lock().unwrap().mutations;
    assert!(setting.device.write(node, b"bytes", true));
    wait(MINUTE).await;
    assert_eq!(setting.status().state, VaultState::Idle);
    assert_eq!(setting.cloud.lock().unwrap().mutations, before);
}

#[tokio::test(start_paused = true)]
async fn a_late_page_brings_nothing_back_after_a_crash() {
    let mut setting = Setting::new();
    wait(MINUTE).await;
    setting.device.provider.set_faults(Faults { lag: 1.0, repeat: 1.0, ..Faults::default() });
    for number in 0..20 {
        let node = setting.create(&format!("song {number}"), b"bytes");
        wait(Duration::from_secs(10)).await;
        assert!(setting.device.delete(node));
        while !setting.cloud.lock().unwrap().tree().is_empty() {
            wait(Duration::from_millis(10)).await;
        }
        setting.device.crash().await;
        setting.device.start();
        for _ in 0..20 {
            setting.device.run().engine.hint();
            wait(Duration::from_secs(1)).await;
            assert_eq!(setting.device.rows().into_keys().collect::<Vec<_>>(), Vec::<String>::new());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_file_is_left_alone_until_it_is_closed() {
    let setting = Setting::filled(1);
    wait(MINUTE).await;
    let node = setting.device.rows()["0"].node;
    setting.device.set_writing(node, true);
    {
        let mut cloud = setting.cloud.lock().unwrap();
        let entry = cloud.child(&root_id(), &name("0")).unwrap().clone();
        cloud.replace_file(&entry.id, &entry.revision.unwrap(), b"theirs".to_vec()).unwrap();
    }
    assert!(setting.device.write(node, b"mine", true));
    wait(10 * MINUTE).await;
    assert_eq!(setting.device.rows().len(), 1);
    assert_eq!(setting.in_cloud("0").unwrap(), b"theirs");
    setting.device.close_all();
    wait(MINUTE).await;
    let rows = setting.device.rows();
    assert_eq!(rows.len(), 2, "{:?}", rows.keys());
    assert_eq!(setting.device.open_and_read(&rows["0"]).await.unwrap(), b"theirs");
    let copy = rows.keys().find(|path| path.contains("(conflict anna ")).expect("a conflict copy");
    assert_eq!(setting.in_cloud(copy).unwrap(), b"mine");
    assert_eq!(setting.status().state, VaultState::Conflict);
}

#[tokio::test(start_paused = true)]
async fn sync_now_reports_a_cycle_that_began_after_the_call() {
    let setting = Setting::filled(2);
    wait(MINUTE).await;
    let node = setting.create("mine", b"x");
    setting.cloud.lock().unwrap().create_file(&root_id(), &name("theirs"), b"y".to_vec()).unwrap();
    let report = setting.device.run().engine.sync_now(false).await.unwrap();
    assert_eq!((report.pulled, report.pending), (1, 0), "{report:?}");
    assert!(setting.device.rows().contains_key("theirs"));
    assert_eq!(setting.device.run().engine.standing_of(node).unwrap(), Standing::Synced);
    // While it cannot be done it still answers.
    setting.device.provider.set_offline(true);
    let report = setting.device.run().engine.sync_now(true).await.unwrap();
    assert!(report.problem.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_cursor_ends_in_the_same_tree_and_deletes_no_staged_work() {
    let setting = Setting::filled(20);
    wait(MINUTE).await;
    setting.device.provider.set_offline(true);
    setting.create("mine", b"x");
    setting.web_deletes(0..3);
    setting.device.provider.set_trouble(Some(("cursor", ErrorKind::CursorReset)));
    setting.device.provider.set_offline(false);
    wait(10 * MINUTE).await;
    assert_eq!(setting.device.rows().len(), 18);
    assert_eq!(setting.in_cloud("mine").unwrap(), b"x");
}

#[tokio::test(start_paused = true)]
async fn a_large_vault_arrives_in_portions() {
    let setting = Setting::filled(5_000);
    wait(MINUTE).await;
    assert_eq!(setting.device.rows().len(), 5_000);
    assert_eq!(setting.status().state, VaultState::Idle);
}

#[tokio::test(start_paused = true)]
async fn the_provider_is_asked_from_time_to_time_and_once_after_a_sleep() {
    const HOUR: Duration = Duration::from_secs(3600);
    let cloud = Arc::new(Mutex::new(Cloud::new(Manner::Dropbox, 1)));
    let provider = SimProvider::new(Arc::clone(&cloud), 1);
    let clock = SimClock::new(0);
    let device = Device::new("anna", provider, clock.clone(), Duration::from_secs(2), 1);
    wait(MINUTE).await;
    let pulls = |since: tokio::time::Instant| -> Vec<tokio::time::Instant> {
        device.provider.pulls.lock().unwrap().iter().copied().filter(|pull| *pull >= since).collect()
    };
    let awake = tokio::time::Instant::now();
    wait(2 * HOUR).await;
    let asked = pulls(awake);
    let gaps: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((22..=26).contains(&asked.len()), "{gaps:?}");
    let five_minutes = 285.0..=316.0;
    assert!(gaps.iter().all(|gap| five_minutes.contains(&gap.as_secs_f64())), "{gaps:?}");
    assert!(gaps.iter().any(|gap| gap.as_secs() != gaps[0].as_secs()), "vaults must not all ask at once: {gaps:?}");

    clock.sleep(8 * 3600);
    let woken = tokio::time::Instant::now();
    device.run().engine.kick();
    wait(MINUTE).await;
    assert_eq!(pulls(woken).len(), 1, "however many were missed");
    wait(3 * MINUTE).await;
    assert_eq!(pulls(woken).len(), 1, "and then at the interval again");
}

#[tokio::test(start_paused = true)]
async fn a_copy_with_equal_bytes_is_no_conflict() {
    let setting = Setting::new();
    for (text, bytes) in [("a.txt", "same"), ("a (1).txt", "same"), ("b.txt", "one"), ("b (1).txt", "two")] {
        setting.cloud.lock().unwrap().create_file(&root_id(), &name(text), bytes.as_bytes().to_vec()).unwrap();
    }
    wait(MINUTE).await;
    let open = setting.device.run().catalog.read(|view| view.conflicts(false)).unwrap();
    assert_eq!(open.iter().map(|row| row.path.as_str()).collect::<Vec<_>>(), ["b.txt"]);
}
