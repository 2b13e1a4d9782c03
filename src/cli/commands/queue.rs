//! `queue [list|pause|resume|retry|hold|release|discard|upload]`

use std::path::Path;

use crate::cli::args::QueueCommand;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::output::{counted, size};
use crate::cli::target::target;
use crate::control::client::Client;
use crate::control::protocol::{Changed, QueueAction, QueueChange, QueueItem, QueueList, Target, VaultFilter};

pub(super) async fn run(context: &Context, command: Option<QueueCommand>, vault: Option<String>) -> Result {
    let daemon = context.daemon().await?;
    let at = |path: Option<&Path>| target(path, vault.clone());
    match command.unwrap_or(QueueCommand::List) {
        QueueCommand::List => list(context, &daemon.get("queue", &VaultFilter { vault }).await?),
        QueueCommand::Pause => change(context, &daemon, QueueAction::Pause, at(None)?).await,
        QueueCommand::Resume => change(context, &daemon, QueueAction::Resume, at(None)?).await,
        QueueCommand::Retry { path } => change(context, &daemon, QueueAction::Retry, at(path.as_deref())?).await,
        QueueCommand::Hold { path } => change(context, &daemon, QueueAction::Hold, at(Some(&path))?).await,
        QueueCommand::Release { path } => change(context, &daemon, QueueAction::Release, at(path.as_deref())?).await,
        QueueCommand::Discard { path, yes } => {
            let question =
                format!("Giving up the local change of {} in favour of the provider's version", path.display());
            if yes || context.output.confirm(&question, "--yes")? {
                change(context, &daemon, QueueAction::Discard, at(Some(&path))?).await
            } else {
                context.output.note("nothing was discarded");
                Ok(())
            }
        }
        QueueCommand::Upload { path, yes } => {
            let question = format!("Sending {} over whatever version the provider has", path.display());
            if yes || context.output.confirm(&question, "--yes")? {
                change(context, &daemon, QueueAction::Upload, at(Some(&path))?).await
            } else {
                context.output.note("nothing was sent");
                Ok(())
            }
        }
    }
}

fn list(context: &Context, queue: &QueueList) -> Result {
    context.output.answer(queue, |queue| {
        let rows: Vec<[String; 6]> = queue.items.iter().map(row).collect();
        context.output.table(["VAULT", "ACTION", "STATE", "SIZE", "PATH", "WHY"], &rows)?;
        let listed = u64::try_from(queue.items.len()).unwrap_or(u64::MAX);
        if queue.total > listed {
            context.output.note(format!("and {} more", queue.total - listed));
        } else if queue.total == 0 {
            context.output.note("nothing is left to do");
        }
        Ok(())
    })
}

fn row(item: &QueueItem) -> [String; 6] {
    let bytes = match (item.size, item.done) {
        (0, _) => "-".to_owned(),
        (total, 0) => size(total),
        (total, done) => format!("{} of {}", size(done), size(total)),
    };
    let why = item.problem.clone().unwrap_or_else(|| item.reason.clone());
    let state = item.state.as_str().to_owned();
    [item.vault.clone(), item.action.clone(), state, bytes, item.path.clone(), why]
}

async fn change(context: &Context, daemon: &Client, action: QueueAction, target: Target) -> Result {
    // Asked for before, where it must be.
    let request = QueueChange { action, target, confirmed: true };
    let changed: Changed = daemon.post("queue", &request).await?;
    context.output.answer(&changed, |changed| {
        let said = match action {
            QueueAction::Pause => format!("paused {}", counted(changed.count, "vault", "vaults")),
            QueueAction::Resume => format!("resumed {}", counted(changed.count, "vault", "vaults")),
            QueueAction::Retry => format!("{} tried again", counted(changed.count, "item is", "items are")),
            QueueAction::Hold => format!("{} kept back", counted(changed.count, "item is", "items are")),
            QueueAction::Release => format!("{} released", counted(changed.count, "item is", "items are")),
            QueueAction::Discard => format!("{} discarded", counted(changed.count, "change was", "changes were")),
            QueueAction::Upload => {
                let items = counted(changed.count, "item takes", "items take");
                format!("{items} the place of the provider's version; that is in the history")
            }
        };
        context.output.note(said);
        Ok(())
    })
}
