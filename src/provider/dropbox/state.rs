//! What the parts of the provider share, and the two things that it remembers: the index of folders, and the service's own revisions of
//! files that were lately seen.

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use super::api::Api;
use super::commit::Commits;
use super::config::DropboxConfig;
use super::index::{Index, index_error};
use super::listing::Listing;
use super::place::{Root, revision_of};
use super::wire::FileMetadata;
use crate::provider::{ErrorKind, ProviderError, Result, index_file};
use crate::types::{ContentHash, RemoteId, Revision};

/// Files whose service revision is remembered.
const KEPT_REVS: usize = 4 * 1024;
/// Uploads that broke and are made in parts the next time.
const KEPT_BROKEN: usize = 256;
/// Folders whose path is remembered for a moment.
const KEPT_PATHS: usize = 256;
/// Entries that were just made.
const KEPT_YOUNG: usize = 1024;
/// How long the service may deny what it has just made.
const YOUTH: Duration = Duration::from_secs(10);

/// See [`Shared::way`].
pub(super) type Way = tokio::sync::OwnedRwLockReadGuard<()>;
/// See [`Shared::all_ways`].
pub(super) type AllWays = tokio::sync::OwnedRwLockWriteGuard<()>;

/// One vault's provider, shared by its calls.
pub(super) struct Shared {
    pub(super) api: Api,
    pub(super) config: DropboxConfig,
    pub(super) commits: Commits,
    ways: Arc<tokio::sync::RwLock<()>>,
    /// The listing that is under way. Its lock makes the feed a matter of one call at a time.
    pub(super) listing: tokio::sync::Mutex<Option<Listing>>,
    /// When the service wants to be asked for changes again.
    pub(super) next_wait: Mutex<Option<Instant>>,
    /// The vault's folder as it was last found.
    pub(super) root: Mutex<Option<Arc<Root>>>,
    /// Folders whose path was just asked for.
    pub(super) paths: Mutex<LruCache<RemoteId, (String, Instant)>>,
    index: Mutex<Index>,
    /// Its write-ahead log. A flush of it waits for nobody who uses the index.
    index_log: File,
    revs: Mutex<LruCache<(RemoteId, Revision), String>>,
    broken: Mutex<LruCache<ContentHash, ()>>,
    young: Mutex<LruCache<RemoteId, Instant>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn size(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

impl Shared {
    pub(super) fn new(account: &Api, config: DropboxConfig) -> Result<Self> {
        let api = account.at(config.folder.namespace.as_deref())?;
        let index = Index::open(&config.index).map_err(|error| index_error("open vault", error))?;
        let index_log = index_file::open_log(&config.index).map_err(|error| {
            let text = "the index of folders on this machine fails";
            ProviderError::new(ErrorKind::Busy, "open vault", text).caused_by(error)
        })?;
        Ok(Self {
            api,
            config,
            commits: Commits::default(),
            ways: Arc::default(),
            listing: tokio::sync::Mutex::default(),
            next_wait: Mutex::default(),
            root: Mutex::default(),
            paths: Mutex::new(LruCache::new(size(KEPT_PATHS))),
            index: Mutex::new(index),
            index_log,
            revs: Mutex::new(LruCache::new(size(KEPT_REVS))),
            broken: Mutex::new(LruCache::new(size(KEPT_BROKEN))),
            young: Mutex::new(LruCache::new(size(KEPT_YOUNG))),
        })
    }

    /// Paths of folders stay what they are, as far as this device moves folders: from before a path is asked for until the service has
    /// answered what it was used for. The service makes anew what it misses of a path, and a file would be left behind where its folder
    /// was. Taken before the turn, and never twice.
    pub(super) async fn way(&self) -> Way {
        Arc::clone(&self.ways).read_owned().await
    }

    /// The right to move or delete a folder: nobody uses the path of one.
    pub(super) async fn all_ways(&self) -> AllWays {
        Arc::clone(&self.ways).write_owned().await
    }

    /// A short look into the index, or a short change of it.
    pub(super) fn index<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Index) -> rusqlite::Result<T>,
    ) -> Result<T> {
        work(&mut lock(&self.index)).map_err(|error| index_error(operation, error))
    }

    /// Makes durable what the index holds.
    pub(super) fn flush_index(&self) -> std::io::Result<()> {
        self.index_log.sync_data()
    }

    /// Work on the index that takes longer, on a thread that may wait for the disk.
    pub(super) async fn index_at_length<T: Send + 'static>(
        self: &Arc<Self>,
        operation: &'static str,
        work: impl FnOnce(&mut Index) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(self);
        match tokio::task::spawn_blocking(move || shared.index(operation, work)).await {
            Ok(result) => result,
            Err(error) => Err(ProviderError::new(ErrorKind::Busy, operation, "the call was cut off").caused_by(error)),
        }
    }

    /// Remembers the service's revision of a version.
    pub(super) fn saw(&self, file: &FileMetadata) {
        lock(&self.revs).put((RemoteId(file.id.clone()), revision_of(file)), file.rev.clone());
    }

    /// The service's revision that last had a version's content, if it was lately seen.
    pub(super) fn rev_of(&self, id: &RemoteId, revision: &Revision) -> Option<String> {
        lock(&self.revs).get(&(id.clone(), revision.clone())).cloned()
    }

    /// A folder has moved: the service gives everything in it other revisions.
    pub(super) fn forget_revs(&self) {
        lock(&self.revs).clear();
    }

    /// A revision turned out to be another one's.
    pub(super) fn forget_rev(&self, id: &RemoteId, revision: &Revision) {
        lock(&self.revs).pop(&(id.clone(), revision.clone()));
    }

    /// An upload in one piece broke on the way.
    pub(super) fn note_broken(&self, hash: ContentHash) {
        lock(&self.broken).put(hash, ());
    }

    /// True if these bytes did not get through in one piece.
    pub(super) fn is_broken(&self, hash: &ContentHash) -> bool {
        lock(&self.broken).contains(hash)
    }

    /// An entry was just made or moved.
    pub(super) fn note_young(&self, id: &RemoteId) {
        lock(&self.young).put(id.clone(), Instant::now());
    }

    /// True if an entry was made a moment ago: the service may not find it yet.
    pub(super) fn is_young(&self, id: &RemoteId) -> bool {
        lock(&self.young).get(id).is_some_and(|made| made.elapsed() < YOUTH)
    }

    /// An entry is gone, on purpose.
    pub(super) fn note_gone(&self, id: &RemoteId) {
        lock(&self.young).pop(id);
    }

    /// The vault's folder, if it was found before.
    pub(super) fn known_root(&self) -> Option<Arc<Root>> {
        lock(&self.root).clone()
    }

    pub(super) fn set_root(&self, root: Root) -> Arc<Root> {
        let root = Arc::new(root);
        *lock(&self.root) = Some(Arc::clone(&root));
        root
    }
}
