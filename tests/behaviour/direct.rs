//! `open_direct` and `direct_is_current`

use std::io::Read as _;

use vaultfs::types::RemoteId;

use crate::harness::{World, bytes, create, name, replace, revision, root, settled};

pub(crate) async fn the_file_itself<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().direct {
        return;
    }
    let content = bytes(100_000, 5);
    world.web().write("file", &content).await;
    let file = settled(&world).await.at(&world, "file").await;
    let mut open = provider.open_direct(&file.id, &revision(&file)).expect("opens");
    let mut read = Vec::new();
    open.read_to_end(&mut read).unwrap();
    assert!(read == content);
    assert!(provider.direct_is_current(&open, &revision(&file)));
}

pub(crate) async fn only_the_present_revision<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().direct {
        return;
    }
    let root = root(provider).await;
    let old = create(provider, &root, "file", b"old").await.unwrap();
    let held = provider.open_direct(&old.id, &revision(&old)).expect("opens");
    let new = replace(provider, &old, b"new").await.unwrap();
    assert!(provider.open_direct(&old.id, &revision(&old)).is_none());
    assert!(!provider.direct_is_current(&held, &revision(&new)), "the replaced file is not the new version");
    assert!(provider.open_direct(&RemoteId("never".to_owned()), &revision(&new)).is_none());
    let folder = provider.create_folder(&root, &name("folder")).await.unwrap();
    assert!(provider.open_direct(&folder.id, &revision(&new)).is_none());
}

pub(crate) async fn an_edit_is_noticed<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().direct {
        return;
    }
    let file = create(provider, &root(provider).await, "file", b"old bytes").await.unwrap();
    let open = provider.open_direct(&file.id, &revision(&file)).expect("opens");
    world.web().write("file", b"new bytes").await;
    assert!(!provider.direct_is_current(&open, &revision(&file)));
    assert!(provider.open_direct(&file.id, &revision(&file)).is_none());
}

pub(crate) async fn a_rename_is_no_edit<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().direct {
        return;
    }
    let file = create(provider, &root(provider).await, "file", b"bytes").await.unwrap();
    let open = provider.open_direct(&file.id, &revision(&file)).expect("opens");
    world.web().rename("file", "renamed by others").await;
    assert!(provider.direct_is_current(&open, &revision(&file)));
    let now = settled(&world).await.at(&world, "renamed by others").await;
    assert!(provider.direct_is_current(&open, &revision(&now)));
    provider.relocate(&now.id, &root(provider).await, &name("renamed by us")).await.unwrap();
    assert!(provider.direct_is_current(&open, &revision(&now)));
}

pub(crate) async fn nothing_unless_claimed<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let file = create(provider, &root(provider).await, "file", b"bytes").await.unwrap();
    let opened = provider.open_direct(&file.id, &revision(&file)).is_some();
    assert_eq!(opened, provider.capabilities().direct);
}
