//! Kept versions, and what people decided.

use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::{DecisionRow, HistoryRow};
use crate::control::protocol::{
    Decision, DecisionList, ErrorCode, HistoryEntry, HistoryItem, HistoryList, Problem, Restored, VaultFilter,
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
        for open in self.open_all(filter.vault.as_deref()).await? {
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
        for open in self.open_all(entry.vault.as_deref()).await? {
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

    pub(super) async fn list_decisions(self: &Arc<Self>, filter: VaultFilter) -> Reply<DecisionList> {
        let mut items = Vec::new();
        for open in self.open_all(filter.vault.as_deref()).await? {
            items.extend(blocking(move || open.decisions()).await?);
        }
        items.sort_by(|left, right| right.at.cmp(&left.at).then(right.id.cmp(&left.id)));
        Ok(DecisionList { items })
    }
}

impl OpenVault {
    /// Notes what a person decided against the program.
    pub(super) fn note_decision(&self, path: &str, what: &str, detail: &str) -> Result<(), Problem> {
        self.catalog
            .write(|txn| txn.add_decision(path, what, detail))
            .map_err(|error| problems::catalog(&self.name(), &error))
    }

    fn decisions(&self) -> Result<Vec<Decision>, Problem> {
        let vault = self.name();
        let rows = self.catalog.read(|view| view.decisions()).map_err(|error| problems::catalog(&vault, &error))?;
        let item = |row: DecisionRow| Decision {
            vault: vault.clone(),
            id: row.id,
            at: row.at.to_rfc3339(),
            what: row.what,
            path: row.path,
            detail: row.detail,
        };
        Ok(rows.into_iter().map(item).collect())
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
}
