//! Errors as people and the engine see them, and `space`.

use vaultfs::types::RemoteId;

use crate::harness::{World, create, error_of, root};

pub(crate) async fn space_is_told<W: World>() {
    let world = W::fresh().await;
    let space = world.provider().space().await.unwrap();
    assert!(space.total > 0 && space.free <= space.total, "{space:?}");
}

pub(crate) async fn errors_name_the_call<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let missing = error_of(provider.stat(&RemoteId("never".to_owned())).await);
    assert!(!missing.operation.is_empty() && !missing.message.is_empty());
    assert!(!missing.kind.is_transient(), "an entry that is gone does not come back by itself");
    let root = root(provider).await;
    create(provider, &root, "file", b"").await.unwrap();
    let taken = error_of(create(provider, &root, "file", b"").await);
    assert!(taken.to_string().contains("file"), "the thing is not named: {taken}");
}
