//! Opening a catalog: what is there, may this program use it, is it sound, and if not, what takes its place.
//!
//! Order: nothing is written before the file is known to be ours, of this vault, and not newer than this program. A database that is
//! damaged goes to `rebuild.rs`. The flag of a clean shutdown is cleared before the first other transaction, so that whatever survives of
//! a crash also shows that there was one.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::encode::{integer, one, value};
use super::feed::set_meta;
use super::migrate::{APPLICATION_ID, MIGRATIONS, SCHEMA, SCHEMA_VERSION, migrate};
use super::txn::{META_NUMBERS_RESERVED, Numbers};
use super::{CatalogError, Opened, Result, rebuild};
use crate::types::{Clock, InodeNo, Timestamp, VaultId};

const META_VAULT_ID: &str = "catalog.vault_id";
pub(super) const META_CLEAN_SHUTDOWN: &str = "catalog.clean_shutdown";

/// Name of the root's row in L, which nobody sees: the root has no name.
const ROOT_NAME: &str = "root";

/// A transaction of one creation changes about ten pages, each of which goes to the WAL as a whole: half of SQLite's usual size halves
/// what a burst of creations writes (and was measured a fifth faster), while listing and checking cost the same.
pub(super) const PAGE_BYTES: u64 = 2048;

/// A database up to this size is checked page by page at every start; a larger one only after a crash.
const ALWAYS_CHECKED_BYTES: u64 = 64 * 1024 * 1024;

/// How long a statement waits for a lock. Only another process (`doctor`) or a checkpoint ever holds one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that stay prepared per connection: more than the catalog has.
const PREPARED_STATEMENTS: usize = 128;

/// The files of a catalog.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) database: PathBuf,
    pub(super) wal: PathBuf,
    pub(super) shm: PathBuf,
    /// Newest first.
    pub(super) backups: [PathBuf; 2],
    pub(super) quarantine: PathBuf,
}

impl Files {
    pub(super) fn of(state_dir: &Path) -> Self {
        Self {
            folder: state_dir.to_owned(),
            database: state_dir.join("catalog.db"),
            wal: state_dir.join("catalog.db-wal"),
            shm: state_dir.join("catalog.db-shm"),
            backups: [state_dir.join("backup-1.db"), state_dir.join("backup-2.db")],
            quarantine: state_dir.join("quarantine"),
        }
    }
}

/// Makes the entries of a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(CatalogError::io(folder))
}

/// Length of a file, or `None` if there is none.
pub(super) fn length(path: &Path) -> Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CatalogError::io(path)(error)),
    }
}

/// Opens, creates or rebuilds the database. The connection is configured as the writer.
pub(super) fn open_database(files: &Files, vault: VaultId, clock: &dyn Clock) -> Result<(Connection, Opened)> {
    DirBuilder::new().recursive(true).mode(0o700).create(&files.folder).map_err(CatalogError::io(&files.folder))?;
    let (mut connection, opened) = match length(&files.database)? {
        None | Some(0) if rebuild::has_remains(files)? => rebuild::rebuild(files, vault, clock.now(), "it is missing")?,
        None | Some(0) => (create(files, vault, clock.now())?, Opened::Created),
        Some(length) => match open_existing(files, vault, clock.now(), length) {
            Err(CatalogError::Corrupt(why)) => rebuild::rebuild(files, vault, clock.now(), &why)?,
            found => found?,
        },
    };
    configure_writer(&mut connection)?;
    set_meta(&connection, META_CLEAN_SHUTDOWN, "0")?;
    sync_folder(&files.folder)?;
    Ok((connection, opened))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    Ok(connection)
}

/// A connection that may write, with foreign keys still off.
pub(super) fn connect_writer(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;")?;
    Ok(connection)
}

/// A connection for the pool.
pub(super) fn connect_reader(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY;")?;
    Ok(connection)
}

/// A connection for the thread that moves the WAL into the database.
pub(super) fn connect_checkpointer(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -64;")?;
    Ok(connection)
}

fn configure_writer(connection: &mut Connection) -> Result<()> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        // SQLite answers with the old mode where the file system cannot map shared memory.
        return Err(CatalogError::Corrupt(format!(
            "the write-ahead log cannot be used, the journal mode stays {mode}"
        )));
    }
    connection
        .execute_batch("PRAGMA foreign_keys = ON; PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 16777216;")?;
    Ok(())
}

/// Makes a new database in one transaction. A crash before its commit leaves a file without a table, which is created again.
pub(super) fn create(files: &Files, vault: VaultId, now: Timestamp) -> Result<Connection> {
    let mut connection = connect_writer(&files.database)?;
    fill(&mut connection, files, vault, now)?;
    Ok(connection)
}

fn fill(connection: &mut Connection, files: &Files, vault: VaultId, now: Timestamp) -> Result<()> {
    connection.pragma_update(None, "page_size", integer(PAGE_BYTES)?)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // The file was just made by this process: its owner is who we are, without a system call that needs unsafe code.
    let owner = std::fs::metadata(&files.database).map_err(CatalogError::io(&files.database))?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute("INSERT INTO node (id, kind) VALUES (1, 1)", [])?;
    transaction.execute(
        "INSERT INTO local (node, parent, name, kind, ino, mode, uid, gid, rdev, special, size, atime, mtime, ctime, btime, \
         local_only, content) VALUES (1, NULL, ?1, 1, 1, ?2, ?3, ?4, 0, 0, 0, ?5, ?5, ?5, ?5, 0, 0)",
        rusqlite::params![ROOT_NAME, 0o755, owner.uid(), owner.gid(), now.0],
    )?;
    set_meta(&transaction, META_VAULT_ID, &vault.to_string())?;
    set_meta(&transaction, META_NUMBERS_RESERVED, &(InodeNo::ROOT.0 + 1).to_string())?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

fn open_existing(files: &Files, vault: VaultId, now: Timestamp, length: u64) -> Result<(Connection, Opened)> {
    let mut connection = connect_writer(&files.database)?;
    // A refused or damaged database must stay as it is: without this, closing it would move its WAL into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if is_blank(&connection)? {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        fill(&mut connection, files, vault, now)?;
        return Ok((connection, Opened::Created));
    }
    let version = identify(&connection, &files.database, vault)?;
    let was_clean = meta(&connection, META_CLEAN_SHUTDOWN)?.as_deref() == Some("1");
    if !was_clean || length <= ALWAYS_CHECKED_BYTES {
        check_pages(&connection, "quick_check")?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    if version < SCHEMA_VERSION {
        super::backup::back_up(&connection, files)?;
        migrate(&mut connection, version, MIGRATIONS)?;
    }
    Ok((connection, if was_clean { Opened::Clean } else { Opened::AfterCrash }))
}

/// True if nothing was ever committed: the process died while it made the database.
fn is_blank(connection: &Connection) -> Result<bool> {
    let version: i64 = value(connection, "PRAGMA user_version", &[])?;
    let tables: i64 = value(connection, "SELECT count(*) FROM sqlite_schema", &[])?;
    Ok(version == 0 && tables == 0)
}

/// Checks whose database this is and returns its schema version.
pub(super) fn identify(connection: &Connection, path: &Path, vault: VaultId) -> Result<i64> {
    let application: i32 = value(connection, "PRAGMA application_id", &[])?;
    if application != APPLICATION_ID {
        return Err(CatalogError::Corrupt(format!("application id {application:#x} is not a catalog's")));
    }
    let version: i64 = value(connection, "PRAGMA user_version", &[])?;
    if version > SCHEMA_VERSION {
        return Err(CatalogError::TooNew { path: path.to_owned(), found: version, known: SCHEMA_VERSION });
    }
    if version < 1 {
        return Err(CatalogError::Corrupt(format!("schema version {version}")));
    }
    let found = meta(connection, META_VAULT_ID)?
        .ok_or_else(|| CatalogError::Corrupt("it does not say which vault it belongs to".to_owned()))?;
    if found != vault.to_string() {
        return Err(CatalogError::WrongVault { path: path.to_owned(), found });
    }
    Ok(version)
}

/// Runs `quick_check` or `integrity_check`; anything but `ok` is corruption.
pub(super) fn check_pages(connection: &Connection, pragma: &str) -> Result<()> {
    let found: String = value(connection, &format!("PRAGMA {pragma}(1)"), &[])?;
    if found != "ok" {
        return Err(CatalogError::Corrupt(found));
    }
    let has_root: bool =
        value(connection, "SELECT EXISTS (SELECT 1 FROM local WHERE node = 1 AND parent IS NULL)", &[])?;
    if has_root { Ok(()) } else { Err(CatalogError::Corrupt("the root is missing".to_owned())) }
}

fn meta(connection: &Connection, key: &str) -> Result<Option<String>> {
    one(connection, "SELECT value FROM meta WHERE key = ?1", &[&key], |row| Ok(row.get(0)?))
}

/// Where node ids and inode numbers go on: above every number that may have been given out.
pub(super) fn numbers(connection: &Connection) -> Result<Numbers> {
    let reserved = meta(connection, META_NUMBERS_RESERVED)?
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| CatalogError::Corrupt("the counter of ids is missing".to_owned()))?;
    Ok(Numbers { next: reserved, reserved })
}
