//! When a committed transaction survives a power cut.
//!
//! SQLite runs with `synchronous=NORMAL`: a commit appends frames to the WAL and returns without a flush, so that it survives the
//! death of the process and nothing more. After a power cut SQLite recovers every transaction whose frames are whole, in order.
//! One `fdatasync` of the WAL therefore makes everything committed before it durable: it is the flush that `synchronous=FULL` would
//! have made at each commit. Frames that a checkpoint has meanwhile moved to the database were flushed by SQLite on that way.
//!
//! Owner of: a descriptor of `catalog.db-wal`, the thread `catalog-flush`, and the checkpoints. The thread sleeps until something is
//! committed, flushes [`FLUSH_AFTER`] later, and moves the WAL into the database when it has grown, so that no request pays for it.
//! Closing a descriptor of the WAL releases no lock of SQLite (those are on the `-shm` file); never open the database or the `-shm` here.
//!
//! Invariants: what rows point to becomes durable before them ([`Durability::flush_first`]), and goes only after they are durably gone
//! ([`Durability::when_durable`]). After a failed flush nothing is ever called durable again. The kernel may have dropped the dirty
//! pages, and a second flush that succeeds proves nothing; the vault must be opened again.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::open::PAGE_BYTES;
use super::{CatalogError, Result};
use crate::sys::disk;
use crate::types::ByteRange;

/// How long a committed transaction may stay volatile when nobody asks for more (promise P3).
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// The thread moves the WAL into the database when it is larger than this.
const CHECKPOINT_ABOVE_PAGES: u64 = 4 * 1024 * 1024 / PAGE_BYTES;

/// A commit moves it itself when it is larger than this: writers have outrun the thread.
const CHECKPOINT_IN_COMMIT_ABOVE_PAGES: u64 = 64 * 1024 * 1024 / PAGE_BYTES;

/// Disk that the WAL has for itself from the start: on a full disk things can still be deleted, moved and recorded. As much as the
/// first piece of the WAL's index describes, which is there, too.
const RESERVED_BYTES: u64 = 8 * 1024 * 1024;

/// Makes durable what rows point to.
type First = Box<dyn Fn() -> std::io::Result<()> + Send + Sync>;

/// Something to be done once a transaction, by its number, is durable.
type Waiting = (u64, Box<dyn FnOnce() + Send>);

/// What commits, flushes and the thread share.
pub(super) struct Durability {
    wal: File,
    wal_path: PathBuf,
    committed: AtomicU64,
    durable: AtomicU64,
    wal_pages: AtomicU64,
    has_failed: AtomicBool,
    /// One flush at a time: whoever waited finds its transaction already durable.
    flushing: Mutex<()>,
    first: Mutex<Vec<First>>,
    waiting: Mutex<Vec<Waiting>>,
    wake: Mutex<Wake>,
    wake_changed: Condvar,
}

#[derive(Default)]
struct Wake {
    has_commits: bool,
    stop: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Durability {
    /// Starts to follow the commits of `writer`, whose database is in WAL mode and was written to, so that the WAL exists.
    pub(super) fn follow(writer: &mut Connection, wal_path: &Path) -> Result<Arc<Self>> {
        let wal = OpenOptions::new().read(true).write(true).open(wal_path).map_err(CatalogError::io(wal_path))?;
        if let Err(error) = disk::allocate(&wal, ByteRange::new(0, RESERVED_BYTES), true) {
            tracing::debug!(%error, "no space is reserved for the write-ahead log");
        }
        let durability = Arc::new(Self {
            wal,
            wal_path: wal_path.to_owned(),
            // What was written while opening counts as one transaction that is not durable yet.
            committed: AtomicU64::new(1),
            durable: AtomicU64::new(0),
            wal_pages: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            flushing: Mutex::new(()),
            first: Mutex::default(),
            waiting: Mutex::default(),
            wake: Mutex::new(Wake { has_commits: true, stop: false }),
            wake_changed: Condvar::new(),
        });
        let follower = Arc::clone(&durability);
        writer.wal_hook(Some(move |wal: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            let pages = u64::try_from(pages).unwrap_or(0);
            follower.committed(pages);
            if pages > CHECKPOINT_IN_COMMIT_ABOVE_PAGES
                && let Err(error) = wal.checkpoint()
            {
                // Busy while the thread is at it, or a full disk. The transaction is committed: an error here would deny that.
                tracing::debug!(%error, "a commit could not move the write-ahead log into the database");
            }
            Ok(())
        }))?;
        Ok(durability)
    }

    fn committed(&self, wal_pages: u64) {
        self.wal_pages.store(wal_pages, Ordering::Relaxed);
        self.committed.fetch_add(1, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        let mut wake = locked(&self.wake);
        if !wake.has_commits {
            wake.has_commits = true;
            self.wake_changed.notify_one();
        }
    }

    /// From now on `first` runs before every flush, too.
    pub(super) fn flush_first(&self, first: First) {
        locked(&self.first).push(first);
    }

    /// Does `work` once everything that is committed by now is durable; not at all if the process dies before.
    pub(super) fn when_durable(&self, work: Box<dyn FnOnce() + Send>) {
        locked(&self.waiting).push((self.committed.load(Ordering::Acquire), work));
        self.wake();
    }

    /// Does what waited for transactions that are durable. True if there was something.
    pub(super) fn settle(&self) -> bool {
        let durable = self.durable.load(Ordering::Acquire);
        let ready: Vec<Waiting> = locked(&self.waiting).extract_if(.., |(number, _)| *number <= durable).collect();
        let is_any = !ready.is_empty();
        ready.into_iter().for_each(|(_, work)| work());
        is_any
    }

    /// True if a transaction was committed since the last flush.
    pub(super) fn needs_sync(&self) -> bool {
        self.durable.load(Ordering::Acquire) < self.committed.load(Ordering::Acquire)
    }

    /// Makes every transaction durable that was committed before the call. Waits for no writer, and no writer waits for it.
    pub(super) fn sync(&self) -> Result<()> {
        let wanted = self.committed.load(Ordering::Acquire);
        let _one_at_a_time = locked(&self.flushing);
        self.refuse_after_failure()?;
        if self.durable.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        let flushed = self.committed.load(Ordering::Acquire);
        let pointed_to = locked(&self.first).iter().try_for_each(|first| first());
        if let Err(source) = pointed_to.and_then(|()| self.wal.sync_data()) {
            self.has_failed.store(true, Ordering::Release);
            return Err(CatalogError::io(&self.wal_path)(source));
        }
        self.durable.store(flushed, Ordering::Release);
        Ok(())
    }

    /// Fails for ever after a failed flush.
    pub(super) fn refuse_after_failure(&self) -> Result<()> {
        if !self.has_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let source = std::io::Error::other("an earlier flush to disk failed; stop the vault and start it again");
        Err(CatalogError::Io { path: self.wal_path.clone(), source })
    }

    fn run(&self, checkpointer: &Connection) {
        loop {
            let mut wake = locked(&self.wake);
            while !wake.has_commits && !wake.stop {
                wake = self.wake_changed.wait(wake).unwrap_or_else(PoisonError::into_inner);
            }
            if !wake.stop {
                let waited = self.wake_changed.wait_timeout_while(wake, FLUSH_AFTER, |wake| !wake.stop);
                wake = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            if wake.stop {
                return;
            }
            wake.has_commits = false;
            drop(wake);
            if let Err(error) = self.sync() {
                tracing::error!(%error, "the catalog could not be flushed to disk");
                return;
            }
            self.settle();
            if self.wal_pages.load(Ordering::Relaxed) > CHECKPOINT_ABOVE_PAGES {
                self.checkpoint(checkpointer);
            }
        }
    }

    fn checkpoint(&self, checkpointer: &Connection) {
        // PASSIVE: does what it can without making a reader or the writer wait. What is left is for the next time.
        match checkpointer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Ok(()) => self.wal_pages.store(0, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "the catalog's write-ahead log could not be moved into the database"),
        }
    }
}

/// The thread; dropping this stops it and waits for it.
pub(super) struct Flusher {
    durability: Arc<Durability>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts the thread with a connection of its own for checkpoints.
    pub(super) fn start(durability: Arc<Durability>, checkpointer: Connection) -> Result<Self> {
        let shared = Arc::clone(&durability);
        let thread = std::thread::Builder::new()
            .name("catalog-flush".to_owned())
            .spawn(move || shared.run(&checkpointer))
            .map_err(CatalogError::io(&durability.wal_path))?;
        Ok(Self { durability, thread: Some(thread) })
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        locked(&self.durability.wake).stop = true;
        self.durability.wake_changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that flushes the catalog had panicked");
        }
    }
}
