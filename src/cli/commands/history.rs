//! `history list|decisions|restore|export`

use std::path::Path;

use super::export::{Exported, Exporter};
use crate::cli::args::HistoryCommand;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::output::size;
use crate::control::client::Client;
use crate::control::protocol::{Decision, DecisionList, HistoryEntry, HistoryItem, HistoryList, Restored, VaultFilter};

pub(super) async fn run(context: &Context, command: Option<HistoryCommand>, vault: Option<String>) -> Result {
    let daemon = context.daemon().await?;
    match command.unwrap_or(HistoryCommand::List) {
        HistoryCommand::List => {
            let history: HistoryList = daemon.get("history", &VaultFilter { vault }).await?;
            context.output.answer(&history, |history| {
                let rows: Vec<[String; 6]> = history.items.iter().map(row).collect();
                context.output.table(["ID", "VAULT", "KEPT AT", "WHY", "SIZE", "PATH"], &rows)?;
                if rows.is_empty() {
                    context.output.note("no version was replaced or deleted yet");
                }
                Ok(())
            })
        }
        HistoryCommand::Decisions => {
            let decisions: DecisionList = daemon.get("history/decisions", &VaultFilter { vault }).await?;
            context.output.answer(&decisions, |decisions| {
                let rows: Vec<[String; 5]> = decisions.items.iter().map(decision).collect();
                context.output.table(["VAULT", "AT", "WHAT", "PATH", "RESULT"], &rows)?;
                if rows.is_empty() {
                    context.output.note("nothing was decided by hand yet");
                }
                Ok(())
            })
        }
        HistoryCommand::Restore { id } => {
            let restored: Restored = daemon.post("history/restore", &HistoryEntry { vault, id }).await?;
            context.output.answer(&restored, |restored| {
                context.output.note(format!("restored in vault {} as", restored.vault));
                context.output.line(crate::cli::output::printable(&restored.path))
            })
        }
        HistoryCommand::Export { dir } => export(context, &daemon, &dir, vault).await,
    }
}

fn row(item: &HistoryItem) -> [String; 6] {
    let (id, vault, path) = (item.id.to_string(), item.vault.clone(), item.path.clone());
    [id, vault, item.kept_at.clone(), item.reason.clone(), size(item.size), path]
}

fn decision(item: &Decision) -> [String; 5] {
    [item.vault.clone(), item.at.clone(), item.what.clone(), item.path.clone(), item.detail.clone()]
}

async fn export(context: &Context, daemon: &Client, dir: &Path, vault: Option<String>) -> Result {
    let history: HistoryList = daemon.get("history", &VaultFilter { vault }).await?;
    let mut exporter = Exporter::new(context, daemon, dir)?;
    let mut exported = Vec::new();
    for item in history.items {
        exported.push(exporter.history(&item).await?);
    }
    Exported { files: exported }.tell(context, dir)
}
