//! The settings while the daemon runs. Who changes the file tells the daemon to read it again; what can change while vaults are open
//! then holds for them at once, the rest for what is opened later. And the settings as the parts of a vault take them.

use std::sync::{Arc, PoisonError, RwLock};

use super::blocking::blocking;
use super::{Daemon, problems};
use crate::accounts::AccountSettings;
use crate::config::settings::SETTINGS;
use crate::config::{Config, ConfigFile, Environment, Layers, Paths, Settings};
use crate::content::Budget;
use crate::control::protocol::{Problem, SettingsReport};
use crate::control::service::Reply;
use crate::fetch::FetchConfig;
use crate::provider::Bandwidth;
use crate::secrets::FilePlaces;
use crate::sync::EngineConfig;
use crate::sys::process;
use crate::types::VaultId;

/// So much of the cache stays on a disk that is nearly full, so that files can be read.
const WORKING_SET_BYTES: u64 = 64 * 1024 * 1024;

/// The settings, and what they are put together from besides the file.
pub(super) struct LiveConfig {
    now: RwLock<Config>,
    environment: Environment,
    flags: Vec<(String, String)>,
    /// Held while the file is read and what it says is taken over: the newest settings are the last to be.
    reloading: tokio::sync::Mutex<()>,
}

impl LiveConfig {
    pub(super) fn new(now: Config, environment: Environment, flags: Vec<(String, String)>) -> Self {
        Self { now: RwLock::new(now), environment, flags, reloading: tokio::sync::Mutex::default() }
    }

    /// What holds for the whole program.
    pub(super) fn settings(&self) -> Settings {
        self.now.read().unwrap_or_else(PoisonError::into_inner).settings().clone()
    }

    /// What holds for a vault.
    pub(super) fn for_vault(&self, name: &str, id: VaultId) -> Settings {
        self.now.read().unwrap_or_else(PoisonError::into_inner).for_vault(name, id)
    }

    /// Where the encrypted file of sign-ins and its key lie.
    pub(super) fn secret_places(&self, paths: &Paths) -> FilePlaces {
        FilePlaces {
            secrets: paths.secrets_file(),
            key: paths.secrets_key_file(),
            credential: paths.secrets_credential(&self.environment),
        }
    }

    /// What holds for a sign-in that begins now.
    pub(super) fn sign_in(&self) -> AccountSettings {
        let Settings { dropbox, secrets, .. } = self.settings();
        AccountSettings {
            app_key: dropbox.app_key,
            base_url: dropbox.base_url,
            redirect_ports: dropbox.redirect_ports,
            place: secrets.store,
        }
    }

    /// Answers what held before.
    fn read_again(&self, file: &ConfigFile) -> Result<Config, Problem> {
        let layers = Layers { file, environment: &self.environment, flags: &self.flags };
        let read = Config::resolve(&layers).map_err(|error| problems::config(&error))?;
        Ok(std::mem::replace(&mut *self.now.write().unwrap_or_else(PoisonError::into_inner), read))
    }
}

impl Daemon {
    /// Reads the settings file again. One that is wrong changes nothing.
    pub(super) async fn reload_settings(self: &Arc<Self>) -> Reply<SettingsReport> {
        let _one_at_a_time = self.config.reloading.lock().await;
        let daemon = Arc::clone(self);
        let old = blocking(move || {
            let file = ConfigFile::load(&daemon.paths.config_file()).map_err(|error| problems::config(&error))?;
            daemon.config.read_again(&file)
        })
        .await?;
        let mut changed = differing(old.settings(), &self.config.settings());
        for vault in self.find_all(None).await? {
            let settings = self.config.for_vault(&vault.name, vault.id);
            changed.extend(differing(&old.for_vault(&vault.name, vault.id), &settings));
            if let Some(open) = self.vaults.get(vault.id) {
                blocking(move || open.apply(settings)).await?;
            }
        }
        changed.sort_unstable();
        changed.dedup();
        let at_once = |key: &&'static str| crate::config::settings::find(key).is_some_and(|setting| setting.at_once);
        let (in_force, at_restart): (Vec<&str>, Vec<&str>) = changed.into_iter().partition(at_once);
        tracing::info!(?in_force, ?at_restart, "the settings were read again");
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
        Ok(SettingsReport { in_force: owned(in_force), at_restart: owned(at_restart) })
    }
}

/// Of the content store.
pub(super) fn budget(settings: &Settings) -> Budget {
    Budget {
        cache_bytes: settings.cache.max_bytes,
        cache_free_bytes: settings.cache.min_free_bytes,
        working_set_bytes: WORKING_SET_BYTES,
        staging_bytes: settings.staging.max_bytes,
        staging_free_bytes: settings.staging.min_free_bytes,
    }
}

/// Of the fetcher.
pub(super) fn fetch_config(settings: &Settings, bandwidth: &Arc<Bandwidth>) -> FetchConfig {
    FetchConfig {
        no_progress: settings.fetch.timeout,
        max_parallel: settings.fetch.parallel,
        bandwidth: Arc::clone(bandwidth),
        ..FetchConfig::default()
    }
}

/// Of the engine.
pub(super) fn engine_config(settings: &Settings, bandwidth: Arc<Bandwidth>) -> EngineConfig {
    EngineConfig {
        quiet: settings.sync.quiet,
        pull_every: settings.sync.pull_interval,
        uid: process::effective_uid(),
        gid: process::effective_gid(),
        guard_nodes: settings.sync.delete_guard_nodes,
        guard_percent: settings.sync.delete_guard_percent,
        seed: rand::random(),
        bandwidth,
        ..EngineConfig::for_device(settings.device_name.clone())
    }
}

/// Keys whose values are not the same.
fn differing(old: &Settings, new: &Settings) -> Vec<&'static str> {
    SETTINGS.iter().filter(|setting| (setting.show)(old) != (setting.show)(new)).map(|setting| setting.key).collect()
}
