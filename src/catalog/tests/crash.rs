//! Damage: what is quarantined, what takes its place, and that nothing is lost that a backup has.

use std::fs;
use std::path::Path;

use super::*;
use crate::provider::Cursor;

/// A catalog with enough rows for many pages, and the row that was committed last.
fn filled(fixture: &Fixture) -> (Catalog, LocalRow) {
    let catalog = fixture.open();
    let last = write(&catalog, |txn| {
        txn.set_feed(&FeedState { cursor: Some(Cursor("c1".to_owned())), ..FeedState::default() })?;
        let mut last = add_folder(txn, ROOT, "folder")?;
        let folder = last.node;
        for number in 0..500 {
            last = add_file(txn, folder, &format!("take {number}.wav"))?;
        }
        Ok(last)
    })
    .unwrap();
    (catalog, last)
}

fn quarantined_of(opened: &Opened, from_backup: bool) -> PathBuf {
    let Opened::Rebuilt { quarantined, from_backup: found } = opened else { panic!("{opened:?}") };
    assert_eq!(*found, from_backup, "from a backup");
    quarantined.clone()
}

fn overwrite(path: &Path, offset: usize, len: usize) {
    let mut bytes = fs::read(path).unwrap();
    let end = (offset + len).min(bytes.len());
    bytes[offset..end].fill(0xa5);
    fs::write(path, bytes).unwrap();
}

type Damage = fn(&Path);

const DAMAGES: &[(&str, Damage)] = &[
    ("header", |path| overwrite(path, 0, 100)),
    ("schema page", |path| overwrite(path, 100, 3000)),
    ("a page in the middle", |path| overwrite(path, 10 * 4096, 4096)),
    ("truncated", |path| {
        let half = fs::metadata(path).unwrap().len() / 2;
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(half).unwrap();
    }),
    ("emptied", |path| fs::write(path, b"").unwrap()),
    ("another format", |path| fs::write(path, b"{\"not\": \"a database\"}").unwrap()),
];

#[test]
fn damage_leads_to_the_backup_and_the_damaged_file_is_kept() {
    for (what, damage) in DAMAGES {
        for clean in [true, false] {
            let fixture = Fixture::new();
            let (catalog, backed_up) = filled(&fixture);
            catalog.back_up().unwrap();
            let (lost, ino) =
                write(&catalog, |txn| Ok((add_file(txn, ROOT, "after the backup")?.node, txn.new_ino()?))).unwrap();
            if clean {
                catalog.close().unwrap();
            } else {
                drop(catalog);
            }
            damage(&fixture.path("catalog.db"));
            let damaged = fs::read(fixture.path("catalog.db")).unwrap();
            let (catalog, opened) = fixture.try_open().unwrap();
            let quarantined = quarantined_of(&opened, true);
            assert!(quarantined.starts_with(fixture.path("quarantine")));
            assert!(fs::read(quarantined.join("catalog.db")).unwrap() == damaged, "{what}: kept as it was");
            assert_eq!(catalog.read(|view| view.local(backed_up.node)).unwrap(), Some(backed_up), "{what}");
            assert_eq!(catalog.read(|view| view.feed()).unwrap().cursor, None, "{what}: everything is listed anew");
            let (node, fresh) = write(&catalog, |txn| Ok((add_file(txn, ROOT, "new")?.node, txn.new_ino()?))).unwrap();
            assert!(node > lost && fresh > ino, "{what}: no id of the lost time comes back");
            assert_sound(&catalog);
            catalog.close().unwrap();
            assert_eq!(fixture.try_open().unwrap().1, Opened::Clean, "{what}");
        }
    }
}

#[test]
fn without_a_backup_an_empty_catalog_takes_its_place() {
    for (what, damage) in DAMAGES.iter().filter(|(what, _)| *what != "emptied") {
        let fixture = Fixture::new();
        filled(&fixture).0.close().unwrap();
        damage(&fixture.path("catalog.db"));
        let (catalog, opened) = fixture.try_open().unwrap();
        assert!(quarantined_of(&opened, false).join("catalog.db").exists(), "{what}");
        assert!(!catalog.read(|view| view.has_local_children(ROOT)).unwrap());
        assert_sound(&catalog);
    }
}

#[test]
fn a_damaged_backup_is_passed_over_for_the_older_one() {
    let fixture = Fixture::new();
    let (catalog, first) = filled(&fixture);
    catalog.back_up().unwrap();
    let second = write(&catalog, |txn| add_file(txn, ROOT, "second")).unwrap();
    catalog.back_up().unwrap();
    catalog.close().unwrap();
    overwrite(&fixture.path("backup-1.db"), 5 * 4096, 3 * 4096);
    overwrite(&fixture.path("catalog.db"), 0, 4096);
    let (catalog, opened) = fixture.try_open().unwrap();
    quarantined_of(&opened, true);
    assert_eq!(catalog.read(|view| view.local(first.node)).unwrap(), Some(first));
    assert_eq!(catalog.read(|view| view.local(second.node)).unwrap(), None, "the older backup did not have it");
}

#[test]
fn only_the_two_newest_backups_are_kept_and_a_backup_of_another_vault_is_not_used() {
    let mut fixture = Fixture::new();
    let (catalog, _) = filled(&fixture);
    for _ in 0..3 {
        catalog.back_up().unwrap();
    }
    catalog.close().unwrap();
    let backups = || {
        let mut names: Vec<String> = fs::read_dir(fixture.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(backups(), ["backup-1.db", "backup-2.db", "catalog.db"]);
    fs::remove_file(fixture.path("catalog.db")).unwrap();
    fixture.vault = VaultId(Uuid::from_u128(99));
    quarantined_of(&fixture.try_open().unwrap().1, false);
}

#[test]
fn a_lost_database_is_restored_and_a_wal_without_its_database_is_not_replayed_into_another() {
    let fixture = Fixture::new();
    let (catalog, backed_up) = filled(&fixture);
    catalog.back_up().unwrap();
    write(&catalog, |txn| add_file(txn, ROOT, "later")).unwrap();
    let wal = fs::read(fixture.path("catalog.db-wal")).unwrap();
    drop(catalog);
    fs::remove_file(fixture.path("catalog.db")).unwrap();
    fs::write(fixture.path("catalog.db-wal"), &wal).unwrap();
    let (catalog, opened) = fixture.try_open().unwrap();
    assert!(fs::read(quarantined_of(&opened, true).join("catalog.db-wal")).unwrap() == wal);
    assert_eq!(catalog.read(|view| view.local(backed_up.node)).unwrap(), Some(backed_up));
    assert_sound(&catalog);
}

#[test]
fn a_rebuild_that_is_interrupted_is_done_again() {
    let fixture = Fixture::new();
    let (catalog, backed_up) = filled(&fixture);
    catalog.back_up().unwrap();
    catalog.close().unwrap();
    // Killed after the quarantine, while the replacement was being written.
    fs::create_dir_all(fixture.path("quarantine/earlier")).unwrap();
    fs::rename(fixture.path("catalog.db"), fixture.path("quarantine/earlier/catalog.db")).unwrap();
    fs::write(fixture.path("catalog.db.restoring"), vec![0; 5000]).unwrap();
    fs::write(fixture.path("catalog.db.restoring-journal"), vec![1; 5000]).unwrap();
    let (catalog, opened) = fixture.try_open().unwrap();
    quarantined_of(&opened, true);
    assert_eq!(catalog.read(|view| view.local(backed_up.node)).unwrap(), Some(backed_up));
}

#[test]
fn a_torn_wal_ends_at_the_last_whole_transaction() {
    let fixture = Fixture::new();
    let catalog = fixture.open();
    let rows: Vec<LocalRow> =
        (0..20).map(|number| write(&catalog, |txn| add_file(txn, ROOT, &number.to_string())).unwrap()).collect();
    let database = fs::read(fixture.path("catalog.db")).unwrap();
    let wal = fs::read(fixture.path("catalog.db-wal")).unwrap();
    let mut counts = Vec::new();
    for cut in (0..=10).map(|tenth| wal.len() * tenth / 10) {
        let crashed = Fixture::new();
        fs::write(crashed.path("catalog.db"), &database).unwrap();
        // The part that was not flushed before the power went comes back as anything.
        let mut torn = wal[..cut].to_vec();
        torn.extend(std::iter::repeat_n(0x5a, wal.len() - cut));
        fs::write(crashed.path("catalog.db-wal"), torn).unwrap();
        let catalog = crashed.open();
        assert_sound(&catalog);
        let survived = catalog.read(|view| view.local_children(ROOT, NodeId(0), 100)).unwrap();
        assert_eq!(survived, rows[..survived.len()], "an exact prefix");
        counts.push(survived.len());
    }
    assert!(counts.is_sorted() && counts.last() == Some(&20) && counts[5] < 20, "{counts:?}");
}
