//! `root`

use crate::harness::{World, is_folder};

pub(crate) async fn a_folder_without_a_parent<W: World>() {
    let world = W::fresh().await;
    let root = world.provider().root().await.unwrap();
    assert!(is_folder(&root));
    assert_eq!(root.parent, None);
}

pub(crate) async fn the_same_after_a_restart<W: World>() {
    let mut world = W::fresh().await;
    let before = world.provider().root().await.unwrap();
    world.restart().await;
    assert_eq!(world.provider().root().await.unwrap(), before);
}
