//! `wait_for_changes`

use std::time::{Duration, Instant};

use vaultfs::provider::ChangeFeed;

use crate::harness::{World, create, root, settled};

/// Far longer than a case may take.
const LONG: Duration = Duration::from_secs(600);

pub(crate) async fn an_edit_of_others_wakes<W: World>() {
    let world = W::fresh().await;
    if world.provider().capabilities().change_feed != ChangeFeed::Notified {
        return;
    }
    world.web().make_folder("folder").await;
    let mut mirror = settled(&world).await;
    mirror.pull(world.provider()).await;
    let cursor = mirror.cursor.clone().unwrap();
    let edit = async { world.web().write("folder/file", b"bytes").await };
    let (waited, ()) = tokio::join!(world.provider().wait_for_changes(&cursor, LONG), edit);
    waited.unwrap();
    mirror.converge(&world).await;
}

pub(crate) async fn a_quiet_wait_ends<W: World>() {
    let world = W::fresh().await;
    let mirror = settled(&world).await;
    let (cursor, started) = (mirror.cursor.unwrap(), Instant::now());
    world.provider().wait_for_changes(&cursor, Duration::from_millis(100)).await.unwrap();
    assert!(started.elapsed() < LONG);
}

pub(crate) async fn a_wait_with_something_to_tell_ends_at_once<W: World>() {
    let world = W::fresh().await;
    if world.provider().capabilities().change_feed != ChangeFeed::Notified {
        return;
    }
    let mirror = settled(&world).await;
    create(world.provider(), &root(world.provider()).await, "file", b"").await.unwrap();
    let started = Instant::now();
    world.provider().wait_for_changes(&mirror.cursor.unwrap(), LONG).await.unwrap();
    assert!(started.elapsed() < LONG);
}
