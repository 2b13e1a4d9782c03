//! Conflicts: the list, and what a person decides about them. The version that loses is in history before it goes.

use std::ffi::OsStr;
use std::sync::Arc;

use super::walk::path_of;
use crate::catalog::{ConflictRow, HistoryReason, LocalRow};
use crate::control::protocol::{
    Changed, ConflictItem, ConflictList, ErrorCode, KeepSide, Problem, ResolveConflicts, VaultFilter,
};
use crate::control::service::Reply;
use crate::daemon::blocking::blocking;
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, problems};
use crate::sync::conflict::is_found_by_name;
use crate::types::{NodeId, Timestamp};
use crate::vfs::RenameMode;

/// The decision as it is noted.
const RESOLVE: &str = "resolve";

/// What became of a conflict that was found by a name.
pub(in crate::daemon) const NAMED_KEPT: &str = "the version that has the name was kept";
pub(in crate::daemon) const COPY_KEPT: &str = "the copy was kept";

impl Daemon {
    pub(super) async fn list_conflicts(self: &Arc<Self>, filter: VaultFilter) -> Reply<ConflictList> {
        let mut items = Vec::new();
        for open in self.open_all(filter.vault.as_deref()).await? {
            items.extend(blocking(move || open.conflicts()).await?);
        }
        items.sort_by(|left, right| right.found_at.cmp(&left.found_at).then(right.id.cmp(&left.id)));
        Ok(ConflictList { items })
    }

    pub(super) async fn settle_conflicts(self: &Arc<Self>, request: ResolveConflicts) -> Reply<Changed> {
        let ResolveConflicts { vault, id, keep, confirmed } = request;
        if keep != KeepSide::Both && id.is_none() {
            return Err(Problem::new(ErrorCode::InvalidRequest, "say which conflict is meant")
                .hint("`vaultfs conflicts` lists them with their numbers"));
        }
        if keep != KeepSide::Both && !confirmed {
            return Err(Problem::new(ErrorCode::NeedsUser, "taking one of two versions away needs a yes")
                .hint("say it with --yes; the other version stays in the history"));
        }
        let mut found = Vec::new();
        for open in self.open_all(vault.as_deref()).await? {
            let asked = Arc::clone(&open);
            let rows = blocking(move || asked.open_conflicts(id)).await?;
            if !rows.is_empty() {
                found.push((open, rows));
            }
        }
        match (id, found.len()) {
            (Some(id), 0) => {
                return Err(Problem::new(ErrorCode::NotFound, format!("there is no open conflict {id}"))
                    .hint("`vaultfs conflicts` lists them"));
            }
            (Some(id), 2..) => {
                return Err(Problem::new(ErrorCode::AmbiguousVault, format!("several vaults have a conflict {id}"))
                    .hint("name the vault with --vault"));
            }
            (Some(_), 1) | (None, _) => {}
        }
        let mut changed = Changed::default();
        for (vault, rows) in found {
            for row in rows {
                vault.settle(&row, keep).await?;
                changed.count += 1;
            }
            vault.engine.kick();
        }
        Ok(changed)
    }
}

impl OpenVault {
    fn open_conflicts(&self, wanted: Option<i64>) -> Result<Vec<ConflictRow>, Problem> {
        let rows =
            self.catalog.read(|view| view.conflicts(false)).map_err(|error| problems::catalog(&self.name(), &error))?;
        Ok(rows.into_iter().filter(|row| wanted.is_none_or(|wanted| wanted == row.id)).collect())
    }

    async fn settle(self: &Arc<Self>, conflict: &ConflictRow, keep: KeepSide) -> Result<(), Problem> {
        let result = match keep {
            KeepSide::Both => "both versions were kept",
            KeepSide::Ours | KeepSide::Theirs if is_found_by_name(conflict) => {
                let what = format!("nobody knows which version of conflict {} was made on this device", conflict.id);
                return Err(Problem::new(ErrorCode::InvalidRequest, what).hint(
                    "say `--keep named` for the version that has the name, or `--keep copy` for the one beside it",
                ));
            }
            KeepSide::Ours | KeepSide::Copy => {
                let (named, copy) = self.versions(conflict)?;
                self.keep_loser(named.node).await?;
                let vault = Arc::clone(self);
                blocking(move || vault.replace(&named, &copy)).await?;
                if keep == KeepSide::Ours { "the version of this device was kept" } else { COPY_KEPT }
            }
            KeepSide::Theirs | KeepSide::Named => {
                let (_, copy) = self.versions(conflict)?;
                self.keep_loser(copy.node).await?;
                let vault = Arc::clone(self);
                blocking(move || vault.take_away(&copy)).await?;
                if keep == KeepSide::Theirs { "the version of the other device was kept" } else { NAMED_KEPT }
            }
        };
        self.catalog
            .write(|txn| {
                txn.resolve_conflict(conflict.id, result)?;
                txn.add_decision(&conflict.path, RESOLVE, result)
            })
            .map_err(|error| problems::catalog(&self.name(), &error))
    }

    /// The version that has the name, and the one beside it.
    fn versions(&self, conflict: &ConflictRow) -> Result<(LocalRow, LocalRow), Problem> {
        let rows = self.catalog.read(|view| {
            let other = conflict.other.map(|other| view.local(other)).transpose()?.flatten();
            Ok((view.local(conflict.node)?, other))
        });
        match rows.map_err(|error| problems::catalog(&self.name(), &error))? {
            (Some(theirs), Some(ours)) => Ok((theirs, ours)),
            (Some(_) | None, None) | (None, Some(_)) => {
                let what = format!("conflict {} has only one version left in the vault", conflict.id);
                Err(Problem::new(ErrorCode::NotFound, what).hint(
                    "`vaultfs history list` lists what is kept; `vaultfs conflicts resolve` without --keep settles it",
                ))
            }
        }
    }

    async fn keep_loser(&self, node: NodeId) -> Result<(), Problem> {
        let kept = self.engine.keep_shown(node, HistoryReason::ConflictLoser).await;
        kept.map_err(|error| problems::sync(&self.name(), &error))
    }

    /// The copy takes the name over.
    fn replace(&self, named: &LocalRow, copy: &LocalRow) -> Result<(), Problem> {
        let failed = |error| problems::file(format!("cannot replace `{}`", named.name), &error);
        let vfs = self.vfs();
        let (from, to) = (self.folder_of(copy)?, self.folder_of(named)?);
        let (old, new) = (OsStr::new(copy.name.as_str()), OsStr::new(named.name.as_str()));
        vfs.rename(from.ino, old, to.ino, new, RenameMode::Replace).map_err(failed)?;
        vfs.name_changed(from.ino, &copy.name);
        vfs.name_changed(to.ino, &named.name);
        Ok(())
    }

    fn take_away(&self, copy: &LocalRow) -> Result<(), Problem> {
        let failed = |error| problems::file(format!("cannot take `{}` away", copy.name), &error);
        let folder = self.folder_of(copy)?;
        let vfs = self.vfs();
        vfs.unlink(folder.ino, OsStr::new(copy.name.as_str())).map_err(failed)?;
        vfs.name_changed(folder.ino, &copy.name);
        Ok(())
    }

    fn folder_of(&self, row: &LocalRow) -> Result<LocalRow, Problem> {
        let parent = row.parent.unwrap_or(NodeId::ROOT);
        let folder = self.catalog.read(|view| view.local(parent));
        let folder = folder.map_err(|error| problems::catalog(&self.name(), &error))?;
        folder.ok_or_else(|| problems::no_entry(&self.name(), row.name.as_str()))
    }

    fn conflicts(&self) -> Result<Vec<ConflictItem>, Problem> {
        let vault = self.name();
        self.catalog
            .read(|view| {
                let mut items = Vec::new();
                for row in view.conflicts(true)? {
                    let by_name = is_found_by_name(&row);
                    let path = match view.local(row.node)? {
                        Some(_) => path_of(view, row.node)?,
                        None => row.path,
                    };
                    let other_path = match row.other {
                        Some(other) => view.local_path(other)?,
                        None => None,
                    };
                    items.push(ConflictItem {
                        vault: vault.clone(),
                        id: row.id,
                        path,
                        other_path,
                        by_name,
                        what: row.what,
                        device: row.device,
                        found_at: row.found_at.to_rfc3339(),
                        resolved_at: row.resolved_at.map(Timestamp::to_rfc3339),
                        ours: row.ours,
                        theirs: row.theirs,
                        strategy: row.strategy,
                        result: row.result,
                    });
                }
                Ok(items)
            })
            .map_err(|error| problems::catalog(&vault, &error))
    }
}
