//! `conflicts [list]|export DIR`

use super::export::{Exported, Exporter};
use crate::cli::args::{ConflictsCommand, KeepArg};
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::output::counted;
use crate::control::protocol::{
    Changed, ConflictItem, ConflictList, HistoryList, KeepSide, ResolveConflicts, VaultFilter,
};

/// The word of versions that lost a conflict in [`crate::control::protocol::HistoryItem::reason`].
const CONFLICT_LOSER: &str = "conflict-loser";

pub(super) async fn run(context: &Context, command: Option<ConflictsCommand>, vault: Option<String>) -> Result {
    let daemon = context.daemon().await?;
    let filter = VaultFilter { vault };
    let conflicts: ConflictList = daemon.get("conflicts", &filter).await?;
    match command.unwrap_or(ConflictsCommand::List) {
        ConflictsCommand::List => context.output.answer(&conflicts, |conflicts| {
            let rows: Vec<[String; 8]> = conflicts.items.iter().map(row).collect();
            let headings = ["ID", "VAULT", "FOUND AT", "DEVICE", "STATE", "PATH", "OTHER VERSION", "RESULT"];
            context.output.table(headings, &rows)?;
            if rows.is_empty() {
                context.output.note("no conflicts");
            }
            Ok(())
        }),
        ConflictsCommand::Resolve { id, keep, yes } => {
            let (keep, loser) = match keep {
                Some(KeepArg::Ours) => (KeepSide::Ours, Some("the version of the other device")),
                Some(KeepArg::Theirs) => (KeepSide::Theirs, Some("the version of this device")),
                Some(KeepArg::Named) => (KeepSide::Named, Some("the copy")),
                Some(KeepArg::Copy) => (KeepSide::Copy, Some("the version that has the name")),
                Some(KeepArg::Both) | None => (KeepSide::Both, None),
            };
            if let (Some(loser), false) = (loser, yes)
                && !context.output.confirm(&format!("Taking away {loser}, which stays in the history,"), "--yes")?
            {
                context.output.note("nothing was changed");
                return Ok(());
            }
            let request = ResolveConflicts { vault: filter.vault, id, keep, confirmed: true };
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

fn row(item: &ConflictItem) -> [String; 8] {
    let state = if item.resolved_at.is_some() { "resolved" } else { "open" }.to_owned();
    let other = match &item.other_path {
        Some(path) => path.clone(),
        None if item.by_name => "not here".to_owned(),
        None => "in the history".to_owned(),
    };
    let id = item.id.to_string();
    let (vault, device, result) = (item.vault.clone(), item.device.clone(), item.result.clone());
    [id, vault, item.found_at.clone(), device, state, item.path.clone(), other, result]
}
