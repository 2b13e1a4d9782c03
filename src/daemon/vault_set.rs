//! The open vaults. A vault is opened once, when somebody first needs it, and stays open until it is removed or the daemon ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::Daemon;
use super::blocking::blocking;
use super::vault::OpenVault;
use crate::control::protocol::{ErrorCode, Problem};
use crate::types::VaultId;
use crate::vaults::{Registry, Vault};

type Slot = Arc<OnceCell<Arc<OpenVault>>>;

/// The open vaults by id.
#[derive(Default)]
pub(super) struct VaultSet {
    slots: Mutex<BTreeMap<VaultId, Slot>>,
}

impl VaultSet {
    fn slot(&self, id: VaultId) -> Slot {
        Arc::clone(self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default())
    }

    /// The vault, if it is open.
    pub(super) fn get(&self, id: VaultId) -> Option<Arc<OpenVault>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).get(&id)?.get().cloned()
    }

    /// Takes a vault out, for closing it.
    pub(super) fn take(&self, id: VaultId) -> Option<Arc<OpenVault>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)?.get().cloned()
    }

    /// Closes every vault; returns the names of those that could not be closed cleanly.
    pub(super) async fn close_all(&self) -> Vec<String> {
        let slots = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        let open: Vec<Arc<OpenVault>> = slots.into_values().filter_map(|slot| slot.get().cloned()).collect();
        let close = |vault: Arc<OpenVault>| async move {
            let name = vault.name();
            vault.close().await.err().map(|problem| {
                tracing::warn!(vault = name, %problem, "closing failed");
                name
            })
        };
        futures_util::future::join_all(open.into_iter().map(close)).await.into_iter().flatten().collect()
    }
}

impl Daemon {
    /// The registry as it is now.
    pub(super) async fn load_registry(&self) -> Result<Registry, Problem> {
        let registry = self.registry.clone();
        blocking(move || registry.load().map_err(|error| super::problems::registry(&error))).await
    }

    /// The vault that is meant: the named one, or the default one.
    pub(super) async fn find(&self, selector: Option<&str>) -> Result<Vault, Problem> {
        let registry = self.load_registry().await?;
        match selector {
            Some(selector) => registry.get(selector).cloned().map_err(|error| super::problems::registry(&error)),
            None => registry.default_vault().cloned().ok_or_else(|| {
                Problem::new(ErrorCode::UnknownVault, "there are no vaults yet")
                    .hint("add one with `vaultfs vault add NAME --provider local --path DIR`")
            }),
        }
    }

    /// The vaults that are meant: the named one, or all.
    pub(super) async fn find_all(&self, selector: Option<&str>) -> Result<Vec<Vault>, Problem> {
        let registry = self.load_registry().await?;
        match selector {
            Some(selector) => {
                Ok(vec![registry.get(selector).cloned().map_err(|error| super::problems::registry(&error))?])
            }
            None => Ok(registry.list().to_vec()),
        }
    }

    /// The vault, opened if it is not open yet. Concurrent callers open it once.
    pub(super) async fn open(&self, vault: &Vault) -> Result<Arc<OpenVault>, Problem> {
        let slot = self.vaults.slot(vault.id);
        let open = slot.get_or_try_init(|| OpenVault::open(self, vault)).await?;
        Ok(Arc::clone(open))
    }
}
