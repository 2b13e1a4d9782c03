//! The service takes paths, and makes anew what it misses of one. What is put into a folder at the moment in which it moves must go with it.

use std::time::Duration;

use crate::dropbox_world::{DropboxWorld, InFolder, InParts, Setup};
use crate::harness::{World, bytes, create, name, root};

const ROUNDS: u64 = 6;

async fn everything_at_once<S: Setup + 'static>() {
    let world = DropboxWorld::<S>::fresh().await;
    let provider = world.provider();
    let root = root(provider).await;
    let song = provider.create_folder(&root, &name("Song")).await.unwrap().id;
    let audio = provider.create_folder(&song, &name("Audio")).await.unwrap().id;
    let take = create(provider, &audio, "take", b"a take").await.unwrap().id;
    world.sim.link().set_round_trip(Duration::from_millis(10));
    for round in 0..ROUNDS {
        let [small, other, large, made] = ["small", "other", "large", "made"].map(|what| format!("{what} {round}"));
        let (song_name, take_name, made) =
            (name(&format!("Song {round}")), name(&format!("take {round}")), name(&made));
        let large_bytes = bytes(5 * 1024 * 1024, round);
        let (moved, renamed, made, one, two, three) = tokio::join!(
            provider.relocate(&song, &root, &song_name),
            provider.relocate(&take, &audio, &take_name),
            provider.create_folder(&audio, &made),
            create(provider, &audio, &small, small.as_bytes()),
            create(provider, &audio, &other, other.as_bytes()),
            create(provider, &audio, &large, &large_bytes),
        );
        for entry in [moved, renamed, made, one, two, three] {
            entry.unwrap();
        }
    }
    let truth = world.web().truth().await;
    let inside = format!("Song {}/Audio", ROUNDS - 1);
    let (within, without): (Vec<&String>, Vec<&String>) =
        truth.keys().partition(|path| path.starts_with(&format!("{inside}/")));
    assert_eq!(within.len() as u64, 1 + 4 * ROUNDS, "{within:?}");
    assert_eq!(without, [inside.split('/').next().unwrap(), &inside], "left behind");
}

#[tokio::test]
async fn what_is_put_into_a_folder_while_it_moves_goes_with_it() {
    everything_at_once::<InFolder>().await;
}

#[tokio::test]
async fn what_is_sent_in_parts_into_a_folder_while_it_moves_goes_with_it() {
    everything_at_once::<InParts>().await;
}
