//! The open vaults. A vault is opened once, when somebody first needs it, and stays open until it is removed or the daemon ends.
//!
//! Opening waits for disks, and a disk can be one that never answers. So it is a task of its own, which belongs to nobody who waits for
//! it: whoever has other vaults to look after gives up after a while, and it goes on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::Daemon;
use super::blocking::blocking;
use super::vault::OpenVault;
use crate::control::protocol::{ErrorCode, Problem};
use crate::types::VaultId;
use crate::vaults::{Registry, Vault};

/// How long those wait for a vault who do not want only this one.
const PATIENCE: Duration = Duration::from_secs(5);

type Opened = Result<Arc<OpenVault>, Problem>;

/// A vault that is open, or is going to be.
#[derive(Clone)]
enum Slot {
    Open(Arc<OpenVault>),
    Opening { since: Instant, end: Shared<BoxFuture<'static, Opened>> },
}

/// The open vaults by id.
#[derive(Default)]
pub(super) struct VaultSet {
    slots: Mutex<BTreeMap<VaultId, Slot>>,
}

impl VaultSet {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<VaultId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The vault, if it is open.
    pub(super) fn get(&self, id: VaultId) -> Option<Arc<OpenVault>> {
        match self.slots().get(&id)? {
            Slot::Open(vault) => Some(Arc::clone(vault)),
            Slot::Opening { .. } => None,
        }
    }

    /// Takes a vault out, for closing it. One that is just being opened is closed as soon as it is.
    pub(super) fn take(&self, id: VaultId) -> Option<Arc<OpenVault>> {
        match self.slots().remove(&id)? {
            Slot::Open(vault) => Some(vault),
            Slot::Opening { .. } => None,
        }
    }

    /// An opening has ended. False if nobody wants the vault any more.
    fn opened(&self, id: VaultId, since: Instant, vault: Option<&Arc<OpenVault>>) -> bool {
        let mut slots = self.slots();
        let is_wanted = matches!(slots.get(&id), Some(Slot::Opening { since: this, .. }) if *this == since);
        match vault {
            Some(vault) if is_wanted => drop(slots.insert(id, Slot::Open(Arc::clone(vault)))),
            None if is_wanted => drop(slots.remove(&id)),
            Some(_) | None => {}
        }
        is_wanted
    }

    /// Closes every vault; returns the names of those that could not be closed cleanly.
    pub(super) async fn close_all(&self) -> Vec<String> {
        let slots = std::mem::take(&mut *self.slots());
        let open = slots.into_values().filter_map(|slot| match slot {
            Slot::Open(vault) => Some(vault),
            Slot::Opening { .. } => None,
        });
        let close = |vault: Arc<OpenVault>| async move {
            let name = vault.name();
            vault.close().await.err().map(|problem| {
                tracing::warn!(vault = name, %problem, "closing failed");
                name
            })
        };
        futures_util::future::join_all(open.map(close)).await.into_iter().flatten().collect()
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

    /// The vault, opened if it is not open yet, however long that takes.
    pub(super) async fn open(self: &Arc<Self>, vault: &Vault) -> Opened {
        match self.slot(vault) {
            Slot::Open(vault) => Ok(vault),
            Slot::Opening { end, .. } => end.await,
        }
    }

    /// The same, for those who have other vaults to look after.
    pub(super) async fn open_soon(self: &Arc<Self>, vault: &Vault) -> Opened {
        match self.slot(vault) {
            Slot::Open(vault) => Ok(vault),
            Slot::Opening { since, end } => {
                let opened = tokio::time::timeout_at(since + PATIENCE, end).await;
                opened.unwrap_or_else(|_| Err(still_opening(&vault.name)))
            }
        }
    }

    /// The vaults that are meant, open: the named one, or all.
    pub(super) async fn open_all(self: &Arc<Self>, selector: Option<&str>) -> Result<Vec<Arc<OpenVault>>, Problem> {
        let vaults = self.find_all(selector).await?;
        let open = vaults.iter().map(|vault| async move {
            if selector.is_some() { self.open(vault).await } else { self.open_soon(vault).await }
        });
        futures_util::future::join_all(open).await.into_iter().collect()
    }

    /// The place of a vault that is open, or is being opened from now on.
    fn slot(self: &Arc<Self>, vault: &Vault) -> Slot {
        let make = || {
            let since = Instant::now();
            let opening = tokio::spawn(Arc::clone(self).open_from(since, vault.clone()));
            let end = async { opening.await.unwrap_or_else(|error| Err(super::problems::crashed(&error))) };
            Slot::Opening { since, end: end.boxed().shared() }
        };
        self.vaults.slots().entry(vault.id).or_insert_with(make).clone()
    }

    async fn open_from(self: Arc<Self>, since: Instant, vault: Vault) -> Opened {
        let (daemon, what) = (Arc::clone(&self), vault.clone());
        // A task of its own once more, so that a crash leaves no vault behind that is being opened for ever.
        let mut work = tokio::spawn(async move { OpenVault::open(&daemon, &what).await });
        let opened = match tokio::time::timeout_at(since + PATIENCE, &mut work).await {
            Ok(opened) => opened,
            Err(_) => {
                tracing::warn!(vault = %vault.id, "a vault takes long to open");
                self.note_not_open(&vault).await;
                work.await
            }
        };
        let opened = opened.unwrap_or_else(|error| Err(super::problems::crashed(&error)));
        let is_wanted = self.vaults.opened(vault.id, since, opened.as_ref().ok());
        match opened {
            Ok(open) if !is_wanted => {
                open.close().await?;
                Err(Problem::new(ErrorCode::UnknownVault, format!("vault {} is not wanted any more", vault.name)))
            }
            Ok(open) => Ok(open),
            Err(problem) => {
                self.note_not_open(&vault).await;
                Err(problem)
            }
        }
    }
}

fn still_opening(vault: &str) -> Problem {
    Problem::new(ErrorCode::TimedOut, format!("vault {vault} is still being opened"))
        .cause("a disk that it needs has not answered yet")
        .hint("it goes on by itself, and the other vaults work; see whether its folder can be listed")
}
