//! The registry: add, list, show, rename, remove, choose.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::control::protocol::{
    AddVault, ChooseVault, ErrorCode, ImportReport, ImportVaults, MountChoice, Problem, RemoveVault, RenameVault,
    VaultDetails, VaultFilter, VaultList, VaultSummary,
};
use crate::control::service::Reply;
use crate::daemon::blocking::blocking;
use crate::daemon::vault::Places;
use crate::daemon::{Daemon, problems};
use crate::provider::local::vault_of;
use crate::types::VaultId;
use crate::vaults::layout::LayoutKind;
use crate::vaults::{Imported, NewVault, ProviderKind, Registry, RegistryError, SimulatedLink, Vault, root};

impl Daemon {
    pub(super) async fn list_vaults(&self) -> Reply<VaultList> {
        self.forget_unmounted().await;
        let registry = self.load_registry().await?;
        Ok(VaultList { vaults: registry.list().iter().map(|vault| self.summary_in(&registry, vault)).collect() })
    }

    pub(super) async fn show_vault(self: &Arc<Self>, filter: VaultFilter) -> Reply<VaultDetails> {
        self.forget_unmounted().await;
        let vault = self.find(filter.vault.as_deref()).await?;
        let places = Places::of(self, &vault);
        Ok(VaultDetails {
            status: self.vault_status(&vault).await,
            summary: self.summary(&vault).await,
            state_dir: places.state.display().to_string(),
            cache_dir: places.cache.display().to_string(),
        })
    }

    pub(super) async fn add(self: &Arc<Self>, request: AddVault) -> Reply<VaultSummary> {
        let provider: ProviderKind =
            request.provider.parse().map_err(|error| problems::of(ErrorCode::InvalidRequest, &error))?;
        let layout: LayoutKind = match &request.layout {
            Some(word) => word.parse().map_err(|error| problems::of(ErrorCode::InvalidRequest, &error))?,
            None => LayoutKind::Plain,
        };
        let mut new = NewVault::new(&request.name, provider, &request.path, layout);
        new.vaultfs.mount.allow_other = request.allow_other;
        new.vaultfs.link = request
            .link
            .map(|link| SimulatedLink { latency_ms: link.latency_ms, bytes_per_second: link.bytes_per_second });
        if new.vaultfs.link.is_some() && provider != ProviderKind::Local {
            let what = "only a local vault can be put behind a simulated link";
            return Err(Problem::new(ErrorCode::InvalidRequest, what));
        }
        if provider == ProviderKind::Local {
            new.path = self.checked_root(&request.path).await?;
            let root = new.path.clone();
            // A folder that is a vault already, on another device or of an earlier registry, is that vault.
            let known =
                blocking(move || vault_of(Path::new(&root)).map_err(|error| problems::of(ErrorCode::Io, &error)));
            new.id = known.await?.unwrap_or(new.id);
        }
        if provider == ProviderKind::Dropbox {
            self.lay_in_dropbox(&mut new, request.account, request.folder).await?;
        }
        let vault = self.update_registry(move |registry| registry.add(new).cloned()).await?;
        self.events.publish("vault-added", Some(&vault.name), None, None);
        for common in self.common_folders() {
            // The vault is there, whatever becomes of its mount.
            match self.mount_all(std::slice::from_ref(&vault), &common).await {
                Ok((_, problems)) => problems.into_iter().for_each(|problem| self.report(problem)),
                Err(problem) => self.report(problem),
            }
        }
        Ok(self.summary(&vault).await)
    }

    pub(super) async fn import(self: &Arc<Self>, request: ImportVaults) -> Reply<ImportReport> {
        let file = match request.file {
            Some(file) => PathBuf::from(file),
            None => self.paths.muze_registries().iter().find(|file| file.exists()).cloned().ok_or_else(|| {
                Problem::new(ErrorCode::NotFound, "there is no registry of Muze on this machine")
                    .hint("name the file: `vaultfs vault import FILE`")
            })?,
        };
        let from = file.clone();
        let import = self.update_registry(move |registry| registry.import_muze(&from)).await?;
        let mut report = ImportReport { file: file.display().to_string(), ..ImportReport::default() };
        for vault in import.vaults {
            match vault {
                Imported::Added { name, .. } => {
                    self.events.publish("vault-added", Some(&name), None, None);
                    report.added.push(name);
                }
                Imported::Known { .. } => report.known += 1,
                Imported::Skipped { name, problem } => {
                    let what = format!("vault {name} cannot be used");
                    report.problems.push(Problem::new(ErrorCode::InvalidRequest, what).because(&problem));
                }
            }
        }
        Ok(report)
    }

    /// The root of a local vault: an existing folder outside of what vaultfs itself writes and shows.
    pub(super) async fn checked_root(&self, path: &str) -> Result<String, Problem> {
        let asked = path.to_owned();
        let found = blocking(move || {
            root::existing(&asked).map_err(|error| {
                problems::of(ErrorCode::InvalidRequest, &error).hint("name an existing folder with --path")
            })
        })
        .await?;
        let own = [self.paths.state(), self.paths.cache(), self.paths.config(), self.paths.runtime()];
        let shown = self.mounts.records();
        let mut taken = own.into_iter().chain(shown.iter().map(|record| record.dir.as_path()));
        if let Some(taken) = taken.find(|taken| found.starts_with(taken) || taken.starts_with(&found)) {
            return Err(Problem::new(
                ErrorCode::InvalidRequest,
                format!("{} cannot be the folder of a vault", found.display()),
            )
            .cause(format!("it overlaps {}, which vaultfs itself needs", taken.display()))
            .hint("choose a folder outside of it"));
        }
        Ok(found.to_string_lossy().into_owned())
    }

    pub(super) async fn rename(self: &Arc<Self>, request: RenameVault) -> Reply<VaultSummary> {
        let vault = self.find(Some(&request.vault)).await?;
        let mut registry = self.load_registry().await?;
        registry.rename(vault.id, &request.name).map_err(|error| problems::registry(&error))?;
        let below =
            |record: &&crate::daemon::mounts::MountRecord| record.vault == vault.id && record.all_under.is_some();
        let common = self.mounts.records().iter().find(below).and_then(|record| record.all_under.clone());
        if common.is_some() {
            // Its folder in the common mount bears its name. A mount in use refuses, and nothing was renamed yet.
            self.unmount_vault(vault.id).await?;
        }
        let (id, name) = (vault.id, request.name.clone());
        let renamed = self.update_registry(move |registry| registry.rename(id, &name).cloned()).await?;
        if let Some(open) = self.vaults.get(id) {
            open.set_name(&renamed.name);
        }
        let (file, from, to) = (self.paths.config_file(), vault.name.clone(), renamed.name.clone());
        blocking(move || {
            crate::config::edit::rename_vault(&file, &from, &to).map_err(|error| problems::config(&error))
        })
        .await?;
        self.reload_settings().await?;
        if let Some(common) = common {
            let (_, problems) = self.mount_all(std::slice::from_ref(&renamed), &common).await?;
            problems.into_iter().next().map_or(Ok(()), Err)?;
        }
        self.events.publish("vault-changed", Some(&renamed.name), None, Some(format!("was {}", vault.name)));
        Ok(self.summary(&renamed).await)
    }

    pub(super) async fn remove(self: &Arc<Self>, request: RemoveVault) -> Reply<VaultSummary> {
        let vault = self.find(Some(&request.vault)).await?;
        // Refused before anything is unmounted.
        self.load_registry().await?.remove(vault.id).map_err(|error| problems::registry(&error))?;
        if !request.even_if_unsent && self.paths_of_unsent(&vault).await?.count > 0 {
            return Err(Problem::new(
                ErrorCode::NeedsUser,
                format!("vault {} has changes that are not in the cloud yet", vault.name),
            )
            .hint(format!(
                "send them with `vaultfs sync now --vault {0}`, or remove it with --even-if-unsent, which keeps them on disk",
                vault.name
            )));
        }
        let summary = self.summary(&vault).await;
        self.unmount_vault(vault.id).await?;
        if let Some(open) = self.vaults.take(vault.id)
            && let Err(problem) = open.close().await
        {
            // Everything is on disk; the next one who opens it checks it.
            tracing::warn!(%problem, "a vault that is being removed was not closed cleanly");
        }
        let id = vault.id;
        self.update_registry(move |registry| registry.remove(id)).await?;
        let cache = Places::of(self, &vault).cache;
        // Rebuildable; state and history stay, for the day when the vault is added again.
        blocking(move || match std::fs::remove_dir_all(&cache) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                Err(Problem::new(ErrorCode::Io, format!("cannot remove {}", cache.display())).because(&error))
            }
        })
        .await?;
        self.events.publish("vault-removed", Some(&vault.name), None, None);
        Ok(summary)
    }

    pub(super) async fn make_default(&self, request: ChooseVault) -> Reply<VaultSummary> {
        self.choose(request, Registry::set_default, "is the default now").await
    }

    pub(super) async fn make_active(&self, request: ChooseVault) -> Reply<VaultSummary> {
        self.choose(request, Registry::set_active, "is active now").await
    }

    async fn choose(
        &self,
        request: ChooseVault,
        choice: fn(&mut Registry, VaultId) -> Result<(), RegistryError>,
        news: &str,
    ) -> Reply<VaultSummary> {
        let id = self.find(Some(&request.vault)).await?.id;
        let registry = self.update_registry(move |registry| choice(registry, id).map(|()| registry.clone())).await?;
        let vault = registry.get(&id.to_string()).map_err(|error| problems::registry(&error))?;
        self.events.publish("vault-changed", Some(&vault.name), None, Some(news.to_owned()));
        Ok(self.summary_in(&registry, vault))
    }

    pub(super) async fn update_registry<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Registry) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, Problem> {
        let registry = self.registry.clone();
        blocking(move || registry.update(change).map_err(|error| problems::registry(&error))).await
    }

    /// Folders that `mount --all` was given.
    fn common_folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<_> = self.mounts.records().into_iter().filter_map(|record| record.all_under).collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// With which vault is active at present.
    pub(super) async fn summary(&self, vault: &Vault) -> VaultSummary {
        self.summary_in(&self.load_registry().await.unwrap_or_default(), vault)
    }

    fn summary_in(&self, registry: &Registry, vault: &Vault) -> VaultSummary {
        let mount = &vault.vaultfs.mount;
        VaultSummary {
            id: vault.id.to_string(),
            name: vault.name.clone(),
            provider: vault.provider.as_str().to_owned(),
            path: vault.path.clone(),
            account: vault.vaultfs.account.clone(),
            folder: vault.dropbox_config.as_ref().map(|config| match config.folder_path.as_str() {
                "" => "/".to_owned(),
                folder => folder.to_owned(),
            }),
            layout: vault.vaultfs.layout.as_str().to_owned(),
            mount: MountChoice {
                auto: mount.auto,
                read_only: mount.read_only,
                allow_other: mount.allow_other,
                path: mount.path.as_ref().map(|path| path.display().to_string()),
            },
            is_default: vault.is_default,
            is_active: registry.active().is_some_and(|active| active.id == vault.id),
            last_synced: vault.last_synced.clone(),
            sync_status: vault.sync_status.map(|status| status.as_str().to_owned()),
            mounts: self.mounts.dirs_of(vault.id),
        }
    }
}
