//! `status [PATH] [--short]`

use crate::cli::args::StatusArgs;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::output::{counted, printable, size};
use crate::cli::target::target;
use crate::control::protocol::{FileStatus, Progress, StatusReport, Transfer, VaultFilter, VaultStatus};

pub(super) async fn run(context: &Context, arguments: StatusArgs) -> Result {
    let daemon = context.daemon().await?;
    if let Some(path) = &arguments.path {
        let target = target(Some(path), arguments.vault)?;
        let file: FileStatus = daemon.get("status/file", &target).await?;
        if arguments.short && !context.output.is_json() {
            return context.output.line(file.state.as_str());
        }
        return context.output.answer(&file, |file| show_file(context, file));
    }
    let report: StatusReport = daemon.get("status", &VaultFilter { vault: arguments.vault }).await?;
    if arguments.short && !context.output.is_json() {
        return context.output.line(report.state.as_str());
    }
    context.output.answer(&report, |report| {
        if report.vaults.is_empty() {
            context.output.note("no vaults yet; add one with `vaultfs vault add NAME --provider local --path DIR`");
        }
        report.vaults.iter().try_for_each(|vault| show_vault(context, vault))
    })
}

fn show_vault(context: &Context, vault: &VaultStatus) -> Result {
    let output = context.output;
    output.line(format!("{}: {}", vault.vault, vault.state.as_str()))?;
    let detail = |text: String| output.line(format!("  {text}"));
    detail(format!(
        "{}, {}; {} cached here",
        counted(vault.entries, "entry", "entries"),
        size(vault.bytes),
        size(vault.cached_bytes)
    ))?;
    if vault.unsent > 0 {
        detail(format!(
            "{} not in the cloud yet ({} safe on this disk)",
            counted(vault.unsent, "change is", "changes are"),
            size(vault.staged_bytes)
        ))?;
    }
    if vault.resting > 0 {
        let are = counted(vault.resting, "change is", "changes are");
        detail(format!("{are} only here: your filter leaves them out; see `vaultfs queue`"))?;
    }
    if vault.left_out > 0 {
        let entries = counted(vault.left_out, "entry", "entries");
        detail(format!("{entries} of the provider not shown: your filter leaves them out"))?;
    }
    if vault.incoming > 0 {
        detail(format!("{} coming in", counted(vault.incoming, "change is", "changes are")))?;
    }
    if vault.conflicts > 0 {
        detail(format!("{}: see `vaultfs conflicts`", counted(vault.conflicts, "conflict", "conflicts")))?;
    }
    if vault.offline_by_user {
        detail("offline because you asked for it; `vaultfs online` ends that".to_owned())?;
    }
    if vault.paused {
        detail("paused; `vaultfs queue resume` goes on".to_owned())?;
    }
    if vault.manual {
        detail("syncs only when it is told to (sync.auto is false): `vaultfs sync now`".to_owned())?;
    }
    for transfer in &vault.transfers {
        detail(format!("{} {}", transfer.direction, show_transfer(transfer)))?;
    }
    if let Some(progress) = vault.progress {
        detail(format!("{} in all", show_progress(progress)))?;
    }
    if let Some(pins) = &vault.pins {
        let files = counted(pins.files, "file is", "files are");
        detail(match pins.missing {
            0 => format!("{files} kept here"),
            missing => {
                format!("{files} to be kept here; {missing} of them not here yet ({})", size(pins.missing_bytes))
            }
        })?;
        for failure in &pins.failed {
            detail(format!("  {}: {}", printable(&failure.path), printable(&failure.why)))?;
        }
    }
    if let Some(cases) = &vault.cases {
        let states: Vec<String> = cases.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let states = if states.is_empty() { String::new() } else { format!(" ({})", states.join(", ")) };
        let documents = counted(cases.documents, "document", "documents");
        let others = counted(cases.other_files, "other file", "other files");
        detail(format!(
            "{}{states}: {documents}, {others}; see `vaultfs cases`",
            counted(cases.cases, "case", "cases")
        ))?;
    }
    for mount in &vault.mounts {
        detail(format!("mounted at {}", printable(mount)))?;
    }
    vault.problems.iter().for_each(|problem| output.problem(problem));
    Ok(())
}

fn show_transfer(transfer: &Transfer) -> String {
    format!("{}: {}", printable(&transfer.path), show_progress(transfer.progress))
}

fn show_progress(progress: Progress) -> String {
    format!("{} % of {}", progress.percent(), size(progress.total))
}

fn show_file(context: &Context, file: &FileStatus) -> Result {
    let output = context.output;
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let path = if file.path.is_empty() { "/".to_owned() } else { file.path.clone() };
    let mut pairs = vec![
        ("path", path),
        ("vault", file.vault.clone()),
        ("kind", file.kind.clone()),
        ("state", file.state.as_str().to_owned()),
        ("safe here", yes(file.safe_here)),
        ("safe in the cloud", yes(file.safe_in_cloud)),
        ("bytes", format!("{} of {} here ({})", size(file.hydrated_bytes), size(file.size), file.presence.as_str())),
        ("pinned", yes(file.pinned)),
    ];
    if let Some(transfer) = &file.transfer {
        pairs.push((
            if transfer.direction == "upload" { "upload" } else { "download" },
            show_progress(transfer.progress),
        ));
    }
    if let Some(below) = &file.below {
        let states: Vec<String> = below.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let files = counted(below.files, "file", "files");
        pairs.push(("holds", format!("{files}, {}", counted(below.folders, "folder", "folders"))));
        if !states.is_empty() {
            pairs.push(("of these", states.join(", ")));
        }
    }
    output.pairs(&pairs)?;
    file.problem.iter().for_each(|problem| output.problem(problem));
    Ok(())
}
