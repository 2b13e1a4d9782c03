//! What the daemon, the CLI and the mount ask of a running engine.

use std::time::Duration;

use super::engine::{Engine, Reach, Why};
use super::error::{Result, SyncError};
use super::event::EventKind;
use super::local_step::{changed_attr, clean_content, remove_from_mount, replace_inode_if_open};
use super::mode::Mode;
use super::status::{CycleReport, VaultState, VaultStatus};
use super::work::DELETES_CONFIRMED;
use crate::catalog::{CatalogError, HistoryReason, LocalContent, LocalRow, RemoteRow, Txn};
use crate::provider::ErrorKind;
use crate::types::NodeId;

impl Engine {
    /// The mount changed something. Cheap, never blocks, from any thread.
    pub fn kick(&self) {
        self.state().kicked = true;
        self.wake.notify_one();
    }

    /// Somebody heard that the provider has something new.
    pub fn hint(&self) {
        self.want_pull(Why::Hint);
        self.wake.notify_one();
    }

    /// Nothing is pulled or sent until [`Engine::resume`]. What runs ends.
    pub fn pause(&self) {
        self.change_state(|state| state.paused = true);
    }

    /// Ends a pause: pulls, then goes on.
    pub fn resume(&self) {
        self.change_state(|state| {
            state.paused = false;
            state.want_pull(Why::Hint);
            state.replan = true;
        });
    }

    /// Whether syncing is left to who asks for it ([`Engine::sync_now`]); then nobody should [`Engine::run`] it.
    pub fn set_manual(&self, manual: bool) {
        if self.state().manual == manual {
            return;
        }
        self.change_state(|state| {
            state.manual = manual;
            state.want_pull(Why::Hint);
            state.replan = true;
        });
    }

    /// What kept the provider from being worked with may be over: somebody has signed in, or unlocked the key store.
    pub fn look_again(&self) {
        self.change_state(|state| {
            if let Reach::Lost(lost) = &mut state.reach {
                lost.next_probe = self.clock.monotonic();
            }
        });
    }

    /// The user or the system says whether there is a network.
    pub fn set_offline(&self, offline: bool) {
        self.change_state(|state| {
            if state.told_offline && !offline {
                state.want_pull(Why::Hint);
                state.has_pulled = false;
                state.pull_not_before = None;
                if let Reach::Lost(lost) = &mut state.reach {
                    lost.next_probe = self.clock.monotonic();
                }
            }
            state.told_offline = offline;
            state.replan = true;
        });
    }

    fn change_state(&self, change: impl FnOnce(&mut super::engine::State)) {
        change(&mut self.state());
        self.wake.notify_one();
        self.events.send(EventKind::Status, None);
    }

    /// Pulls now (everything, if `full`), takes every local change as quiet, and returns when a cycle that began after this call has
    /// finished.
    pub async fn sync_now(&self, full: bool) -> Result<CycleReport> {
        let request = {
            let mut state = self.state();
            let request = state.want_pull(Why::Hint);
            state.pull_full |= full;
            state.pull_not_before = None;
            state.hurry_until = self.clock.now();
            state.replan = true;
            if let Reach::Lost(lost) = &mut state.reach {
                lost.next_probe = self.clock.monotonic();
            }
            request
        };
        self.wake.notify_one();
        let mut finished = self.finished.subscribe();
        let answered = async {
            let answered = finished.wait_for(|(answered, _)| *answered >= request).await;
            // The sender is part of this engine: it cannot be gone.
            answered.map(|answered| answered.1.clone()).map_err(|_| SyncError::TimedOut)
        };
        // Who drives the engine may begin or end at any moment.
        let turn = tokio::select! {
            report = answered => return report,
            turn = self.turn.lock() => turn,
        };
        let report = self.drive(&turn, Mode::Cycle, None).await;
        // Only now it is not syncing any more.
        drop(turn);
        self.events.send(EventKind::Status, None);
        report
    }

    /// Learns what the provider has and shows it in the mount. Sends nothing.
    pub async fn list(&self) -> Result<CycleReport> {
        let turn = self.turn.lock().await;
        self.want_pull(Why::Hint);
        let report = self.drive(&turn, Mode::Listing, None).await;
        drop(turn);
        self.events.send(EventKind::Status, None);
        report
    }

    /// Returns when a cycle that runs has come to its end: nothing more could be done.
    pub async fn went_round(&self) {
        // The sender is part of this engine: it cannot be gone.
        drop(self.finished.subscribe().changed().await);
    }

    /// Waits until a node is the same here and at the provider.
    pub async fn wait_synced(&self, node: NodeId, timeout: Duration) -> Result<()> {
        let mut finished = self.finished.subscribe();
        let mut events = self.subscribe();
        let synced = async {
            while self.catalog.read(|view| view.is_dirty(node))? {
                tokio::select! {
                    _ = finished.changed() => {}
                    _ = events.recv() => {}
                }
            }
            Ok(())
        };
        tokio::time::timeout(timeout, synced).await.unwrap_or(Err(SyncError::TimedOut))
    }

    /// How the vault stands. Idle is said only if nothing differs and the last pull answered the last hint.
    pub fn status(&self) -> Result<VaultStatus> {
        let (pending, resting) = self.pending()?;
        let (conflicts, states, feed, staged) = self.catalog.read(|view| {
            let conflicts = view.conflicts(false)?.len();
            Ok((conflicts, view.all_sync_states()?, view.feed()?, view.staged_bytes()?))
        })?;
        let failing: Vec<_> = states.iter().filter_map(|(_, state)| state.problem.as_ref()).collect();
        let full = failing.iter().copied().find(|(kind, _)| *kind == format!("{:?}", ErrorKind::NoSpace));
        let state = self.state();
        let is_synced = pending.all() == 0 && state.has_heard_all();
        // What was known of the provider when it was last asked is no news.
        let rests = state.manual && self.turn.try_lock().is_ok();
        let parked = failing.iter().any(|(kind, _)| kind == super::backoff::PARKED_KIND);
        let (word, problem) = match &state.reach {
            _ if state.paused => (VaultState::Paused, None),
            _ if state.told_offline => (VaultState::Offline, None),
            Reach::Lost(lost) if rests && lost.why == ErrorKind::Offline => (VaultState::Paused, None),
            Reach::Lost(lost) => {
                let word = if lost.why == ErrorKind::AuthRequired {
                    VaultState::AuthRequired
                } else if lost.why == ErrorKind::RootMissing {
                    VaultState::Error
                } else {
                    VaultState::Offline
                };
                (word, Some(lost.message.clone()))
            }
            Reach::Online if !state.guarded.is_empty() => {
                let count = state.guarded.len();
                (VaultState::Error, Some(format!("{count} deletions wait for your confirmation")))
            }
            Reach::Online if state.broken.is_some() => (VaultState::Error, state.broken.clone()),
            Reach::Online if parked => (VaultState::Error, None),
            Reach::Online if rests => (VaultState::Paused, None),
            Reach::Online if !is_synced => (VaultState::Syncing, None),
            Reach::Online if conflicts > 0 => (VaultState::Conflict, None),
            Reach::Online => (VaultState::Idle, None),
        };
        let told = problem
            .or_else(|| state.problem.clone())
            .or_else(|| state.feed_problems.first().cloned())
            .or_else(|| full.or(failing.first().copied()).map(|(_, message)| message.clone()));
        Ok(VaultStatus {
            state: word,
            paused: state.paused,
            manual: state.manual,
            pending: pending.all(),
            outgoing: pending.outgoing,
            pending_bytes: staged,
            active: state.active.len(),
            conflicts,
            guarded: state.guarded.len(),
            resting,
            failing: failing.len(),
            is_full: full.is_some(),
            is_root_missing: matches!(&state.reach, Reach::Lost(lost) if lost.why == ErrorKind::RootMissing),
            problem: told,
            last_synced: state.last_synced,
            last_pull: feed.last_pull,
        })
    }

    /// Keeps a node back.
    pub fn hold(&self, node: NodeId) -> Result<()> {
        self.override_node(node, |state| state.held = true)
    }

    /// Lets a held node go on.
    pub fn unhold(&self, node: NodeId) -> Result<()> {
        self.override_node(node, |state| state.held = false)
    }

    /// Larger goes first; 0 is normal.
    pub fn prioritise(&self, node: NodeId, priority: i32) -> Result<()> {
        self.override_node(node, |state| state.priority = priority)
    }

    /// Tries a failing node again now.
    pub fn retry(&self, node: NodeId) -> Result<()> {
        self.override_node(node, |state| {
            state.attempts = 0;
            state.not_before = None;
            state.problem = None;
        })
    }

    fn override_node(&self, node: NodeId, change: impl FnOnce(&mut crate::catalog::SyncState)) -> Result<()> {
        self.catalog.write(|txn| {
            if super::trees::sides(txn, node)?.is_none() {
                return Err(SyncError::NoSuchNode(node));
            }
            let mut state = txn.sync_state(node)?;
            change(&mut state);
            Ok(txn.set_sync_state(node, &state)?)
        })?;
        self.kick();
        Ok(())
    }

    /// Gives up the local change of a node: it becomes what R says, or goes if R does not have it. Edited bytes go to history first.
    pub async fn discard(&self, node: NodeId) -> Result<()> {
        let (row, dirty) = self.catalog.read(|view| Ok((view.local(node)?, view.is_dirty(node)?)))?;
        if !dirty {
            return Err(SyncError::NothingPending(node));
        }
        let kept = match &row {
            Some(row) if matches!(row.content, LocalContent::Staged { .. }) => {
                self.keep(row, HistoryReason::Discarded).await?
            }
            Some(_) | None => None,
        };
        self.in_local_transaction(|txn, announce| {
            let local = txn.local(node)?;
            if let Some(LocalRow { content: LocalContent::Staged { staged, .. }, .. }) = &local {
                if !kept.as_ref().is_some_and(|kept| kept.is_of(*staged)) {
                    return Err(crate::content::ContentError::Superseded(*staged).into());
                }
                txn.remove_staged(*staged)?;
                announce.discard(*staged);
            }
            if let (Some(kept), Some(local)) = (kept, &local) {
                kept.record(txn, local)?;
            }
            match (local, txn.remote(node)?) {
                (Some(local), None) => remove_from_mount(txn, announce, &local)?,
                (Some(mut local), Some(remote)) => {
                    local.parent = remote.parent;
                    local.name = remote.name.clone();
                    local.content = clean_content(&remote);
                    local.attr = changed_attr(local.attr, &remote, txn.now());
                    replace_inode_if_open(txn, announce, &mut local)?;
                    placed(node, txn.update_local(&local))?;
                }
                (None, Some(remote)) => self.bring_back(txn, node, &remote)?,
                (None, None) => {}
            }
            Ok(super::agree::agree(txn, self.names(), node)?)
        })?;
        self.kick();
        Ok(())
    }

    /// A node that was deleted here appears again as R has it.
    fn bring_back(&self, txn: &Txn<'_>, node: NodeId, remote: &RemoteRow) -> Result<()> {
        let row = LocalRow {
            node,
            parent: remote.parent,
            name: remote.name.clone(),
            kind: remote.kind(),
            ino: txn.new_ino()?,
            attr: self.fresh_attr(remote, txn.now()),
            content: clean_content(remote),
            local_only: false,
        };
        placed(node, txn.insert_local(&row))
    }

    /// Answers the mass-delete guard. `false`: what was to be deleted counts as new on the side that still has it.
    pub fn confirm_deletes(&self, confirmed: bool) -> Result<()> {
        let guarded = self.state().guarded.clone();
        self.catalog.write(|txn| {
            if confirmed {
                return txn.set_meta(DELETES_CONFIRMED, "1");
            }
            for node in guarded {
                txn.remove_synced(node)?;
            }
            Ok::<_, CatalogError>(())
        })?;
        // Answered: whoever asks before the next plan must not be told that they still wait.
        self.state().guarded.clear();
        self.kick();
        Ok(())
    }
}

fn placed(node: NodeId, result: crate::catalog::Result<()>) -> Result<()> {
    match result {
        Err(CatalogError::NameTaken) => Err(SyncError::PlaceTaken(node)),
        other => Ok(other?),
    }
}
