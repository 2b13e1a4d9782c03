//! `verify [--deep]`: exit code 1 if anything is not as it should be and could not be put right.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::cli::lines::Lines;
use crate::cli::output::{counted, printable, size};
use crate::control::protocol::{ErrorCode, Problem, VerifiedVault, VerifyLine, VerifyMismatch, VerifyRequest};

/// The answer of `verify --json`.
#[derive(Serialize)]
struct Verified {
    vaults: Vec<VerifiedVault>,
    mismatches: Vec<VerifyMismatch>,
}

pub(super) async fn run(context: &Context, deep: bool, vault: Option<String>) -> Result {
    let daemon = context.daemon().await?;
    let mut lines = Lines::of(daemon.open_post("verify", &VerifyRequest { vault, deep }).await?);
    let mut verified = Verified { vaults: Vec::new(), mismatches: Vec::new() };
    let mut has_ended = false;
    let spinner = context.output.spinner("looking");
    while let Some(line) = lines.next::<VerifyLine>().await? {
        match line {
            VerifyLine::Progress(so_far) => {
                let entries = counted(so_far.entries, "entry", "entries");
                spinner.set_message(format!("{}: {entries}, {}", so_far.vault, size(so_far.bytes)));
            }
            VerifyLine::Mismatch(mismatch) => verified.mismatches.push(mismatch),
            VerifyLine::Vault(done) => verified.vaults.push(done),
            VerifyLine::End => has_ended = true,
        }
    }
    spinner.finish_and_clear();
    if !has_ended {
        let what = "the daemon ended before it had looked at everything";
        return Err(Problem::new(ErrorCode::Internal, what)
            .hint("see its log; `vaultfs doctor` looks for trouble")
            .into());
    }
    context.output.answer(&verified, |verified| show(context, verified, deep))?;
    if verified.vaults.iter().all(VerifiedVault::is_well) { Ok(()) } else { Err(CliError::Quiet(1)) }
}

fn show(context: &Context, verified: &Verified, deep: bool) -> Result {
    let output = context.output;
    for mismatch in &verified.mismatches {
        let verdict = if mismatch.healed { "healed  " } else { "TROUBLE " };
        let whose = if mismatch.path.is_empty() {
            mismatch.vault.clone()
        } else {
            format!("{}/{}", mismatch.vault, mismatch.path)
        };
        output.line(format!("{verdict}{}: {}", printable(&whose), printable(&mismatch.what)))?;
    }
    for vault in &verified.vaults {
        let read = if deep { format!(", {} read", size(vault.bytes)) } else { String::new() };
        let entries = counted(vault.entries, "entry", "entries");
        let mismatches = counted(vault.mismatches, "mismatch", "mismatches");
        output.line(format!("{}: {entries}{read}, {mismatches}, {} healed", vault.vault, vault.healed))?;
        vault.not_compared.iter().for_each(|problem| {
            output.note(format!("{} was not compared with its provider: {problem}", vault.vault));
        });
        vault.problem.iter().for_each(|problem| output.problem(problem));
    }
    Ok(())
}
