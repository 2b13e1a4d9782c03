//! The mounts of this daemon. One mount per vault; `mount --all DIR` is one mount per vault in folders that are made for them.
//!
//! Invariants: changes of the set are serialised and recorded on disk before they are answered; what is mounted is compared
//! with the system's own table first, because anybody may unmount with `umount`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::blocking::blocking;
use super::mounts::{self, MountRecord};
use super::vault::OpenVault;
use super::{Daemon, problems};
use crate::control::protocol::{ErrorCode, MountInfo, Problem};
use crate::mount::{Access, MountOptions, MountedVault, table};
use crate::types::VaultId;
use crate::vaults::Vault;

/// A mount of this daemon.
struct ActiveMount {
    record: MountRecord,
    mounted: MountedVault,
    /// Mounted again from the record of an earlier daemon, and not asked for since: the first who asks for it gets it.
    again: bool,
}

/// Why a mount is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// Somebody asks for it.
    Asked,
    /// An earlier daemon had it.
    Again,
}

/// The mounts of this daemon.
#[derive(Default)]
pub(super) struct MountSet {
    /// Held while the set changes.
    changing: tokio::sync::Mutex<()>,
    active: Mutex<Vec<ActiveMount>>,
    /// What an earlier daemon had mounted and this one is still to mount again: recorded with the rest, for the next one.
    owed: Mutex<Vec<MountRecord>>,
    /// What [`MountSet::active`] holds, for readers that must not wait for a mount that is being made.
    shown: RwLock<Vec<MountRecord>>,
}

impl MountSet {
    /// What is mounted.
    pub(super) fn records(&self) -> Vec<MountRecord> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where a vault is mounted.
    pub(super) fn dirs_of(&self, vault: VaultId) -> Vec<String> {
        let here = self.records().into_iter().filter(|record| record.vault == vault);
        here.map(|record| record.dir.display().to_string()).collect()
    }

    fn active(&self) -> std::sync::MutexGuard<'_, Vec<ActiveMount>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings what is shown up to date with what is active.
    fn publish(&self) -> Vec<MountRecord> {
        let records: Vec<MountRecord> = self.active().iter().map(|mount| mount.record.clone()).collect();
        self.shown.write().unwrap_or_else(PoisonError::into_inner).clone_from(&records);
        records
    }

    /// Notes what an earlier daemon had mounted.
    pub(super) fn owe(&self, records: &[MountRecord]) {
        self.owed().extend_from_slice(records);
    }

    /// It is mounted again, or cannot be.
    pub(super) fn no_longer_owe(&self, record: &MountRecord) {
        self.owed().retain(|owed| owed != record);
    }

    fn owed(&self) -> std::sync::MutexGuard<'_, Vec<MountRecord>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mount of a vault that is mounted at `dir` again, and not asked for yet; an error if it is mounted otherwise.
    fn already(&self, vault: &Vault, dir: &Path) -> Result<Option<MountRecord>, Problem> {
        let mut active = self.active();
        let Some(there) = active.iter_mut().find(|mount| mount.record.vault == vault.id) else { return Ok(None) };
        if there.record.dir == dir && std::mem::take(&mut there.again) {
            return Ok(Some(there.record.clone()));
        }
        let place = there.record.dir.display();
        Err(Problem::new(ErrorCode::VaultInUse, format!("vault {} is already mounted at {place}", vault.name))
            .hint(format!("use it there, or unmount it first with `vaultfs unmount {place}`")))
    }

    /// Takes out the mounts that `chosen` chooses.
    fn take(&self, chosen: impl Fn(&MountRecord) -> bool) -> Vec<ActiveMount> {
        self.active().extract_if(.., |mount| chosen(&mount.record)).collect()
    }
}

impl Daemon {
    /// Keeps mounts as they are for as long as the answer is held.
    pub(super) async fn keep_mounts(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.mounts.changing.lock().await
    }

    /// Mounts one vault; where it is mounted there already, nothing is done.
    pub(super) async fn mount_one(self: &Arc<Self>, vault: &Vault, dir: &Path) -> Result<Vec<MountRecord>, Problem> {
        self.refuse_own_folders(vault, dir)?;
        // Opening can take long, and other vaults are mounted meanwhile.
        let open = self.open(vault).await?;
        let record = {
            let _changing = self.mounts.changing.lock().await;
            self.forget_unmounted().await;
            self.mount_at(vault, &open, dir, None, Occasion::Asked).await?
        };
        self.welcome(&open, &record).await;
        Ok(vec![record])
    }

    /// Mounts every vault in a folder of its name below `dir`. One that cannot be mounted does not keep the others from it.
    pub(super) async fn mount_all(
        self: &Arc<Self>,
        vaults: &[Vault],
        dir: &Path,
    ) -> Result<(Vec<MountRecord>, Vec<Problem>), Problem> {
        let opening = vaults.iter().map(|vault| async move { (vault, self.open_soon(vault).await) });
        let opened = futures_util::future::join_all(opening).await;
        let (mut made, mut problems) = (Vec::new(), Vec::new());
        {
            let _changing = self.mounts.changing.lock().await;
            self.forget_unmounted().await;
            let registry = self.load_registry().await?;
            let names: Vec<String> = registry.list().iter().map(|vault| vault.name.clone()).collect();
            let folder = dir.to_owned();
            blocking(move || check_common_folder(&folder, &names)).await?;
            for (vault, open) in opened {
                let mounted = async {
                    let open = open?;
                    let record = self.mount_below(vault, &open, dir, Occasion::Asked).await?;
                    Ok::<_, Problem>((open, record))
                };
                match mounted.await {
                    Ok(mounted) => made.push(mounted),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        futures_util::future::join_all(made.iter().map(|(open, record)| self.welcome(open, record))).await;
        Ok((made.into_iter().map(|(_, record)| record).collect(), problems))
    }

    async fn mount_below(
        self: &Arc<Self>,
        vault: &Vault,
        open: &Arc<OpenVault>,
        dir: &Path,
        occasion: Occasion,
    ) -> Result<MountRecord, Problem> {
        let folder = dir.join(&vault.name);
        self.refuse_own_folders(vault, &folder)?;
        let made = folder.clone();
        blocking(move || match std::fs::create_dir(&made) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(Problem::new(ErrorCode::Io, format!("cannot make {}", made.display())).because(&error)),
        })
        .await?;
        self.mount_at(vault, open, &folder, Some(dir.to_owned()), occasion).await
    }

    /// Mounts again what an earlier daemon had mounted.
    pub(super) async fn mount_again(self: &Arc<Self>, record: &MountRecord) -> Result<(), Problem> {
        let vault = self.find(Some(&record.vault.to_string())).await?;
        let open = self.open(&vault).await?;
        let record = {
            let _changing = self.mounts.changing.lock().await;
            match &record.all_under {
                Some(common) => self.mount_below(&vault, &open, common, Occasion::Again).await?,
                None => {
                    self.refuse_own_folders(&vault, &record.dir)?;
                    self.mount_at(&vault, &open, &record.dir, None, Occasion::Again).await?
                }
            }
        };
        self.welcome(&open, &record).await;
        Ok(())
    }

    async fn mount_at(
        self: &Arc<Self>,
        vault: &Vault,
        open: &Arc<OpenVault>,
        dir: &Path,
        all_under: Option<PathBuf>,
        occasion: Occasion,
    ) -> Result<MountRecord, Problem> {
        if let Some(there) = self.mounts.already(vault, dir)? {
            return Ok(there);
        }
        if !self.vaults.get(vault.id).is_some_and(|now| Arc::ptr_eq(&now, open)) {
            // It was removed, or opened anew, since.
            let what = format!("vault {} is just being changed", vault.name);
            return Err(Problem::new(ErrorCode::VaultInUse, what).hint("try again"));
        }
        let options = MountOptions {
            vault_name: vault.name.clone(),
            access: if vault.vaultfs.mount.allow_other { Access::All } else { Access::Owner },
            read_only: vault.vaultfs.mount.read_only,
            passthrough: open.lends(),
        };
        let (vfs, place) = (open.vfs(), dir.to_owned());
        let mounted =
            blocking(move || MountedVault::mount(vfs, &place, &options).map_err(|error| problems::mount(&error)))
                .await?;
        let record = MountRecord { vault: vault.id, dir: mounted.dir().to_owned(), all_under };
        let again = occasion == Occasion::Again;
        self.mounts.active().push(ActiveMount { record: record.clone(), mounted, again });
        self.record_mounts().await;
        Ok(record)
    }

    /// A mount is there. The names of its vault, too, before anybody is told; with nothing locked, since that can take a while.
    async fn welcome(&self, open: &Arc<OpenVault>, record: &MountRecord) {
        open.first_look().await;
        self.events.publish("mounted", Some(&open.name()), Some(&record.dir.display().to_string()), None);
    }

    /// A mount inside a vault's own root, or the other way round, would show itself in itself.
    pub(super) fn refuse_own_folders(&self, vault: &Vault, dir: &Path) -> Result<(), Problem> {
        let own = [Path::new(&vault.path), self.paths.state(), self.paths.cache(), self.paths.config()];
        let local = vault.provider == crate::vaults::ProviderKind::Local;
        let clash = own.iter().skip(usize::from(!local)).find(|own| dir.starts_with(own) || own.starts_with(dir));
        match clash {
            Some(own) => Err(Problem::new(
                ErrorCode::MountpointBusy,
                format!("{} cannot be the mountpoint of vault {}", dir.display(), vault.name),
            )
            .cause(format!("it overlaps {}, which vaultfs itself needs", own.display()))
            .hint("choose a folder outside of it")),
            None => Ok(()),
        }
    }

    /// Unmounts what is at `dir`, or was mounted together below it.
    pub(super) async fn unmount_dir(&self, dir: &Path) -> Result<Vec<MountRecord>, Problem> {
        let _changing = self.mounts.changing.lock().await;
        self.forget_unmounted().await;
        let meant = |record: &MountRecord| record.dir == dir || record.all_under.as_deref() == Some(dir);
        let gone = self.unmount_where(meant, Leave::InUse).await?;
        if gone.is_empty() && !clear_dead(dir.to_owned()).await? {
            return Err(Problem::new(ErrorCode::NotMounted, format!("no vault is mounted at {}", dir.display()))
                .hint("`vaultfs vault list` shows where vaults are mounted"));
        }
        Ok(gone)
    }

    /// Unmounts a vault wherever it is mounted.
    pub(super) async fn unmount_vault(&self, vault: VaultId) -> Result<Vec<MountRecord>, Problem> {
        let _changing = self.mounts.changing.lock().await;
        self.unmount_where(|record| record.vault == vault, Leave::InUse).await
    }

    /// Unmounts everything at the end. `remember`: the next daemon mounts it again.
    pub(super) async fn unmount_everything(&self, remember: bool) {
        let _changing = self.mounts.changing.lock().await;
        let record = self.mounts.records();
        if !remember {
            self.mounts.owed().clear();
        }
        if let Err(problem) = self.unmount_where(|_| true, Leave::Detached).await {
            tracing::warn!(%problem, "a mount could not be taken away");
        }
        if remember {
            self.save_record(record).await;
        }
    }

    /// Takes mounts away; those in use stay as they are, or are detached. The first failure is told after all were tried.
    async fn unmount_where(
        &self,
        chosen: impl Fn(&MountRecord) -> bool,
        leave: Leave,
    ) -> Result<Vec<MountRecord>, Problem> {
        let mut failure = None;
        let mut gone = Vec::new();
        for ActiveMount { record, mounted, again } in self.mounts.take(chosen) {
            let outcome = blocking(move || {
                Ok(match (mounted.unmount().map_err(|refused| *refused), leave) {
                    (Ok(()), _) => Ok(()),
                    (Err((mounted, error)), Leave::InUse) => Err((Some(mounted), error)),
                    (Err((mounted, _)), Leave::Detached) => mounted.detach().map_err(|error| (None, error)),
                })
            })
            .await?;
            match outcome {
                Ok(()) => gone.push(record),
                Err((mounted, error)) => {
                    failure.get_or_insert(problems::mount(&error));
                    if let Some(mounted) = mounted {
                        self.mounts.active().push(ActiveMount { record, mounted, again });
                    }
                }
            }
        }
        self.record_mounts().await;
        self.tell_unmounted(&gone).await;
        match failure {
            Some(problem) => Err(problem),
            None => Ok(gone),
        }
    }

    /// Forgets mounts that somebody else has taken away.
    pub(super) async fn forget_unmounted(&self) {
        let there = match blocking(|| table::mounted().map_err(|error| problems::of(ErrorCode::Io, &error))).await {
            Ok(there) => there,
            Err(problem) => {
                tracing::warn!(%problem, "the mount table cannot be read");
                return;
            }
        };
        let gone = self.mounts.take(|record| !there.iter().any(|mounted| mounted.dir == record.dir));
        if gone.is_empty() {
            return;
        }
        let records: Vec<MountRecord> = gone.iter().map(|mount| mount.record.clone()).collect();
        // Ends the session's threads, which may wait for the last requests.
        drop(tokio::task::spawn_blocking(move || drop(gone)).await);
        self.record_mounts().await;
        self.tell_unmounted(&records).await;
    }

    async fn tell_unmounted(&self, gone: &[MountRecord]) {
        for info in self.mount_infos(gone).await {
            self.events.publish("unmounted", Some(&info.vault), Some(&info.dir), None);
        }
        let folders: Vec<PathBuf> =
            gone.iter().filter(|record| record.all_under.is_some()).map(|record| record.dir.clone()).collect();
        for folder in folders {
            // Made for the mount; if somebody put something into it meanwhile it stays.
            if let Err(error) = std::fs::remove_dir(&folder) {
                tracing::debug!(%error, "the folder of a mount stays");
            }
        }
    }

    /// The records with the names that their vaults have now.
    pub(super) async fn mount_infos(&self, records: &[MountRecord]) -> Vec<MountInfo> {
        let registry = self.load_registry().await.unwrap_or_default();
        let info = |record: &MountRecord| MountInfo {
            vault: registry.by_id(record.vault).map_or_else(|| record.vault.to_string(), |vault| vault.name.clone()),
            vault_id: record.vault.to_string(),
            dir: record.dir.display().to_string(),
        };
        records.iter().map(info).collect()
    }

    async fn record_mounts(&self) {
        let records = self.mounts.publish();
        self.save_record(records).await;
    }

    /// A record that cannot be written costs a remount after a crash, not the mount.
    async fn save_record(&self, mut records: Vec<MountRecord>) {
        let mut owed = self.mounts.owed().clone();
        owed.retain(|owed| !records.iter().any(|record| record.vault == owed.vault));
        records.append(&mut owed);
        let state = self.paths.state().to_owned();
        if let Err(problem) = blocking(move || mounts::save(&state, &records)).await {
            self.report(problem);
        }
    }
}

/// What happens to a mount that is in use.
#[derive(Clone, Copy)]
enum Leave {
    /// It stays.
    InUse,
    /// It is taken off its folder; programs keep what they have open.
    Detached,
}

/// The common folder of `mount --all`: it exists and holds nothing but places for vaults.
fn check_common_folder(dir: &Path, names: &[String]) -> Result<(), Problem> {
    let entries = std::fs::read_dir(dir).map_err(|error| {
        Problem::new(ErrorCode::MountpointMissing, format!("{} cannot be used for mounts", dir.display()))
            .because(&error)
            .hint(format!("make it with `mkdir -p {}`", dir.display()))
    })?;
    for entry in entries {
        let entry = entry
            .map_err(|error| Problem::new(ErrorCode::Io, format!("cannot list {}", dir.display())).because(&error))?;
        let name = entry.file_name();
        if !names.iter().any(|vault| name.to_str() == Some(vault)) {
            return Err(Problem::new(ErrorCode::MountpointNotEmpty, format!("{} is not empty", dir.display()))
                .cause(format!("it holds `{}`, which is no vault", name.to_string_lossy()))
                .hint("name an empty folder; each vault becomes a folder in it"));
        }
    }
    Ok(())
}

/// Takes away a mount of ours whose daemon has died. False if there is none at that place.
async fn clear_dead(dir: PathBuf) -> Result<bool, Problem> {
    blocking(move || {
        let there = table::mounted().map_err(|error| problems::of(ErrorCode::Io, &error))?;
        if !crate::mount::is_dead(&dir) || !there.iter().any(|mounted| mounted.dir == dir) {
            return Ok(false);
        }
        crate::mount::take_away_dead(&dir).map_err(|error| problems::mount(&error))?;
        Ok(true)
    })
    .await
}
