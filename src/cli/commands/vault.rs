//! `vault add|list|show|rename|remove|set|unset|default|switch`

use std::path::Path;

use clap::ValueEnum;

use super::folder;
use crate::cli::args::{LinkArgs, ProviderArg, VaultCommand};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::cli::output::{counted, size};
use crate::cli::target;
use crate::control::client::Client;
use crate::control::protocol::{
    AddVault, ChangeVault, ChooseVault, ErrorCode, Holds, ImportReport, ImportVaults, Link, MountChoice, Problem,
    RemoveVault, RenameVault, VaultChanged, VaultDetails, VaultFilter, VaultList, VaultSummary,
};
use crate::vaults::VaultSetting;

pub(super) async fn run(context: &Context, command: VaultCommand) -> Result {
    let daemon = context.daemon().await?;
    match command {
        VaultCommand::Add { name, provider, path, folder, account, layout, allow_other, link } => {
            let path = path.map(|path| target::folder(&path)).transpose()?.unwrap_or_default();
            let folder = match (provider, folder) {
                (ProviderArg::Dropbox, None) => Some(folder::choose(context, &daemon, account.as_deref()).await?),
                (ProviderArg::Local | ProviderArg::Dropbox | ProviderArg::Icloud, folder) => folder,
            };
            let link = simulated(link);
            let (provider, layout) = (word(provider), layout.map(word));
            let request = AddVault { name, provider, path, account, folder, layout, allow_other, link };
            done(context, daemon.post("vaults", &request).await?, "added")
        }
        VaultCommand::List => list(context, &daemon.get("vaults", &VaultFilter::default()).await?),
        VaultCommand::Show { name } => show(context, &daemon.get("vaults/show", &VaultFilter { vault: name }).await?),
        VaultCommand::Rename { name, new_name } => {
            let request = RenameVault { vault: name, name: new_name };
            done(context, daemon.post("vaults/rename", &request).await?, "renamed")
        }
        VaultCommand::Remove { name, even_if_unsent } => {
            let request = RemoveVault { vault: name, even_if_unsent };
            done(context, daemon.post("vaults/remove", &request).await?, "removed")
        }
        VaultCommand::Import { file } => {
            let file = file.map(|file| target::folder(&file)).transpose()?;
            let report: ImportReport = daemon.post("vaults/import", &ImportVaults { file }).await?;
            context.output.answer(&report, |report| imported(context, report))?;
            if report.problems.is_empty() { Ok(()) } else { Err(CliError::Quiet(1)) }
        }
        VaultCommand::Set { name, key, value } => {
            let value = match key {
                VaultSetting::Path | VaultSetting::MountPath => target::folder(Path::new(&value))?,
                VaultSetting::Layout
                | VaultSetting::MountAuto
                | VaultSetting::MountReadOnly
                | VaultSetting::MountAllowOther
                | VaultSetting::Folder => value,
            };
            let news = format!("{key} is {value}");
            change(context, &daemon, ChangeVault { vault: name, key: key.to_string(), value: Some(value) }, &news).await
        }
        VaultCommand::Unset { name, key } => {
            let news = format!("{key} is as for a new vault");
            change(context, &daemon, ChangeVault { vault: name, key: key.to_string(), value: None }, &news).await
        }
        VaultCommand::Default { name: Some(name) } => {
            done(context, daemon.post("vaults/default", &ChooseVault { vault: name }).await?, "is the default now")
        }
        VaultCommand::Switch { name: Some(name) } => {
            done(context, daemon.post("vaults/active", &ChooseVault { vault: name }).await?, "is active now")
        }
        VaultCommand::Default { name: None } => chosen(context, &daemon, |vault| vault.is_default).await,
        VaultCommand::Switch { name: None } => chosen(context, &daemon, |vault| vault.is_active).await,
    }
}

/// Names the one vault that is chosen.
async fn chosen(context: &Context, daemon: &Client, is_meant: impl Fn(&VaultSummary) -> bool) -> Result {
    let list: VaultList = daemon.get("vaults", &VaultFilter::default()).await?;
    let Some(vault) = list.vaults.into_iter().find(is_meant) else {
        return Err(Problem::new(ErrorCode::UnknownVault, "there are no vaults yet")
            .hint("add one with `vaultfs vault add NAME --provider local --path DIR`")
            .into());
    };
    context.output.answer(&vault, |vault| context.output.line(&vault.name))
}

async fn change(context: &Context, daemon: &Client, request: ChangeVault, news: &str) -> Result {
    let changed: VaultChanged = daemon.post("vaults/set", &request).await?;
    context.output.answer(&changed, |changed| {
        let when = match changed.holds {
            Holds::Now => "it holds from now on",
            Holds::NextMount => "it holds when the vault is mounted again",
            Holds::NextStart => "the daemon follows it when it starts",
        };
        context.output.note(format!("vault {}: {news}; {when}", changed.vault.name));
        Ok(())
    })
}

fn simulated(link: LinkArgs) -> Option<Link> {
    let LinkArgs { link_latency, link_rate } = link;
    let asked = link_latency.is_some() || link_rate.is_some();
    asked.then(|| Link { latency_ms: link_latency.unwrap_or(0), bytes_per_second: link_rate })
}

fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn done(context: &Context, vault: VaultSummary, what: &str) -> Result {
    context.output.answer(&vault, |vault| {
        context.output.note(format!("vault {}: {what}", vault.name));
        Ok(())
    })
}

fn imported(context: &Context, report: &ImportReport) -> Result {
    for name in &report.added {
        context.output.note(format!("vault {name}: added from {}", report.file));
    }
    context.output.note(format!("{} here already", counted(report.known, "vault was", "vaults were")));
    report.problems.iter().for_each(|problem| context.output.problem(problem));
    Ok(())
}

fn list(context: &Context, vaults: &VaultList) -> Result {
    context.output.answer(vaults, |list| {
        if list.vaults.is_empty() {
            context.output.note("no vaults yet; add one with `vaultfs vault add NAME --provider local --path DIR`");
        }
        let rows: Vec<[String; 5]> = list.vaults.iter().map(row).collect();
        context.output.table(["NAME", "PROVIDER", "LAYOUT", "PATH", "MOUNTED AT"], &rows)
    })
}

fn row(vault: &VaultSummary) -> [String; 5] {
    let name = match (vault.is_default, vault.is_active) {
        (true, true) => format!("{} (default, active)", vault.name),
        (true, false) => format!("{} (default)", vault.name),
        (false, true) => format!("{} (active)", vault.name),
        (false, false) => vault.name.clone(),
    };
    let mounts = if vault.mounts.is_empty() { "-".to_owned() } else { vault.mounts.join(", ") };
    let place = vault.folder.as_ref().unwrap_or(&vault.path).clone();
    [name, vault.provider.clone(), vault.layout.clone(), place, mounts]
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn by_itself(mount: &MountChoice) -> String {
    match &mount.path {
        Some(path) if mount.auto => path.clone(),
        Some(path) => format!("no ({path})"),
        None => "no".to_owned(),
    }
}

fn show(context: &Context, vault: &VaultDetails) -> Result {
    context.output.answer(vault, |vault| {
        let (summary, status) = (&vault.summary, &vault.status);
        let lines = [
            ("name", summary.name.clone()),
            ("id", summary.id.clone()),
            ("provider", summary.provider.clone()),
            ("path", summary.folder.as_ref().unwrap_or(&summary.path).clone()),
            ("layout", summary.layout.clone()),
            ("default", yes(summary.is_default)),
            ("active", yes(summary.is_active)),
            ("state", status.state.as_str().to_owned()),
            ("last synced", summary.last_synced.clone().unwrap_or_else(|| "never".to_owned())),
            ("holds", format!("{}, {}", counted(status.entries, "entry", "entries"), size(status.bytes))),
            ("mounted by itself", by_itself(&summary.mount)),
            ("read only", yes(summary.mount.read_only)),
            ("others may use it", yes(summary.mount.allow_other)),
            ("mounted at", if summary.mounts.is_empty() { "-".to_owned() } else { summary.mounts.join(", ") }),
            ("state folder", vault.state_dir.clone()),
            ("cache folder", vault.cache_dir.clone()),
        ];
        let account = summary.account.clone().map(|account| ("account", account));
        let lines: Vec<_> = lines.into_iter().chain(account).collect();
        context.output.pairs(&lines)
    })
}
