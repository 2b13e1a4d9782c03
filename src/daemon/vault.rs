//! One open vault: its object graph, built from the bottom up and taken down from the top. The only file that knows every
//! module.
//!
//! ```text
//! mount -> vfs -> catalog, content
//!           \-> fetch -> content, provider        plugged in by `plugs`
//!           \-> sync  -> catalog, content, provider, fetch
//! ```

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Daemon;
use super::blocking::blocking;
use super::clouds::Clouds;
use super::documents::Documents;
use super::news::Attention;
use super::pins::Pins;
use super::plugs::{EngineLink, VaultLink};
use super::syncing::Trouble;
use super::tasks::Tasks;
use super::unreadable::Refusals;
use super::{problems, providers, settings};
use crate::accounts::{self, AccountTokens};
use crate::catalog::{Catalog, Opened};
use crate::config::Settings;
use crate::content::{Budget, ContentDirs, ContentStore};
use crate::control::events::EventBus;
use crate::control::protocol::{ErrorCode, Problem};
use crate::fetch::BlockFetcher;
use crate::provider::Provider;
use crate::rules::LiveSelection;
use crate::sync::{Engine, EngineParts, recover};
use crate::types::{Clock, VaultId};
use crate::vaults::{RegistryFile, Vault};
use crate::vfs::{VaultFs, VfsParts};

/// Key of the catalog's small values: the user paused syncing, the user asked for offline.
const PAUSED_KEY: &str = "daemon.paused";
const OFFLINE_KEY: &str = "daemon.offline";

/// How long the engine may take to finish what it is just doing.
const ENGINE_GRACE: Duration = Duration::from_secs(10);

/// How long calls of stopped tasks may take to finish.
const OWNER_GRACE: Duration = Duration::from_secs(5);

/// Where a vault keeps its files on this machine.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Precious.
    pub(super) state: PathBuf,
    /// May be deleted while the vault is closed.
    pub(super) cache: PathBuf,
}

impl Places {
    /// Of a vault of the registry.
    pub(super) fn of(daemon: &Daemon, vault: &Vault) -> Self {
        let own = &vault.vaultfs;
        Self {
            state: own.state_dir.clone().unwrap_or_else(|| daemon.paths.vault_state(vault.id)),
            cache: own.cache_dir.clone().unwrap_or_else(|| daemon.paths.vault_cache(vault.id)),
        }
    }

    fn content(&self) -> ContentDirs {
        ContentDirs {
            blocks: self.cache.join("blocks"),
            staging: self.state.join("staging"),
            history: self.state.join("history"),
        }
    }
}

/// A vault that is open.
pub(super) struct OpenVault {
    pub(super) id: VaultId,
    name: RwLock<String>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) content: Arc<ContentStore>,
    pub(super) provider: Arc<dyn Provider>,
    /// Of the account that it lies in.
    tokens: Option<AccountTokens>,
    pub(super) fetcher: BlockFetcher,
    pub(super) engine: Arc<Engine>,
    pub(super) pins: Arc<Pins>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) selection: Arc<LiveSelection>,
    /// Where damaged things are put.
    quarantine: PathBuf,
    vfs: Arc<VaultFs>,
    /// It was listed, now or before it was opened: its names are there at once.
    pub(super) was_listed: AtomicBool,
    /// As they are now.
    pub(super) settings: watch::Sender<Settings>,
    pub(super) tasks: Tasks,
    /// Why the engine does not run, while it does not.
    pub(super) trouble: Trouble,
    /// Something changed that the engine does not know of.
    pub(super) attention: Attention,
    pub(super) events: Arc<EventBus>,
    pub(super) registry: RegistryFile,
}

/// What is opened on a thread that may wait for the disk.
struct Stores {
    quarantine: PathBuf,
    provider: Arc<dyn Provider>,
    tokens: Option<AccountTokens>,
    catalog: Arc<Catalog>,
    content: Arc<ContentStore>,
    paused: bool,
    offline: bool,
    was_listed: bool,
}

impl OpenVault {
    /// Opens a vault: databases, recovery, fetcher, filesystem core, engine. Talks to no network.
    pub(super) async fn open(daemon: &Daemon, vault: &Vault) -> Result<Arc<Self>, Problem> {
        let settings = daemon.config.for_vault(&vault.name, vault.id);
        let places = Places::of(daemon, vault);
        let (opening, device) = (vault.clone(), settings.device_name.clone());
        let (clock, budget) = (Arc::clone(&daemon.clock), settings::budget(&settings));
        let (dirs, clouds) = (places.clone(), Arc::clone(&daemon.clouds));
        let stores = blocking(move || open_stores(&opening, &dirs, budget, &device, clock, &clouds)).await?;
        let selection = LiveSelection::new(super::selection::of(&settings)?);
        let words = VaultLink::default();
        let open =
            Arc::new(Self::assemble(daemon, vault, watch::Sender::new(settings), stores, Arc::new(selection), &words));
        words.connect(&open);
        let judged = Arc::clone(&open);
        blocking(move || judged.judge_again()).await?;
        open.start();
        tracing::info!(vault = %vault.id, "opened");
        Ok(open)
    }

    fn assemble(
        daemon: &Daemon,
        vault: &Vault,
        settings: watch::Sender<Settings>,
        stores: Stores,
        selection: Arc<LiveSelection>,
        words: &VaultLink,
    ) -> Self {
        let Stores { quarantine, provider, tokens, catalog, content, paused, offline, was_listed } = stores;
        let bandwidth = super::bandwidth::follow(&settings.subscribe(), &daemon.clock);
        let link = EngineLink::default();
        let fetcher = BlockFetcher::new(
            Arc::clone(&provider),
            Arc::<ContentStore>::clone(&content),
            Arc::new(link.clone()),
            settings::fetch_config(&settings.borrow(), &bandwidth),
            tokio::runtime::Handle::current(),
        );
        let capabilities = provider.capabilities();
        let vfs = Arc::new(VaultFs::new(VfsParts {
            vault: vault.id,
            catalog: Arc::clone(&catalog),
            content: Arc::clone(&content),
            source: Arc::new(fetcher.clone()),
            sink: Arc::new(link.clone()),
            policy: Arc::<LiveSelection>::clone(&selection),
            words: Arc::new(words.clone()),
            layout: vault.vaultfs.layout.layout(),
            names: capabilities.names,
            symlinks: capabilities.symlinks,
            clock: Arc::clone(&daemon.clock),
        }));
        let engine = Arc::new(Engine::new(
            EngineParts {
                catalog: Arc::clone(&catalog),
                content: Arc::clone(&content),
                provider: Arc::clone(&provider),
                local: Arc::<VaultFs>::clone(&vfs),
                hydrate: Arc::new(fetcher.clone()),
                selection: Arc::<LiveSelection>::clone(&selection),
                clock: Arc::clone(&daemon.clock),
            },
            settings::engine_config(&settings.borrow(), bandwidth),
        ));
        link.connect(&engine, &vfs);
        let parallel = settings.borrow().fetch.parallel;
        let pins =
            Pins::new(Arc::clone(&catalog), Arc::clone(&content), fetcher.clone(), capabilities.direct, parallel);
        let attention = Attention::default();
        let space_turned = attention.clone();
        content.when_space_turns(move || space_turned.call());
        if paused {
            engine.pause();
        }
        engine.set_manual(!settings.borrow().sync.auto);
        engine.set_offline(offline);
        fetcher.set_online(!offline);
        Self {
            id: vault.id,
            name: RwLock::new(vault.name.clone()),
            catalog,
            content,
            provider,
            tokens,
            fetcher,
            engine,
            pins: Arc::new(pins),
            refusals: link.refusals(),
            selection,
            quarantine,
            vfs,
            was_listed: AtomicBool::new(was_listed),
            settings,
            tasks: Tasks::default(),
            trouble: Trouble::new(attention.clone()),
            attention,
            events: Arc::clone(&daemon.events),
            registry: daemon.registry.clone(),
        }
    }

    /// Starts the tasks of the vault. They hold parts of it, never the whole: closing takes it apart.
    fn start(self: &Arc<Self>) {
        if !self.provider.capabilities().direct {
            let (catalog, content) = (Arc::clone(&self.catalog), Arc::clone(&self.content));
            let documents = Documents::new(catalog, content, self.fetcher.clone());
            // Before anything can arrive.
            let news = self.engine.subscribe();
            self.tasks.spawn("documents", |stop| documents.run(news, stop));
        }
        let (name, engine, trouble) = (self.name(), Arc::clone(&self.engine), self.trouble.clone());
        let settings = self.settings.subscribe();
        self.tasks.spawn("sync", |stop| super::syncing::keep_as_set(name, engine, trouble, settings, stop));
        let (vault, news, attention) = (Arc::downgrade(self), self.engine.subscribe(), self.attention.clone());
        self.tasks.spawn("news", |stop| super::news::forward(vault, news, attention, stop));
        let (pins, engine) = (Arc::clone(&self.pins), Arc::clone(&self.engine));
        self.tasks.spawn("pins", |stop| pins.run(engine, stop));
        let (catalog, content) = (Arc::clone(&self.catalog), Arc::clone(&self.content));
        let settings = self.settings.subscribe();
        self.tasks.spawn("housekeeping", |stop| super::housekeeping::run(catalog, content, settings, stop));
    }

    /// Takes over what can change while a vault is open. Waits for the disk.
    pub(super) fn apply(&self, settings: Settings) -> Result<(), Problem> {
        let (budget, selection) = (settings::budget(&settings), super::selection::of(&settings)?);
        self.settings.send_replace(settings);
        self.selection.replace(selection);
        self.judge_again()?;
        let applied = self.content.set_budget(budget).map_err(|error| problems::content(&error));
        self.attention.call();
        applied
    }

    /// What keeps this vault from working and is no matter of a single file.
    pub(super) fn troubles(&self) -> Vec<Problem> {
        self.trouble.problem().into_iter().chain(self.tasks.problems()).chain(self.space_problem()).collect()
    }

    /// What was put aside because it was damaged, and is still there.
    pub(super) fn put_aside(&self) -> Option<Problem> {
        super::aside::problem(&self.name(), &self.quarantine)
    }

    /// Why its account gives no access, as far as is known.
    pub(super) fn account_trouble(&self) -> Option<accounts::Trouble> {
        self.tokens.as_ref().and_then(AccountTokens::trouble)
    }

    /// Its name at present.
    pub(super) fn name(&self) -> String {
        self.name.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It was renamed.
    pub(super) fn set_name(&self, name: &str) {
        name.clone_into(&mut self.name.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The filesystem core, for mounting.
    pub(super) fn vfs(&self) -> Arc<VaultFs> {
        Arc::clone(&self.vfs)
    }

    /// True if files may be lent to the kernel.
    pub(super) fn lends(&self) -> bool {
        self.settings.borrow().mount.passthrough
    }

    /// Stops or resumes syncing, for good.
    pub(super) async fn set_paused(self: &Arc<Self>, paused: bool) -> Result<(), Problem> {
        self.remember(PAUSED_KEY, paused).await?;
        if paused {
            self.engine.pause()
        } else {
            self.engine.resume()
        }
        Ok(())
    }

    /// Takes the vault off the network or back on it, for good.
    pub(super) async fn set_offline(self: &Arc<Self>, offline: bool) -> Result<(), Problem> {
        self.remember(OFFLINE_KEY, offline).await?;
        self.fetcher.set_online(!offline);
        self.engine.set_offline(offline);
        Ok(())
    }

    async fn remember(self: &Arc<Self>, key: &'static str, value: bool) -> Result<(), Problem> {
        let vault = Arc::clone(self);
        blocking(move || {
            let name = vault.name();
            vault
                .catalog
                .write(|txn| txn.set_meta(key, if value { "1" } else { "0" }))
                .map_err(|error| problems::catalog(&name, &error))
        })
        .await
    }

    /// True if the user asked for offline.
    pub(super) fn is_offline_by_user(&self) -> Result<bool, Problem> {
        self.catalog.read(|view| flag(view.meta(OFFLINE_KEY)?)).map_err(|error| problems::catalog(&self.name(), &error))
    }

    /// Takes the vault apart: engine, fetcher, filesystem core, databases. The mount is gone by now.
    pub(super) async fn close(self: Arc<Self>) -> Result<(), Problem> {
        let late = self.tasks.stop(ENGINE_GRACE).await;
        if !late.is_empty() {
            tracing::warn!(tasks = late.join(", "), "tasks of a vault did not end in time");
        }
        self.fetcher.close();
        blocking(move || {
            self.vfs.save_all();
            let name = self.name();
            let Ok(Self { catalog, vfs, engine, fetcher, pins, .. }) = last_owner(self) else {
                return Err(still_used(&name));
            };
            drop((vfs, engine, fetcher, pins));
            match last_owner(catalog) {
                Ok(catalog) => catalog.close().map_err(|error| problems::catalog(&name, &error)),
                Err(catalog) => {
                    catalog.sync().map_err(|error| problems::catalog(&name, &error))?;
                    Err(still_used(&name))
                }
            }
        })
        .await
    }
}

/// The value itself, once the last other owner has let go: a thread that was working for a task that was stopped finishes its
/// call first.
fn last_owner<T>(mut shared: Arc<T>) -> Result<T, Arc<T>> {
    let deadline = Instant::now() + OWNER_GRACE;
    loop {
        shared = match Arc::try_unwrap(shared) {
            Err(shared) if Instant::now() < deadline => shared,
            result => return result,
        };
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn still_used(name: &str) -> Problem {
    Problem::new(ErrorCode::Internal, format!("vault {name} is still in use and was not closed"))
}

fn flag(value: Option<String>) -> crate::catalog::Result<bool> {
    Ok(value.as_deref() == Some("1"))
}

fn open_stores(
    vault: &Vault,
    places: &Places,
    budget: Budget,
    device: &str,
    clock: Arc<dyn Clock>,
    clouds: &Clouds,
) -> Result<Stores, Problem> {
    crate::config::private_file::create_folder(&places.state).map_err(|error| problems::of(ErrorCode::Io, &error))?;
    let (provider, tokens) = providers::open(vault, &places.state, clouds)?;
    let names = provider.capabilities().names;
    let in_catalog = |error: &crate::catalog::CatalogError| problems::catalog(&vault.name, error);
    let (catalog, opened) =
        Catalog::open(&places.state, vault.id, names, Arc::clone(&clock)).map_err(|error| in_catalog(&error))?;
    if let Opened::Rebuilt { quarantined, from_backup } = &opened {
        tracing::warn!(kept = %quarantined.display(), from_backup, "the catalog was damaged and is being rebuilt");
    }
    let content =
        ContentStore::open(places.content(), vault.id, budget, clock).map_err(|error| problems::content(&error))?;
    let recovered =
        recover(&catalog, &content, &names, device, &opened).map_err(|error| problems::sync(&vault.name, &error))?;
    tracing::info!(vault = %vault.id, ?opened, ?recovered, "recovered");
    let known = catalog.read(|view| {
        let listed = view.feed()?.last_full.is_some();
        Ok((flag(view.meta(PAUSED_KEY)?)?, flag(view.meta(OFFLINE_KEY)?)?, listed))
    });
    let (paused, offline, was_listed) = known.map_err(|error| in_catalog(&error))?;
    let (catalog, content, quarantine) = (Arc::new(catalog), Arc::new(content), places.content().quarantine());
    Ok(Stores { quarantine, provider, tokens, catalog, content, paused, offline, was_listed })
}
