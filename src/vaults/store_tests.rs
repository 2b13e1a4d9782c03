//! The file: atomic, private, never lost to another process, never overwritten when it cannot be understood.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::thread;

use super::super::layout::LayoutKind;
use super::super::model::{NewVault, ProviderKind, SyncStatus};
use super::*;

/// Tells the test program to be the second process; holds the registry's path.
const SECOND_PROCESS: &str = "VAULTFS_TEST_REGISTRY";
const VAULTS_EACH: usize = 25;

fn file() -> (tempfile::TempDir, RegistryFile) {
    let folder = tempfile::tempdir().unwrap();
    let file = RegistryFile::new(folder.path().join("vaultfs/vaults.json"));
    (folder, file)
}

fn add(file: &RegistryFile, name: &str) {
    let vault = NewVault::new(name, ProviderKind::Local, &format!("/vaults/{name}"), LayoutKind::Plain);
    file.update(|registry| registry.add(vault).map(|_| ())).unwrap();
}

#[test]
fn a_missing_file_is_empty_and_a_saved_one_is_private() {
    let (_folder, file) = file();
    assert!(file.load().unwrap().list().is_empty());
    file.update(|_| Ok(())).unwrap();
    assert!(!file.path().exists(), "nothing changed, nothing written");
    add(&file, "A");
    assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
    assert_eq!(file.load().unwrap().get("A").unwrap().path, "/vaults/A");
}

#[test]
fn a_change_that_changes_nothing_or_fails_does_not_write() {
    let (_folder, file) = file();
    add(&file, "A");
    let inode = || fs::metadata(file.path()).unwrap().ino();
    let before = inode();
    let id = file.load().unwrap().list()[0].id;
    file.update(|registry| registry.set_default(id)).unwrap();
    file.update(|registry| {
        registry.update_status(id, SyncStatus::Error, None)?;
        registry.remove(id)
    })
    .unwrap_err();
    assert_eq!(inode(), before);
    assert_eq!(file.load().unwrap().list()[0].sync_status, None);
    file.update(|registry| registry.update_status(id, SyncStatus::Synced, None)).unwrap();
    assert_ne!(inode(), before, "replaced, not rewritten in place");
}

#[test]
fn a_file_that_cannot_be_understood_is_never_overwritten() {
    let (_folder, file) = file();
    add(&file, "A");
    let good = fs::read_to_string(file.path()).unwrap();
    for broken in [&good[..good.len() - 5], "", "null", &good.replace("local", "ftp"), &good.replace("1.0", "9.0")] {
        fs::write(file.path(), broken).unwrap();
        file.load().unwrap_err();
        file.update(|registry| registry.set_default(registry.list()[0].id)).unwrap_err();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), broken);
    }
}

#[test]
fn updates_of_threads_and_of_another_process_are_all_kept() {
    let (_folder, file) = file();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "vaults::store::tests::be_the_second_process"])
        .env(SECOND_PROCESS, file.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    thread::scope(|scope| {
        for writer in ["one", "two"] {
            let file = &file;
            scope.spawn(move || (0..VAULTS_EACH).for_each(|number| add(file, &format!("{writer} {number}"))));
        }
    });
    assert!(other.wait().unwrap().success());
    let registry = file.load().unwrap();
    for writer in ["one", "two", "other"] {
        for number in 0..VAULTS_EACH {
            registry.get(&format!("{writer} {number}")).unwrap();
        }
    }
    assert_eq!(registry.list().len(), 3 * VAULTS_EACH);
}

/// Not a test by itself: the other half of the one above.
#[test]
fn be_the_second_process() {
    let Some(path) = std::env::var_os(SECOND_PROCESS) else { return };
    let file = RegistryFile::new(path);
    (0..VAULTS_EACH).for_each(|number| add(&file, &format!("other {number}")));
}
