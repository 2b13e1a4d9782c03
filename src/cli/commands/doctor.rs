//! `doctor [--repair]`: exit code 1 if anything needs attention.

use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::cli::output::printable;
use crate::control::protocol::{DoctorReport, VaultFilter};

pub(super) async fn run(context: &Context, repair: bool, vault: Option<String>) -> Result {
    let daemon = context.daemon().await?;
    let filter = VaultFilter { vault };
    let report: DoctorReport =
        if repair { daemon.post("doctor/repair", &filter).await? } else { daemon.get("doctor", &filter).await? };
    context.output.answer(&report, |report| {
        for finding in &report.findings {
            let verdict = match (finding.ok, &finding.repaired) {
                (true, Some(_)) => "mended  ",
                (true, None) => "ok      ",
                (false, _) => "TROUBLE ",
            };
            let whose = finding.vault.as_ref().map_or_else(String::new, |vault| format!("{vault}: "));
            context.output.line(format!("{verdict}{whose}{}: {}", finding.check, printable(&finding.detail)))?;
            if let Some(done) = &finding.repaired {
                context.output.line(format!("        done: {}", printable(done)))?;
            }
            if let Some(hint) = finding.hint.as_ref().filter(|_| !finding.ok) {
                context.output.line(format!("        hint: {}", printable(hint)))?;
            }
        }
        Ok(())
    })?;
    if report.is_healthy() { Ok(()) } else { Err(CliError::Quiet(1)) }
}
