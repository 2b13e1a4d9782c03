//! The parts of one vault for tests of the daemon's tasks: a real folder behind a link that breaks when it is told to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Catalog;
use crate::content::{Budget, ContentDirs, ContentStore};
use crate::daemon::plugs::{EngineLink, VaultLink};
use crate::fetch::{BlockFetcher, FetchConfig};
use crate::provider::local::{LocalConfig, LocalProvider, MarkerPolicy};
use crate::provider::{FaultControl, Faulty, Provider};
use crate::rules::LiveSelection;
use crate::sync::{Engine, EngineConfig, EngineParts};
use crate::types::{SystemClock, VaultId};
use crate::vaults::layout::LayoutKind;
use crate::vfs::{VaultFs, VfsParts};

/// Calls to the provider at once.
pub(super) const PARALLEL: usize = 4;

/// One vault.
pub(super) struct World {
    pub(super) remote: PathBuf,
    pub(super) catalog: Arc<Catalog>,
    pub(super) content: Arc<ContentStore>,
    pub(super) fetcher: BlockFetcher,
    pub(super) engine: Arc<Engine>,
    pub(super) control: FaultControl,
    _vfs: Arc<VaultFs>,
    _folder: tempfile::TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (remote, state) = (at("remote"), at("state"));
        let vault = VaultId(uuid::Uuid::new_v4());
        let clock = Arc::new(SystemClock);
        let local = LocalProvider::open(LocalConfig::new(vault, &remote, &state, MarkerPolicy::Create)).unwrap();
        let control = FaultControl::new(1);
        let faulty = Faulty::new(local, control.clone()).with_capabilities(|capabilities| capabilities.direct = false);
        let provider: Arc<dyn Provider> = Arc::new(faulty);
        let names = provider.capabilities().names;
        let catalog = Arc::new(Catalog::open(&state, vault, names, clock.clone()).unwrap().0);
        let dirs = ContentDirs { blocks: at("blocks"), staging: at("staging"), history: at("history") };
        let content = Arc::new(ContentStore::open(dirs, vault, Budget::UNBOUNDED, clock.clone()).unwrap());
        let link = EngineLink::default();
        let config =
            FetchConfig { max_parallel: PARALLEL, first_pause: Duration::from_millis(1), ..FetchConfig::default() };
        let runtime = tokio::runtime::Handle::current();
        let store = Arc::<ContentStore>::clone(&content);
        let fetcher = BlockFetcher::new(provider.clone(), store, Arc::new(link.clone()), config, runtime);
        let selection = Arc::new(LiveSelection::default());
        let vfs = Arc::new(VaultFs::new(VfsParts {
            vault,
            catalog: catalog.clone(),
            content: content.clone(),
            source: Arc::new(fetcher.clone()),
            sink: Arc::new(link.clone()),
            policy: selection.clone(),
            words: Arc::new(VaultLink::default()),
            layout: LayoutKind::Plain.layout(),
            names,
            symlinks: true,
            clock: clock.clone(),
        }));
        let parts = EngineParts {
            catalog: catalog.clone(),
            content: content.clone(),
            provider,
            local: vfs.clone(),
            hydrate: Arc::new(fetcher.clone()),
            selection,
            clock,
        };
        let engine = Arc::new(Engine::new(parts, EngineConfig::for_device("studio")));
        link.connect(&engine, &vfs);
        Self { remote, catalog, content, fetcher, engine, control, _vfs: vfs, _folder: folder }
    }
}

/// Waits for something that another task does.
pub(super) async fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("not {what}"));
}
