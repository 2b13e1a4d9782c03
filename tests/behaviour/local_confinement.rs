//! The local provider stays inside of its root (promise P31), whatever is swapped in on the way.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vaultfs::provider::local::{LocalProvider, SkipReason};
use vaultfs::provider::{ErrorKind, Provider, UploadTarget};
use vaultfs::types::{EntryName, RemoteId};

use crate::harness::{Mirror, bytes, create, kind_of, name, read_all, replace, revision, root, upload};
use crate::local_world::{Folder, new_disk};

/// A vault with `folder/file`, and beside it a folder with a secret of the same name.
struct Trap {
    _disk: tempfile::TempDir,
    vault: PathBuf,
    outside: PathBuf,
    provider: LocalProvider,
}

impl Trap {
    fn new() -> Self {
        let (disk, config) = new_disk();
        let (vault, outside) = (config.root.clone(), disk.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), b"secret").unwrap();
        fs::create_dir(vault.join("folder")).unwrap();
        fs::write(vault.join("folder/file"), b"inside").unwrap();
        let provider = LocalProvider::open(config).unwrap();
        Self { _disk: disk, vault, outside, provider }
    }

    fn assert_untouched(&self) {
        let tree = Folder(self.outside.clone()).everything();
        assert_eq!(tree.keys().collect::<Vec<_>>(), ["file"]);
        assert_eq!(fs::read(self.outside.join("file")).unwrap(), b"secret");
    }
}

#[test]
fn no_name_is_a_path() {
    for hostile in ["..", ".", "", "/", "../outside", "folder/../../outside", "/etc/passwd", "a\0b", "x/"] {
        assert!(EntryName::new(hostile).is_err(), "{hostile:?}");
    }
}

#[tokio::test]
async fn a_folder_that_became_a_link_is_not_followed() {
    let trap = Trap::new();
    let provider = &trap.provider;
    let mirror = Mirror::of(provider).await;
    let paths = mirror.by_path(provider).await;
    let (folder, file) = (&paths["folder"], &paths["folder/file"]);
    fs::rename(trap.vault.join("folder"), trap.vault.join("aside")).unwrap();
    symlink(&trap.outside, trap.vault.join("folder")).unwrap();
    // Unnoticed or noticed, no call goes through the link. What was moved aside may be found there.
    let read = read_all(provider, file).await;
    assert!(read.as_ref().map_or(true, |bytes| bytes == b"inside"), "{read:?}");
    let _found_aside_or_not = replace(provider, file, b"overwritten").await;
    let _found_aside_or_not = create(provider, &folder.id, "new", b"x").await;
    let _found_aside_or_not = provider.create_folder(&folder.id, &name("sub")).await;
    let _found_aside_or_not = provider.delete(&file.id, None).await;
    assert!(provider.open_direct(&file.id, &revision(file)).is_none());
    trap.assert_untouched();
    let listed = Mirror::of(provider).await.by_path(provider).await;
    assert!(!listed.contains_key("folder/file"), "{listed:?}");
    trap.assert_untouched();
}

#[tokio::test]
async fn a_file_that_became_a_link_is_not_followed() {
    let trap = Trap::new();
    let provider = &trap.provider;
    let paths = Mirror::of(provider).await.by_path(provider).await;
    let file = &paths["folder/file"];
    fs::remove_file(trap.vault.join("folder/file")).unwrap();
    symlink(trap.outside.join("file"), trap.vault.join("folder/file")).unwrap();
    assert!(provider.open_direct(&file.id, &revision(file)).is_none());
    assert!(matches!(kind_of(read_all(provider, file).await), ErrorKind::NotFound | ErrorKind::RevisionGone));
    kind_of(replace(provider, file, b"overwritten").await);
    trap.assert_untouched();
    let taken = create(provider, file.parent.as_ref().unwrap(), "file", b"x").await;
    assert_eq!(kind_of(taken), ErrorKind::Exists);
    trap.assert_untouched();
}

/// A folder and a link to the outside change places all the time while the vault is used.
#[tokio::test]
async fn a_link_that_is_swapped_in_between_check_and_use() {
    let trap = Trap::new();
    let provider = &trap.provider;
    let paths = Mirror::of(provider).await.by_path(provider).await;
    let (folder, file) = (paths["folder"].clone(), paths["folder/file"].clone());
    symlink(&trap.outside, trap.vault.join("link")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (vault, stop) = (trap.vault.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for (from, to) in [("folder", "aside"), ("link", "folder"), ("folder", "link"), ("aside", "folder")] {
                    fs::rename(vault.join(from), vault.join(to)).unwrap();
                }
            }
        })
    };
    for round in 0..300 {
        if let Ok(read) = read_all(provider, &file).await {
            assert_eq!(read, b"inside", "round {round}");
        }
        if let Some(mut open) = provider.open_direct(&file.id, &revision(&file)) {
            let mut read = Vec::new();
            std::io::Read::read_to_end(&mut open, &mut read).unwrap();
            assert_eq!(read, b"inside", "round {round}");
        }
        if let Ok(made) = create(provider, &folder.id, "probe", &bytes(10, round)).await {
            let _may_be_elsewhere = provider.delete(&made.id, None).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    trap.assert_untouched();
}

#[tokio::test]
async fn pipes_and_unfit_names_are_left_out_and_told() {
    use std::os::unix::ffi::OsStrExt as _;
    let trap = Trap::new();
    let provider = &trap.provider;
    let socket = std::os::unix::net::UnixListener::bind(trap.vault.join("socket")).unwrap();
    fs::write(trap.vault.join(std::ffi::OsStr::from_bytes(b"not \xff utf-8")), b"").unwrap();
    let paths = Mirror::of(provider).await.by_path(provider).await;
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["folder", "folder/file"]);
    let skipped = provider.skipped();
    assert!(skipped.iter().any(|left| left.reason == SkipReason::Special && left.place == *"socket"), "{skipped:?}");
    assert!(skipped.iter().any(|left| matches!(left.reason, SkipReason::Name(_))), "{skipped:?}");
    drop(socket);
}

#[tokio::test]
async fn the_reserved_files_cannot_be_reached() {
    let trap = Trap::new();
    let provider = &trap.provider;
    let root = root(provider).await;
    let marker = fs::read(trap.vault.join(".vaultfs-root")).unwrap();
    assert_eq!(provider.find(&root, &name(".vaultfs-root")).await.unwrap(), None);
    let target = UploadTarget::Create { parent: root.clone(), name: name(".vaultfs-root") };
    assert_eq!(kind_of(upload(provider, target, b"{}").await), ErrorKind::Refused);
    let invented = RemoteId("../outside/file".to_owned());
    assert_eq!(kind_of(provider.stat(&invented).await), ErrorKind::NotFound);
    assert_eq!(kind_of(provider.relocate(&root, &root, &name("x")).await), ErrorKind::Invalid);
    assert_eq!(kind_of(provider.delete(&root, None).await), ErrorKind::Invalid);
    assert_eq!(fs::read(trap.vault.join(".vaultfs-root")).unwrap(), marker);
}
