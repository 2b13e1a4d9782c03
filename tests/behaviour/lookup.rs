//! `stat` and `find`

use vaultfs::provider::{EntryBody, ErrorKind};
use vaultfs::types::RemoteId;

use crate::harness::{World, create, kind_of, name, revision, root, settled, size, stat_until};

pub(crate) async fn stat_tells_the_present<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root_entry = provider.root().await.unwrap();
    assert_eq!(provider.stat(&root_entry.id).await.unwrap(), root_entry);
    world.web().make_folder("folder").await;
    world.web().write("folder/file", b"old").await;
    let mirror = settled(&world).await;
    let file = mirror.at(&world, "folder/file").await;
    assert_eq!(provider.stat(&file.id).await.unwrap(), file);
    world.web().write("folder/file", b"longer").await;
    let now = stat_until(provider, &file.id, |found| found.as_ref().is_ok_and(|entry| size(entry) == 6)).await.unwrap();
    assert_ne!(revision(&now), revision(&file));
}

pub(crate) async fn stat_of_nothing<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    assert_eq!(kind_of(provider.stat(&RemoteId("never".to_owned())).await), ErrorKind::NotFound);
    world.web().write("file", b"").await;
    let file = settled(&world).await.at(&world, "file").await;
    world.web().remove("file").await;
    let gone = stat_until(provider, &file.id, Result::is_err).await;
    assert_eq!(kind_of(gone), ErrorKind::NotFound);
}

pub(crate) async fn find_tells_the_present<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    assert_eq!(provider.find(&root, &name("file")).await.unwrap(), None);
    let made = create(provider, &root, "file", b"bytes").await.unwrap();
    assert_eq!(provider.find(&root, &name("file")).await.unwrap(), Some(made.clone()));
    provider.delete(&made.id, None).await.unwrap();
    assert_eq!(provider.find(&root, &name("file")).await.unwrap(), None);
    world.web().make_folder("folder").await;
    let folder = provider.find(&root, &name("folder")).await.unwrap().expect("what others made is found");
    assert_eq!(folder.body, EntryBody::Folder);
    world.web().write("folder/inside", b"x").await;
    let inside = provider.find(&folder.id, &name("inside")).await.unwrap().expect("found below");
    assert_eq!(inside.parent, Some(folder.id));
}

pub(crate) async fn find_below_nothing<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    assert_eq!(kind_of(provider.find(&RemoteId("never".to_owned()), &name("x")).await), ErrorKind::NotFound);
    let file = create(provider, &root(provider).await, "file", b"").await.unwrap();
    assert_eq!(kind_of(provider.find(&file.id, &name("x")).await), ErrorKind::NotFound);
}
