//! `upload` of bytes that the provider was seen to hold: a hint that may save the sending, and changes nothing else.

use std::sync::atomic::{AtomicBool, Ordering};

use vaultfs::provider::{CopySource, ErrorKind, Provider, RemoteEntry, Result, Upload, UploadSource, UploadTarget};
use vaultfs::types::{ContentHash, RemoteId};

use crate::harness::{
    MODIFIED, Memory, Progress, World, assert_unchanged, bytes, create, kind_of, name, read_all, revision, root,
    settled,
};

/// Bytes that remember whether anybody has asked for them.
struct Watched {
    bytes: Memory,
    was_read: AtomicBool,
}

impl UploadSource for Watched {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.was_read.store(true, Ordering::SeqCst);
        self.bytes.read_at(offset, buffer)
    }
}

/// Uploads as a copy of what `of` was; true if the bytes were sent.
pub(crate) async fn copy(
    provider: &dyn Provider,
    (parent, file): (&RemoteId, &str),
    content: &[u8],
    of: &RemoteEntry,
) -> (Result<RemoteEntry>, bool) {
    let source = Watched { bytes: Memory(content.to_vec()), was_read: AtomicBool::new(false) };
    let upload = Upload {
        target: UploadTarget::Create { parent: parent.clone(), name: name(file) },
        source: &source,
        hash: ContentHash::of(provider.capabilities().hash_kind(), content),
        modified: MODIFIED,
        observer: &Progress::default(),
        resume: None,
        copy_of: Some(CopySource { id: of.id.clone(), revision: revision(of) }),
    };
    let stored = provider.upload(upload).await;
    (stored, source.was_read.load(Ordering::SeqCst))
}

/// A provider that claims to copy sends nothing.
pub(crate) async fn of_a_file_that_is_there<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let folder = provider.create_folder(&root, &name("folder")).await.unwrap();
    let content = bytes(100_000, 1);
    let first = create(provider, &root, "first", &content).await.unwrap();
    let (second, was_sent) = copy(provider, (&folder.id, "second"), &content, &first).await;
    let second = second.unwrap();
    assert_eq!(was_sent, !provider.capabilities().server_copy);
    assert!(second.id != first.id && second.parent.as_ref() == Some(&folder.id) && second.name == name("second"));
    assert!(read_all(provider, &second).await.unwrap() == content);
    let mirror = settled(&world).await;
    assert_eq!((mirror.at(&world, "first").await, mirror.at(&world, "folder/second").await), (first, second));
}

/// Whoever changed the source meanwhile, the file gets the bytes that it was to get.
pub(crate) async fn of_what_has_changed<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let content = bytes(100_000, 1);
    let first = create(provider, &root, "first", &content).await.unwrap();
    world.web().write("first", b"somebody else's").await;
    let (second, was_sent) = copy(provider, (&root, "second"), &content, &first).await;
    assert!(was_sent && read_all(provider, &second.unwrap()).await.unwrap() == content);
    settled(&world).await;
}

pub(crate) async fn of_what_is_gone<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let content = bytes(100_000, 1);
    let first = create(provider, &root, "first", &content).await.unwrap();
    world.web().remove("first").await;
    let (second, was_sent) = copy(provider, (&root, "second"), &content, &first).await;
    assert!(was_sent && read_all(provider, &second.unwrap()).await.unwrap() == content);
    settled(&world).await;
}

/// The condition is that of every new file.
pub(crate) async fn where_something_is<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let content = bytes(100_000, 1);
    let first = create(provider, &root, "first", &content).await.unwrap();
    provider.create_folder(&root, &name("folder")).await.unwrap();
    world.web().write("unseen", &content).await;
    let before = world.web().truth().await;
    for taken in ["first", "folder", "unseen"] {
        let (stored, _) = copy(provider, (&root, taken), &content, &first).await;
        assert_eq!(kind_of(stored), ErrorKind::Exists, "{taken}");
    }
    let (stored, _) = copy(provider, (&RemoteId("never".to_owned()), "second"), &content, &first).await;
    assert_eq!(kind_of(stored), ErrorKind::NotFound);
    assert_unchanged(&world, &before).await;
}
