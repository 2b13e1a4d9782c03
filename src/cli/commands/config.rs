//! `config show|set`: works on the settings file; needs no daemon.

use serde::Serialize;

use crate::cli::args::ConfigCommand;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::config::{Config, ConfigError, ConfigFile, Layers, edit};
use crate::control::protocol::{ErrorCode, Problem};

/// A row of `config show --json`.
#[derive(Serialize)]
struct Row {
    key: &'static str,
    value: String,
    origin: String,
    description: &'static str,
}

pub(super) fn run(context: &Context, command: ConfigCommand) -> Result {
    match command {
        ConfigCommand::Show => show(context),
        ConfigCommand::Set { key, value } => {
            edit::set(&context.paths.config_file(), &key, &value, None).map_err(|error| refused(&error))?;
            context.output.note(format!("{key} is {value}; a running daemon takes it over when it starts again"));
            Ok(())
        }
    }
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
