//! A folder of a simulated Dropbox as a world, over real HTTP.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_sim::dropbox::{DropboxSim, Item, Options, Web};
use tempfile::TempDir;
use vaultfs::provider::dropbox::{DropboxClient, DropboxConfig, DropboxProvider, PART_UNIT_BYTES};
use vaultfs::provider::http::{BaseUrl, Phases};
use vaultfs::provider::{Provider, StaticToken};
use vaultfs::types::Secret;

use crate::harness::{Node, Tree, WebUser, World};

/// How the provider is set up.
pub(crate) trait Setup: Send + Sync {
    /// The vault's folder.
    const FOLDER: &'static str;
    /// What differs from the usual.
    fn adjust(_config: &mut DropboxConfig) {}
}

/// A vault in a folder, next to others.
pub(crate) struct InFolder;
/// A vault of everything.
pub(crate) struct Everything;
/// A vault whose files all go in parts.
pub(crate) struct InParts;

impl Setup for InFolder {
    const FOLDER: &'static str = "/Apps/Muze/My Vault";
}

impl Setup for Everything {
    const FOLDER: &'static str = "";
}

impl Setup for InParts {
    const FOLDER: &'static str = "/Vault";
    fn adjust(config: &mut DropboxConfig) {
        (config.single_call_bytes, config.batch_bytes, config.part_bytes) = (16, 8, PART_UNIT_BYTES);
    }
}

/// A simulated account and the state beside it.
pub(crate) struct DropboxWorld<S> {
    pub(crate) sim: DropboxSim,
    provider: Option<DropboxProvider>,
    web: Website,
    config: DropboxConfig,
    _disk: TempDir,
    _setup: PhantomData<S>,
}

impl<S: Setup> World for DropboxWorld<S> {
    async fn fresh() -> Self {
        let sim = DropboxSim::start(Options::default()).unwrap();
        sim.set_longpoll_jitter(Duration::ZERO);
        let web = Website { web: sim.first_account().web(), folder: S::FOLDER };
        if !S::FOLDER.is_empty() {
            web.web.create_folder(S::FOLDER).unwrap();
            // Neighbours that the vault must never see.
            web.web.write("/outside", b"outside").unwrap();
            web.web.write(&format!("{}2/outside", S::FOLDER), b"outside").unwrap();
        }
        let disk = TempDir::new().unwrap();
        let mut config = config(S::FOLDER, disk.path());
        S::adjust(&mut config);
        let provider = open(&sim, &config);
        Self { sim, provider: Some(provider), web, config, _disk: disk, _setup: PhantomData }
    }

    fn provider(&self) -> &dyn Provider {
        self.provider.as_ref().unwrap()
    }

    fn web(&self) -> &dyn WebUser {
        &self.web
    }

    async fn restart(&mut self) {
        self.provider = None;
        self.provider = Some(open(&self.sim, &self.config));
    }
}

/// The usual setup, but for waits that tests need not sit out.
pub(crate) fn config(folder: &str, state: &Path) -> DropboxConfig {
    let mut config = DropboxConfig::new(folder, state.join("dropbox.db")).unwrap();
    // Others change folders at any time here.
    config.believe_paths = Duration::ZERO;
    config
}

/// The account of a simulator, with its token of unlimited life.
pub(crate) fn client(sim: &DropboxSim, phases: Phases) -> DropboxClient {
    let base: BaseUrl = sim.base_url().parse().unwrap();
    let tokens = Arc::new(StaticToken::new(Secret::new(sim.token())));
    DropboxClient::new(Some(&base), phases, tokens).unwrap()
}

fn open(sim: &DropboxSim, config: &DropboxConfig) -> DropboxProvider {
    DropboxProvider::open(config.clone(), client(sim, Phases::default())).unwrap()
}

/// The account's owner on the website.
pub(crate) struct Website {
    pub(crate) web: Web,
    pub(crate) folder: &'static str,
}

impl Website {
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.folder)
    }
}

#[async_trait]
impl WebUser for Website {
    async fn write(&self, path: &str, bytes: &[u8]) {
        self.web.write(&self.path(path), bytes).unwrap();
    }

    /// The website has no other way.
    async fn save_atomically(&self, path: &str, bytes: &[u8]) {
        self.write(path, bytes).await;
    }

    async fn make_folder(&self, path: &str) {
        self.web.create_folder(&self.path(path)).unwrap();
    }

    async fn make_link(&self, path: &str, target: &str) {
        self.web.write_symlink(&self.path(path), target).unwrap();
    }

    async fn rename(&self, from: &str, to: &str) {
        let (from, to) = (self.path(from), self.path(to));
        if self.web.item(&to).is_some() && !from.eq_ignore_ascii_case(&to) {
            self.web.delete(&to).unwrap();
        }
        self.web.rename(&from, &to).unwrap();
    }

    async fn remove(&self, path: &str) {
        self.web.delete(&self.path(path)).unwrap();
    }

    async fn truth(&self) -> Tree {
        let prefix = format!("{}/", self.folder);
        let mut tree = BTreeMap::new();
        for (path, item) in self.web.tree() {
            let Some(inside) = path.strip_prefix(&prefix) else { continue };
            let node = match item {
                Item::Folder => Node::Folder,
                Item::File { .. } => Node::File(self.web.read(&path).unwrap()),
            };
            tree.insert(inside.to_owned(), node);
        }
        tree
    }
}
