//! `delete`

use vaultfs::provider::ErrorKind;
use vaultfs::types::RemoteId;

use crate::harness::{World, assert_unchanged, create, kind_of, name, replace, revision, root, settled};

pub(crate) async fn a_file<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let file = create(provider, &root(provider).await, "file", b"bytes").await.unwrap();
    provider.delete(&file.id, Some(&revision(&file))).await.unwrap();
    assert!(world.web().truth().await.is_empty());
    assert_eq!(kind_of(provider.stat(&file.id).await), ErrorKind::NotFound);
}

pub(crate) async fn a_link<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().symlinks {
        return;
    }
    world.web().make_folder("folder").await;
    world.web().write("folder/file", b"bytes").await;
    let link = provider.create_symlink(&root(provider).await, &name("link"), "folder").await.unwrap();
    provider.delete(&link.id, None).await.unwrap();
    assert_eq!(world.web().truth().await.into_keys().collect::<Vec<_>>(), ["folder", "folder/file"]);
}

pub(crate) async fn an_empty_folder<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let folder = provider.create_folder(&root(provider).await, &name("folder")).await.unwrap();
    provider.delete(&folder.id, None).await.unwrap();
    assert!(world.web().truth().await.is_empty());
}

pub(crate) async fn a_folder_with_entries<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let folder = provider.create_folder(&root(provider).await, &name("folder")).await.unwrap();
    world.web().write("folder/.~lock.song#", b"unseen").await;
    let before = world.web().truth().await;
    assert_eq!(kind_of(provider.delete(&folder.id, None).await), ErrorKind::NotEmpty);
    assert_unchanged(&world, &before).await;
}

pub(crate) async fn what_is_gone_already<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let file = create(provider, &root(provider).await, "file", b"bytes").await.unwrap();
    provider.delete(&file.id, Some(&revision(&file))).await.unwrap();
    provider.delete(&file.id, Some(&revision(&file))).await.unwrap();
    provider.delete(&RemoteId("never".to_owned()), None).await.unwrap();
    let file = create(provider, &root(provider).await, "file", b"bytes").await.unwrap();
    world.web().remove("file").await;
    provider.delete(&file.id, Some(&revision(&file))).await.unwrap();
}

pub(crate) async fn a_stale_revision_is_refused<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().conditional_write {
        return;
    }
    let old = create(provider, &root(provider).await, "file", b"old").await.unwrap();
    let new = replace(provider, &old, b"new").await.unwrap();
    assert_eq!(kind_of(provider.delete(&old.id, Some(&revision(&old))).await), ErrorKind::RevisionMismatch);
    world.web().write("file", b"edit of others").await;
    let before = world.web().truth().await;
    assert_eq!(kind_of(provider.delete(&new.id, Some(&revision(&new))).await), ErrorKind::RevisionMismatch);
    assert_unchanged(&world, &before).await;
    settled(&world).await;
}

pub(crate) async fn without_a_condition<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let file = create(provider, &root(provider).await, "file", b"old").await.unwrap();
    world.web().write("file", b"edit of others").await;
    provider.delete(&file.id, None).await.unwrap();
    assert!(world.web().truth().await.is_empty());
}
