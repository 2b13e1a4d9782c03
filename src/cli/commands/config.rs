//! `config show|set|unset`: works on the settings file; needs no daemon, but tells one that runs.

use serde::Serialize;

use crate::cli::args::ConfigCommand;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::config::{Config, ConfigError, ConfigFile, Layers, edit, settings};
use crate::control::protocol::{Changed, ErrorCode, Problem};

/// A row of `config show --json`.
#[derive(Serialize)]
struct Row {
    key: &'static str,
    value: String,
    origin: String,
    description: &'static str,
}

pub(super) async fn run(context: &Context, command: ConfigCommand) -> Result {
    let file = context.paths.config_file();
    match command {
        ConfigCommand::Show => show(context),
        ConfigCommand::Set { key, value, vault } => {
            edit::set(&file, &key, &value, vault.as_deref()).map_err(|error| refused(&error))?;
            tell(context, &key, format!("{key} is {value}")).await
        }
        ConfigCommand::Unset { key, vault } => {
            if edit::unset(&file, &key, vault.as_deref()).map_err(|error| refused(&error))? {
                tell(context, &key, format!("{key} is not set any more")).await
            } else {
                context.output.note(format!("{key} was not set"));
                Ok(())
            }
        }
    }
}

/// Tells a running daemon of the change, and the user what became of it.
async fn tell(context: &Context, key: &str, done: String) -> Result {
    let Some(daemon) = context.daemon_if_any().await? else {
        context.output.note(done);
        return Ok(());
    };
    let _vaults: Changed = daemon.post("settings/reload", &serde_json::json!({})).await?;
    let when = if settings::find(key).is_some_and(|setting| setting.at_once) {
        "; it holds from now on"
    } else {
        "; the daemon takes it over when it starts again"
    };
    context.output.note(done + when);
    Ok(())
}

fn show(context: &Context) -> Result {
    let file = ConfigFile::load(&context.paths.config_file()).map_err(|error| refused(&error))?;
    let layers = Layers { file: &file, environment: &context.environment, flags: &context.flags };
    let config = Config::resolve(&layers).map_err(|error| refused(&error))?;
    let rows: Vec<Row> = config
        .show()
        .into_iter()
        .map(|shown| Row {
            key: shown.key,
            value: shown.value,
            origin: shown.origin.to_string(),
            description: shown.description,
        })
        .collect();
    context.output.answer(&rows, |rows| {
        let cells: Vec<[String; 3]> =
            rows.iter().map(|row| [row.key.to_owned(), row.value.clone(), row.origin.clone()]).collect();
        context.output.table(["SETTING", "VALUE", "FROM"], &cells)
    })
}

fn refused(error: &ConfigError) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, "the settings are not valid")
        .because(error)
        .hint("`vaultfs config show` lists all settings")
}
