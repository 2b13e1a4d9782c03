//! From the first step to the last.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};

use super::clouds::Clouds;
use super::lockfile::{InstanceLock, last_holder};
use super::mount_set::MountSet;
use super::mounts::MountRecord;
use super::service::Front;
use super::settings::LiveConfig;
use super::signals::StopSignals;
use super::tasks::Tasks;
use super::vault_set::VaultSet;
use super::{Daemon, StopReason, problems};
use crate::accounts::{Accounts, AccountsFile};
use crate::config::{Config, ConfigFile, Environment, Layers, Paths};
use crate::control::events::EventBus;
use crate::control::protocol::{ErrorCode, Problem};
use crate::control::{server, socket};
use crate::secrets::Secrets;
use crate::sys::process;
use crate::telemetry::logging::{self, LogOutput};
use crate::types::{Clock, SystemClock, VaultId};
use crate::vaults::{RegistryFile, Vault};

/// Threads of the event loop: it only passes work on.
const EVENT_THREADS: usize = 2;

/// Name of the single-instance lock, in the runtime and in the state folder.
const LOCK_NAME: &str = "daemon.lock";

/// How long requests may take to finish once the daemon stops.
const REQUEST_GRACE: Duration = Duration::from_secs(2);

/// How long the start waits for vaults that take long to open.
const RESTORE_PATIENCE: Duration = Duration::from_secs(10);

/// How long background tasks may take to end.
const TASK_GRACE: Duration = Duration::from_secs(5);

/// What the daemon is started with.
pub struct DaemonSettings {
    /// The folders of this user.
    pub paths: Paths,
    /// The environment.
    pub environment: Environment,
    /// Settings of the command line.
    pub flags: Vec<(String, String)>,
    /// True if nobody looks at standard error: the log goes to a file.
    pub detached: bool,
}

/// The process of the daemon that was started last, whether it still runs or not.
pub fn last_process(paths: &Paths) -> Option<u32> {
    last_holder(&paths.state().join(LOCK_NAME))
}

/// Comes after the daemon that was last, for a moment: a crashed one that somebody has come after is not started again
/// ([`super::supervisor`]). Refused while one runs or starts.
pub fn come_after(paths: &Paths) -> Result<(), Problem> {
    let locks = [paths.runtime().join(LOCK_NAME), paths.state().join(LOCK_NAME)];
    if !locks.iter().all(|lock| lock.exists()) {
        return Ok(());
    }
    let [runtime, state] = locks;
    InstanceLock::acquire(&runtime, &state).map(drop)
}

/// Runs the daemon until it is told to stop. `ready` is called when it accepts requests.
pub fn run(settings: DaemonSettings, ready: impl FnOnce()) -> Result<(), Problem> {
    let DaemonSettings { paths, environment, flags, detached } = settings;
    paths.create().and_then(|()| paths.create_runtime()).map_err(|error| problems::paths(&error))?;
    let _lock = InstanceLock::acquire(&paths.runtime().join(LOCK_NAME), &paths.state().join(LOCK_NAME))?;
    let file = ConfigFile::load(&paths.config_file()).map_err(|error| problems::config(&error))?;
    let layers = Layers { file: &file, environment: &environment, flags: &flags };
    let config = Config::resolve(&layers).map_err(|error| problems::config(&error))?;
    let uid = environment.uid;
    let output = if detached { LogOutput::Folder(paths.state().to_owned()) } else { LogOutput::Stderr };
    let log = &config.settings().log;
    logging::init(&log.level, log.names, &output).map_err(|error| problems::of(ErrorCode::Io, &error))?;
    if let Err(error) = process::keep_memory_private() {
        tracing::warn!(%error, "a crash of this process could leave a core file with access tokens in it");
    }
    for variable in environment.unknown() {
        tracing::warn!(variable, "this variable means nothing to vaultfs; misspelt?");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(EVENT_THREADS)
        .thread_name("vaultfs-events")
        .enable_all()
        .build()
        .map_err(|error| Problem::new(ErrorCode::Internal, "cannot start the event loop").because(&error))?;
    let config = LiveConfig::new(config, environment, flags);
    let result = runtime.block_on(serve(paths, config, uid, ready));
    // A thread that still waits for a dead disk must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(paths: Paths, config: LiveConfig, uid: u32, ready: impl FnOnce()) -> Result<(), Problem> {
    let mut signals = StopSignals::listen()?;
    let socket_path = paths.control_socket();
    let listener = socket::bind(&socket_path).map_err(|error| problems::of(ErrorCode::Io, &error))?;
    let daemon = Arc::new(build(paths, config));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), "the daemon starts");

    daemon.restore().await;
    ready();
    let mut stopping = daemon.stop.subscribe();
    let stop = async {
        tokio::select! {
            () = signals.requested() => { daemon.stop.send_replace(StopReason::Told); }
            // The sender lives as long as the daemon.
            _ = stopping.wait_for(|reason| *reason != StopReason::Not) => {}
        }
        daemon.events.close();
    };
    server::serve(&listener, Arc::new(Front(Arc::clone(&daemon))), uid, stop, REQUEST_GRACE).await;
    let reason = *daemon.stop.borrow();
    tracing::info!(?reason, "the daemon stops");
    tokio::spawn(signals.end_at_the_next_one());
    daemon.shut_down(reason).await;
    close_socket(&socket_path, listener);
    tracing::info!("the daemon has stopped");
    Ok(())
}

fn build(paths: Paths, config: LiveConfig) -> Daemon {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let secrets = Secrets::new(config.secret_places(&paths));
    let accounts = Arc::new(Accounts::new(AccountsFile::new(paths.accounts_file()), secrets, Arc::clone(&clock)));
    Daemon {
        started_at: clock.now(),
        registry: RegistryFile::new(paths.registry_file()),
        events: Arc::new(EventBus::new(Arc::clone(&clock))),
        clouds: Arc::new(Clouds::new(Arc::clone(&accounts))),
        accounts,
        vaults: VaultSet::default(),
        mounts: MountSet::default(),
        tasks: Tasks::default(),
        stop: watch::Sender::default(),
        problems: std::sync::Mutex::default(),
        paths,
        config,
        clock,
    }
}

/// The file goes first: nobody must find a socket that nobody listens to.
fn close_socket(path: &Path, listener: UnixListener) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::debug!(%error, "the control socket was already gone");
    }
    drop(listener);
}

impl Daemon {
    /// Mounts what the last daemon had mounted, and opens the vaults that may have something to send; all vaults at once, so that none
    /// waits for the disk of another. Nothing here keeps the daemon from starting: what fails is a problem of its vault, and what takes
    /// long goes on while the daemon works.
    async fn restore(self: &Arc<Self>) {
        let records = super::mounts::load(self.paths.state()).unwrap_or_else(|problem| {
            self.report(problem);
            Vec::new()
        });
        let mut vaults: BTreeMap<VaultId, Option<Vault>> = records.iter().map(|record| (record.vault, None)).collect();
        match self.load_registry().await {
            Ok(registry) => vaults.extend(registry.list().iter().map(|vault| (vault.id, Some(vault.clone())))),
            Err(problem) => self.report(problem),
        }
        self.mounts.owe(&records);
        // Closed when the last of them has ended.
        let (working, mut all_work) = mpsc::channel::<()>(1);
        for (id, vault) in vaults {
            let own: Vec<MountRecord> = records.iter().filter(|record| record.vault == id).cloned().collect();
            let (daemon, mut stopping, working) = (Arc::clone(self), self.stop.subscribe(), working.clone());
            let name = format!("restore {}", vault.as_ref().map_or_else(|| id.to_string(), |vault| vault.name.clone()));
            self.tasks.spawn(name, |_| async move {
                tokio::select! {
                    // The sender lives as long as the daemon.
                    _ = stopping.wait_for(|reason| *reason != StopReason::Not) => {}
                    () = daemon.restore_vault(vault, &own) => {}
                }
                drop(working);
            });
        }
        drop(working);
        if tokio::time::timeout(RESTORE_PATIENCE, all_work.recv()).await.is_err() {
            tracing::warn!("some vaults take long to open; the others work");
        }
    }

    async fn restore_vault(self: &Arc<Self>, vault: Option<Vault>, records: &[MountRecord]) {
        for record in records {
            if let Err(problem) = self.mount_again(record).await {
                let what = format!("{} could not be mounted again", record.dir.display());
                self.report(Problem { what, cause: vec![problem.to_string()], ..problem });
            }
            self.mounts.no_longer_owe(record);
        }
        let Some(vault) = vault else { return };
        if let Err(problem) = self.mount_by_itself(&vault).await {
            self.report(problem);
        }
        // Without a catalog it has never been opened, and has nothing to send.
        if self.paths.vault_catalog(vault.id).exists()
            && let Err(problem) = self.open(&vault).await
        {
            self.report(problem);
        }
    }

    /// Mounts a vault that the registry gives a place of its own.
    async fn mount_by_itself(self: &Arc<Self>, vault: &Vault) -> Result<(), Problem> {
        let settings = &vault.vaultfs.mount;
        match &settings.path {
            Some(dir) if settings.auto && self.mounts.dirs_of(vault.id).is_empty() => {
                self.mount_one(vault, dir).await?;
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The reverse of the start.
    async fn shut_down(&self, reason: StopReason) {
        self.unmount_everything(reason == StopReason::Told).await;
        for name in self.vaults.close_all().await {
            tracing::warn!(
                vault = name,
                "the vault was not closed cleanly; it will be checked when it is opened again"
            );
        }
        for name in self.tasks.stop(TASK_GRACE).await {
            tracing::warn!(task = name, "the task did not end in time");
        }
    }
}
