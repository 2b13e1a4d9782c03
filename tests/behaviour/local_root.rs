//! The local provider's root: a disk that is not there is never an empty vault (promise P10).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use uuid::Uuid;
use vaultfs::provider::local::{LocalConfig, LocalProvider, MarkerPolicy, SkipReason};
use vaultfs::provider::{ErrorKind, Provider};
use vaultfs::types::VaultId;

use crate::harness::{Mirror, World, create, kind_of, name, revision, root};
use crate::local_world::{Folder, LocalWorld, Plain, new_disk};

const MARKER: &str = ".vaultfs-root";

async fn vault_with_files() -> (tempfile::TempDir, LocalConfig, LocalProvider, Mirror) {
    let (disk, config) = new_disk();
    let provider = LocalProvider::open(config.clone()).unwrap();
    let root = root(&provider).await;
    let folder = provider.create_folder(&root, &name("folder")).await.unwrap();
    create(&provider, &folder.id, "file", b"bytes").await.unwrap();
    let mirror = Mirror::of(&provider).await;
    assert_eq!(mirror.entries.len(), 2);
    (disk, config, provider, mirror)
}

/// Every call that needs the root says that it is missing, and the feed goes on as before when it is back.
async fn assert_missing(provider: &LocalProvider, mirror: &Mirror) {
    let file = mirror.entries.values().find(|entry| entry.name == name("file")).unwrap();
    let folder = file.parent.clone().unwrap();
    assert_eq!(kind_of(provider.root().await), ErrorKind::RootMissing);
    for cursor in [None, mirror.cursor.as_ref()] {
        assert_eq!(kind_of(provider.changes(cursor).await), ErrorKind::RootMissing);
    }
    assert_eq!(kind_of(provider.stat(&file.id).await), ErrorKind::RootMissing);
    assert_eq!(kind_of(provider.delete(&file.id, None).await), ErrorKind::RootMissing);
    assert_eq!(kind_of(create(provider, &folder, "new", b"").await), ErrorKind::RootMissing);
    assert_eq!(kind_of(provider.create_folder(&folder, &name("new")).await), ErrorKind::RootMissing);
    assert_eq!(kind_of(provider.relocate(&file.id, &folder, &name("new")).await), ErrorKind::RootMissing);
}

#[tokio::test]
async fn a_missing_folder_removes_nothing() {
    let (disk, config, provider, mut mirror) = vault_with_files().await;
    let away = disk.path().join("unplugged");
    fs::rename(&config.root, &away).unwrap();
    assert_missing(&provider, &mirror).await;
    // A mount point without its disk: there, and empty.
    fs::create_dir(&config.root).unwrap();
    assert_missing(&provider, &mirror).await;
    let again = LocalProvider::open(config.clone()).unwrap();
    assert_missing(&again, &mirror).await;
    assert!(!config.root.join(MARKER).exists(), "a root that is missing is not made anew");
    fs::remove_dir(&config.root).unwrap();
    fs::rename(&away, &config.root).unwrap();
    assert_eq!(mirror.pull(&provider).await, []);
}

/// A vault that is offline from the start asks its provider for nothing else.
#[tokio::test]
async fn files_can_be_opened_before_anything_is_asked() {
    let (_disk, config, provider, mirror) = vault_with_files().await;
    drop(provider);
    let again = LocalProvider::open(config).unwrap();
    let file = mirror.entries.values().find(|entry| entry.name == name("file")).unwrap();
    assert!(again.open_direct(&file.id, &revision(file)).is_some());
}

#[tokio::test]
async fn an_emptied_root_removes_nothing() {
    let (_disk, config, provider, mirror) = vault_with_files().await;
    fs::remove_dir_all(config.root.join("folder")).unwrap();
    fs::remove_file(config.root.join(MARKER)).unwrap();
    assert_missing(&provider, &mirror).await;
}

#[tokio::test]
async fn another_marker_is_another_root() {
    let (_disk, config, provider, mut mirror) = vault_with_files().await;
    let ours = fs::read_to_string(config.root.join(MARKER)).unwrap();
    let mut marker: serde_json::Value = serde_json::from_str(&ours).unwrap();
    for field in ["vault", "root"] {
        let old = std::mem::replace(&mut marker[field], Uuid::new_v4().to_string().into());
        fs::write(config.root.join(MARKER), marker.to_string()).unwrap();
        assert_missing(&provider, &mirror).await;
        marker[field] = old;
    }
    fs::write(config.root.join(MARKER), "{ torn").unwrap();
    assert_missing(&provider, &mirror).await;
    fs::write(config.root.join(MARKER), ours).unwrap();
    assert_eq!(mirror.pull(&provider).await, []);
}

#[tokio::test]
async fn a_vault_does_not_take_over_a_folder() {
    let (_disk, config, _provider, _mirror) = vault_with_files().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let config = LocalConfig { vault: VaultId(Uuid::new_v4()), index: elsewhere.path().join("index.db"), ..config };
    let provider = LocalProvider::open(config.clone()).unwrap();
    assert_eq!(kind_of(provider.root().await), ErrorKind::RootMissing);
    let unmarked = tempfile::tempdir().unwrap();
    let config = LocalConfig { root: unmarked.path().to_owned(), marker: MarkerPolicy::Expect, ..config };
    let provider = LocalProvider::open(config).unwrap();
    assert_eq!(kind_of(provider.root().await), ErrorKind::RootMissing);
    assert!(Folder(unmarked.path().to_owned()).everything().is_empty());
}

#[tokio::test]
async fn a_copied_disk_keeps_all_ids() {
    let (disk, config, provider, mut mirror) = vault_with_files().await;
    let before = mirror.by_path(&provider).await;
    drop(provider);
    let copy = disk.path().join("copy");
    fs::create_dir_all(copy.join("folder")).unwrap();
    for file in [MARKER, "folder/file"] {
        fs::copy(config.root.join(file), copy.join(file)).unwrap();
    }
    fs::remove_dir_all(&config.root).unwrap();
    fs::rename(copy, &config.root).unwrap();
    let provider = LocalProvider::open(config).unwrap();
    mirror.pull(&provider).await;
    let after = mirror.by_path(&provider).await;
    assert_eq!(after.len(), 2);
    for (path, entry) in before {
        assert_eq!(after[&path].id, entry.id, "{path}");
    }
}

#[tokio::test]
async fn a_lost_index_resets_the_feed_and_gives_the_same_ids() {
    let (_disk, config, provider, mirror) = vault_with_files().await;
    drop(provider);
    for damage in ["lost", "overwritten"] {
        for suffix in ["-wal", "-shm"] {
            let mut path = config.index.clone().into_os_string();
            path.push(suffix);
            if fs::exists(&path).unwrap() {
                fs::remove_file(path).unwrap();
            }
        }
        if damage == "lost" {
            fs::remove_file(&config.index).unwrap();
        } else {
            fs::write(&config.index, vec![0x55; 8192]).unwrap();
        }
        let provider = LocalProvider::open(config.clone()).unwrap();
        assert_eq!(kind_of(provider.changes(mirror.cursor.as_ref()).await), ErrorKind::CursorReset, "{damage}");
        let again = Mirror::of(&provider).await;
        let ids = |mirror: &Mirror| mirror.entries.keys().cloned().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(ids(&again), ids(&mirror), "{damage}");
    }
}

/// Root may read everything, so this proves nothing for it.
#[tokio::test]
async fn an_unreadable_folder_is_kept() {
    let (_disk, config, provider, mut mirror) = vault_with_files().await;
    let folder = config.root.join("folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
    let readable = fs::read_dir(&folder).is_ok();
    drop(provider);
    let provider = LocalProvider::open(config).unwrap();
    let told = mirror.pull(&provider).await;
    let skipped = provider.skipped();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(told, []);
    if !readable {
        assert!(skipped.iter().any(|skipped| matches!(skipped.reason, SkipReason::Unreadable(_))), "{skipped:?}");
    }
}

#[tokio::test]
async fn stale_temporary_files_go_and_are_never_seen() {
    let mut world = LocalWorld::<Plain>::fresh().await;
    let mut mirror = Mirror::of(world.provider()).await;
    let file = create(world.provider(), &root(world.provider()).await, "file", b"bytes").await.unwrap();
    mirror.converge(&world).await;
    // Another computer's upload may be in progress.
    world.web().write(".vaultfs-tmp-00000000-other", b"half").await;
    world.restart().await;
    assert_eq!(mirror.pull(world.provider()).await, []);
    assert!(world.web().truth().await.contains_key(".vaultfs-tmp-00000000-other"));
    let found = world.provider().find(&root(world.provider()).await, &name(".vaultfs-tmp-00000000-other")).await;
    assert_eq!(found.unwrap(), None);
    assert_eq!(world.provider().stat(&file.id).await.unwrap(), file);
}
