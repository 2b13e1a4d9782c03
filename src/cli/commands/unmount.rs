//! `unmount DIR [--wait]`
//!
//! Unmounts at once, so that nothing new is added, and lists what is unsent; `--wait` then waits until that is sent.

use crate::cli::args::UnmountArgs;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::output::counted;
use crate::cli::target;
use crate::control::client::Client;
use crate::control::protocol::{Target, UnmountReport, UnmountRequest, Unsent};

pub(super) async fn run(context: &Context, arguments: UnmountArgs) -> Result {
    let daemon = context.daemon().await?;
    let request = UnmountRequest { dir: target::absolute(&arguments.dir)? };
    if !arguments.wait {
        return now(context, &daemon, &request).await;
    }
    let report: UnmountReport = daemon.post("mounts/unmount", &request).await?;
    for unsent in &report.unsent {
        let whole = Target { vault: Some(unsent.vault.clone()), path: None };
        super::wait::until_safe(context, &daemon, whole, &unsent.vault, None).await?;
    }
    let sent = UnmountReport { unsent: Vec::new(), ..report };
    context.output.answer(&sent, |report| {
        unmounted(context, report);
        context.output.note("everything is safe in the cloud");
        Ok(())
    })
}

pub(super) async fn now(context: &Context, daemon: &Client, request: &UnmountRequest) -> Result {
    let report: UnmountReport = daemon.post("mounts/unmount", request).await?;
    context.output.answer(&report, |report| {
        unmounted(context, report);
        unsent(context, &report.unsent);
        Ok(())
    })
}

fn unmounted(context: &Context, report: &UnmountReport) {
    for mount in &report.mounts {
        context.output.note(format!("vault {} is no longer mounted at {}", mount.vault, mount.dir));
    }
}

/// Says what is still to be sent.
pub(super) fn unsent(context: &Context, unsent: &[Unsent]) {
    for vault in unsent {
        context.output.note(format!(
            "vault {}: {} not in the cloud yet; kept on this disk and sent while the daemon runs:",
            vault.vault,
            counted(vault.count, "change is", "changes are"),
        ));
        for path in &vault.paths {
            context.output.note(format!("  {}", crate::cli::output::printable(path)));
        }
        let listed = u64::try_from(vault.paths.len()).unwrap_or(u64::MAX);
        if vault.count > listed {
            context.output.note(format!("  and {} more", vault.count - listed));
        }
    }
}
