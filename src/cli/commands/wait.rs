//! `wait PATH [--timeout SECONDS]`: until it is safe in the cloud.
//!
//! The daemon holds each question for a while and answers early when it is done; this asks again until then.

use std::time::{Duration, Instant};

use crate::cli::args::WaitArgs;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::output::{counted, size};
use crate::cli::target::target;
use crate::control::client::Client;
use crate::control::protocol::{ErrorCode, LONGEST_HOLD, Problem, Target, WaitReport, WaitRequest};

/// How often a waiting person sees that something happens.
const PROGRESS_HOLD: Duration = Duration::from_secs(1);

pub(super) async fn run(context: &Context, arguments: WaitArgs) -> Result {
    let daemon = context.daemon().await?;
    let shown = arguments.target.path.display().to_string();
    let target = target(Some(&arguments.target.path), arguments.target.vault)?;
    let limit = arguments.timeout.map(Duration::from_secs);
    let report = until_safe(context, &daemon, target, &shown, limit).await?;
    context.output.answer(&report, |_| {
        context.output.note(format!("{shown} is safe in the cloud"));
        Ok(())
    })
}

/// Waits; fails when the time is over, or when waiting will not help.
pub(super) async fn until_safe(
    context: &Context,
    daemon: &Client,
    target: Target,
    shown: &str,
    limit: Option<Duration>,
) -> Result<WaitReport> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    let spinner = context.output.spinner(&format!("waiting for {shown}"));
    let hold = if spinner.is_hidden() { LONGEST_HOLD } else { PROGRESS_HOLD };
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let hold = left.map_or(hold, |left| left.min(hold));
        let request =
            WaitRequest { target: target.clone(), hold_ms: Some(u64::try_from(hold.as_millis()).unwrap_or(u64::MAX)) };
        let report: WaitReport = daemon.post("wait", &request).await?;
        let remaining =
            format!("{} ({}) to go", counted(report.remaining, "change", "changes"), size(report.remaining_bytes));
        spinner.set_message(format!("{shown}: {remaining}"));
        if report.safe_in_cloud {
            spinner.finish_and_clear();
            return Ok(report);
        }
        if let Some(problem) = report.problems.first() {
            spinner.finish_and_clear();
            return Err(Problem::new(problem.code, format!("{shown} does not get to the cloud"))
                .cause(problem.to_string())
                .hint(problem.hint.clone().unwrap_or_else(|| "see `vaultfs queue`".to_owned()))
                .into());
        }
        if left.is_some_and(|left| left.is_zero()) {
            spinner.finish_and_clear();
            return Err(Problem::new(ErrorCode::TimedOut, format!("{shown} is not safe in the cloud yet"))
                .cause(remaining)
                .hint("see `vaultfs queue`")
                .into());
        }
    }
}
