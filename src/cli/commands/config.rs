//! `config show|set|unset|reload`: works on the settings file; needs no daemon, but tells one that runs.

use serde::Serialize;

use crate::cli::args::ConfigCommand;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::config::{Config, ConfigError, ConfigFile, Layers, Shown, edit, settings};
use crate::control::protocol::{ErrorCode, Problem, SettingsReport};
use crate::vaults::{RegistryFile, Vault};

/// A row of `config show --json`.
#[derive(Serialize)]
struct Row {
    key: &'static str,
    value: String,
    origin: String,
    description: &'static str,
}

pub(super) async fn run(context: &Context, command: ConfigCommand, vault: Option<String>) -> Result {
    let vault = vault.map(|vault| known_vault(context, &vault)).transpose()?;
    let heading = vault.as_ref().map(|vault| vault.name.as_str());
    let file = context.paths.config_file();
    let whose = heading.map_or_else(String::new, |name| format!(" for vault {name}"));
    match command {
        ConfigCommand::Show => show(context, vault.as_ref()),
        ConfigCommand::Set { key, value } => {
            edit::set(&file, &key, &value, heading).map_err(|error| unchanged(&key, &error))?;
            taken_over(context, &key, &format!("{key} is {value}{whose}")).await
        }
        ConfigCommand::Unset { key } => {
            if edit::unset(&file, &key, heading).map_err(|error| unchanged(&key, &error))? {
                taken_over(context, &key, &format!("{key} is not set any more{whose}")).await
            } else {
                context.output.note(format!("{key} was not set{whose}"));
                Ok(())
            }
        }
        ConfigCommand::Reload => {
            let report: SettingsReport =
                context.running_daemon().await?.post("settings/reload", &serde_json::json!({})).await?;
            context.output.answer(&report, |report| {
                if report.in_force.is_empty() && report.at_restart.is_empty() {
                    context.output.note("no setting has changed");
                }
                for key in &report.in_force {
                    context.output.line(format!("{key} is in force now"))?;
                }
                for key in &report.at_restart {
                    context.output.line(format!("{key} will be in force when the daemon starts again"))?;
                }
                Ok(())
            })
        }
    }
}

/// Tells a running daemon of the change, and the user what became of it.
async fn taken_over(context: &Context, key: &str, done: &str) -> Result {
    let Some(daemon) = context.daemon_if_any().await? else {
        context.output.note(done);
        return Ok(());
    };
    let _changes: SettingsReport = daemon.post("settings/reload", &serde_json::json!({})).await?;
    let when = if settings::find(key).is_some_and(|setting| setting.at_once) {
        "it holds from now on"
    } else {
        "the daemon takes it over when it starts again"
    };
    context.output.note(format!("{done}; {when}"));
    Ok(())
}

fn known_vault(context: &Context, selector: &str) -> Result<Vault> {
    let registry = RegistryFile::new(context.paths.registry_file());
    let known = registry.load().and_then(|registry| registry.get(selector).cloned());
    Ok(known.map_err(|error| {
        Problem::new(ErrorCode::UnknownVault, error.to_string()).hint("`vaultfs vault list` lists the vaults")
    })?)
}

fn show(context: &Context, vault: Option<&Vault>) -> Result {
    let file = ConfigFile::load(&context.paths.config_file()).map_err(|error| refused(&error))?;
    let layers = Layers { file: &file, environment: &context.environment, flags: &context.flags };
    let config = Config::resolve(&layers).map_err(|error| refused(&error))?;
    let own = vault.map(|vault| config.show_vault(&vault.name, vault.id)).unwrap_or_default();
    let rows: Vec<Row> = config
        .show()
        .into_iter()
        .map(|general| own.iter().find(|own| own.key == general.key).cloned().unwrap_or(general))
        .map(|Shown { key, value, origin, description }| Row { key, value, origin: origin.to_string(), description })
        .collect();
    context.output.answer(&rows, |rows| {
        let cells: Vec<[String; 3]> =
            rows.iter().map(|row| [row.key.to_owned(), row.value.clone(), row.origin.clone()]).collect();
        context.output.table(["SETTING", "VALUE", "FROM"], &cells)
    })
}

fn unchanged(key: &str, error: &ConfigError) -> Problem {
    Problem { what: format!("{key} was not changed"), ..refused(error) }
}

fn refused(error: &ConfigError) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, "the settings are not valid")
        .because(error)
        .hint("`vaultfs config show` lists all settings")
}
