//! `upload`

use std::io;
use std::sync::atomic::Ordering;

use vaultfs::provider::{EntryBody, ErrorKind, UploadObserver, UploadSession, UploadSource, UploadTarget};
use vaultfs::types::{ContentHash, RemoteId, Revision};

use crate::harness::{
    MODIFIED, Memory, Node, PATIENCE, Progress, World, assert_unchanged, bytes, create, kind_of, name, read_all,
    replace, request, revision, root, settled, size, upload,
};

const LARGE: usize = 5 * 1024 * 1024 + 17;

pub(crate) async fn a_new_file<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let file = create(provider, &root, "mix.json", b"{\"id\": 1}").await.unwrap();
    assert_eq!((file.parent.clone(), size(&file)), (Some(root), 9));
    if let EntryBody::File { hash: Some(hash), .. } = &file.body {
        assert_eq!(*hash, ContentHash::of(provider.capabilities().hash_kind(), b"{\"id\": 1}"));
    }
    assert_eq!(provider.stat(&file.id).await.unwrap(), file);
    assert_eq!(read_all(provider, &file).await.unwrap(), b"{\"id\": 1}");
    assert_eq!(settled(&world).await.at(&world, "mix.json").await, file);
}

pub(crate) async fn an_empty_file<W: World>() {
    let world = W::fresh().await;
    let file = create(world.provider(), &root(world.provider()).await, "empty", b"").await.unwrap();
    assert_eq!(size(&file), 0);
    settled(&world).await;
}

pub(crate) async fn a_large_file_with_progress<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let (content, progress) = (bytes(LARGE, 1), Progress::default());
    let target = UploadTarget::Create { parent: root(provider).await, name: name("take.wav") };
    let hash = ContentHash::of(provider.capabilities().hash_kind(), &content);
    let source = Memory(content.clone());
    let request = request(target, &source, hash, &progress);
    let file = provider.upload(request).await.unwrap();
    assert_eq!(progress.sent.load(Ordering::SeqCst), LARGE as u64);
    assert!(progress.calls.load(Ordering::SeqCst) > 1);
    assert!(read_all(provider, &file).await.unwrap() == content);
}

pub(crate) async fn a_name_that_is_taken<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    create(provider, &root, "file", b"first").await.unwrap();
    provider.create_folder(&root, &name("folder")).await.unwrap();
    world.web().write("unseen", b"web").await;
    let before = world.web().truth().await;
    for taken in ["file", "folder", "unseen"] {
        assert_eq!(kind_of(create(provider, &root, taken, b"second").await), ErrorKind::Exists, "{taken}");
    }
    assert_unchanged(&world, &before).await;
}

pub(crate) async fn below_nothing<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let never = RemoteId("never".to_owned());
    assert_eq!(kind_of(create(provider, &never, "file", b"x").await), ErrorKind::NotFound);
    let file = create(provider, &root(provider).await, "file", b"x").await.unwrap();
    assert_eq!(kind_of(create(provider, &file.id, "below", b"x").await), ErrorKind::NotFound);
}

pub(crate) async fn the_next_version<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let mut file = create(provider, &root(provider).await, "file", b"version 0").await.unwrap();
    for round in 1..5 {
        let content = format!("version {round}");
        let next = replace(provider, &file, content.as_bytes()).await.unwrap();
        assert_ne!(revision(&next), revision(&file));
        if provider.capabilities().overwrite_keeps_id {
            assert_eq!(next.id, file.id);
        }
        assert_eq!(read_all(provider, &next).await.unwrap(), content.as_bytes());
        file = next;
    }
    assert_eq!(settled(&world).await.at(&world, "file").await, file);
}

pub(crate) async fn a_stale_revision_is_refused<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().conditional_write {
        return;
    }
    let old = create(provider, &root(provider).await, "file", b"old").await.unwrap();
    let ours = replace(provider, &old, b"ours").await.unwrap();
    let before = world.web().truth().await;
    assert_eq!(kind_of(replace(provider, &old, b"stale").await), ErrorKind::RevisionMismatch);
    assert_unchanged(&world, &before).await;
    for edit in ["in place", "by rename"] {
        if edit == "in place" {
            world.web().write("file", b"edit of others").await;
        } else {
            world.web().save_atomically("file", b"another edit of others").await;
        }
        let before = world.web().truth().await;
        let refused = kind_of(replace(provider, &ours, b"stale").await);
        assert_eq!(refused, ErrorKind::RevisionMismatch, "{edit}");
        assert_unchanged(&world, &before).await;
    }
}

pub(crate) async fn a_version_of_nothing<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let target = UploadTarget::Replace { id: RemoteId("never".to_owned()), expected: Revision("never".to_owned()) };
    assert_eq!(kind_of(upload(provider, target, b"x").await), ErrorKind::NotFound);
    let file = create(provider, &root(provider).await, "file", b"x").await.unwrap();
    world.web().remove("file").await;
    assert_eq!(kind_of(replace(provider, &file, b"y").await), ErrorKind::NotFound);
    assert!(world.web().truth().await.is_empty());
}

pub(crate) async fn a_wrong_hash_is_refused<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let file = create(provider, &root(provider).await, "file", b"right").await.unwrap();
    let before = world.web().truth().await;
    let hash = ContentHash::of(provider.capabilities().hash_kind(), b"announced");
    let create = UploadTarget::Create { parent: root(provider).await, name: name("new") };
    let over = UploadTarget::Replace { id: file.id.clone(), expected: revision(&file) };
    for target in [create, over] {
        let (source, observer) = (Memory(b"arrived".to_vec()), Progress::default());
        let request = request(target, &source, hash, &observer);
        assert_eq!(kind_of(provider.upload(request).await), ErrorKind::Corrupt);
        assert_unchanged(&world, &before).await;
    }
}

/// Another program looks at every step of an upload.
pub(crate) async fn readers_see_old_or_new<W: World>() {
    struct Looker<'a, W: World> {
        world: &'a W,
        expected: &'a [Node],
        looks: Progress,
    }
    impl<W: World> UploadObserver for Looker<'_, W> {
        fn progressed(&self, sent: u64) {
            let tree = futures_util::FutureExt::now_or_never(self.world.web().truth());
            if let Some(tree) = tree {
                assert_eq!(tree.keys().filter(|path| *path == "file").count(), 1, "the name was missing: {tree:?}");
                assert!(self.expected.contains(&tree["file"]), "a mixture: {tree:?}");
            }
            self.looks.progressed(sent);
        }
        fn session(&self, _session: &UploadSession) {}
    }
    let world = W::fresh().await;
    let provider = world.provider();
    let (old, new) = (bytes(LARGE, 1), bytes(LARGE, 2));
    let file = create(provider, &root(provider).await, "file", &old).await.unwrap();
    let expected = [Node::File(old), Node::File(new.clone())];
    let observer = Looker { world: &world, expected: &expected, looks: Progress::default() };
    let target = UploadTarget::Replace { id: file.id.clone(), expected: revision(&file) };
    let hash = ContentHash::of(provider.capabilities().hash_kind(), &new);
    let source = Memory(new.clone());
    provider.upload(request(target, &source, hash, &observer)).await.unwrap();
    assert!(observer.looks.calls.load(Ordering::SeqCst) > 0);
    assert_eq!(world.web().truth().await["file"], Node::File(new));
}

pub(crate) async fn a_cancelled_upload_leaves_nothing<W: World>() {
    /// More bytes than any case could send, and a word when the first of them go.
    #[derive(Default)]
    struct Endless(tokio::sync::Notify);
    impl UploadSource for Endless {
        fn size(&self) -> u64 {
            1 << 34
        }
        fn read_at(&self, _offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            self.0.notify_one();
            buffer.fill(0);
            Ok(())
        }
    }
    impl UploadObserver for Endless {
        fn progressed(&self, _sent: u64) {
            self.0.notify_one();
        }
        fn session(&self, _session: &UploadSession) {}
    }
    let world = W::fresh().await;
    let provider = world.provider();
    let file = create(provider, &root(provider).await, "file", b"old").await.unwrap();
    let before = world.web().truth().await;
    let hash = ContentHash::of(provider.capabilities().hash_kind(), b"never sent as a whole");
    let create = UploadTarget::Create { parent: root(provider).await, name: name("new") };
    let over = UploadTarget::Replace { id: file.id.clone(), expected: revision(&file) };
    for target in [create, over] {
        let endless = Endless::default();
        let request = request(target, &endless, hash, &endless);
        tokio::select! {
            biased;
            () = endless.0.notified() => {}
            result = provider.upload(request) => panic!("finished first: {result:?}"),
        }
        // A part may still be on its way to the disk.
        let started = std::time::Instant::now();
        while world.web().truth().await != before && started.elapsed() < PATIENCE {
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        }
        assert_unchanged(&world, &before).await;
    }
    settled(&world).await;
}

pub(crate) async fn a_failing_source_leaves_nothing<W: World>() {
    struct Rotten;
    impl UploadSource for Rotten {
        fn size(&self) -> u64 {
            LARGE as u64
        }
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            buffer.fill(0);
            if offset == 0 { Ok(()) } else { Err(io::Error::other("rotten")) }
        }
    }
    let world = W::fresh().await;
    let provider = world.provider();
    let target = UploadTarget::Create { parent: root(provider).await, name: name("new") };
    let hash = ContentHash::of(provider.capabilities().hash_kind(), b"");
    let observer = Progress::default();
    let request = request(target, &Rotten, hash, &observer);
    provider.upload(request).await.unwrap_err();
    assert!(world.web().truth().await.is_empty());
}

pub(crate) async fn the_modification_time_is_carried<W: World>() {
    let world = W::fresh().await;
    let file = create(world.provider(), &root(world.provider()).await, "file", b"x").await.unwrap();
    if let EntryBody::File { modified: Some(modified), .. } = file.body {
        assert_eq!(modified, MODIFIED);
    }
}

pub(crate) async fn one_of_two_writers_wins<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    if !provider.capabilities().conditional_write {
        return;
    }
    let root = root(provider).await;
    let (a, b) = tokio::join!(create(provider, &root, "new", b"a"), create(provider, &root, "new", b"bb"));
    let (file, lost) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_eq!(kind_of(lost), ErrorKind::Exists);
    let file = file.unwrap();
    let (a, b) = tokio::join!(replace(provider, &file, b"one"), replace(provider, &file, b"other"));
    let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_eq!(kind_of(lost), ErrorKind::RevisionMismatch);
    let won = won.unwrap();
    let content = read_all(provider, &won).await.unwrap();
    assert_eq!(world.web().truth().await["new"], Node::File(content));
}
