//! The queue and what is done to it: list, pause, resume, retry, hold, release, discard, sync, wait, offline.

use std::sync::Arc;
use std::time::Duration;

use super::status::count;
use super::words;
use crate::control::protocol::{
    Changed, ErrorCode, LONGEST_HOLD, NetworkRequest, PlannedStep, Problem, QueueAction, QueueChange, QueueList,
    SyncMode, SyncReport, SyncRequest, Target, VaultFilter, WaitReport, WaitRequest,
};
use crate::control::service::Reply;
use crate::daemon::blocking::blocking;
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, problems};
use crate::sync::{SyncError, VaultState, VaultStatus};
use crate::types::NodeId;

/// How long news are collected before a waiter looks again.
const BURST: Duration = Duration::from_millis(30);

/// Longest list of items in one answer.
const LISTED_ITEMS: usize = 10_000;

impl Daemon {
    pub(super) async fn list_queue(self: &Arc<Self>, filter: VaultFilter) -> Reply<QueueList> {
        let mut list = QueueList::default();
        for vault in self.open_all(filter.vault.as_deref()).await? {
            let items = blocking(move || {
                let name = vault.name();
                let items = vault.engine.queue().map_err(|error| problems::sync(&name, &error))?;
                let state = vault.engine.status().map_err(|error| problems::sync(&name, &error))?.state;
                Ok(items.into_iter().map(|item| words::queue_item(&name, item, state)).collect::<Vec<_>>())
            });
            let items = items.await?;
            list.total += count(items.len());
            let room = LISTED_ITEMS.saturating_sub(list.items.len());
            list.items.extend(items.into_iter().take(room));
        }
        Ok(list)
    }

    pub(super) async fn act_on_queue(self: &Arc<Self>, change: QueueChange) -> Reply<Changed> {
        let QueueChange { action, target, confirmed } = change;
        if action.overrules() && !confirmed {
            let what = if action == QueueAction::Upload {
                "replacing the provider's version needs a yes"
            } else {
                "giving up a local change needs a yes"
            };
            return Err(
                Problem::new(ErrorCode::NeedsUser, what).hint("say it with --yes; what loses stays in the history")
            );
        }
        if target.path.is_some() {
            return self.act_on_entry(action, &target).await;
        }
        let vaults = self.open_all(target.vault.as_deref()).await?;
        let mut changed = Changed { count: count(vaults.len()) };
        match action {
            QueueAction::Pause | QueueAction::Resume => {
                for vault in vaults {
                    vault.set_paused(action == QueueAction::Pause).await?;
                }
            }
            QueueAction::Retry | QueueAction::Release => {
                changed.count = 0;
                for vault in vaults {
                    changed.count += blocking(move || vault.act_on_all(action)).await?;
                }
            }
            QueueAction::Hold | QueueAction::Discard | QueueAction::Upload => {
                return Err(Problem::new(ErrorCode::InvalidRequest, "say which file or folder is meant"));
            }
        }
        Ok(changed)
    }

    async fn act_on_entry(self: &Arc<Self>, action: QueueAction, target: &Target) -> Reply<Changed> {
        let place = self.locate(target).await?;
        let nodes = place.pending_nodes().await?;
        let vault = place.vault;
        if nodes.is_empty() {
            let path = if place.path.is_empty() { "the vault" } else { &place.path };
            return Err(Problem::new(ErrorCode::NotFound, format!("{path} has no change that waits"))
                .hint("`vaultfs queue` lists what waits"));
        }
        let mut changed = Changed::default();
        for node in nodes {
            let name = vault.name();
            let path = vault.catalog.read(|view| super::walk::path_of(view, node));
            let path = path.map_err(|error| problems::catalog(&name, &error))?;
            let done = match action {
                QueueAction::Discard => vault.engine.discard(node).await,
                QueueAction::Upload => vault.engine.force_upload(node).await,
                QueueAction::Hold => vault.engine.hold(node),
                QueueAction::Release => vault.engine.unhold(node),
                QueueAction::Retry => vault.engine.retry(node),
                QueueAction::Pause | QueueAction::Resume => {
                    return Err(Problem::new(ErrorCode::InvalidRequest, "a vault is paused as a whole")
                        .hint("`vaultfs queue hold PATH` keeps a single file or folder back"));
                }
            };
            match done {
                Ok(()) => {
                    changed.count += 1;
                    if let Some(detail) = decided(action) {
                        vault.note_decision(&path, action.as_str(), detail)?;
                    }
                }
                // It went while this worked through the list.
                Err(SyncError::NothingPending(_) | SyncError::NoSuchNode(_)) => {}
                Err(error) => return Err(problems::sync(&name, &error)),
            }
        }
        Ok(changed)
    }

    pub(super) async fn run_sync(self: &Arc<Self>, request: SyncRequest) -> Reply<SyncReport> {
        let vaults = self.open_all(request.vault.as_deref()).await?;
        let parts = vaults.into_iter().map(|vault| vault.sync(request.mode));
        let mut whole = SyncReport::default();
        for part in futures_util::future::join_all(parts).await {
            let part = part?;
            whole.plan.extend(part.plan);
            whole.pulled += part.pulled;
            whole.done += part.done;
            whole.failed += part.failed;
            whole.pending += part.pending;
            whole.problems.extend(part.problems);
        }
        Ok(whole)
    }

    pub(super) async fn wait_until_safe(self: &Arc<Self>, request: WaitRequest) -> Reply<WaitReport> {
        let place = self.locate(&request.target).await?;
        let node = place.row().await?.node;
        let hold = request.hold_ms.map_or(LONGEST_HOLD, Duration::from_millis).min(LONGEST_HOLD);
        place.vault.wait_until_safe(node, hold).await
    }

    pub(super) async fn set_network(self: &Arc<Self>, request: NetworkRequest) -> Reply<Changed> {
        let vaults = self.open_all(request.vault.as_deref()).await?;
        let changed = Changed { count: count(vaults.len()) };
        for vault in vaults {
            vault.set_offline(request.offline).await?;
        }
        Ok(changed)
    }
}

/// What an action decides against the program, in words; `None` if it decides nothing.
fn decided(action: QueueAction) -> Option<&'static str> {
    match action {
        QueueAction::Discard => Some("the provider's version was taken; what was here is in the history"),
        QueueAction::Upload => Some("the version of this device was sent; what the provider had is in the history"),
        QueueAction::Hold => Some("kept back"),
        QueueAction::Release => Some("no longer kept back"),
        QueueAction::Pause | QueueAction::Resume | QueueAction::Retry => None,
    }
}

impl super::target::Located {
    /// Nodes at or below this place that differ between here and the provider; of an entry that was deleted here, too.
    async fn pending_nodes(&self) -> Result<Vec<NodeId>, Problem> {
        let row = self.row_if_any().await?;
        let (vault, path) = (Arc::clone(&self.vault), self.path.clone());
        blocking(move || {
            if let Some(row) = row {
                return Ok(vault.remaining(row.node)?.nodes);
            }
            let name = vault.name();
            let queue = vault.engine.queue().map_err(|error| problems::sync(&name, &error))?;
            let below = format!("{path}/");
            let meant = queue.into_iter().filter(|item| item.path == path || item.path.starts_with(&below));
            Ok(meant.map(|item| item.node).collect())
        })
        .await
    }
}

impl OpenVault {
    fn act_on_all(&self, action: QueueAction) -> Result<u64, Problem> {
        let name = self.name();
        let failed = |error: SyncError| problems::sync(&name, &error);
        let queue = self.engine.queue().map_err(failed)?;
        let mut changed = 0;
        for item in queue {
            match action {
                QueueAction::Retry if item.problem.is_some() => self.engine.retry(item.node).map_err(failed)?,
                QueueAction::Release if item.held => self.engine.unhold(item.node).map_err(failed)?,
                QueueAction::Retry
                | QueueAction::Release
                | QueueAction::Pause
                | QueueAction::Resume
                | QueueAction::Hold
                | QueueAction::Discard
                | QueueAction::Upload => continue,
            }
            changed += 1;
        }
        if action == QueueAction::Release {
            let guarded = self.engine.status().map_err(failed)?.guarded;
            if guarded > 0 {
                let detail = format!("{guarded} deletions were let through");
                self.note_decision("", action.as_str(), &detail)?;
                self.engine.confirm_deletes(true).map_err(failed)?;
                changed += count(guarded);
            }
        }
        Ok(changed)
    }

    async fn sync(self: Arc<Self>, mode: SyncMode) -> Result<SyncReport, Problem> {
        let name = self.name();
        if mode == SyncMode::DryRun {
            return blocking(move || {
                let plan = self.engine.dry_run().map_err(|error| problems::sync(&name, &error))?;
                let step = |item: crate::sync::QueueItem| PlannedStep {
                    vault: name.clone(),
                    path: item.path,
                    action: item.action.to_owned(),
                    reason: item.reason,
                    size: item.size,
                };
                let plan: Vec<PlannedStep> = plan.into_iter().map(step).collect();
                Ok(SyncReport { pending: count(plan.len()), plan, ..SyncReport::default() })
            })
            .await;
        }
        if let Some(problem) = self.why_not_now()? {
            return Ok(SyncReport { problems: vec![problem], ..SyncReport::default() });
        }
        let report =
            self.engine.sync_now(mode == SyncMode::Full).await.map_err(|error| problems::sync(&name, &error))?;
        let problem = report.problem.map(|cause| {
            Problem::new(ErrorCode::Io, format!("vault {name} could not be synced"))
                .cause(cause)
                .hint("see `vaultfs status`")
        });
        Ok(SyncReport {
            plan: Vec::new(),
            pulled: report.pulled,
            done: report.done,
            failed: report.failed,
            pending: report.pending,
            problems: problem.into_iter().collect(),
        })
    }

    /// Why nothing goes on by itself, if that is up to the user.
    fn waits_for_user(&self, status: &VaultStatus) -> Result<Option<Problem>, Problem> {
        if !status.manual || status.paused {
            return self.why_not_now();
        }
        let name = self.name();
        let what = format!("vault {name} syncs only when it is told to (sync.auto is false)");
        Ok(Some(
            Problem::new(ErrorCode::NeedsUser, what).hint(format!(
                "`vaultfs sync now --vault {name}` syncs; `vaultfs config set sync.auto true` ends that"
            )),
        ))
    }

    /// Why a sync would not begin, if the user has said so.
    pub(super) fn why_not_now(&self) -> Result<Option<Problem>, Problem> {
        let name = self.name();
        let status = self.engine.status().map_err(|error| problems::sync(&name, &error))?;
        Ok(match status.state {
            VaultState::Paused if status.paused => Some(
                Problem::new(ErrorCode::NeedsUser, format!("vault {name} is paused"))
                    .hint("`vaultfs queue resume` goes on"),
            ),
            VaultState::Offline if self.is_offline_by_user()? => Some(
                Problem::new(ErrorCode::Offline, format!("vault {name} is offline because you asked for it"))
                    .hint("`vaultfs online` ends that"),
            ),
            VaultState::Idle
            | VaultState::Syncing
            | VaultState::Paused
            | VaultState::Offline
            | VaultState::Conflict
            | VaultState::AuthRequired
            | VaultState::Error => None,
        })
    }

    async fn wait_until_safe(self: Arc<Self>, node: NodeId, hold: Duration) -> Result<WaitReport, Problem> {
        let deadline = tokio::time::Instant::now() + hold;
        loop {
            // Listened to from before the look, so that no change falls in between.
            let mut news = self.engine.subscribe();
            let vault = Arc::clone(&self);
            let report = blocking(move || vault.how_far(node)).await?;
            if report.safe_in_cloud || !report.problems.is_empty() {
                return Ok(report);
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return Ok(report),
                // A lag is news, too.
                _ = news.recv() => {}
            }
            // What comes in a burst is looked at once.
            tokio::time::sleep_until(deadline.min(tokio::time::Instant::now() + BURST)).await;
        }
    }

    fn how_far(&self, node: NodeId) -> Result<WaitReport, Problem> {
        let remaining = self.remaining(node)?;
        let mut report = WaitReport {
            safe_in_cloud: remaining.count == 0,
            remaining: remaining.count,
            remaining_bytes: remaining.bytes,
            problems: Vec::new(),
        };
        if report.safe_in_cloud {
            return Ok(report);
        }
        let name = self.name();
        let status = self.engine.status().map_err(|error| problems::sync(&name, &error))?;
        match status.state {
            VaultState::Paused => report.problems.extend(self.waits_for_user(&status)?),
            VaultState::AuthRequired => report.problems.extend(self.vault_problem(&status)),
            VaultState::Error if status.guarded > 0 => report.problems.extend(self.vault_problem(&status)),
            VaultState::Error | VaultState::Offline | VaultState::Idle | VaultState::Syncing | VaultState::Conflict => {
            }
        }
        let held = self.catalog.read(|view| {
            for (node, state) in view.all_sync_states()? {
                if state.held && remaining.nodes.contains(&node) {
                    return super::walk::path_of(view, node).map(Some);
                }
            }
            Ok(None)
        });
        let resting: Vec<NodeId> =
            self.engine.resting().into_iter().filter(|node| remaining.nodes.contains(node)).collect();
        if let Some(first) = resting.first() {
            let path = self.catalog.read(|view| super::walk::path_of(view, *first));
            let path = path.map_err(|error| problems::catalog(&name, &error))?;
            report.problems.push(
                Problem::new(ErrorCode::NeedsUser, format!("`{path}` is left out by your filter and will not be sent"))
                    .hint(format!("`vaultfs rules why --vault {name} '{path}'` says by which part of it")),
            );
        }
        if let Some(path) = held.map_err(|error| problems::catalog(&name, &error))? {
            report.problems.push(
                Problem::new(ErrorCode::NeedsUser, format!("`{path}` is kept back"))
                    .hint("`vaultfs queue release` lets it go"),
            );
        }
        Ok(report)
    }
}
