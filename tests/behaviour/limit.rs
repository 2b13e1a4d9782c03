//! Bounds of calls: their number and their time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use vaultfs::provider::local::LocalProvider;
use vaultfs::provider::{Deadlines, ErrorKind, FaultControl, Faulty, Limited, Operation, Provider, UploadTarget};

use crate::harness::{Mirror, bytes, create, kind_of, name, read_all, root, upload};
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
