//! `create_folder` and `create_symlink`

use vaultfs::provider::{EntryBody, ErrorKind};
use vaultfs::types::RemoteId;

use crate::harness::{World, assert_unchanged, create, is_folder, kind_of, name, root, settled};

pub(crate) async fn a_folder<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let outer = provider.create_folder(&root, &name("outer")).await.unwrap();
    assert!(is_folder(&outer));
    assert_eq!(outer.parent, Some(root));
    let inner = provider.create_folder(&outer.id, &name("inner")).await.unwrap();
    assert_eq!(provider.stat(&inner.id).await.unwrap(), inner);
    assert_eq!(settled(&world).await.at(&world, "outer/inner").await, inner);
}

pub(crate) async fn a_folder_that_exists<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    provider.create_folder(&root, &name("folder")).await.unwrap();
    create(provider, &root, "file", b"").await.unwrap();
    world.web().make_folder("unseen").await;
    let before = world.web().truth().await;
    for taken in ["folder", "file", "unseen"] {
        assert_eq!(kind_of(provider.create_folder(&root, &name(taken)).await), ErrorKind::Exists, "{taken}");
    }
    assert_unchanged(&world, &before).await;
}

pub(crate) async fn a_folder_below_nothing<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let never = RemoteId("never".to_owned());
    assert_eq!(kind_of(provider.create_folder(&never, &name("x")).await), ErrorKind::NotFound);
    let gone = provider.create_folder(&root(provider).await, &name("gone")).await.unwrap();
    world.web().remove("gone").await;
    assert_eq!(kind_of(provider.create_folder(&gone.id, &name("x")).await), ErrorKind::NotFound);
}

pub(crate) async fn a_link<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let made = provider.create_symlink(&root, &name("link"), "../some where/\u{e9}").await;
    if !provider.capabilities().symlinks {
        assert_eq!(kind_of(made), ErrorKind::Unsupported);
        return;
    }
    let made = made.unwrap();
    assert_eq!(made.body, EntryBody::Symlink { target: "../some where/\u{e9}".to_owned() });
    provider.create_symlink(&root, &name("absolute"), "/etc/passwd").await.unwrap();
    assert_eq!(settled(&world).await.at(&world, "link").await, made);
}

pub(crate) async fn a_link_where_something_is<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().symlinks {
        return;
    }
    let root = root(provider).await;
    create(provider, &root, "file", b"bytes").await.unwrap();
    let before = world.web().truth().await;
    assert_eq!(kind_of(provider.create_symlink(&root, &name("file"), "x").await), ErrorKind::Exists);
    assert_unchanged(&world, &before).await;
}
