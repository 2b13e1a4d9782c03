//! Opening: clean, after a crash, another vault's, too new, older, half made.

use std::fs;

use rusqlite::Connection;

use super::super::migrate::{MIGRATIONS, SCHEMA, SCHEMA_VERSION, migrate};
use super::*;

#[test]
fn a_catalog_is_created_then_clean_then_after_a_crash() {
    let fixture = Fixture::new();
    let (catalog, opened) = fixture.try_open().unwrap();
    assert_eq!(opened, Opened::Created);
    let row = write(&catalog, |txn| add_file(txn, ROOT, "kept")).unwrap();
    catalog.close().unwrap();
    assert!(!fixture.path("catalog.db-wal").exists(), "everything is in the database");
    let (catalog, opened) = fixture.try_open().unwrap();
    assert_eq!(opened, Opened::Clean);
    let late = write(&catalog, |txn| add_file(txn, ROOT, "late")).unwrap();
    drop(catalog);
    for _ in 0..2 {
        let (catalog, opened) = fixture.try_open().unwrap();
        assert_eq!(opened, Opened::AfterCrash);
        for row in [&row, &late] {
            assert_eq!(catalog.read(|view| view.local(row.node)).unwrap().as_ref(), Some(row));
        }
        assert_sound(&catalog);
    }
    fixture.open().close().unwrap();
    assert_eq!(fixture.try_open().unwrap().1, Opened::Clean);
}

#[test]
fn the_files_as_a_killed_process_leaves_them_hold_every_commit() {
    let fixture = Fixture::new();
    let catalog = fixture.open();
    let rows = write(&catalog, |txn| {
        (0..50).map(|number| add_file(txn, ROOT, &number.to_string())).collect::<Result<Vec<_>>>()
    })
    .unwrap();
    // A copy of the files while the catalog is open is what the page cache holds at the instant of a kill.
    let killed = Fixture::new();
    for file in ["catalog.db", "catalog.db-wal"] {
        fs::copy(fixture.path(file), killed.path(file)).unwrap();
    }
    let (after, opened) = killed.try_open().unwrap();
    assert_eq!(opened, Opened::AfterCrash);
    for row in &rows {
        assert_eq!(after.read(|view| view.local(row.node)).unwrap().as_ref(), Some(row));
    }
    assert_sound(&after);
}

#[test]
fn a_newer_schema_is_refused_and_left_byte_for_byte() {
    let fixture = Fixture::new();
    fixture.open().close().unwrap();
    let raw = Connection::open(fixture.path("catalog.db")).unwrap();
    raw.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    raw.close().unwrap();
    let before = fs::read(fixture.path("catalog.db")).unwrap();
    for _ in 0..2 {
        match fixture.try_open() {
            Err(CatalogError::TooNew { found, known, .. }) => {
                assert_eq!((found, known), (SCHEMA_VERSION + 1, SCHEMA_VERSION))
            }
            other => panic!("{:?}", other.map(|(_, opened)| opened)),
        }
        assert!(fs::read(fixture.path("catalog.db")).unwrap() == before);
    }
    assert!(!fixture.path("quarantine").exists());
}

#[test]
fn a_newer_schema_that_is_still_in_the_wal_is_refused_too() {
    let fixture = Fixture::new();
    fixture.open().close().unwrap();
    let raw = Connection::open(fixture.path("catalog.db")).unwrap();
    raw.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    let killed = Fixture::new();
    for file in ["catalog.db", "catalog.db-wal"] {
        fs::copy(fixture.path(file), killed.path(file)).unwrap();
    }
    let before = (fs::read(killed.path("catalog.db")).unwrap(), fs::read(killed.path("catalog.db-wal")).unwrap());
    assert!(matches!(killed.try_open(), Err(CatalogError::TooNew { .. })));
    let after = (fs::read(killed.path("catalog.db")).unwrap(), fs::read(killed.path("catalog.db-wal")).unwrap());
    assert!(before == after, "neither the database nor its WAL changed");
}

#[test]
fn the_catalog_of_another_vault_is_refused() {
    let mut fixture = Fixture::new();
    let first = fixture.vault;
    fixture.open().close().unwrap();
    fixture.vault = VaultId(Uuid::from_u128(8));
    match fixture.try_open() {
        Err(CatalogError::WrongVault { found, .. }) => assert_eq!(found, first.to_string()),
        other => panic!("{:?}", other.map(|(_, opened)| opened)),
    }
    fixture.vault = first;
    assert_eq!(fixture.try_open().unwrap().1, Opened::Clean);
}

#[test]
fn a_catalog_whose_making_was_interrupted_is_made() {
    let fixture = Fixture::new();
    fs::write(fixture.path("catalog.db"), b"").unwrap();
    assert_eq!(fixture.try_open().unwrap().1, Opened::Created);
    let fixture = Fixture::new();
    let raw = Connection::open(fixture.path("catalog.db")).unwrap();
    raw.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).unwrap();
    raw.close().unwrap();
    assert!(fs::metadata(fixture.path("catalog.db")).unwrap().len() > 0);
    assert_eq!(fixture.try_open().unwrap().1, Opened::Created);
}

/// Objects of a schema, without comments and spacing.
fn shape(connection: &Connection) -> Vec<(String, String)> {
    let mut statement = connection.prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
    let plain =
        |sql: String| sql.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",").replace(" )", ")");
    rows.map(|row| row.map(|(name, sql)| (name, plain(sql))).unwrap()).collect()
}

#[test]
fn the_migrations_lead_to_the_schema_and_every_one_is_all_or_nothing() {
    let fresh = Connection::open_in_memory().unwrap();
    fresh.execute_batch(SCHEMA).unwrap();
    let mut migrated = Connection::open_in_memory().unwrap();
    migrated.pragma_update(None, "foreign_keys", false).unwrap();
    let broken = [MIGRATIONS[0], "CREATE TABLE half (a); CREATE TABLE half (a);"];
    assert!(migrate(&mut migrated, 0, &broken).is_err());
    assert_eq!(shape(&migrated), vec![]);
    migrate(&mut migrated, 0, MIGRATIONS).unwrap();
    assert_eq!(shape(&migrated), shape(&fresh));
    let next = ["not run again", "nor this", "nor that", "ALTER TABLE meta ADD COLUMN extra TEXT"];
    migrate(&mut migrated, 3, &next).unwrap();
    let version: i64 = migrated.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 4);
}

#[test]
fn a_reader_that_met_damage_makes_the_next_start_look_closely() {
    let fixture = Fixture::new();
    let catalog = fixture.open();
    let row = write(&catalog, |txn| add_file(txn, ROOT, "a")).unwrap();
    catalog.writer.lock().connection.execute("UPDATE local SET name = 'x/y' WHERE parent = 1", []).unwrap();
    assert!(matches!(catalog.read(|view| view.local(row.node)), Err(CatalogError::Corrupt(_))));
    catalog.close().unwrap();
    assert_eq!(fixture.try_open().unwrap().1, Opened::AfterCrash);
}
