//! `daemon run|status|stop`

use std::time::{Duration, Instant};

use crate::cli::args::DaemonCommand;
use crate::cli::context::{Context, program};
use crate::cli::error::{CliError, Result};
use crate::control::client::Client;
use crate::control::client::start::READY_LINE;
use crate::control::protocol::{DaemonStatus, ErrorBody, ErrorCode, Problem, StopReport, VaultFilter};
use crate::daemon::supervisor;
use crate::telemetry::logging::{self, LogOutput};

/// A daemon has its lock before it answers. Nothing tells of the moment.
const STARTING: Duration = Duration::from_secs(5);

/// `daemon run`: the daemon itself, in this process.
pub(super) fn run(context: &Context, detached: bool) -> Result {
    let ready = || {
        // Whoever started the daemon may have stopped listening; that does not concern it.
        match context.output.line(READY_LINE) {
            Ok(()) | Err(CliError::BrokenPipe) => {}
            Err(error) => tracing::warn!(%error, "nobody can be told that the daemon is ready"),
        }
    };
    let result = crate::daemon::run(context.daemon_settings(detached), ready);
    if let Err(problem) = &result
        && let Ok(line) = serde_json::to_string(&ErrorBody { error: problem.clone() })
    {
        context.output.line(line)?;
    }
    Ok(result?)
}

/// `daemon supervise`: what a command starts in the background.
pub(super) fn supervise(context: &Context) -> Result {
    // Its few messages go where those of a daemon go that cannot write its log.
    logging::init("info", false, &LogOutput::Stderr)
        .map_err(|error| Problem::new(ErrorCode::Io, "cannot log").because(&error))?;
    let program = program()?;
    let start = || {
        let mut daemon = std::process::Command::new(&program);
        daemon.args(["daemon", "run", "--detached"]).args(context.flag_arguments());
        daemon
    };
    let code = supervisor::run(start, |crashed| crate::daemon::last_process(&context.paths) != Some(crashed))?;
    if code == 0 { Ok(()) } else { Err(CliError::Quiet(code)) }
}

/// `daemon status` and `daemon stop`: of a daemon that runs; none is started for them.
pub(super) async fn ask(context: &Context, command: DaemonCommand) -> Result {
    match command {
        DaemonCommand::Run { .. } | DaemonCommand::Supervise => Ok(()),
        DaemonCommand::Status => {
            let daemon = context.running_daemon().await?;
            let status: DaemonStatus = daemon.get("daemon", &VaultFilter::default()).await?;
            context.output.answer(&status, |status| show(context, status))
        }
        DaemonCommand::Stop => {
            let daemon = the_one_to_stop(context).await?;
            let report: StopReport = daemon.post("daemon/stop", &serde_json::json!({})).await?;
            context.wait_for_end(&daemon).await?;
            context.output.answer(&report, |report| {
                super::unmount::unsent(context, &report.unsent);
                context.output.note(format!("the daemon (process {}) has ended", report.pid));
                Ok(())
            })
        }
    }
}

/// The daemon that runs. One that has crashed is kept from being started again: whoever says `stop` wants none.
async fn the_one_to_stop(context: &Context) -> Result<Client> {
    let patient_until = Instant::now() + STARTING;
    loop {
        if let Some(daemon) = context.daemon_if_any().await? {
            return Ok(daemon);
        }
        match crate::daemon::come_after(&context.paths) {
            Ok(()) => return context.running_daemon().await,
            Err(running) if running.code == ErrorCode::AlreadyRunning && Instant::now() < patient_until => {
                tokio::time::sleep(STARTING / 100).await;
            }
            Err(problem) => return Err(problem.into()),
        }
    }
}

fn show(context: &Context, status: &DaemonStatus) -> Result {
    context.output.pairs(&[
        ("running", format!("process {}", status.pid)),
        ("version", status.version.clone()),
        ("since", status.started_at.clone()),
        ("device", status.device.clone()),
    ])?;
    for mount in &status.mounts {
        context.output.pairs(&[("mounted", format!("{} at {}", mount.vault, mount.dir))])?;
    }
    status.problems.iter().for_each(|problem| context.output.problem(problem));
    Ok(())
}
