//! The bad link: every fault is what it says, and its effect is known.

use std::time::Duration;

use tokio::time::Instant;
use vaultfs::provider::local::LocalProvider;
use vaultfs::provider::{
    Change, Cursor, ErrorKind, Fault, FaultControl, FaultRates, Faulty, Operation, Provider, UploadTarget,
};

use crate::harness::{Mirror, bytes, create, kind_of, name, read_all, replace, revision, root, upload};
use crate::local_world::new_disk;

fn link() -> (tempfile::TempDir, Faulty<LocalProvider>, FaultControl) {
    let (disk, config) = new_disk();
    let control = FaultControl::new(7);
    (disk, Faulty::new(LocalProvider::open(config).unwrap(), control.clone()), control)
}

#[tokio::test]
async fn a_dropped_request_does_nothing_and_a_lost_reply_does() {
    let (_disk, provider, control) = link();
    let root = root(&provider).await;
    control.fail_next(Operation::CreateFolder, Fault::DropRequest);
    control.fail_next(Operation::CreateFolder, Fault::LoseReply);
    assert_eq!(kind_of(provider.create_folder(&root, &name("x")).await), ErrorKind::Offline);
    assert_eq!(provider.find(&root, &name("x")).await.unwrap(), None);
    assert_eq!(kind_of(provider.create_folder(&root, &name("x")).await), ErrorKind::Ambiguous);
    assert!(provider.find(&root, &name("x")).await.unwrap().is_some());
    control.fail_next(Operation::Stat, Fault::LoseReply);
    assert_eq!(kind_of(provider.stat(&root).await), ErrorKind::Offline, "a question has no effect to be unsure about");
}

#[tokio::test]
async fn busy_corrupt_reset_and_duplicate() {
    let (_disk, provider, control) = link();
    let root = root(&provider).await;
    let file = create(&provider, &root, "file", b"bytes").await.unwrap();
    let pause = Duration::from_secs(3);
    control.fail_next(Operation::Stat, Fault::Busy(Some(pause)));
    let busy = provider.stat(&file.id).await.unwrap_err();
    assert_eq!((busy.kind, busy.retry_after), (ErrorKind::Busy, Some(pause)));
    control.fail_next(Operation::Read, Fault::Corrupt);
    assert_eq!(kind_of(read_all(&provider, &file).await), ErrorKind::Corrupt);
    control.fail_next(Operation::Upload, Fault::Corrupt);
    assert_eq!(kind_of(replace(&provider, &file, b"new").await), ErrorKind::Corrupt);
    assert_eq!(read_all(&provider, &file).await.unwrap(), b"bytes");
    control.fail_next(Operation::Changes, Fault::CursorReset);
    let first = Mirror::of(&provider).await;
    control.fail_next(Operation::Changes, Fault::CursorReset);
    assert_eq!(kind_of(provider.changes(first.cursor.as_ref()).await), ErrorKind::CursorReset);
    control.fail_next(Operation::Changes, Fault::DuplicatePage);
    let page = provider.changes(None).await.unwrap();
    assert_eq!(page.changes.len(), 2);
    assert_eq!(page.changes[0], page.changes[1]);
    assert!(matches!(&page.changes[0], Change::Upsert(entry) if *entry == file));
}

#[tokio::test]
async fn a_pulled_plug_ends_what_is_in_flight() {
    let (_disk, provider, control) = link();
    let root = root(&provider).await;
    let mirror = Mirror::of(&provider).await;
    let cursor = mirror.cursor.unwrap();
    let wait = provider.wait_for_changes(&cursor, Duration::from_secs(600));
    let (waited, ()) = tokio::join!(wait, async { control.set_offline(true) });
    assert_eq!(kind_of(waited), ErrorKind::Offline);
    control.reset_log();
    assert_eq!(kind_of(create(&provider, &root, "file", b"x").await), ErrorKind::Offline);
    assert_eq!(kind_of(provider.changes(Some(&Cursor("x".to_owned()))).await), ErrorKind::Offline);
    assert_eq!(control.calls(Operation::Upload).failures, 1);
    control.set_offline(false);
    create(&provider, &root, "file", b"x").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bytes_take_their_time_and_are_counted() {
    let (_disk, provider, control) = link();
    let root = root(&provider).await;
    let content = bytes(1_000_000, 1);
    control.set_bandwidth(Some(100_000));
    control.set_latency(Duration::from_millis(50));
    let started = Instant::now();
    let file = create(&provider, &root, "file", &content).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(control.calls(Operation::Upload).bytes, 1_000_000);
    let started = Instant::now();
    let (one, other) = tokio::join!(read_all(&provider, &file), read_all(&provider, &file));
    assert!(one.unwrap() == content && other.unwrap() == content);
    assert!(started.elapsed() >= Duration::from_secs(20), "the link is shared: {:?}", started.elapsed());
    assert_eq!(control.calls(Operation::Read).bytes, 2_000_000);
    control.reset_log();
    provider.stat(&file.id).await.unwrap();
    assert_eq!((control.calls(Operation::Read).bytes, control.total_calls()), (0, 1));
}

#[tokio::test]
async fn equal_seeds_give_equal_faults() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (_disk, provider, control) = link();
        let root = root(&provider).await;
        control.set_rates(FaultRates { drop_request: 0.2, busy: 0.2, lose_reply: 0.1, ..FaultRates::default() });
        control.set_rates_of(Operation::Find, FaultRates::default());
        let mut kinds = Vec::new();
        for _ in 0..100 {
            kinds.push(provider.stat(&root).await.err().map(|error| error.kind));
            provider.find(&root, &name("x")).await.unwrap();
        }
        control.heal();
        provider.stat(&root).await.unwrap();
        runs.push(kinds);
    }
    assert_eq!(runs[0], runs[1]);
    let failed = runs[0].iter().flatten().count();
    assert!((20..80).contains(&failed), "{failed} of 100 failed");
}

#[tokio::test]
async fn without_conditions_the_last_writer_wins() {
    let (_disk, provider, _control) = link();
    let provider = provider.with_capabilities(|capabilities| capabilities.conditional_write = false);
    let old = create(&provider, &root(&provider).await, "file", b"old").await.unwrap();
    replace(&provider, &old, b"ours").await.unwrap();
    let stale = UploadTarget::Replace { id: old.id.clone(), expected: revision(&old) };
    let now = upload(&provider, stale, b"theirs").await.unwrap();
    assert_eq!(read_all(&provider, &now).await.unwrap(), b"theirs");
    provider.delete(&old.id, Some(&revision(&old))).await.unwrap();
}
