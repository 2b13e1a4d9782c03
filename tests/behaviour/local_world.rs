//! A local folder as a world, bare and under each decorator.

use std::collections::BTreeMap;
use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tempfile::TempDir;
use uuid::Uuid;
use vaultfs::provider::local::{LocalConfig, LocalProvider, MarkerPolicy};
use vaultfs::provider::{Deadlines, FaultControl, Faulty, Limited, Provider};
use vaultfs::types::VaultId;

use crate::harness::{Node, Tree, WebUser, World};

/// What is around the provider.
pub(crate) trait Decorate: Send + Sync {
    fn decorate(provider: LocalProvider) -> Box<dyn Provider>;
}

pub(crate) struct Plain;
pub(crate) struct NoFaults;
pub(crate) struct Bounded;
pub(crate) struct Indirect;

impl Decorate for Plain {
    fn decorate(provider: LocalProvider) -> Box<dyn Provider> {
        Box::new(provider)
    }
}

impl Decorate for NoFaults {
    fn decorate(provider: LocalProvider) -> Box<dyn Provider> {
        Box::new(Faulty::new(provider, FaultControl::new(1)))
    }
}

impl Decorate for Bounded {
    fn decorate(provider: LocalProvider) -> Box<dyn Provider> {
        Box::new(Limited::new(provider, Deadlines::default()))
    }
}

impl Decorate for Indirect {
    fn decorate(provider: LocalProvider) -> Box<dyn Provider> {
        let faulty = Faulty::new(provider, FaultControl::new(1));
        Box::new(faulty.with_capabilities(|capabilities| capabilities.direct = false))
    }
}

/// A folder and the state beside it.
pub(crate) struct LocalWorld<D> {
    provider: Option<Box<dyn Provider>>,
    web: Folder,
    config: LocalConfig,
    _disk: TempDir,
    _decorator: PhantomData<D>,
}

impl<D: Decorate> World for LocalWorld<D> {
    async fn fresh() -> Self {
        let (disk, config) = new_disk();
        let provider = D::decorate(LocalProvider::open(config.clone()).unwrap());
        let web = Folder(config.root.clone());
        Self { provider: Some(provider), web, config, _disk: disk, _decorator: PhantomData }
    }

    fn provider(&self) -> &dyn Provider {
        self.provider.as_deref().unwrap()
    }

    fn web(&self) -> &dyn WebUser {
        &self.web
    }

    async fn restart(&mut self) {
        self.provider = None;
        self.provider = Some(D::decorate(LocalProvider::open(self.config.clone()).unwrap()));
    }
}

/// A folder that is to become a vault.
pub(crate) fn new_disk() -> (TempDir, LocalConfig) {
    let disk = TempDir::new().unwrap();
    let root = disk.path().join("vault");
    fs::create_dir(&root).unwrap();
    let config = LocalConfig::new(VaultId(Uuid::new_v4()), root, &disk.path().join("state"), MarkerPolicy::Create);
    (disk, config)
}

/// Another program in the folder.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Everything in the folder, with what the provider hides.
    pub(crate) fn everything(&self) -> Tree {
        let mut tree = BTreeMap::new();
        collect(&self.0, "", &mut tree);
        tree
    }
}

fn collect(folder: &Path, prefix: &str, tree: &mut Tree) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            tree.insert(path.clone(), Node::Folder);
            collect(&entry.path(), &format!("{path}/"), tree);
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            tree.insert(path, Node::Link(target.to_str().unwrap().to_owned()));
        } else if kind.is_file() {
            match fs::read(entry.path()) {
                Ok(bytes) => _ = tree.insert(path, Node::File(bytes)),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{path}"),
            }
        }
    }
}

#[async_trait]
impl WebUser for Folder {
    async fn write(&self, path: &str, bytes: &[u8]) {
        fs::write(self.path(path), bytes).unwrap();
    }

    async fn save_atomically(&self, path: &str, bytes: &[u8]) {
        let temporary = self.path(&format!("{path}.new"));
        fs::write(&temporary, bytes).unwrap();
        fs::rename(temporary, self.path(path)).unwrap();
    }

    async fn make_folder(&self, path: &str) {
        fs::create_dir(self.path(path)).unwrap();
    }

    async fn make_link(&self, path: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
    }

    async fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    async fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.symlink_metadata().unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    async fn truth(&self) -> Tree {
        let mut tree = self.everything();
        tree.remove(".vaultfs-root");
        tree
    }
}
