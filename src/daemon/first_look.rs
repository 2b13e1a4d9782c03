//! The first mount of a vault: it waits until the names are there, because a mount that answers with an empty folder looks like a loss.
//! Bounded, because a large vault far away may take longer than anybody wants to wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::blocking::blocking;
use super::problems;
use super::vault::OpenVault;
use crate::control::protocol::ErrorCode;
use crate::sync::VaultState;

/// How long a first mount waits for the names.
const FIRST_LOOK: Duration = Duration::from_secs(10);

impl OpenVault {
    /// Returns at once if the vault has been listed before.
    pub(super) async fn first_look(self: &Arc<Self>) {
        if self.was_listed.swap(true, Ordering::Relaxed) {
            return;
        }
        let is_auto = self.settings.borrow().sync.auto;
        let look = async { if is_auto { self.see_the_listing().await } else { self.list_once().await } };
        if tokio::time::timeout(FIRST_LOOK, look).await.is_err() {
            tracing::info!(vault = %self.id, "the first listing goes on in the background");
        }
    }

    /// The engine lists by itself.
    async fn see_the_listing(self: &Arc<Self>) {
        loop {
            let mut news = self.engine.subscribe();
            let vault = Arc::clone(self);
            let known = blocking(move || {
                let state = vault.engine.status().map_err(|error| problems::of(ErrorCode::Io, &error))?.state;
                Ok(state != VaultState::Syncing)
            });
            match known.await {
                Ok(false) => drop(news.recv().await),
                Ok(true) | Err(_) => return,
            }
        }
    }

    /// Nobody else lists a vault that syncs only when it is told to. Nothing is sent. If it cannot be listed, the next mount tries again.
    async fn list_once(self: &Arc<Self>) {
        let (engine, vault) = (Arc::clone(&self.engine), Arc::downgrade(self));
        let (ended, end) = oneshot::channel::<()>();
        self.tasks.spawn("first listing", |mut stop| async move {
            let listed = tokio::select! {
                () = stop.requested() => return,
                listed = engine.list() => listed,
            };
            tracing::info!(?listed, "listed for the first mount");
            if let Some(vault) = vault.upgrade() {
                let known = blocking(move || {
                    let is_known = vault.catalog.read(|view| Ok(view.feed()?.last_full.is_some()));
                    vault.was_listed.store(is_known.unwrap_or(false), Ordering::Relaxed);
                    Ok(())
                });
                drop(known.await);
            }
            drop(ended);
        });
        // It says nothing but that it is over.
        drop(end.await);
    }
}
