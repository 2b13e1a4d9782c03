//! What a piece of work asks of Dropbox, by the simulator's log.

use std::time::Duration;

use cloud_sim::dropbox::{DropboxSim, Options};
use tempfile::TempDir;
use vaultfs::provider::Provider as _;
use vaultfs::provider::dropbox::DropboxProvider;
use vaultfs::provider::http::Phases;

use crate::dropbox_world::{client, config};
use crate::harness::{Mirror, create, name, root};

#[tokio::test]
async fn a_folder_is_looked_for_once_for_many_files_and_again_when_it_has_moved() {
    let sim = DropboxSim::start(Options::default()).unwrap();
    let web = sim.first_account().web();
    web.create_folder("/Vault").unwrap();
    let disk = TempDir::new().unwrap();
    let mut config = config("/Vault", disk.path());
    config.believe_paths = Duration::from_secs(3600);
    let provider = DropboxProvider::open(config, client(&sim, Phases::default())).unwrap();
    let mut mirror = Mirror::of(&provider).await;
    let root = root(&provider).await;
    let folder = provider.create_folder(&root, &name("folder")).await.unwrap().id;
    create(&provider, &folder, "first", b"first").await.unwrap();
    mirror.pull(&provider).await;
    create(&provider, &folder, "second", b"second").await.unwrap();
    sim.log().clear();
    for number in 0..5 {
        // What was sent comes back by the feed, as it does while a queue is sent.
        mirror.pull(&provider).await;
        create(&provider, &folder, &format!("file {number}"), b"bytes").await.unwrap();
    }
    assert_eq!(sim.log().count("files/get_metadata"), 0);
    web.rename("/Vault/folder", "/Vault/moved").unwrap();
    web.create_folder("/Vault/folder").unwrap();
    mirror.pull(&provider).await;
    create(&provider, &folder, "last", b"last").await.unwrap();
    assert_eq!(web.read("/Vault/moved/last").unwrap(), b"last");
}
