//! `mount NAME DIR [--foreground]`, `mount --all DIR`
//!
//! Returns when the mount answers. In the foreground it stays until somebody unmounts, and unmounts when interrupted.

use clap::CommandFactory;
use clap::error::ErrorKind;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::args::{Cli, MountArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::cli::target;
use crate::control::client::Client;
use crate::control::protocol::{Event, EventsQuery, MountInfo, MountRequest, Mounted, UnmountRequest};

pub(super) async fn run(context: &Context, arguments: MountArgs) -> Result {
    if arguments.name.is_none() && !arguments.all {
        let missing = "mount takes the NAME of a vault and a DIR, or --all and a DIR";
        let mut program = Cli::command();
        let command = program.find_subcommand_mut("mount").map(|command| command.clone().bin_name("vaultfs mount"));
        return Err(command.unwrap_or(program).error(ErrorKind::MissingRequiredArgument, missing).into());
    }
    // From here on an interrupt unmounts; one that comes before leaves nothing behind.
    let signals = if arguments.foreground { Some(Signals::listen()?) } else { None };
    let daemon = context.daemon().await?;
    let request = MountRequest { vault: arguments.name, dir: target::folder(&arguments.dir)? };
    // Listened to from before the mount, so that an unmount right after it is not missed.
    let mut events =
        if arguments.foreground { Some(daemon.open("events", &EventsQuery::default()).await?) } else { None };
    let mounted: Mounted = daemon.post("mounts", &request).await?;
    context.output.answer(&mounted, |mounted| {
        for mount in &mounted.mounts {
            context.output.note(format!("vault {} is mounted at {}", mount.vault, mount.dir));
        }
        mounted.problems.iter().for_each(|problem| context.output.problem(problem));
        Ok(())
    })?;
    match (signals, &mut events) {
        (Some(signals), Some(events)) => stay(context, &daemon, signals, events, mounted.mounts, request.dir).await,
        _ if mounted.problems.is_empty() => Ok(()),
        _ => Err(CliError::Quiet(1)),
    }
}

/// Requests to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(|error| CliError::io("cannot listen to signals", &error));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }
}

async fn stay(
    context: &Context,
    daemon: &Client,
    mut signals: Signals,
    events: &mut reqwest::Response,
    mut mounts: Vec<MountInfo>,
    dir: String,
) -> Result {
    let mut lines = Vec::new();
    while !mounts.is_empty() {
        let part = tokio::select! {
            _ = signals.interrupt.recv() => None,
            _ = signals.terminate.recv() => None,
            part = events.chunk() => Some(part),
        };
        let Some(part) = part else {
            return super::unmount::now(context, daemon, &UnmountRequest { dir }).await;
        };
        // The daemon has left, and the mounts with it.
        let Ok(Some(bytes)) = part else { break };
        lines.extend_from_slice(&bytes);
        while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = lines.drain(..=end).collect();
            if let Ok(event) = serde_json::from_slice::<Event>(&line)
                && event.kind == "unmounted"
            {
                mounts.retain(|mount| Some(&mount.dir) != event.path.as_ref());
            }
        }
    }
    context.output.note(format!("{dir} is no longer mounted"));
    Ok(())
}
