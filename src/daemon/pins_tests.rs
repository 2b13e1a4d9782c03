//! Many pinned files: all of them, not too many at once, and a word for each that cannot be had.

use super::*;
use crate::daemon::tasks::Tasks;
use crate::daemon::test_world::{PARALLEL, World, eventually};
use crate::provider::Operation;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_files_are_fetched_a_few_at_once_and_failures_are_listed_one_by_one() {
    let world = World::new();
    let name = |number: usize| format!("take {number:03}.wav");
    for number in 0..500 {
        std::fs::write(world.remote.join(name(number)), vec![7; 1000 + number]).unwrap();
    }
    world.engine.cycle().await.unwrap();
    let broken = [7, 70, 499];
    let rid = |number: usize| {
        let row = world.catalog.read(|view| view.local_at_path(&name(number))).unwrap().unwrap();
        let LocalContent::Clean(version) = row.content else { panic!("{number}") };
        version.rid
    };
    for number in broken {
        world.control.set_unreadable(&rid(number), true);
    }
    world.control.reset_log();
    world.control.set_latency(Duration::from_millis(1));
    world.catalog.write(|txn| txn.set_pinned(NodeId::ROOT, true)).unwrap();
    let (catalog, content) = (Arc::clone(&world.catalog), Arc::clone(&world.content));
    let pins = Arc::new(Pins::new(catalog, content, world.fetcher.clone(), false, PARALLEL));
    let tasks = Tasks::default();
    let (run, engine) = (Arc::clone(&pins), Arc::clone(&world.engine));
    tasks.spawn("pins", |stop| run.run(engine, stop));

    let failed = || pins.status().map_or(0, |status| status.failed.len());
    eventually("all but three here", || pins.status().is_some_and(|status| status.missing == 3) && failed() == 3).await;
    let status = pins.status().unwrap();
    assert_eq!(status.files, 500);
    let told: Vec<&str> = status.failed.iter().map(|failure| failure.path.as_str()).collect();
    assert_eq!(told, broken.map(name));
    assert!(status.failed.iter().all(|failure| failure.why.contains("damaged")), "{status:?}");
    assert_eq!(status.missing_bytes, broken.iter().map(|number| 1000 + *number as u64).sum::<u64>());
    let reads = world.control.calls(Operation::Read);
    assert!(reads.most_at_once <= PARALLEL as u64, "{reads:?}");
    assert!(reads.most_at_once > 1, "one after the other: {reads:?}");
    assert!(reads.calls <= 520, "nothing is fetched twice: {reads:?}");

    for number in broken {
        world.control.set_unreadable(&rid(number), false);
    }
    // Back on the network: nobody waits for a pause to end.
    world.engine.set_offline(true);
    world.engine.set_offline(false);
    eventually("all here", || pins.status().is_some_and(|status| status.missing == 0) && failed() == 0).await;
    assert_eq!(tasks.stop(Duration::from_secs(10)).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_version_is_let_go_when_a_newer_one_comes() {
    let world = World::new();
    std::fs::write(world.remote.join("mix.wav"), vec![1; 100_000]).unwrap();
    world.engine.cycle().await.unwrap();
    let version = || {
        let row = world.catalog.read(|view| view.local_at_path("mix.wav")).unwrap().unwrap();
        let LocalContent::Clean(version) = row.content else { panic!("not clean") };
        version
    };
    let old = version();
    world.catalog.write(|txn| txn.set_pinned(NodeId::ROOT, true)).unwrap();
    let (catalog, content) = (Arc::clone(&world.catalog), Arc::clone(&world.content));
    let pins = Arc::new(Pins::new(catalog, content, world.fetcher.clone(), false, PARALLEL));
    let tasks = Tasks::default();
    let (run, engine) = (Arc::clone(&pins), Arc::clone(&world.engine));
    tasks.spawn("pins", |stop| run.run(engine, stop));
    eventually("here", || pins.status().is_some_and(|status| status.missing == 0)).await;
    assert_eq!(world.content.evict(&old).unwrap(), 0, "what is pinned stays");

    std::fs::write(world.remote.join("mix.wav"), vec![2; 200_000]).unwrap();
    world.engine.sync_now(true).await.unwrap();
    let new = version();
    assert_ne!(new, old);
    eventually("the new one here", || world.content.cached_bytes(&new) == 200_000).await;
    world.content.evict(&old).unwrap();
    assert_eq!(world.content.cached_bytes(&old), 0);
    assert_eq!(world.content.evict(&new).unwrap(), 0);
    assert_eq!(tasks.stop(Duration::from_secs(10)).await, [""; 0]);
}
