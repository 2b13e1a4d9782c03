//! `relocate`

use vaultfs::provider::ErrorKind;
use vaultfs::types::RemoteId;

use crate::harness::{World, assert_unchanged, create, kind_of, name, read_all, revision, root, settled};

pub(crate) async fn a_rename<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let file = create(provider, &root, "old", b"bytes").await.unwrap();
    let moved = provider.relocate(&file.id, &root, &name("new")).await.unwrap();
    assert_eq!((moved.id.clone(), moved.name.clone()), (file.id, name("new")));
    assert_eq!(read_all(provider, &moved).await.unwrap(), b"bytes");
    assert_eq!(settled(&world).await.at(&world, "new").await, moved);
}

pub(crate) async fn a_move_to_another_folder<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let folder = provider.create_folder(&root, &name("folder")).await.unwrap();
    let file = create(provider, &root, "file", b"bytes").await.unwrap();
    let moved = provider.relocate(&file.id, &folder.id, &name("inside")).await.unwrap();
    assert_eq!((moved.id.clone(), moved.parent.clone()), (file.id, Some(folder.id)));
    assert_eq!(settled(&world).await.at(&world, "folder/inside").await, moved);
}

pub(crate) async fn a_folder_with_everything_in_it<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().folder_move {
        return;
    }
    let root = root(provider).await;
    let folder = provider.create_folder(&root, &name("folder")).await.unwrap();
    let inner = provider.create_folder(&folder.id, &name("inner")).await.unwrap();
    let file = create(provider, &inner.id, "file", b"bytes").await.unwrap();
    let target = provider.create_folder(&root, &name("target")).await.unwrap();
    provider.relocate(&folder.id, &target.id, &name("moved")).await.unwrap();
    assert_eq!(provider.stat(&file.id).await.unwrap(), file);
    assert_eq!(read_all(provider, &file).await.unwrap(), b"bytes");
    assert_eq!(settled(&world).await.at(&world, "target/moved/inner/file").await, file);
}

pub(crate) async fn where_it_already_is<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let file = create(provider, &root, "file", b"bytes").await.unwrap();
    assert_eq!(provider.relocate(&file.id, &root, &name("file")).await.unwrap(), file);
}

pub(crate) async fn onto_another_entry<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let file = create(provider, &root, "file", b"bytes").await.unwrap();
    create(provider, &root, "other", b"other").await.unwrap();
    let folder = provider.create_folder(&root, &name("folder")).await.unwrap();
    provider.create_folder(&root, &name("empty")).await.unwrap();
    world.web().write("unseen", b"unseen").await;
    let before = world.web().truth().await;
    for taken in ["other", "empty", "unseen"] {
        for id in [&file.id, &folder.id] {
            assert_eq!(kind_of(provider.relocate(id, &root, &name(taken)).await), ErrorKind::Exists, "{taken}");
        }
    }
    assert_unchanged(&world, &before).await;
}

pub(crate) async fn into_itself<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let outer = provider.create_folder(&root, &name("outer")).await.unwrap();
    let inner = provider.create_folder(&outer.id, &name("inner")).await.unwrap();
    let before = world.web().truth().await;
    for target in [&outer.id, &inner.id] {
        assert_eq!(kind_of(provider.relocate(&outer.id, target, &name("x")).await), ErrorKind::Invalid);
    }
    assert_unchanged(&world, &before).await;
}

pub(crate) async fn below_nothing<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let file = create(provider, &root(provider).await, "file", b"bytes").await.unwrap();
    let before = world.web().truth().await;
    let never = RemoteId("never".to_owned());
    assert_eq!(kind_of(provider.relocate(&file.id, &never, &name("x")).await), ErrorKind::NotFound);
    assert_unchanged(&world, &before).await;
}

pub(crate) async fn of_nothing<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let never = RemoteId("never".to_owned());
    assert_eq!(kind_of(provider.relocate(&never, &root, &name("x")).await), ErrorKind::NotFound);
    let file = create(provider, &root, "file", b"bytes").await.unwrap();
    world.web().remove("file").await;
    assert_eq!(kind_of(provider.relocate(&file.id, &root, &name("x")).await), ErrorKind::NotFound);
}

pub(crate) async fn only_the_case<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().reports_case_rename {
        return;
    }
    let root = root(provider).await;
    let file = create(provider, &root, "readme", b"bytes").await.unwrap();
    let moved = provider.relocate(&file.id, &root, &name("README")).await.unwrap();
    assert_eq!((moved.id, moved.name), (file.id, name("README")));
    settled(&world).await.at(&world, "README").await;
}

pub(crate) async fn the_revision_stays<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let file = create(provider, &root, "file", b"bytes").await.unwrap();
    let moved = provider.relocate(&file.id, &root, &name("moved")).await.unwrap();
    assert_eq!(moved.body, file.body);
    assert_eq!(revision(&settled(&world).await.at(&world, "moved").await), revision(&file));
}
