//! The catalog: one SQLite database per vault with the three trees R, L and S, and what must survive beside them.
//!
//! Owner of: `catalog.db`. Synchronous; knows neither provider calls nor the mount. One writer connection behind a lock
//! ([`crate::types::ranked_lock::Rank::CatalogWriter`]) and a pool of readers that see committed transactions only.
//!
//! Invariants (by schema): a row's parent is in the same tree and is a folder; names are unique per parent in R (by key) and L
//! (by name); rids and inode numbers are unique; the root is node 1 in all trees. A violation is an error of the transaction, never a
//! stored orphan.
//!
//! Names (and inode numbers, provider ids) may be swapped inside a transaction; at its end they are unique. What no schema can express is
//! looked for by [`Catalog::check`].
//!
//! Durability: a transaction survives the death of the process at once, and a power cut after [`Catalog::sync`] or one
//! second, whichever is first.

mod attempts;
mod backup;
mod check;
mod dirty;
mod durability;
mod encode;
mod error;
mod feed;
mod history;
mod left_out;
mod local;
mod migrate;
mod open;
mod readers;
mod rebuild;
mod remote;
mod repair;
mod rows;
mod staged;
mod synced;
#[cfg(test)]
mod tests;
mod totals;
mod txn;
mod view;
mod xattr;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use error::{CatalogError, Result};
pub use rows::*;
use rusqlite::Connection;
pub use txn::Txn;
pub use view::View;

use crate::types::ranked_lock::{Rank, RankedMutex};
use crate::types::{Clock, NameRules, NodeId, Timestamp, VaultId};
use durability::{Durability, Flusher};
use open::Files;
use readers::Readers;
use totals::SharedTotals;
use txn::Writer;

/// What opening a catalog found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opened {
    /// It was there and clean.
    Clean,
    /// It was there; the last run ended without [`Catalog::close`] and the check found nothing wrong.
    AfterCrash,
    /// There was none; a new one was made.
    Created,
    /// It was damaged: moved to `quarantine/` and replaced by a backup or by an empty catalog. A full listing must run
    /// before any deletion is propagated.
    Rebuilt {
        /// Where the damaged database is kept.
        quarantined: PathBuf,
        /// True if a backup was used.
        from_backup: bool,
    },
}

/// The catalog of one vault.
pub struct Catalog {
    files: Files,
    rules: NameRules,
    clock: Arc<dyn Clock>,
    /// Stops before the connections below are closed.
    flusher: Flusher,
    durability: Arc<Durability>,
    readers: Readers,
    writer: RankedMutex<Writer>,
    totals: SharedTotals,
    /// One backup at a time.
    backing_up: Mutex<()>,
    /// A reader met damage: the next start must look at every page.
    is_suspect: AtomicBool,
}

impl Catalog {
    /// Opens or creates `state_dir/catalog.db`: migrates an older schema in one transaction, refuses a newer one
    /// untouched, checks after a crash, quarantines a corrupt one and rebuilds (promise P27).
    pub fn open(state_dir: &Path, vault: VaultId, rules: NameRules, clock: Arc<dyn Clock>) -> Result<(Self, Opened)> {
        let files = Files::of(state_dir);
        let (mut connection, opened) = open::open_database(&files, vault, clock.as_ref())?;
        let numbers = Cell::new(open::numbers(&connection)?);
        let totals = SharedTotals::open(&connection, opened == Opened::Clean)?;
        let durability = Durability::follow(&mut connection, &files.wal)?;
        let flusher = Flusher::start(Arc::clone(&durability), open::connect_checkpointer(&files.database)?)?;
        let catalog = Self {
            rules,
            clock,
            flusher,
            durability,
            readers: Readers::new(files.database.clone()),
            writer: RankedMutex::new(Rank::CatalogWriter, Writer { connection, numbers }),
            totals,
            backing_up: Mutex::default(),
            is_suspect: AtomicBool::new(false),
            files,
        };
        Ok((catalog, opened))
    }

    /// Runs `read` on a snapshot of committed state.
    pub fn read<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
        let result = self.readers.with(|connection| read(&self.view(connection)));
        if result.as_ref().is_err_and(CatalogError::is_corruption) {
            self.is_suspect.store(true, Ordering::Relaxed);
        }
        result
    }

    fn view<'a>(&'a self, connection: &'a Connection) -> View<'a> {
        View { connection, rules: &self.rules, totals: &self.totals, added: Cell::default() }
    }

    /// The wall-clock time that transactions go by.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs `write` as one transaction: commits if it returns `Ok`, rolls back otherwise.
    ///
    /// The commit itself may fail: with `NameTaken` if two rows still claim one name, inode number or provider id, with a foreign key
    /// error that names the row if a folder in R or a staged row is missing, with `NoSpace` on a full disk.
    pub fn write<T, E: From<CatalogError>>(
        &self,
        write: impl FnOnce(&Txn<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let writer = self.writer.lock();
        self.durability.refuse_after_failure()?;
        let txn = Txn::begin(&writer, &self.rules, &self.totals, self.clock.now())?;
        let value = write(&txn)?;
        txn.commit()?;
        Ok(value)
    }

    /// Makes every committed transaction survive a power cut. Neither waits for a writer nor makes one wait.
    pub fn sync(&self) -> Result<()> {
        self.durability.sync()
    }

    /// From now on `first` runs before committed transactions are made durable: what their rows point to must not come after them.
    pub fn flush_first(&self, first: impl Fn() -> std::io::Result<()> + Send + Sync + 'static) {
        self.durability.flush_first(Box::new(first));
    }

    /// Does `work` once everything that is committed by now is durable, within about a second: what a row has pointed to must not go
    /// before the row. Not at all if the process dies before.
    pub fn when_durable(&self, work: impl FnOnce() + Send + 'static) {
        self.durability.when_durable(Box::new(work));
    }

    /// Makes everything durable now and does what waited for that. True if something did.
    pub fn settle(&self) -> Result<bool> {
        self.sync()?;
        Ok(self.durability.settle())
    }

    /// True if a transaction was committed since the last [`Catalog::sync`], which the catalog calls itself within a second.
    pub fn needs_sync(&self) -> bool {
        self.durability.needs_sync()
    }

    /// Copies the database to a backup beside it, keeping the two newest.
    pub fn back_up(&self) -> Result<()> {
        let _one_at_a_time = self.backing_up.lock().unwrap_or_else(PoisonError::into_inner);
        self.readers.with(|connection| backup::back_up(connection, &self.files))
    }

    /// Checks every invariant that the schema cannot express (`doctor`): returns one line per finding.
    /// Takes the writer's lock for a moment; not to be called inside a transaction.
    pub fn check(&self) -> Result<Vec<String>> {
        self.read(|view| {
            // The snapshot begins with the first row that is read: between two commits, so that the totals belong to it.
            let totals = {
                let _no_commit_meanwhile = self.writer.lock();
                view.local(NodeId::ROOT)?;
                self.totals.get()
            };
            check::check(view, totals)
        })
    }

    /// Marks a clean shutdown, truncates the WAL and closes.
    pub fn close(self) -> Result<()> {
        self.settle()?;
        drop(self.flusher);
        drop(self.readers);
        self.durability.refuse_after_failure()?;
        let writer = self.writer.lock();
        if !self.is_suspect.load(Ordering::Relaxed) {
            self.totals.get().store(&writer.connection)?;
            feed::set_meta(&writer.connection, open::META_CLEAN_SHUTDOWN, "1")?;
        }
        // Flushes the WAL, moves it into the database and flushes that.
        writer.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}
