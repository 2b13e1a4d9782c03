//! What all operations of a local vault share: the index, the root, and the way from an id to a place on the disk.
//!
//! Lock order: `held`, then `index`, then the small ones (`dirty`, `skipped`, `uploads`), which are never held over
//! anything. `index` is the commit lock: it is held from the last check of a change to the row that records it, and never
//! over the transfer of content. Everything here blocks; the async side calls it on blocking threads.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use rusqlite::Connection;
use uuid::Uuid;

use crate::provider::{EntryBody, ErrorKind, ProviderError, RemoteEntry, Result, index_file};
use crate::types::{EntryName, NodeKind, RemoteId, Timestamp};

use super::config::{LocalConfig, MarkerPolicy};
use super::error::{index_error, io_error, not_found, root_missing};
use super::index::{self, Index, ROOT, Row};
use super::names::{self, TEMPORARY_PREFIX};
use super::root::{Root, Stat, Unreachable, stat_name};
use super::status::Skipped;
use super::watch::{Dirty, Names, Watch, Work};

/// Temporary files of other programs of ours (another computer on the same share) are removed after this time.
const FOREIGN_TEMPORARY_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The state of one local vault.
pub(super) struct Local {
    pub(super) config: LocalConfig,
    index: Mutex<Index>,
    /// The write-ahead log of the index. Its flush makes every change of the index durable, and waits for no scan.
    pub(super) index_log: File,
    /// Sees what is committed, also while a scan holds the index.
    reader: Mutex<Connection>,
    held: Mutex<Option<Held>>,
    pub(super) dirty: Arc<Dirty>,
    skipped: Mutex<BTreeMap<i64, Vec<Skipped>>>,
    /// Names of temporary files in use.
    uploads: Mutex<HashSet<String>>,
    /// Starts the names of our temporary files: those of another index may be another computer's, and in use.
    temporary_prefix: String,
    /// One pull scans at a time.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    full_scans: AtomicU64,
}

struct Held {
    root: Arc<Root>,
    _watch: Watch,
}

/// An entry that was found on the disk as the index has it.
pub(super) struct Located {
    pub(super) row: Row,
    /// The folder that holds it.
    pub(super) folder: Dir,
}

impl Located {
    pub(super) fn name(&self) -> &str {
        self.row.name.as_str()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Local {
    /// Opens the index. The root may be missing.
    pub(super) fn open(config: LocalConfig) -> Result<Self> {
        const OPERATION: &str = "open local vault";
        if let Some(folder) = config.index.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| io_error(OPERATION, &folder.display().to_string(), error))?;
        }
        let index = Index::open(&config.index).map_err(|error| index_error(OPERATION, error))?;
        let index_log = index_file::open_log(&config.index)
            .map_err(|error| io_error(OPERATION, &config.index.display().to_string(), error))?;
        let reader = index::connect(&config.index).map_err(|error| index_error(OPERATION, error))?;
        let tag = index.epoch().get(..8).unwrap_or_default();
        Ok(Self {
            temporary_prefix: format!("{TEMPORARY_PREFIX}{tag}-"),
            dirty: Arc::new(Dirty::new(config.poll_every, config.rescan_every)),
            config,
            index: Mutex::new(index),
            index_log,
            reader: Mutex::new(reader),
            held: Mutex::new(None),
            skipped: Mutex::default(),
            uploads: Mutex::default(),
            turn: Arc::default(),
            full_scans: AtomicU64::new(0),
        })
    }

    /// How often everything was scanned.
    pub(super) fn full_scans(&self) -> u64 {
        self.full_scans.load(Ordering::Acquire)
    }

    /// Everything was scanned.
    pub(super) fn count_full_scan(&self) {
        self.full_scans.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }

    pub(super) fn reader(&self) -> MutexGuard<'_, Connection> {
        lock(&self.reader)
    }

    pub(super) fn skipped(&self) -> MutexGuard<'_, BTreeMap<i64, Vec<Skipped>>> {
        lock(&self.skipped)
    }

    /// The root, checked: the folder is there, and its marker says that it is the root of this vault.
    pub(super) fn root(&self, operation: &'static str) -> Result<Arc<Root>> {
        let mut held = lock(&self.held);
        let checked = self.check_root(operation);
        let (root, id) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                *held = None;
                return Err(error);
            }
        };
        if let Some(held) = held.as_ref().filter(|held| held.root.is_same_as(&root)) {
            return Ok(Arc::clone(&held.root));
        }
        self.index().set_root(id, root.stat()).map_err(|error| index_error(operation, error))?;
        // Watched before it is scanned, so that nothing falls between.
        *held = None;
        let root = Arc::new(root);
        let watch = Watch::start(&self.config.root, &self.dirty, self.config.watch);
        *held = Some(Held { root: Arc::clone(&root), _watch: watch });
        self.dirty.mark_everything();
        Ok(root)
    }

    fn check_root(&self, operation: &'static str) -> Result<(Root, Uuid)> {
        let path = self.config.root.display();
        let root = Root::open(&self.config.root, operation)?;
        let known = self.index().known_root().map_err(|error| index_error(operation, error))?;
        let marker = match root.marker(operation)? {
            Some(marker) => marker,
            None if known.is_none() && self.config.marker == MarkerPolicy::Create => {
                root.write_marker(self.config.vault, operation)?
            }
            None => {
                let why = format!("{path} has no root marker: the disk is not mounted, or the folder was replaced");
                return Err(root_missing(operation, why));
            }
        };
        if marker.vault != self.config.vault {
            return Err(root_missing(operation, format!("{path} is the root of vault {}", marker.vault)));
        }
        if known.is_some_and(|known| known != marker.root) {
            return Err(root_missing(operation, format!("{path} is another root of this vault")));
        }
        Ok((root, marker.root))
    }

    /// The root as it was last checked.
    pub(super) fn held_root(&self, operation: &'static str) -> Result<Arc<Root>> {
        if let Some(held) = lock(&self.held).as_ref() {
            return Ok(Arc::clone(&held.root));
        }
        self.root(operation)
    }

    /// The root as it was last checked, if there is one: never waits for anything but a lock.
    pub(super) fn root_at_hand(&self) -> Option<Arc<Root>> {
        lock(&self.held).as_ref().map(|held| Arc::clone(&held.root))
    }

    /// Runs `work` on the entry as it is now, under the commit lock. An entry that is not where the index has it is looked
    /// for once.
    pub(super) fn with_entry<T>(
        &self,
        operation: &'static str,
        root: &Root,
        id: &RemoteId,
        mut work: impl FnMut(&mut Index, Located) -> Result<T>,
    ) -> Result<T> {
        for searched in [false, true] {
            let mut index = self.index();
            match Self::locate(&mut index, root, id, operation)? {
                Found::Here(located) => return work(&mut index, *located),
                Found::Unknown => {}
                Found::Elsewhere(place) => self.dirty.mark(&place),
            }
            drop(index);
            if !searched {
                self.catch_up(operation)?;
            }
        }
        Err(not_found(operation, format_args!("entry {id}")))
    }

    /// Runs `work` in a folder as it is now, under the commit lock.
    pub(super) fn with_folder<T>(
        &self,
        operation: &'static str,
        root: &Root,
        id: &RemoteId,
        mut work: impl FnMut(&mut Index, i64, Dir) -> Result<T>,
    ) -> Result<T> {
        for searched in [false, true] {
            let mut index = self.index();
            if let Some((row, folder)) = self.open_target(&index, root, id, operation)? {
                return work(&mut index, row, folder);
            }
            drop(index);
            if !searched {
                self.catch_up(operation)?;
            }
        }
        Err(not_found(operation, format_args!("folder {id}")))
    }

    /// Opens a folder by id; `None` if it is not where the index has it, which is then marked for a look.
    pub(super) fn open_target(
        &self,
        index: &Index,
        root: &Root,
        id: &RemoteId,
        operation: &'static str,
    ) -> Result<Option<(i64, Dir)>> {
        let failed = |error| index_error(operation, error);
        let Some(row) = index::by_id(index.connection(), id).map_err(failed)? else { return Ok(None) };
        let path = Self::path_of(index.connection(), row.row).map_err(failed)?;
        if row.stat.kind != NodeKind::Folder {
            return Err(not_found(operation, format_args!("folder {}", path.display())));
        }
        let Some(chain) = index::chain(index.connection(), row.row).map_err(failed)? else { return Ok(None) };
        match root.open_folder(&chain) {
            Ok(folder) => Ok(Some((row.row, folder))),
            Err(Unreachable::Gone) => {
                self.dirty.mark(&path);
                Ok(None)
            }
            Err(Unreachable::Unreadable(error)) => Err(io_error(operation, &path.display().to_string(), error)),
        }
    }

    /// Scans what is known to be out of date.
    fn catch_up(&self, operation: &'static str) -> Result<()> {
        let Some(work) = self.dirty.take() else { return Ok(()) };
        self.scan(&work, operation).inspect_err(|_| self.dirty.put_back(work))
    }

    fn locate(index: &mut Index, root: &Root, id: &RemoteId, operation: &'static str) -> Result<Found> {
        let failed = |error| index_error(operation, error);
        let Some(mut row) = index::by_id(index.connection(), id).map_err(failed)? else { return Ok(Found::Unknown) };
        let path = Self::path_of(index.connection(), row.row).map_err(failed)?;
        if row.row == ROOT {
            return Err(ProviderError::new(ErrorKind::Invalid, operation, "the root is not an entry"));
        }
        let unreadable = |error| io_error(operation, &path.display().to_string(), error);
        let Some(chain) = index::chain(index.connection(), row.parent).map_err(failed)? else {
            return Ok(Found::Unknown);
        };
        let folder = match root.open_folder(&chain) {
            Ok(folder) => folder,
            Err(Unreachable::Gone) => return Ok(Found::Elsewhere(path)),
            Err(Unreachable::Unreadable(error)) => return Err(unreadable(error)),
        };
        match stat_name(&folder, &row.name).map_err(unreadable)? {
            Some(stat) if (stat.ident, stat.kind) == (row.stat.ident, row.stat.kind) => {
                Self::take_in(index, &mut row, &stat, false).map_err(failed)?;
                Ok(Found::Here(Box::new(Located { row, folder })))
            }
            Some(_) | None => Ok(Found::Elsewhere(path)),
        }
    }

    /// The path below the root, for people and for notices.
    pub(super) fn path_of(connection: &Connection, row: i64) -> rusqlite::Result<PathBuf> {
        let chain = index::chain(connection, row)?.unwrap_or_default();
        Ok(chain.iter().map(|row| row.name.as_str()).collect())
    }

    /// The entry that a row stands for.
    pub(super) fn entry(connection: &Connection, row: Row) -> rusqlite::Result<RemoteEntry> {
        let parent = index::by_row(connection, row.parent)?.map(|parent| parent.id);
        let body = match row.stat.kind {
            NodeKind::Symlink => EntryBody::Symlink { target: row.target.unwrap_or_default() },
            NodeKind::File => EntryBody::File {
                revision: row.revision(),
                size: row.stat.size,
                hash: row.hash,
                modified: Some(Timestamp(row.stat.mtime)),
            },
            NodeKind::Folder | NodeKind::Special => EntryBody::Folder,
        };
        Ok(RemoteEntry { id: row.id, parent, name: row.name, body })
    }

    /// Brings the index up to date about one name of a folder.
    pub(super) fn refresh_name(&self, path: PathBuf, name: &EntryName, operation: &'static str) -> Result<()> {
        let names = if names::are_folded() { Names::All } else { Names::Some([name.as_str().to_owned()].into()) };
        self.scan(&Work::Places(BTreeMap::from([(path, names)])), operation)
    }

    /// A name for a temporary file, reserved until [`Local::release_temporary`].
    pub(super) fn reserve_temporary(&self) -> String {
        let name = format!("{}{}", self.temporary_prefix, Uuid::new_v4().simple());
        lock(&self.uploads).insert(name.clone());
        name
    }

    /// The temporary file is gone.
    pub(super) fn release_temporary(&self, name: &str) {
        lock(&self.uploads).remove(name);
    }

    /// Removes a temporary file that a program left when it was killed.
    pub(super) fn remove_if_stale(&self, folder: &Dir, name: &OsStr) {
        let Some(text) = name.to_str().filter(|name| names::is_temporary(name)) else { return };
        if lock(&self.uploads).contains(text) {
            return;
        }
        let ours = text.starts_with(&self.temporary_prefix);
        let old = || {
            let modified = folder.symlink_metadata(name).and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|time| SystemTime::now().duration_since(time.into_std()).ok());
            age.is_some_and(|age| age > FOREIGN_TEMPORARY_AGE)
        };
        if (ours || old())
            && let Err(error) = folder.remove_file(name)
        {
            tracing::debug!(%error, "a stale temporary file stays");
        }
    }
}

/// Where an entry is.
enum Found {
    /// Where the index has it.
    Here(Box<Located>),
    /// Not at this place any more.
    Elsewhere(PathBuf),
    /// Nowhere that the index knows.
    Unknown,
}

/// True if the entry has the revision that a call is conditional on.
pub(super) fn expect_revision(
    row: &Row,
    expected: &crate::types::Revision,
    kind: ErrorKind,
    operation: &'static str,
) -> Result<()> {
    if row.stat.kind == NodeKind::File && row.revision() == *expected {
        return Ok(());
    }
    Err(ProviderError::new(kind, operation, format!("{} is at another revision", row.name)))
}

/// The stat of an open file, with the error named.
pub(super) fn stat_open(file: &File, name: &EntryName, operation: &'static str) -> Result<Stat> {
    Stat::of_file(file).map_err(|error| io_error(operation, name.as_str(), error))
}
