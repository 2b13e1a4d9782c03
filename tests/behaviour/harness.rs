//! What the cases share: worlds, a mirror that applies the feed, uploads from memory, and short ways to say things.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use vaultfs::provider::{
    Change, Cursor, EntryBody, ErrorKind, Provider, ProviderError, RemoteEntry, Result, Upload, UploadObserver,
    UploadSession, UploadSource, UploadTarget,
};
use vaultfs::types::{ByteRange, ContentHash, EntryName, NodeKind, RemoteId, Revision, Timestamp};

/// How long a change may take to be told before a case fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A provider with a remote of its own.
pub(crate) trait World: Send + Sync {
    /// An empty remote.
    async fn fresh() -> Self;
    /// The provider under test.
    fn provider(&self) -> &dyn Provider;
    /// Somebody else.
    fn web(&self) -> &dyn WebUser;
    /// Ends the provider and starts another one on the same remote, with what it kept.
    async fn restart(&mut self);
}

/// Somebody who edits the remote without our provider. Paths are relative to the root.
#[async_trait]
pub(crate) trait WebUser: Send + Sync {
    /// Creates or rewrites a file in place.
    async fn write(&self, path: &str, bytes: &[u8]);
    /// Replaces a file the way editors do, if the remote has such a way.
    async fn save_atomically(&self, path: &str, bytes: &[u8]);
    async fn make_folder(&self, path: &str);
    async fn make_link(&self, path: &str, target: &str);
    /// Renames or moves; replaces what is there.
    async fn rename(&self, from: &str, to: &str);
    /// Deletes with everything below.
    async fn remove(&self, path: &str);
    /// Everything there is.
    async fn truth(&self) -> Tree;
}

/// A tree by path.
pub(crate) type Tree = BTreeMap<String, Node>;

/// An entry by value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Folder,
    File(Vec<u8>),
    Link(String),
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder => f.write_str("folder"),
            Self::File(bytes) => write!(f, "file of {} bytes, {}", bytes.len(), blake3::hash(bytes).to_hex()),
            Self::Link(target) => write!(f, "link to {target}"),
        }
    }
}

/// The remote tree as the feed tells it.
#[derive(Default)]
pub(crate) struct Mirror {
    pub(crate) entries: HashMap<RemoteId, RemoteEntry>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) pages: usize,
}

impl Mirror {
    /// A full listing.
    pub(crate) async fn of(provider: &dyn Provider) -> Self {
        let mut mirror = Self::default();
        mirror.pull(provider).await;
        mirror
    }

    /// Pulls all pages and applies them; returns what was told.
    pub(crate) async fn pull(&mut self, provider: &dyn Provider) -> Vec<Change> {
        let mut told = Vec::new();
        loop {
            let page = provider.changes(self.cursor.as_ref()).await.unwrap();
            self.pages += 1;
            self.cursor = Some(page.cursor);
            for change in &page.changes {
                self.apply(change);
            }
            told.extend(page.changes);
            if !page.has_more {
                self.evict(&told);
                return told;
            }
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Upsert(entry) => {
                self.entries.insert(entry.id.clone(), entry.clone());
            }
            Change::Removed(id) => self.remove(&id.clone()),
            Change::RemovedAt { parent, name } => {
                let gone =
                    self.entries.values().find(|entry| entry.parent.as_ref() == Some(parent) && entry.name == *name);
                if let Some(id) = gone.map(|entry| entry.id.clone()) {
                    self.remove(&id);
                }
            }
        }
    }

    /// What had the place of an entry that was told is no longer there, told or not.
    fn evict(&mut self, told: &[Change]) {
        for change in told {
            let Change::Upsert(RemoteEntry { id, .. }) = change else { continue };
            let Some((parent, name)) = self.entries.get(id).map(|entry| (entry.parent.clone(), entry.name.clone()))
            else {
                continue;
            };
            let at_place = |other: &&RemoteEntry| other.id != *id && other.parent == parent && other.name == name;
            for former in self.entries.values().filter(at_place).map(|other| other.id.clone()).collect::<Vec<_>>() {
                self.remove(&former);
            }
        }
    }

    fn remove(&mut self, id: &RemoteId) {
        self.entries.remove(id);
        let below: Vec<_> = self.entries.values().filter(|entry| entry.parent.as_ref() == Some(id)).collect();
        for id in below.into_iter().map(|entry| entry.id.clone()).collect::<Vec<_>>() {
            self.remove(&id);
        }
    }

    /// Path of an entry, if every folder above it is known.
    fn path(&self, entry: &RemoteEntry, root: &RemoteId) -> Option<String> {
        let parent = entry.parent.as_ref()?;
        if parent == root {
            return Some(entry.name.to_string());
        }
        Some(format!("{}/{}", self.path(self.entries.get(parent)?, root)?, entry.name))
    }

    /// Entries by path.
    pub(crate) async fn by_path(&self, provider: &dyn Provider) -> BTreeMap<String, RemoteEntry> {
        let root = root(provider).await;
        let path = |entry: &RemoteEntry| self.path(entry, &root).unwrap_or_else(|| panic!("{entry:?} is an orphan"));
        let paths: BTreeMap<_, _> = self.entries.values().map(|entry| (path(entry), entry.clone())).collect();
        assert_eq!(paths.len(), self.entries.len(), "two entries at one place: {:?}", self.entries);
        paths
    }

    /// The tree with all bytes, read through the provider; `None` if something changed meanwhile.
    async fn tree(&self, provider: &dyn Provider) -> Option<Tree> {
        let root = root(provider).await;
        let mut tree = Tree::new();
        for entry in self.entries.values() {
            let node = match &entry.body {
                EntryBody::Folder => Node::Folder,
                EntryBody::Symlink { target } => Node::Link(target.clone()),
                EntryBody::File { .. } => match read_all(provider, entry).await {
                    Ok(bytes) => Node::File(bytes),
                    Err(error) if matches!(error.kind, ErrorKind::RevisionGone | ErrorKind::NotFound) => return None,
                    Err(error) => panic!("{error}"),
                },
            };
            tree.insert(self.path(entry, &root)?, node);
        }
        (tree.len() == self.entries.len()).then_some(tree)
    }

    /// Pulls, woken by the feed, until the mirror equals the truth; returns what was told on the way.
    pub(crate) async fn converge(&mut self, world: &impl World) -> Vec<Change> {
        let started = Instant::now();
        let truth = world.web().truth().await;
        let mut told = Vec::new();
        loop {
            told.extend(self.pull(world.provider()).await);
            let tree = self.tree(world.provider()).await;
            if tree.as_ref() == Some(&truth) {
                return told;
            }
            assert!(started.elapsed() < PATIENCE, "the feed does not reach the truth\n{tree:#?}\n{truth:#?}");
            let cursor = self.cursor.clone().unwrap();
            world.provider().wait_for_changes(&cursor, Duration::from_secs(5)).await.unwrap();
        }
    }

    /// The entry at a path.
    pub(crate) async fn at(&self, world: &impl World, path: &str) -> RemoteEntry {
        let paths = self.by_path(world.provider()).await;
        paths.get(path).cloned().unwrap_or_else(|| panic!("nothing at {path}: {paths:?}"))
    }
}

/// Pulls a fresh mirror that equals the truth, and checks it.
pub(crate) async fn settled(world: &impl World) -> Mirror {
    let mut mirror = Mirror::default();
    mirror.converge(world).await;
    mirror
}

/// The id of the root.
pub(crate) async fn root(provider: &dyn Provider) -> RemoteId {
    provider.root().await.unwrap().id
}

pub(crate) fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

/// Bytes that look different at every place.
pub(crate) fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let mut bytes = vec![0; length];
    reader.fill(&mut bytes);
    bytes
}

pub(crate) fn revision(entry: &RemoteEntry) -> Revision {
    match &entry.body {
        EntryBody::File { revision, .. } => revision.clone(),
        body @ (EntryBody::Folder | EntryBody::Symlink { .. }) => panic!("not a file: {body:?}"),
    }
}

pub(crate) fn size(entry: &RemoteEntry) -> u64 {
    match &entry.body {
        EntryBody::File { size, .. } => *size,
        body @ (EntryBody::Folder | EntryBody::Symlink { .. }) => panic!("not a file: {body:?}"),
    }
}

pub(crate) async fn read_all(provider: &dyn Provider, entry: &RemoteEntry) -> Result<Vec<u8>> {
    let range = ByteRange::new(0, size(entry));
    provider.read(&entry.id, &revision(entry), range).await.map(|bytes| bytes.to_vec())
}

/// The kind of an error; a panic if there is none.
pub(crate) fn kind_of<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind
}

/// Bytes to be uploaded, from memory.
pub(crate) struct Memory(pub(crate) Vec<u8>);

impl UploadSource for Memory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        buffer.copy_from_slice(&self.0[start..start + buffer.len()]);
        Ok(())
    }
}

/// Counts progress.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) sent: AtomicU64,
    pub(crate) calls: AtomicU64,
}

impl UploadObserver for Progress {
    fn progressed(&self, sent: u64) {
        assert!(self.sent.swap(sent, Ordering::SeqCst) <= sent, "progress goes back");
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    fn session(&self, _session: &UploadSession) {}
}

/// A modification time that differs from now.
pub(crate) const MODIFIED: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// An upload with nothing to go on with and nothing to copy.
pub(crate) fn request<'a>(
    target: UploadTarget,
    source: &'a dyn UploadSource,
    hash: ContentHash,
    observer: &'a dyn UploadObserver,
) -> Upload<'a> {
    Upload { target, source, hash, modified: MODIFIED, observer, resume: None, copy_of: None }
}

pub(crate) async fn upload(provider: &dyn Provider, target: UploadTarget, bytes: &[u8]) -> Result<RemoteEntry> {
    let kind = provider.capabilities().hash_kind();
    let (source, hash) = (Memory(bytes.to_vec()), ContentHash::of(kind, bytes));
    provider.upload(request(target, &source, hash, &Progress::default())).await
}

pub(crate) async fn create(
    provider: &dyn Provider,
    parent: &RemoteId,
    file: &str,
    bytes: &[u8],
) -> Result<RemoteEntry> {
    upload(provider, UploadTarget::Create { parent: parent.clone(), name: name(file) }, bytes).await
}

pub(crate) async fn replace(provider: &dyn Provider, entry: &RemoteEntry, bytes: &[u8]) -> Result<RemoteEntry> {
    let target = UploadTarget::Replace { id: entry.id.clone(), expected: revision(entry) };
    upload(provider, target, bytes).await
}

/// Looks an entry up until it is as expected: what others do may take a moment to be seen.
pub(crate) async fn stat_until(
    provider: &dyn Provider,
    id: &RemoteId,
    expected: impl Fn(&Result<RemoteEntry>) -> bool,
) -> Result<RemoteEntry> {
    let started = Instant::now();
    loop {
        let found = provider.stat(id).await;
        if expected(&found) {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "still {found:?}");
        tokio::task::yield_now().await;
    }
}

/// Nothing was changed by a failed call.
pub(crate) async fn assert_unchanged(world: &impl World, before: &Tree) {
    assert_eq!(&world.web().truth().await, before);
}

pub(crate) fn is_folder(entry: &RemoteEntry) -> bool {
    entry.body.kind() == NodeKind::Folder
}

/// The error of a call that must fail.
pub(crate) fn error_of<T: std::fmt::Debug>(result: Result<T>) -> ProviderError {
    result.unwrap_err()
}
