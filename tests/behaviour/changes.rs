//! `changes`: what is told.

use std::collections::BTreeSet;

use vaultfs::provider::{Change, Cursor, EntryBody, ErrorKind};

use crate::harness::{Mirror, World, bytes, create, kind_of, name, replace, revision, root, settled};

pub(crate) async fn a_full_listing_equals_the_truth<W: World>() {
    let world = W::fresh().await;
    world.web().make_folder("Collection").await;
    world.web().make_folder("Collection/Project").await;
    world.web().write("Collection/Project/mix.json", b"{}").await;
    world.web().write("Collection/take.wav", &bytes(200_000, 1)).await;
    world.web().write("empty", b"").await;
    let mirror = Mirror::of(world.provider()).await;
    let paths: Vec<String> = mirror.by_path(world.provider()).await.into_keys().collect();
    let truth: Vec<String> = world.web().truth().await.into_keys().collect();
    assert_eq!(paths, truth);
    settled(&world).await;
}

pub(crate) async fn an_empty_remote_lists_nothing<W: World>() {
    let world = W::fresh().await;
    assert!(Mirror::of(world.provider()).await.entries.is_empty());
}

pub(crate) async fn listings_come_in_pages<W: World>() {
    const COUNT: usize = 2_500;
    let world = W::fresh().await;
    world.web().make_folder("many").await;
    for number in 0..COUNT {
        world.web().write(&format!("many/{number}"), b"").await;
    }
    let mirror = Mirror::of(world.provider()).await;
    assert_eq!(mirror.entries.len(), COUNT + 1);
    assert!(mirror.pages > 1, "one page");
    settled(&world).await;
}

pub(crate) async fn long_change_logs_come_in_pages<W: World>() {
    const COUNT: usize = 1_200;
    let world = W::fresh().await;
    let mut mirror = Mirror::of(world.provider()).await;
    for number in 0..COUNT {
        world.web().write(&number.to_string(), b"").await;
    }
    mirror.converge(&world).await;
    for number in 0..COUNT {
        world.web().remove(&number.to_string()).await;
    }
    mirror.converge(&world).await;
    assert!(mirror.entries.is_empty());
}

pub(crate) async fn edits_of_others_are_told<W: World>() {
    let world = W::fresh().await;
    let mut mirror = Mirror::of(world.provider()).await;
    world.web().make_folder("a").await;
    world.web().write("a/one", b"1").await;
    mirror.converge(&world).await;
    let first = mirror.at(&world, "a/one").await;
    world.web().write("a/one", b"one").await;
    mirror.converge(&world).await;
    let second = mirror.at(&world, "a/one").await;
    assert_ne!(revision(&first), revision(&second));
    world.web().make_folder("b").await;
    world.web().rename("a/one", "b/two").await;
    mirror.converge(&world).await;
    world.web().remove("b/two").await;
    world.web().remove("a").await;
    let told = mirror.converge(&world).await;
    assert!(told.iter().any(|change| !matches!(change, Change::Upsert(_))));
    assert_eq!(mirror.by_path(world.provider()).await.into_keys().collect::<Vec<_>>(), ["b"]);
}

pub(crate) async fn our_own_edits_are_told<W: World>() {
    let world = W::fresh().await;
    let provider = world.provider();
    let mut mirror = Mirror::of(provider).await;
    let root = root(provider).await;
    let folder = provider.create_folder(&root, &name("folder")).await.unwrap();
    let file = create(provider, &folder.id, "file", b"one").await.unwrap();
    mirror.converge(&world).await;
    assert_eq!(mirror.at(&world, "folder/file").await, file);
    let file = replace(provider, &file, b"second").await.unwrap();
    let file = provider.relocate(&file.id, &root, &name("renamed")).await.unwrap();
    mirror.converge(&world).await;
    assert_eq!(mirror.at(&world, "renamed").await, file);
    provider.delete(&file.id, Some(&revision(&file))).await.unwrap();
    provider.delete(&folder.id, None).await.unwrap();
    mirror.converge(&world).await;
    assert!(mirror.entries.is_empty());
}

pub(crate) async fn a_quiet_feed_tells_nothing<W: World>() {
    let world = W::fresh().await;
    world.web().write("file", b"bytes").await;
    let mut mirror = settled(&world).await;
    for _ in 0..3 {
        assert_eq!(mirror.pull(world.provider()).await, []);
    }
}

pub(crate) async fn a_cursor_outlives_the_provider<W: World>() {
    let mut world = W::fresh().await;
    world.web().make_folder("folder").await;
    world.web().write("folder/kept", b"kept").await;
    world.web().write("folder/edited", b"old").await;
    world.web().write("removed", b"").await;
    let mut mirror = settled(&world).await;
    let kept = mirror.at(&world, "folder/kept").await;
    world.restart().await;
    assert_eq!(mirror.pull(world.provider()).await, [], "a restart is no change");
    world.restart().await;
    world.web().write("folder/edited", b"newer").await;
    world.web().write("made", b"made").await;
    world.web().remove("removed").await;
    let told = mirror.converge(&world).await;
    assert_eq!(mirror.at(&world, "folder/kept").await, kept);
    let untouched = |change: &Change| matches!(change, Change::Upsert(entry) if entry.id == kept.id);
    assert!(!told.iter().any(untouched), "told again: {told:?}");
}

pub(crate) async fn an_old_cursor_is_told_again<W: World>() {
    let world = W::fresh().await;
    let mut late = Mirror::of(world.provider()).await;
    let mut prompt = Mirror::of(world.provider()).await;
    world.web().make_folder("a").await;
    world.web().write("a/x", b"x").await;
    prompt.converge(&world).await;
    world.web().make_folder("b").await;
    world.web().rename("a/x", "b/x").await;
    prompt.converge(&world).await;
    world.web().remove("a").await;
    world.web().write("b/y", b"y").await;
    prompt.converge(&world).await;
    world.web().remove("b").await;
    world.web().write("c", b"c").await;
    prompt.converge(&world).await;
    late.converge(&world).await;
    let ids = |mirror: &Mirror| mirror.entries.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(ids(&late), ids(&prompt));
}

pub(crate) async fn a_strange_cursor_is_reset<W: World>() {
    let world = W::fresh().await;
    for strange in ["", "nonsense", "1:2:3:4"] {
        let cursor = Cursor(strange.to_owned());
        assert_eq!(kind_of(world.provider().changes(Some(&cursor)).await), ErrorKind::CursorReset, "{strange:?}");
    }
}

pub(crate) async fn a_deleted_folder_goes_with_everything_in_it<W: World>() {
    let world = W::fresh().await;
    for folder in ["a", "a/b", "a/b/c"] {
        world.web().make_folder(folder).await;
        world.web().write(&format!("{folder}/file"), b"").await;
    }
    let mut mirror = settled(&world).await;
    assert_eq!(mirror.entries.len(), 6);
    world.web().remove("a").await;
    mirror.converge(&world).await;
    assert!(mirror.entries.is_empty());
}

pub(crate) async fn a_file_that_becomes_a_folder_is_another_entry<W: World>() {
    let world = W::fresh().await;
    world.web().write("thing", b"bytes").await;
    let mut mirror = settled(&world).await;
    let file = mirror.at(&world, "thing").await;
    world.web().remove("thing").await;
    world.web().make_folder("thing").await;
    world.web().write("thing/inside", b"").await;
    mirror.converge(&world).await;
    assert_ne!(mirror.at(&world, "thing").await.id, file.id);
}

pub(crate) async fn links_are_links<W: World>() {
    let world = W::fresh().await;
    if !world.provider().capabilities().symlinks {
        return;
    }
    world.web().make_folder("folder").await;
    world.web().write("folder/file", b"").await;
    world.web().make_link("link", "folder").await;
    world.web().make_link("dangling", "../nowhere").await;
    let mut mirror = settled(&world).await;
    let link = mirror.at(&world, "link").await;
    assert_eq!(link.body, EntryBody::Symlink { target: "folder".to_owned() });
    world.web().remove("link").await;
    world.web().make_link("link", "folder/file").await;
    mirror.converge(&world).await;
}
