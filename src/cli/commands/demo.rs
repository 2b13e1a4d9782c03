//! `demo`: vaultfs at work on a generated vault behind a simulated link, told step by step with measured figures.
//!
//! Everything happens in a folder of its own with a daemon of its own: no vault of the user is touched. What it says is checked
//! against the provider's folder; it succeeds only if every check held.

mod corpus;
mod documents;
mod sound;
mod stage;
mod steps;
mod tale;

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use self::stage::Stage;
use self::tale::Tale;
use crate::cli::args::DemoArgs;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};

/// As a shell tells that a program was interrupted.
const INTERRUPTED: u8 = 130;

pub(super) fn run(context: &Context, arguments: &DemoArgs) -> Result {
    let stage = Arc::new(Stage::new(arguments.keep.as_deref())?);
    let result = super::block_on(play(context, arguments, &stage));
    // Whatever happened: no mount and no daemon stays behind.
    let closed = stage.close();
    result.and(closed)
}

/// Plays on a thread of its own, because reading a mount waits; this one listens to signals.
async fn play(context: &Context, arguments: &DemoArgs, stage: &Arc<Stage>) -> Result {
    let listen = |kind| signal(kind).map_err(|error| CliError::io("cannot listen to signals", &error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let (done, ended) = tokio::sync::oneshot::channel();
    let (acting, mut tale) = (Arc::clone(stage), Tale::new(context.output, arguments.fast));
    std::thread::spawn(move || {
        // After an interruption nobody listens any more.
        drop(done.send(steps::play(&acting, &mut tale)));
    });
    tokio::select! {
        result = ended => result.unwrap_or(Err(CliError::Quiet(1))),
        _ = interrupt.recv() => Err(CliError::Quiet(INTERRUPTED)),
        _ = terminate.recv() => Err(CliError::Quiet(INTERRUPTED)),
    }
}
