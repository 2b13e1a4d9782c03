//! `mount NAME DIR [--foreground]`, `mount --all DIR`
//!
//! Returns when the mount answers. In the foreground it stays until somebody unmounts, and unmounts when interrupted.

use clap::CommandFactory;
use clap::error::ErrorKind;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::args::{Cli, MountArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};
use crate::cli::target;
use crate::control::client::Client;
use crate::control::protocol::{Event, EventsQuery, MountInfo, MountRequest, Mounted, UnmountRequest};

pub(super) async fn run(context: &Context, arguments: MountArgs) -> Result {
    if arguments.name.is_none() && !arguments.all {
        let missing = "mount takes the NAME of a vault and a DIR, or --all and a DIR";
        return Err(Cli::command().error(ErrorKind::MissingRequiredArgument, missing).into());
    }
    let daemon = context.daemon().await?;
    let request = MountRequest { vault: arguments.name, dir: target::absolute(&arguments.dir)? };
    // Listened to from before the mount, so that an unmount right after it is not missed.
    let mut events =
        if arguments.foreground { Some(daemon.open("events", &EventsQuery::default()).await?) } else { None };
    let mounted: Mounted = daemon.post("mounts", &request).await?;
    context.output.answer(&mounted, |mounted| {
        for mount in &mounted.mounts {
            context.output.note(format!("vault {} is mounted at {}", mount.vault, mount.dir));
        }
        Ok(())
    })?;
    match &mut events {
        Some(events) => stay(context, &daemon, events, mounted.mounts, request.dir).await,
        None => Ok(()),
    }
}

async fn stay(
    context: &Context,
    daemon: &Client,
    events: &mut reqwest::Response,
    mut mounts: Vec<MountInfo>,
    dir: String,
) -> Result {
    let failed = |error: std::io::Error| CliError::io("cannot listen to signals", &error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut lines = Vec::new();
    while !mounts.is_empty() {
        let part = tokio::select! {
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
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
