//! The service counts the characters of a name, file systems its bytes: what is too long to be shown is shown shortened, and keeps its
//! name there.

use vaultfs::provider::ErrorKind;
use vaultfs::types::EntryName;

use crate::dropbox_world::{DropboxWorld, InFolder};
use crate::harness::{Mirror, World, create, kind_of, name, read_all, replace, root};

/// 250 characters, 478 bytes.
fn long(last: &str) -> String {
    let words = "Протокол судебного заседания ".repeat(9);
    words.chars().take(250 - last.chars().count()).chain(last.chars()).collect()
}

/// A world with such a file, and the name that is shown for it.
async fn with_a_long_name() -> (DropboxWorld<InFolder>, EntryName) {
    let world = DropboxWorld::<InFolder>::fresh().await;
    world.web().write(&long(".docx"), b"one").await;
    let listed = Mirror::of(world.provider()).await.by_path(world.provider()).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let shown = listed.into_keys().next().unwrap();
    assert!(shown.len() <= 255 && shown.starts_with("Протокол судебного") && shown.ends_with(".docx"), "{shown}");
    (world, name(&shown))
}

#[tokio::test]
async fn a_long_name_is_shown_shortened_and_its_file_is_like_any_other() {
    let (world, shown) = with_a_long_name().await;
    let (provider, web) = (world.provider(), &world.sim.first_account().web());
    let root = root(provider).await;
    let there = |file: &str| web.read(&format!("/Apps/Muze/My Vault/{file}")).ok();
    let entry = provider.find(&root, &shown).await.unwrap().unwrap();
    assert_eq!(entry.name, shown);
    assert_eq!(provider.stat(&entry.id).await.unwrap(), entry);
    assert_eq!(read_all(provider, &entry).await.unwrap(), b"one");
    let edited = replace(provider, &entry, b"two").await.unwrap();
    assert_eq!((&edited.name, &edited.id), (&shown, &entry.id));
    assert_eq!(there(&long(".docx")).unwrap(), b"two");
    // A move keeps the name, a rename gives another.
    let folder = provider.create_folder(&root, &name("Old")).await.unwrap().id;
    assert_eq!(provider.relocate(&entry.id, &folder, &shown).await.unwrap().name, shown);
    assert_eq!(there(&format!("Old/{}", long(".docx"))).unwrap(), b"two");
    assert_eq!(provider.relocate(&entry.id, &folder, &shown).await.unwrap().name, shown, "where it is");
    assert_eq!(kind_of(provider.delete(&folder, None).await), ErrorKind::NotEmpty);
    provider.relocate(&entry.id, &root, &name("Short.docx")).await.unwrap();
    assert_eq!(there("Short.docx").unwrap(), b"two");
    assert_eq!(provider.find(&root, &shown).await.unwrap(), None);
    provider.delete(&folder, None).await.unwrap();
}

#[tokio::test]
async fn what_others_do_to_long_names_is_told_under_the_names_that_are_shown() {
    let (world, shown) = with_a_long_name().await;
    let (provider, web) = (world.provider(), world.web());
    let mut mirror = Mirror::of(provider).await;
    // Equal in what is shown of the names themselves, and folders as well as files.
    for file in [long("1.docx"), long("2.docx"), format!("{}/{}", long("folder"), long("inside.txt"))] {
        web.write(&file, file.as_bytes()).await;
    }
    mirror.pull(provider).await;
    let paths = mirror.by_path(provider).await;
    assert_eq!(paths.len(), 5, "{paths:?}");
    for entry in paths.values().filter(|entry| !crate::harness::is_folder(entry)) {
        read_all(provider, entry).await.unwrap();
    }
    web.remove(&long(".docx")).await;
    web.remove(&long("folder")).await;
    mirror.pull(provider).await;
    let left = mirror.by_path(provider).await;
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!left.contains_key(shown.as_str()));
    // A full listing says the same.
    let listed = Mirror::of(provider).await.by_path(provider).await;
    assert_eq!(listed.keys().collect::<Vec<_>>(), left.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn whatever_is_put_into_a_folder_with_a_long_name_arrives_there() {
    let world = DropboxWorld::<InFolder>::fresh().await;
    world.web().make_folder(&long("folder")).await;
    let provider = world.provider();
    let folder = Mirror::of(provider).await.entries.into_keys().next().unwrap();
    create(provider, &folder, "brief.txt", b"brief").await.unwrap();
    let web = world.sim.first_account().web();
    assert_eq!(web.read(&format!("/Apps/Muze/My Vault/{}/brief.txt", long("folder"))).unwrap(), b"brief");
    // Nothing is made of a shortened name that nobody has.
    let nobody = shortened_by_hand();
    assert_eq!(provider.find(&folder, &nobody).await.unwrap(), None);
    create(provider, &folder, nobody.as_str(), b"own").await.unwrap();
    assert_eq!(provider.find(&folder, &nobody).await.unwrap().unwrap().name, nobody);
    assert_eq!(Mirror::of(provider).await.entries.len(), 3);
}

fn shortened_by_hand() -> EntryName {
    name("Protocol~0123456789ab.docx")
}
