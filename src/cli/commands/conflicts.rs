//! `conflicts [list]|export DIR`

use super::export::{Exported, Exporter};
use crate::cli::args::ConflictsCommand;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::output::counted;
use crate::control::protocol::{Changed, ConflictItem, ConflictList, HistoryList, ResolveConflicts, VaultFilter};

/// The word of versions that lost a conflict in [`crate::control::protocol::HistoryItem::reason`].
const CONFLICT_LOSER: &str = "conflict-loser";

pub(super) async fn run(context: &Context, command: Option<ConflictsCommand>, vault: Option<String>) -> Result {
    let daemon = context.daemon().await?;
    let filter = VaultFilter { vault };
    let conflicts: ConflictList = daemon.get("conflicts", &filter).await?;
    match command.unwrap_or(ConflictsCommand::List) {
        ConflictsCommand::List => context.output.answer(&conflicts, |conflicts| {
            let rows: Vec<[String; 7]> = conflicts.items.iter().map(row).collect();
            context.output.table(["ID", "VAULT", "FOUND AT", "DEVICE", "STATE", "PATH", "OTHER VERSION"], &rows)?;
            if rows.is_empty() {
                context.output.note("no conflicts");
            }
            Ok(())
        }),
        ConflictsCommand::Resolve { id } => {
            let request = ResolveConflicts { vault: filter.vault, id };
            let changed: Changed = daemon.post("conflicts/resolve", &request).await?;
            context.output.answer(&changed, |changed| {
                let said = counted(changed.count, "conflict is", "conflicts are");
                context.output.note(format!("{said} settled"));
                Ok(())
            })
        }
        ConflictsCommand::Export { dir } => {
            let history: HistoryList = daemon.get("history", &filter).await?;
            let mut exporter = Exporter::new(context, &daemon, &dir)?;
            let mut files = Vec::new();
            for item in &conflicts.items {
                files.extend(exporter.file(&item.vault, &item.path).await?);
                if let Some(other) = &item.other_path {
                    files.extend(exporter.file(&item.vault, other).await?);
                }
            }
            for item in history.items.iter().filter(|item| item.reason == CONFLICT_LOSER) {
                files.push(exporter.history(item).await?);
            }
            Exported { files }.tell(context, &dir)
        }
    }
}

fn row(item: &ConflictItem) -> [String; 7] {
    let state = if item.resolved_at.is_some() { "resolved" } else { "open" }.to_owned();
    let other = item.other_path.clone().unwrap_or_else(|| "in the history".to_owned());
    let id = item.id.to_string();
    [id, item.vault.clone(), item.found_at.clone(), item.device.clone(), state, item.path.clone(), other]
}
