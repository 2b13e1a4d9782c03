//! Kept versions and conflicts.

use std::sync::Arc;

use bytes::Bytes;

use super::walk::path_of;
use crate::catalog::HistoryRow;
use crate::control::protocol::{
    Changed, ConflictItem, ConflictList, ErrorCode, HistoryEntry, HistoryItem, HistoryList, Problem, ResolveConflicts,
    Restored, VaultFilter,
};
use crate::control::service::{ByteStream, Reply};
use crate::daemon::blocking::blocking;
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, problems};

/// Bytes of a kept version that are read at once.
const PIECE_BYTES: usize = 1024 * 1024;

impl Daemon {
    pub(super) async fn list_history(self: &Arc<Self>, filter: VaultFilter) -> Reply<HistoryList> {
        let mut items = Vec::new();
        for vault in self.find_all(filter.vault.as_deref()).await? {
            let open = self.open(&vault).await?;
            items.extend(blocking(move || open.history()).await?);
        }
        items.sort_by(|left, right| right.kept_at.cmp(&left.kept_at).then(right.id.cmp(&left.id)));
        Ok(HistoryList { items })
    }

    pub(super) async fn restore_version(self: &Arc<Self>, entry: HistoryEntry) -> Reply<Restored> {
        let (vault, row, file) = self.kept(&entry).await?;
        let day = self.clock.now().to_rfc3339();
        let marker = format!(" (restored {})", day.get(..10).unwrap_or(&day));
        let path = super::files::make(&vault.vfs(), &row.path, &marker, file).await?;
        Ok(Restored { vault: vault.name(), path, size: row.size })
    }

    pub(super) async fn stream_version(self: &Arc<Self>, entry: HistoryEntry) -> Reply<ByteStream> {
        let (_, _, file) = self.kept(&entry).await?;
        let pieces = futures_util::stream::try_unfold(file, |file| async move {
            let piece = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; PIECE_BYTES];
                let length = std::io::Read::read(&mut &file, &mut piece)?;
                piece.truncate(length);
                Ok::<_, std::io::Error>((piece, file))
            });
            let (piece, file) = piece.await.map_err(std::io::Error::other)??;
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
        });
        Ok(Box::pin(pieces))
    }

    /// The kept version that is meant. Without a vault it must be in one vault only.
    async fn kept(
        self: &Arc<Self>,
        entry: &HistoryEntry,
    ) -> Result<(Arc<OpenVault>, HistoryRow, std::fs::File), Problem> {
        let id = entry.id;
        let mut found = Vec::new();
        for vault in self.find_all(entry.vault.as_deref()).await? {
            let open = self.open(&vault).await?;
            let asked = Arc::clone(&open);
            let row = blocking(move || {
                asked
                    .catalog
                    .read(|view| view.history_entry(id))
                    .map_err(|error| problems::catalog(&asked.name(), &error))
            });
            if let Some(row) = row.await? {
                found.push((open, row));
            }
        }
        if found.len() > 1 {
            let names: Vec<String> = found.iter().map(|(vault, _)| vault.name()).collect();
            return Err(Problem::new(ErrorCode::AmbiguousVault, format!("several vaults have a kept version {id}"))
                .cause(names.join(", "))
                .hint("name the vault with --vault"));
        }
        let Some((vault, row)) = found.pop() else {
            return Err(Problem::new(ErrorCode::NotFound, format!("there is no kept version {id}"))
                .hint("`vaultfs history list` lists them"));
        };
        let (asked, name) = (Arc::clone(&vault), row.file.clone());
        let file =
            blocking(move || asked.content.open_kept(&name).map_err(|error| problems::of(ErrorCode::Io, &error)));
        Ok((vault, row, file.await?))
    }

    pub(super) async fn list_conflicts(self: &Arc<Self>, filter: VaultFilter) -> Reply<ConflictList> {
        let mut items = Vec::new();
        for vault in self.find_all(filter.vault.as_deref()).await? {
            let open = self.open(&vault).await?;
            items.extend(blocking(move || open.conflicts()).await?);
        }
        items.sort_by(|left, right| right.found_at.cmp(&left.found_at).then(right.id.cmp(&left.id)));
        Ok(ConflictList { items })
    }
}

impl Daemon {
    pub(super) async fn mark_resolved(self: &Arc<Self>, request: ResolveConflicts) -> Reply<Changed> {
        let mut changed = Changed::default();
        let mut vaults = Vec::new();
        for vault in self.find_all(request.vault.as_deref()).await? {
            let open = self.open(&vault).await?;
            let (asked, wanted) = (Arc::clone(&open), request.id);
            let ids = blocking(move || asked.open_conflicts(wanted)).await?;
            if !ids.is_empty() {
                vaults.push((open, ids));
            }
        }
        match (request.id, vaults.len()) {
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
        for (vault, ids) in vaults {
            changed.count += super::status::count(ids.len());
            blocking(move || vault.resolve(&ids)).await?;
        }
        Ok(changed)
    }
}

impl OpenVault {
    fn open_conflicts(&self, wanted: Option<i64>) -> Result<Vec<i64>, Problem> {
        let rows =
            self.catalog.read(|view| view.conflicts(false)).map_err(|error| problems::catalog(&self.name(), &error))?;
        Ok(rows.into_iter().map(|row| row.id).filter(|id| wanted.is_none_or(|wanted| wanted == *id)).collect())
    }

    fn resolve(&self, ids: &[i64]) -> Result<(), Problem> {
        self.catalog
            .write(|txn| ids.iter().try_for_each(|id| txn.resolve_conflict(*id)))
            .map_err(|error| problems::catalog(&self.name(), &error))?;
        self.engine.kick();
        Ok(())
    }

    fn history(&self) -> Result<Vec<HistoryItem>, Problem> {
        let vault = self.name();
        let rows = self.catalog.read(|view| view.history(None)).map_err(|error| problems::catalog(&vault, &error))?;
        let item = |row: HistoryRow| {
            // A unit variant is written as its word.
            let reason = serde_json::to_value(row.reason).ok().and_then(|word| word.as_str().map(str::to_owned));
            HistoryItem {
                vault: vault.clone(),
                id: row.id,
                path: row.path,
                reason: reason.unwrap_or_default(),
                size: row.size,
                kept_at: row.kept_at.to_rfc3339(),
            }
        };
        Ok(rows.into_iter().map(item).collect())
    }

    fn conflicts(&self) -> Result<Vec<ConflictItem>, Problem> {
        let vault = self.name();
        self.catalog
            .read(|view| {
                let mut items = Vec::new();
                for row in view.conflicts(true)? {
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
                        what: row.what,
                        device: row.device,
                        found_at: row.found_at.to_rfc3339(),
                        resolved_at: row.resolved_at.map(crate::types::Timestamp::to_rfc3339),
                    });
                }
                Ok(items)
            })
            .map_err(|error| problems::catalog(&vault, &error))
    }
}
