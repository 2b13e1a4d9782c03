//! Bounds of calls: their number and their time.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use vaultfs::provider::local::LocalProvider;
use vaultfs::provider::{
    Deadlines, ErrorKind, FaultControl, Faulty, Limited, Operation, Provider, Rate, Upload, UploadObserver,
    UploadSession, UploadTarget,
};
use vaultfs::types::{ContentHash, HashKind, RemoteId, Timestamp};

use crate::harness::{Memory, Mirror, bytes, create, kind_of, name, read_all, root, upload};
use crate::local_world::new_disk;

fn slow() -> (tempfile::TempDir, Limited<Faulty<LocalProvider>>, FaultControl) {
    let (disk, config) = new_disk();
    let control = FaultControl::new(3);
    let faulty = Faulty::new(LocalProvider::open(config).unwrap(), control.clone());
    let faulty = faulty.with_capabilities(|capabilities| capabilities.limits.parallel_calls = 2);
    (disk, Limited::new(faulty, Deadlines::default()), control)
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_at_once_than_the_provider_takes() {
    let (_disk, provider, control) = slow();
    let root = root(&provider).await;
    control.reset_log();
    control.set_latency(Duration::from_secs(1));
    let answered = AtomicUsize::new(0);
    let calls = (0..6).map(|_| async {
        provider.stat(&root).await.unwrap();
        answered.fetch_add(1, Ordering::SeqCst);
    });
    let watch = async {
        while answered.load(Ordering::SeqCst) < 6 {
            let (started, done) = (control.calls(Operation::Stat).calls, answered.load(Ordering::SeqCst) as u64);
            assert!(started - done <= 2, "{started} started, {done} answered");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::join!(join_all(calls), watch);
}

#[tokio::test(start_paused = true)]
async fn calls_without_an_answer_end() {
    let (_disk, provider, control) = slow();
    let root = root(&provider).await;
    let file = create(&provider, &root, "file", b"bytes").await.unwrap();
    let mirror = Mirror::of(&provider).await;
    control.set_latency(Duration::from_secs(100_000));
    assert_eq!(kind_of(provider.stat(&file.id).await), ErrorKind::Busy);
    assert_eq!(kind_of(read_all(&provider, &file).await), ErrorKind::Busy);
    assert_eq!(kind_of(provider.changes(None).await), ErrorKind::Busy);
    assert_eq!(kind_of(provider.delete(&file.id, None).await), ErrorKind::Ambiguous);
    let wait = provider.wait_for_changes(mirror.cursor.as_ref().unwrap(), Duration::from_secs(60)).await;
    assert_eq!(kind_of(wait), ErrorKind::Busy);
    let target = UploadTarget::Create { parent: root, name: name("new") };
    assert_eq!(kind_of(upload(&provider, target, b"x").await), ErrorKind::Ambiguous);
}

#[tokio::test(start_paused = true)]
async fn a_slow_upload_is_not_a_stalled_one() {
    let (_disk, provider, control) = slow();
    control.set_bandwidth(Some(2_000));
    let content = bytes(500_000, 1);
    let started = tokio::time::Instant::now();
    let file = create(&provider, &root(&provider).await, "file", &content).await.unwrap();
    assert!(started.elapsed() > Deadlines::default().upload_stall);
    control.set_bandwidth(None);
    assert!(read_all(&provider, &file).await.unwrap() == content);
}

/// Grants bytes at a rate, or none at all.
struct Paced {
    rate: Option<Rate>,
    granted: AtomicU64,
}

#[async_trait::async_trait]
impl UploadObserver for Paced {
    fn progressed(&self, sent: u64) {
        assert!(sent <= self.granted.load(Ordering::SeqCst), "{sent} bytes were sent without being granted");
    }

    fn session(&self, _session: &UploadSession) {}

    async fn grant(&self, wanted: u64) -> u64 {
        let Some(rate) = &self.rate else { return std::future::pending().await };
        let granted = rate.grant(wanted).await;
        self.granted.fetch_add(granted, Ordering::SeqCst);
        granted
    }
}

fn new_file<'a>(parent: &RemoteId, file: &str, content: &'a Memory, observer: &'a Paced) -> Upload<'a> {
    let target = UploadTarget::Create { parent: parent.clone(), name: name(file) };
    let hash = ContentHash::of(HashKind::Blake3, &content.0);
    Upload { target, source: content, hash, modified: Timestamp(0), observer, resume: None, copy_of: None }
}

#[tokio::test(start_paused = true)]
async fn an_upload_sends_what_it_is_granted_and_waiting_for_that_is_no_stall() {
    let (_disk, provider, _) = slow();
    let content = Memory(bytes(500_000, 1));
    let rate = Rate::new(|| 4_000);
    // A debt that takes longer than an upload may stall.
    rate.pass(4_000 * 100).await;
    let observer = Paced { rate: Some(rate), granted: AtomicU64::new(0) };
    let started = tokio::time::Instant::now();
    let parent = root(&provider).await;
    let file = provider.upload(new_file(&parent, "file", &content, &observer)).await.unwrap();
    let took = started.elapsed().as_secs();
    assert!((200..=250).contains(&took), "{took} s for 500,000 bytes at 4,000 a second after 100 s of others");
    assert!(read_all(&provider, &file).await.unwrap() == content.0);
}

#[tokio::test(start_paused = true)]
async fn uploads_leave_turns_to_those_who_wait_for_an_answer() {
    let (_disk, provider, _) = slow();
    let parent = root(&provider).await;
    let content = Memory(bytes(10, 1));
    let observer = Paced { rate: None, granted: AtomicU64::new(0) };
    let uploads = ["a", "b", "c"].map(|file| provider.upload(new_file(&parent, file, &content, &observer)));
    let answered = async {
        provider.stat(&parent).await.unwrap();
        provider.changes(None).await.unwrap();
    };
    tokio::select! {
        _ = join_all(uploads) => panic!("nothing was granted"),
        () = answered => {}
    }
}
