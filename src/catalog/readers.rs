//! Read-only connections, lent to one reader at a time. A reader never waits for another one or for the writer: if all are lent
//! another is opened, and [`MAX_IDLE`] of them are kept.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::Result;
use super::encode::execute;
use super::open::connect_reader;

/// Kept open while nobody reads. Each holds at most 2 MiB of pages.
const MAX_IDLE: usize = 8;

/// The pool.
pub(super) struct Readers {
    database: PathBuf,
    /// Last in, first out: the one with the warmest cache goes first.
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(database: PathBuf) -> Self {
        Self { database, idle: Mutex::default() }
    }

    /// Runs `read` on a connection inside a read transaction: everything that it sees is one committed state.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let reused = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match reused {
            Some(connection) => connection,
            None => connect_reader(&self.database)?,
        };
        execute(&connection, "BEGIN", &[])?;
        let mut lease = Lease { readers: self, connection: None };
        read(lease.connection.insert(connection))
    }
}

/// Ends the read transaction and gives the connection back, also when the reader panicked.
struct Lease<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if let Err(error) = execute(&connection, "COMMIT", &[]) {
            // The connection is closed instead of reused: it must not keep an old state, and the WAL, alive.
            tracing::warn!(%error, "a read transaction could not be ended");
            return;
        }
        let mut idle = self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}
