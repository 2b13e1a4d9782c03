//! `changes`: who is who after others have renamed, moved and replaced.

use std::collections::BTreeMap;

use vaultfs::provider::{Change, RemoteEntry};
use vaultfs::types::RemoteId;

use crate::harness::{Mirror, World, bytes, revision, settled};

async fn ids(world: &impl World, mirror: &Mirror) -> BTreeMap<String, RemoteId> {
    let paths = mirror.by_path(world.provider()).await;
    paths.into_iter().map(|(path, entry): (_, RemoteEntry)| (path, entry.id)).collect()
}

pub(crate) async fn renames_keep_the_id<W: World>() {
    let world = W::fresh().await;
    if !world.provider().capabilities().stable_ids {
        return;
    }
    world.web().make_folder("folder").await;
    world.web().write("one", b"1").await;
    let mut mirror = settled(&world).await;
    let before = mirror.at(&world, "one").await.id;
    world.web().rename("one", "two").await;
    mirror.converge(&world).await;
    assert_eq!(mirror.at(&world, "two").await.id, before);
    world.web().rename("two", "folder/three").await;
    mirror.converge(&world).await;
    assert_eq!(mirror.at(&world, "folder/three").await.id, before);
}

pub(crate) async fn moved_folders_keep_all_ids<W: World>() {
    const COUNT: usize = 50;
    let world = W::fresh().await;
    let capabilities = world.provider().capabilities();
    if !capabilities.stable_ids || !capabilities.folder_move {
        return;
    }
    for folder in ["from", "from/inner", "to"] {
        world.web().make_folder(folder).await;
    }
    for number in 0..COUNT {
        world.web().write(&format!("from/inner/{number}"), b"x").await;
    }
    let mut mirror = settled(&world).await;
    let before = ids(&world, &mirror).await;
    world.web().rename("from", "to/moved").await;
    let known = mirror.entries.clone();
    let told = mirror.converge(&world).await;
    let after = ids(&world, &mirror).await;
    assert_eq!(before["from"], after["to/moved"]);
    for number in 0..COUNT {
        assert_eq!(before[&format!("from/inner/{number}")], after[&format!("to/moved/inner/{number}")]);
    }
    // A feed may repeat what is below, and say where things no longer are; what it says must not make them anything new.
    let is_news = |change: &&Change| match change {
        Change::Upsert(entry) => known.get(&entry.id) != Some(entry),
        Change::Removed(_) => true,
        Change::RemovedAt { .. } => false,
    };
    let news: Vec<&Change> = told.iter().filter(is_news).collect();
    assert!(news.len() <= 4, "a move of one folder was told as {} changes", news.len());
}

pub(crate) async fn swapped_names_keep_their_ids<W: World>() {
    let world = W::fresh().await;
    if !world.provider().capabilities().stable_ids {
        return;
    }
    for folder in ["p", "q"] {
        world.web().make_folder(folder).await;
        world.web().write(&format!("{folder}/{folder}"), folder.as_bytes()).await;
    }
    world.web().write("a", b"first").await;
    world.web().write("b", b"second").await;
    let mut mirror = settled(&world).await;
    let before = ids(&world, &mirror).await;
    for (one, other) in [("a", "b"), ("p", "q")] {
        world.web().rename(one, "aside").await;
        world.web().rename(other, one).await;
        world.web().rename("aside", other).await;
    }
    mirror.converge(&world).await;
    let after = ids(&world, &mirror).await;
    for (one, other) in [("a", "b"), ("b", "a"), ("p", "q"), ("q", "p"), ("p/p", "q/p"), ("q/q", "p/q")] {
        assert_eq!(before[one], after[other], "{one} is now {other}");
    }
}

pub(crate) async fn atomic_saves_keep_the_id<W: World>() {
    let world = W::fresh().await;
    if !world.provider().capabilities().stable_ids {
        return;
    }
    world.web().write("mix.json", b"{}").await;
    let mut mirror = settled(&world).await;
    let mut before = mirror.at(&world, "mix.json").await;
    for round in 1..4 {
        world.web().save_atomically("mix.json", &bytes(round * 10, 7)).await;
        mirror.converge(&world).await;
        let after = mirror.at(&world, "mix.json").await;
        assert_eq!(after.id, before.id);
        assert_ne!(revision(&after), revision(&before));
        before = after;
    }
}

pub(crate) async fn backup_saves_have_one_file_per_name<W: World>() {
    let world = W::fresh().await;
    world.web().write("case.doc", b"old").await;
    let mut mirror = settled(&world).await;
    let old = mirror.at(&world, "case.doc").await;
    world.web().rename("case.doc", "case.bak").await;
    world.web().write("case.doc", b"new text").await;
    mirror.converge(&world).await;
    if world.provider().capabilities().stable_ids {
        assert_eq!(mirror.at(&world, "case.bak").await.id, old.id);
    }
    world.web().remove("case.bak").await;
    mirror.converge(&world).await;
}

pub(crate) async fn renames_keep_the_revision<W: World>() {
    let world = W::fresh().await;
    if !world.provider().capabilities().stable_ids {
        return;
    }
    world.web().write("take 1.wav", &bytes(5000, 3)).await;
    let mut mirror = settled(&world).await;
    let before = mirror.at(&world, "take 1.wav").await;
    world.web().rename("take 1.wav", "take 2.wav").await;
    mirror.converge(&world).await;
    assert_eq!(revision(&mirror.at(&world, "take 2.wav").await), revision(&before));
}

pub(crate) async fn case_renames_are_told<W: World>() {
    let world = W::fresh().await;
    if !world.provider().capabilities().reports_case_rename {
        return;
    }
    world.web().make_folder("folder").await;
    world.web().write("folder/file", b"").await;
    let mut mirror = settled(&world).await;
    world.web().rename("folder/file", "folder/File").await;
    world.web().rename("folder", "Folder").await;
    mirror.converge(&world).await;
    mirror.at(&world, "Folder/File").await;
}

pub(crate) async fn moves_while_the_provider_is_down<W: World>() {
    let mut world = W::fresh().await;
    if !world.provider().capabilities().stable_ids {
        return;
    }
    for folder in ["a", "a/deep", "b"] {
        world.web().make_folder(folder).await;
    }
    world.web().write("a/deep/file", b"bytes").await;
    world.web().write("top", b"top").await;
    let mut mirror = settled(&world).await;
    let before = ids(&world, &mirror).await;
    world.restart().await;
    world.web().rename("a/deep", "b/deeper").await;
    world.web().rename("b/deeper/file", "a/file").await;
    world.web().rename("top", "b/deeper/bottom").await;
    let told = mirror.converge(&world).await;
    let after = ids(&world, &mirror).await;
    for (old, new) in [("a/deep", "b/deeper"), ("a/deep/file", "a/file"), ("top", "b/deeper/bottom"), ("a", "a")] {
        assert_eq!(before[old], after[new], "{old} is now {new}");
    }
    assert!(!told.iter().any(|change| matches!(change, Change::Removed(_))), "a move is no removal: {told:?}");
}

pub(crate) async fn a_replaced_folder_keeps_what_is_in_it<W: World>() {
    let world = W::fresh().await;
    world.web().make_folder("old").await;
    world.web().write("old/file", b"1").await;
    let mut mirror = settled(&world).await;
    let before = ids(&world, &mirror).await;
    // The old folder goes into the new one that takes its name.
    world.web().rename("old", "aside").await;
    world.web().make_folder("old").await;
    world.web().rename("aside", "old/older").await;
    mirror.converge(&world).await;
    if world.provider().capabilities().stable_ids {
        assert_eq!(mirror.at(&world, "old/older/file").await.id, before["old/file"]);
    }
}
