//! Mount and unmount.

use std::path::Path;
use std::sync::Arc;

use crate::control::protocol::{ErrorCode, MountRequest, Mounted, Problem, UnmountReport, UnmountRequest, Unsent};
use crate::control::service::Reply;
use crate::daemon::Daemon;
use crate::daemon::mounts::MountRecord;
use crate::vaults::Vault;

/// How many unsent paths are listed per vault.
const LISTED_PATHS: usize = 10;

impl Daemon {
    pub(super) async fn make_mounts(self: &Arc<Self>, request: MountRequest) -> Reply<Mounted> {
        let dir = absolute(&request.dir)?;
        let (records, problems) = match &request.vault {
            Some(name) => (self.mount_one(&self.find(Some(name)).await?, dir).await?, Vec::new()),
            None => {
                let vaults = self.find_all(None).await?;
                if vaults.is_empty() {
                    // The words for an empty registry.
                    self.find(None).await?;
                }
                self.mount_all(&vaults, dir).await?
            }
        };
        Ok(Mounted { mounts: self.mount_infos(&records).await, problems })
    }

    pub(super) async fn take_mounts_away(self: &Arc<Self>, request: UnmountRequest) -> Reply<UnmountReport> {
        let gone = self.unmount_dir(absolute(&request.dir)?).await?;
        let unsent = self.unsent_of(&gone).await?;
        for record in &gone {
            self.send_soon(record);
        }
        Ok(UnmountReport { mounts: self.mount_infos(&gone).await, unsent })
    }

    /// Nobody writes to an unmounted vault any more: what it has may go at once.
    fn send_soon(self: &Arc<Self>, record: &MountRecord) {
        let Some(vault) = self.vaults.get(record.vault) else { return };
        if !vault.settings.borrow().sync.auto {
            return;
        }
        let engine = Arc::clone(&vault.engine);
        vault.tasks.spawn("send after unmount", |mut stop| async move {
            tokio::select! {
                () = stop.requested() => {}
                sent = engine.sync_now(false) => {
                    if let Err(error) = sent {
                        tracing::debug!(%error, "sending after the unmount did not finish");
                    }
                }
            }
        });
    }

    async fn unsent_of(self: &Arc<Self>, records: &[MountRecord]) -> Result<Vec<Unsent>, Problem> {
        let registry = self.load_registry().await?;
        let mut all = Vec::new();
        for vault in records.iter().filter_map(|record| registry.by_id(record.vault)) {
            let unsent = self.paths_of_unsent(vault).await?;
            if unsent.count > 0 {
                all.push(unsent);
            }
        }
        Ok(all)
    }

    /// What a vault has not sent yet. A vault that is closed and has no catalog has nothing.
    pub(super) async fn paths_of_unsent(self: &Arc<Self>, vault: &Vault) -> Result<Unsent, Problem> {
        let nothing = Unsent { vault: vault.name.clone(), count: 0, paths: Vec::new() };
        if self.vaults.get(vault.id).is_none() && !self.paths.vault_catalog(vault.id).exists() {
            return Ok(nothing);
        }
        let open = self.open(vault).await?;
        let (count, paths) = open.unsent(LISTED_PATHS).await?;
        Ok(Unsent { count, paths, ..nothing })
    }

    /// What no vault has sent yet, of those that are open.
    pub(super) async fn all_unsent(self: &Arc<Self>) -> Result<Vec<Unsent>, Problem> {
        let mut all = Vec::new();
        for vault in self.find_all(None).await? {
            if self.vaults.get(vault.id).is_some() {
                let unsent = self.paths_of_unsent(&vault).await?;
                if unsent.count > 0 {
                    all.push(unsent);
                }
            }
        }
        Ok(all)
    }
}

fn absolute(dir: &str) -> Result<&Path, Problem> {
    let dir = Path::new(dir);
    if dir.is_absolute() {
        return Ok(dir);
    }
    Err(Problem::new(ErrorCode::InvalidRequest, format!("`{}` is not an absolute path", dir.display())))
}
