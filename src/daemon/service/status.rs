//! Status of vaults, files and folders.

use std::sync::Arc;

use super::words;
use crate::catalog::{LocalContent, LocalRow};
use crate::control::protocol::{
    ErrorCode, FileState, FileStatus, FolderTotals, Presence, Problem, Progress, StateWord, StatusReport, Target,
    Transfer, VaultFilter, VaultStatus,
};
use crate::control::service::Reply;
use crate::daemon::blocking::blocking;
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, problems};
use crate::fetch::FetchProgress;
use crate::sync::Upload;
use crate::types::NodeKind;
use crate::vaults::Vault;
use crate::vaults::layout::LayoutKind;

impl Daemon {
    pub(super) async fn report_status(self: &Arc<Self>, filter: VaultFilter) -> Reply<StatusReport> {
        self.forget_unmounted().await;
        let meant = self.find_all(filter.vault.as_deref()).await?;
        let vaults = futures_util::future::join_all(meant.iter().map(|vault| self.vault_status(vault))).await;
        let state = vaults.iter().map(|vault| vault.state).max().unwrap_or(StateWord::Idle);
        Ok(StatusReport { state, vaults })
    }

    /// How a vault stands; one that cannot be opened is in state `error`, and says why.
    pub(super) async fn vault_status(self: &Arc<Self>, vault: &Vault) -> VaultStatus {
        let mounts = self.mounts.dirs_of(vault.id);
        let asked = async {
            let open = self.open_soon(vault).await?;
            let layout = vault.vaultfs.layout;
            blocking(move || open.status(layout)).await
        };
        match asked.await {
            Ok(status) => VaultStatus { vault: vault.name.clone(), mounts, ..status },
            Err(problem) => VaultStatus {
                vault: vault.name.clone(),
                vault_id: vault.id.to_string(),
                state: StateWord::Error,
                entries: 0,
                bytes: 0,
                cached_bytes: 0,
                staged_bytes: 0,
                unsent: 0,
                incoming: 0,
                resting: 0,
                left_out: 0,
                conflicts: 0,
                paused: false,
                manual: false,
                offline_by_user: false,
                transfers: Vec::new(),
                pins: None,
                cases: None,
                progress: None,
                last_pull: None,
                mounts,
                problems: vec![problem],
            },
        }
    }

    pub(super) async fn report_file(self: &Arc<Self>, target: Target) -> Reply<FileStatus> {
        let place = self.locate(&target).await?;
        let row = place.row().await?;
        let (vault, path) = (place.vault, place.path);
        blocking(move || vault.file_status(path, &row)).await
    }
}

impl OpenVault {
    /// How this vault stands; name and mounts are filled in by who knows them.
    fn status(&self, layout: LayoutKind) -> Result<VaultStatus, Problem> {
        let name = self.name();
        let in_catalog = |error| problems::catalog(&name, &error);
        let status = self.engine.status().map_err(|error| problems::of(ErrorCode::Io, &error))?;
        let (totals, left_out) =
            self.catalog.read(|view| Ok((view.totals()?, view.left_out_count()?))).map_err(in_catalog)?;
        let (transfers, progress) = self.transfers()?;
        let cases = match layout {
            LayoutKind::Cases => Some(super::cases::totals(&self.cases()?)),
            LayoutKind::Plain | LayoutKind::Music => None,
        };
        let mut problems = self.troubles();
        let state = words::vault_state(status.state, &problems);
        if !problems.is_empty() {
            // Some begin without a word, such as a disk that others fill: nobody must be told less than who asks.
            self.attention.call();
        }
        problems.extend(self.vault_problem(&status));
        problems.extend(self.put_aside());
        problems.extend(self.unreadable_problem());
        Ok(VaultStatus {
            vault_id: self.id.to_string(),
            state,
            entries: totals.0,
            bytes: totals.1,
            cached_bytes: self.content.cache_usage(),
            staged_bytes: status.pending_bytes,
            unsent: status.outgoing,
            incoming: status.pending - status.outgoing,
            resting: status.resting,
            left_out,
            conflicts: count(status.conflicts),
            paused: status.paused,
            manual: status.manual,
            offline_by_user: self.is_offline_by_user()?,
            transfers,
            pins: self.pins.status(),
            cases,
            progress,
            last_pull: status.last_pull.map(crate::types::Timestamp::to_rfc3339),
            problems,
            vault: name,
            mounts: Vec::new(),
        })
    }

    /// What moves, and how far all of it is.
    fn transfers(&self) -> Result<(Vec<Transfer>, Option<Progress>), Problem> {
        let uploads = self.engine.uploads().map_err(|error| problems::of(ErrorCode::Io, &error))?;
        let (mut done, mut total) = uploads.progress();
        let mut transfers: Vec<Transfer> = uploads.running.iter().map(|upload| self.upload(upload)).collect();
        for download in self.fetcher.progress() {
            let download = self.download(&download);
            done += download.progress.done;
            total += download.progress.total;
            transfers.push(download);
        }
        Ok((transfers, (total > 0).then_some(Progress { done, total })))
    }

    fn upload(&self, upload: &Upload) -> Transfer {
        Transfer {
            path: self.catalog.read(|view| super::walk::path_of(view, upload.node)).unwrap_or_default(),
            direction: "upload".to_owned(),
            progress: Progress { done: upload.sent, total: upload.size },
        }
    }

    fn download(&self, download: &FetchProgress) -> Transfer {
        Transfer {
            path: self.path_of_version(&download.version),
            direction: "download".to_owned(),
            progress: Progress { done: download.present_bytes, total: download.version.size },
        }
    }

    /// How far a file is on its way, in either direction.
    fn transfer_of(&self, row: &LocalRow) -> Result<Option<Transfer>, Problem> {
        let uploads = self.engine.uploads().map_err(|error| problems::of(ErrorCode::Io, &error))?;
        if let Some(upload) = uploads.running.iter().find(|upload| upload.node == row.node) {
            return Ok(Some(self.upload(upload)));
        }
        let LocalContent::Clean(version) = &row.content else { return Ok(None) };
        let download = self.fetcher.progress().into_iter().find(|download| download.version == *version);
        Ok(download.map(|download| self.download(&download)))
    }

    /// The path of what is being fetched; empty once nothing in the vault has that version any more.
    fn path_of_version(&self, version: &crate::catalog::Version) -> String {
        let path = self.catalog.read(|view| match view.remote_by_rid(&version.rid)? {
            Some(row) => view.local_path(row.node),
            None => Ok(None),
        });
        path.ok().flatten().unwrap_or_default()
    }

    fn file_status(&self, path: String, row: &LocalRow) -> Result<FileStatus, Problem> {
        let name = self.name();
        let mut state = self.state_of(row.node)?;
        let problem = match state {
            FileState::Syncing | FileState::Held | FileState::Error => {
                let item = self.engine.queue_item(row.node).map_err(|error| problems::of(ErrorCode::Io, &error))?;
                item.and_then(|item| Some((item.problem?, item.action))).map(|(cause, action)| {
                    Problem::new(ErrorCode::Io, format!("{action} failed")).cause(cause).hint("see `vaultfs queue`")
                })
            }
            FileState::Unreadable => self.unreadable_file(&path, row),
            FileState::Synced
            | FileState::LocalOnly
            | FileState::Filtered
            | FileState::Pending
            | FileState::Conflict => self.pins.failure(row.node).map(|why| {
                Problem::new(ErrorCode::Io, format!("`{path}` is to be kept on this machine and could not be fetched"))
                    .cause(why)
                    .hint("it is tried again by itself; `vaultfs status` lists all that could not")
            }),
        };
        let (mut size, mut hydrated) = (row.attr.size, self.hydrated_bytes(row));
        let mut below = None;
        if row.kind == NodeKind::Folder {
            let totals = self.totals_below(row)?;
            (size, hydrated) = (totals.size, totals.hydrated);
            state = totals.worst.map_or(state, |worst| worst.max(state));
            below = Some(totals.counts);
        }
        Ok(FileStatus {
            vault: name,
            path,
            kind: kind_word(row.kind).to_owned(),
            state,
            // Whatever the mount shows of this machine's own is on this disk; what it shows of the provider's is there.
            safe_here: hydrated >= size,
            safe_in_cloud: matches!(state, FileState::Synced | FileState::Unreadable | FileState::Conflict),
            presence: Presence::of(hydrated, size),
            size,
            hydrated_bytes: hydrated,
            pinned: self.is_pinned(row)?,
            problem,
            transfer: self.transfer_of(row)?,
            below,
        })
    }

    /// Bytes of a file that are on this machine.
    pub(super) fn hydrated_bytes(&self, row: &LocalRow) -> u64 {
        match &row.content {
            LocalContent::None => 0,
            LocalContent::Symlink(_) => row.attr.size,
            LocalContent::Clean(version) if self.provider.capabilities().direct => version.size,
            LocalContent::Clean(version) => self.content.cached_bytes(version),
            LocalContent::Staged { staged, based_on } => match self.content.staged(*staged) {
                Ok(file) if file.overlay_base().is_some() && !self.provider.capabilities().direct => {
                    let base = based_on.as_ref().map_or(0, |version| self.content.cached_bytes(version));
                    file.allocated_bytes().saturating_add(base).min(file.size())
                }
                Ok(_) | Err(_) => row.attr.size,
            },
        }
    }

    /// True if it or a folder above it is kept on this machine.
    fn is_pinned(&self, row: &LocalRow) -> Result<bool, Problem> {
        self.catalog
            .read(|view| {
                let mut at = Some(row.node);
                while let Some(node) = at {
                    if view.is_pinned(node)? {
                        return Ok(true);
                    }
                    at = view.local(node)?.and_then(|row| row.parent);
                }
                Ok(false)
            })
            .map_err(|error| problems::catalog(&self.name(), &error))
    }

    fn totals_below(&self, folder: &LocalRow) -> Result<Totals, Problem> {
        let states = self.states()?;
        let mut totals = Totals::default();
        self.walk(folder, &mut |row| {
            let state = states.of(self, row)?;
            totals.worst = totals.worst.max(Some(state));
            *totals.counts.states.entry(state.as_str().to_owned()).or_default() += 1;
            if row.kind == NodeKind::Folder {
                totals.counts.folders += 1;
            } else {
                totals.counts.files += 1;
                totals.size += row.attr.size;
                totals.hydrated += self.hydrated_bytes(row).min(row.attr.size);
            }
            Ok(())
        })?;
        Ok(totals)
    }
}

/// What a walk through a folder adds up.
#[derive(Default)]
struct Totals {
    counts: FolderTotals,
    size: u64,
    hydrated: u64,
    worst: Option<FileState>,
}

pub(in crate::daemon) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

pub(super) fn kind_word(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::File => "file",
        NodeKind::Folder => "folder",
        NodeKind::Symlink => "symlink",
        NodeKind::Special => "special",
    }
}
