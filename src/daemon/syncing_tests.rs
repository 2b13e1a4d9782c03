//! An engine whose provider crashes: told by name, started again, and no longer told once it works.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::daemon::tasks::Tasks;
use crate::daemon::test_world::{World, eventually};
use crate::provider::{Fault, Operation};
use crate::sync::VaultState;

#[tokio::test]
async fn a_provider_that_crashes_is_named_until_syncing_works_again() {
    let world = World::new();
    let engine = Arc::clone(&world.engine);
    world.control.fail_next(Operation::Changes, Fault::Crash);
    world.control.fail_next(Operation::Changes, Fault::Crash);
    let (tasks, trouble) = (Tasks::default(), Trouble::default());
    let (kept, told) = (engine.clone(), trouble.clone());
    tasks.spawn("sync", |stop| keep("Work".to_owned(), kept, told, stop));
    eventually("told", || trouble.problem().is_some()).await;
    let problem = trouble.problem().unwrap();
    assert_eq!(problem.code, ErrorCode::Internal);
    assert!(problem.what.contains("Work") && problem.what.contains("crashed"), "{problem}");
    assert!(problem.cause[0].contains("list changes"), "why: {problem}");
    assert!(problem.hint.is_some_and(|hint| hint.contains("log")), "what to do");
    // By itself, and after a second crash, too.
    eventually("over", || trouble.problem().is_none()).await;
    eventually("idle", || engine.status().unwrap().state == VaultState::Idle).await;
    assert_eq!(tasks.problems(), [], "the task itself never ended");
    assert_eq!(tasks.stop(Duration::from_secs(10)).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_from_the_first_until_a_whole_cycle_and_pauses_grow() {
    let (runs, rounds) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Notify::new()));
    let trouble = Trouble::default();
    let tasks = Tasks::default();
    let (run, round, told) = (runs.clone(), rounds.clone(), trouble.clone());
    tasks.spawn("sync", |stop| async move {
        let work = |mut told: watch::Receiver<bool>| {
            let run = run.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0..3 => Err(Problem::new(ErrorCode::Io, "").cause("the disk is full")),
                    _ => told.wait_for(|told| *told).await.map(|_| ()).map_err(|_| unreachable!("told")),
                }
            }
        };
        keep_running("Work", work, || round.notified(), &told, stop).await;
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert!(trouble.problem().unwrap().cause[0].contains("disk"));
    // After 1 s, 2 s and 4 s.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    assert!(trouble.problem().is_some(), "it runs, but has not been round");
    rounds.notify_one();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(trouble.problem(), None);
    assert_eq!(tasks.stop(Duration::from_secs(1)).await, [""; 0]);
}
