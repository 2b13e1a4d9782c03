//! `sync [now] [--full|--dry-run]`

use crate::cli::args::SyncArgs;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::cli::output::size;
use crate::control::protocol::{PlannedStep, SyncMode, SyncReport, SyncRequest};

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
            let row = |step: &PlannedStep| {
                [step.vault.clone(), step.action.clone(), size(step.size), step.path.clone(), step.reason.clone()]
            };
            let rows: Vec<[String; 5]> = report.plan.iter().map(row).collect();
            output.table(["VAULT", "ACTION", "SIZE", "PATH", "WHY"], &rows)?;
            if rows.is_empty() {
                output.note("nothing would be done");
            }
        }
        SyncMode::Now | SyncMode::Full => {
            output.pairs(&[
                ("changed at the provider", report.pulled.to_string()),
                ("steps done", report.done.to_string()),
                ("steps failed", report.failed.to_string()),
                ("still different", report.pending.to_string()),
            ])?;
        }
    }
    report.problems.iter().for_each(|problem| output.problem(problem));
    Ok(())
}
