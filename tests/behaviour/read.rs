//! `read`

use futures_util::future::join_all;
use vaultfs::provider::{ErrorKind, Result};
use vaultfs::types::ByteRange;

use crate::harness::{World, bytes, create, kind_of, read_all, replace, revision, root, settled};

pub(crate) async fn whole_and_parts<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let content = bytes(300_000, 1);
    world.web().write("file", &content).await;
    let file = settled(&world).await.at(&world, "file").await;
    assert_eq!(read_all(provider, &file).await.unwrap(), content);
    if !provider.capabilities().ranged_read {
        return;
    }
    for (start, end) in [(0, 0), (0, 1), (65_535, 65_537), (299_999, 300_000), (300_000, 300_000)] {
        let read = provider.read(&file.id, &revision(&file), ByteRange::new(start as u64, end as u64)).await.unwrap();
        assert_eq!(read, content[start..end], "{start}..{end}");
    }
}

pub(crate) async fn beyond_the_end<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().ranged_read {
        return;
    }
    let file = create(provider, &root(provider).await, "file", b"0123456789").await.unwrap();
    for (start, end) in [(0, 11), (10, 11), (11, 12)] {
        let read = provider.read(&file.id, &revision(&file), ByteRange::new(start, end)).await;
        assert_eq!(kind_of(read), ErrorKind::Invalid, "{start}..{end}");
    }
}

/// The bytes of the version that was asked for, where the provider still has it; else that it is gone. Never others.
fn assert_old_or_gone(read: Result<Vec<u8>>, old: &[u8]) {
    match read {
        Ok(bytes) => assert_eq!(bytes, old),
        Err(error) => assert!(matches!(error.kind, ErrorKind::RevisionGone | ErrorKind::NotFound), "{error}"),
    }
}

pub(crate) async fn an_old_revision_is_gone_or_itself<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let old = create(provider, &root(provider).await, "file", b"old bytes").await.unwrap();
    let new = replace(provider, &old, b"new bytes").await.unwrap();
    if new.id == old.id {
        assert_old_or_gone(read_all(provider, &old).await, b"old bytes");
    }
    assert_eq!(read_all(provider, &new).await.unwrap(), b"new bytes");
    // An edit of others is never served as the version before, noticed or not.
    world.web().write("file", b"web bytes").await;
    assert_old_or_gone(read_all(provider, &new).await, b"new bytes");
    world.web().save_atomically("file", b"web saved").await;
    let now = settled(&world).await.at(&world, "file").await;
    assert_eq!(read_all(provider, &now).await.unwrap(), b"web saved");
}

pub(crate) async fn a_deleted_file<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let file = create(provider, &root(provider).await, "file", b"bytes").await.unwrap();
    world.web().remove("file").await;
    assert_old_or_gone(read_all(provider, &file).await, b"bytes");
}

pub(crate) async fn a_large_file_in_parallel<W: World>() {
    const PART: usize = 1 << 18;
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().ranged_read {
        return;
    }
    let content = bytes(8 * PART, 9);
    let file = create(provider, &root(provider).await, "take.wav", &content).await.unwrap();
    let version = revision(&file);
    let parts = (0..8u64).map(|part| provider.read(&file.id, &version, ByteRange::at(part * PART as u64, PART as u64)));
    let read: Vec<u8> = join_all(parts).await.into_iter().flat_map(|part| part.unwrap().to_vec()).collect();
    assert!(read == content);
}
