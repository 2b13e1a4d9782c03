//! What of a vault is changed after it was added. A change that is part of how an open vault is built opens it anew, which no mount
//! survives: a mounted vault refuses it.

use std::path::Path;
use std::sync::Arc;

use crate::control::protocol::{ChangeVault, ErrorCode, Holds, Problem, VaultChanged};
use crate::control::service::Reply;
use crate::daemon::blocking::blocking;
use crate::daemon::{Daemon, problems};
use crate::provider::local::vault_of;
use crate::vaults::{ProviderKind, Vault, VaultSetting};

impl Daemon {
    pub(super) async fn change_vault(self: &Arc<Self>, request: ChangeVault) -> Reply<VaultChanged> {
        let ChangeVault { vault, key, value } = request;
        let setting: VaultSetting = key.parse().map_err(|error| problems::of(ErrorCode::InvalidRequest, &error))?;
        self.forget_unmounted().await;
        let vault = self.find(Some(&vault)).await?;
        let id = vault.id;
        let is_built_in = match setting {
            VaultSetting::Layout | VaultSetting::Folder => true,
            VaultSetting::Path => vault.provider == ProviderKind::Local,
            VaultSetting::MountPath
            | VaultSetting::MountAuto
            | VaultSetting::MountReadOnly
            | VaultSetting::MountAllowOther => false,
        };
        let kept = self.keep_mounts().await;
        if is_built_in && let Some(place) = self.mounts.dirs_of(id).first() {
            let what = format!("the {setting} of vault {} cannot be changed while it is mounted", vault.name);
            return Err(Problem::new(ErrorCode::VaultInUse, what)
                .hint(format!("unmount it first with `vaultfs unmount {place}`")));
        }
        let value = self.checked(&vault, setting, value).await?;
        let changed = self.update_registry(move |registry| registry.change(id, setting, value.as_deref()).cloned());
        let changed = changed.await?;
        let before = if is_built_in { self.vaults.take(id) } else { None };
        let was_open = before.is_some();
        if let Some(before) = before
            && let Err(problem) = before.close().await
        {
            // Everything is on disk; it is checked now that it is opened again.
            tracing::warn!(%problem, "a vault that is to be opened anew was not closed cleanly");
        }
        drop(kept);
        if was_open {
            // What it has to send goes on. A failure is its state from now on, and is told with it.
            drop(self.open(&changed).await);
        }
        self.events.publish("vault-changed", Some(&changed.name), None, Some(setting.as_str().to_owned()));
        let is_mounted = !self.mounts.dirs_of(id).is_empty();
        let holds = match setting {
            VaultSetting::MountReadOnly | VaultSetting::MountAllowOther if is_mounted => Holds::NextMount,
            VaultSetting::MountPath | VaultSetting::MountAuto => Holds::NextStart,
            VaultSetting::Layout
            | VaultSetting::Path
            | VaultSetting::Folder
            | VaultSetting::MountReadOnly
            | VaultSetting::MountAllowOther => Holds::Now,
        };
        Ok(VaultChanged { vault: self.summary(&changed).await, holds })
    }

    /// What only a look at this machine can tell of a value.
    async fn checked(
        self: &Arc<Self>,
        vault: &Vault,
        setting: VaultSetting,
        value: Option<String>,
    ) -> Result<Option<String>, Problem> {
        let Some(value) = value else { return Ok(None) };
        match setting {
            VaultSetting::Path if vault.provider == ProviderKind::Local => {
                let root = self.checked_root(&value).await?;
                let folder = root.clone();
                let found =
                    blocking(move || vault_of(Path::new(&folder)).map_err(|error| problems::of(ErrorCode::Io, &error)));
                let cause = match found.await? {
                    Some(found) if found == vault.id => return Ok(Some(root)),
                    Some(_) => "it is the folder of another vault",
                    None => "no vault has been in this folder",
                };
                let what = format!("{root} is not the folder of vault {}", vault.name);
                Err(Problem::new(ErrorCode::InvalidRequest, what).cause(cause).hint(
                    "move the old folder there as a whole, with its hidden files; for another folder add another vault",
                ))
            }
            VaultSetting::MountPath => {
                let (dir, asked) = (Path::new(&value), value.clone());
                self.refuse_own_folders(vault, dir)?;
                let is_folder = blocking(move || Ok(Path::new(&asked).is_dir())).await?;
                if !is_folder {
                    let what = format!("{value} is no folder that a vault could be mounted at");
                    return Err(Problem::new(ErrorCode::MountpointMissing, what)
                        .hint(format!("make it with `mkdir -p {value}`")));
                }
                Ok(Some(value))
            }
            VaultSetting::Layout
            | VaultSetting::MountAuto
            | VaultSetting::MountReadOnly
            | VaultSetting::MountAllowOther
            | VaultSetting::Path
            | VaultSetting::Folder => Ok(Some(value)),
        }
    }
}
