//! `sync [now] [--full|--dry-run]`

use crate::cli::args::SyncArgs;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::cli::output::counted;
use crate::control::protocol::{SyncMode, SyncReport, SyncRequest};

pub(super) async fn run(context: &Context, arguments: SyncArgs) -> Result {
    let daemon = context.daemon().await?;
    let mode = match (arguments.full, arguments.dry_run) {
        (true, _) => SyncMode::Full,
        (false, true) => SyncMode::DryRun,
        (false, false) => SyncMode::Now,
    };
    let request = SyncRequest { vault: arguments.vault, mode };
    let spinner = context.output.spinner("syncing");
    let report = daemon.post::<SyncReport>("sync", &request).await;
    spinner.finish_and_clear();
    let report = report?;
    context.output.answer(&report, |report| show(context, mode, report))?;
    if report.problems.is_empty() { Ok(()) } else { Err(CliError::Quiet(1)) }
}

fn show(context: &Context, mode: SyncMode, report: &SyncReport) -> Result {
    let output = context.output;
    match mode {
        SyncMode::DryRun => {
            let row = |step: &crate::control::protocol::PlannedStep| {
                let side = if step.outgoing { "to the provider" } else { "to this machine" };
                [step.vault.clone(), step.action.clone(), side.to_owned(), step.path.clone(), step.reason.clone()]
            };
            let rows: Vec<[String; 5]> = report.steps.iter().map(row).collect();
            output.table(["VAULT", "ACTION", "WHERE", "PATH", "WHY"], &rows)?;
            if rows.is_empty() {
                output.note("nothing would be done");
            }
        }
        SyncMode::Now | SyncMode::Full => {
            for (action, count) in &report.counts {
                output.pairs(&[(action, count.to_string())])?;
            }
            if report.counts.is_empty() && report.problems.is_empty() {
                output.note("nothing was to be done");
            }
            if report.unsent > 0 {
                output.note(format!("{} still not in the cloud", counted(report.unsent, "change is", "changes are")));
            }
        }
    }
    report.problems.iter().for_each(|problem| output.problem(problem));
    Ok(())
}
