//! Schema versions. Forward only: each step brings a database from one version to the next, all steps of an upgrade are one
//! transaction, and a step is frozen once released. A schema that is newer than this program is refused before anything is written.

use rusqlite::Connection;

use super::Result;

/// Marks a file as a catalog of vaultfs: `VaFS`.
pub(super) const APPLICATION_ID: i32 = 0x5661_4653;

/// The schema that new databases get.
pub(super) const SCHEMA: &str = include_str!("schema.sql");

/// Step `i` brings version `i` to `i + 1`.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_left_out_and_conflicts.sql"),
    include_str!("migrations/0003_remote_by_content.sql"),
];

/// The version of [`SCHEMA`]: the number of [`MIGRATIONS`].
pub(super) const SCHEMA_VERSION: i64 = 3;

const _: () = assert!(MIGRATIONS.len() == 3, "SCHEMA_VERSION counts MIGRATIONS");

/// Applies the steps above `version` in one transaction. Foreign keys must be off on the connection, because a step may build
/// a table anew; they are checked before the commit.
pub(super) fn migrate(connection: &mut Connection, version: i64, steps: &[&str]) -> Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for step in steps.iter().skip(usize::try_from(version).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    let orphan = super::encode::one(&transaction, "PRAGMA foreign_key_check", &[], |row| Ok(row.get::<_, String>(0)?))?;
    if let Some(table) = orphan {
        return Err(super::CatalogError::Corrupt(format!("the upgrade left an orphan in table {table}")));
    }
    transaction.pragma_update(None, "user_version", i64::try_from(steps.len()).unwrap_or(SCHEMA_VERSION))?;
    transaction.commit()?;
    Ok(())
}
