//! One command per file.

mod account;
mod cases;
mod completions;
mod config;
mod conflicts;
mod connect;
mod daemon;
mod demo;
mod doctor;
mod export;
mod folder;
mod history;
mod man;
mod manifest;
mod mount;
mod music;
mod network;
mod pin;
mod queue;
mod rules;
mod status;
mod sync;
mod unmount;
mod vault;
mod verify;
mod wait;

use std::future::Future;

use super::args::{Command, DaemonCommand};
use super::context::Context;
use super::error::{CliError, Result};
use crate::control::service::ContentVerb;

/// Runs one command.
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest goes to `ask`, which names every command")]
pub(super) fn run(context: &Context, command: Command) -> Result {
    match command {
        // The daemon brings its own, larger runtime; the local ones need none.
        Command::Daemon { command: DaemonCommand::Run { detached } } => daemon::run(context, detached),
        Command::Daemon { command: DaemonCommand::Supervise } => daemon::supervise(context),
        Command::Completions { shell } => completions::run(context, shell),
        Command::Man { dir } => man::run(context, &dir),
        Command::Demo(arguments) => demo::run(context, &arguments),
        command => block_on(ask(context, command)),
    }
}

async fn ask(context: &Context, command: Command) -> Result {
    match command {
        Command::Vault { command } => vault::run(context, command).await,
        Command::Connect(arguments) => connect::run(context, arguments).await,
        Command::Disconnect(argument) => account::disconnect(context, argument).await,
        Command::Account { command } => account::run(context, command).await,
        Command::TestConnection(argument) => account::test(context, argument).await,
        Command::SignInRedirect { address } => connect::redirect(context, address).await,
        Command::Mount(arguments) => mount::run(context, arguments).await,
        Command::Unmount(arguments) => unmount::run(context, arguments).await,
        Command::Daemon { command } => daemon::ask(context, command).await,
        Command::Status(arguments) => status::run(context, arguments).await,
        Command::Cases(vault) => cases::run(context, vault.vault).await,
        Command::Queue { command, vault } => queue::run(context, command, vault.vault).await,
        Command::Sync(arguments) => sync::run(context, arguments).await,
        Command::Pin(target) => pin::run(context, ContentVerb::Pin, target).await,
        Command::Unpin(target) => pin::run(context, ContentVerb::Unpin, target).await,
        Command::Evict(target) => pin::run(context, ContentVerb::Evict, target).await,
        Command::Wait(arguments) => wait::run(context, arguments).await,
        Command::New(arguments) => music::run(context, arguments).await,
        Command::History { command, vault } => history::run(context, command, vault.vault).await,
        Command::Conflicts { command, vault } => conflicts::run(context, command, vault.vault).await,
        Command::Rules { command } => rules::run(context, command).await,
        Command::Manifest(vault) => manifest::run(context, vault.vault).await,
        Command::Verify { deep, vault } => verify::run(context, deep, vault.vault).await,
        Command::Doctor { repair, vault } => doctor::run(context, repair, vault.vault).await,
        Command::Offline(arguments) => network::run(context, arguments, true).await,
        Command::Online(arguments) => network::run(context, arguments, false).await,
        Command::Config { command, vault } => config::run(context, command, vault.vault).await,
        Command::Demo(_) | Command::Completions { .. } | Command::Man { .. } => Ok(()),
    }
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::io("cannot start the event loop", &error))?
        .block_on(future)
}
