//! `demo`: vaultfs at work on two devices of one simulated Dropbox account, told step by step with measured figures.
//!
//! Everything happens in a folder of its own with daemons of its own: no vault, sign-in or browser of the user is touched. What it
//! says is checked against the account; it succeeds only if every check held.

mod account;
mod chaos;
mod corpus;
mod device;
mod documents;
mod sound;
mod stage;
mod steps;
mod tale;

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use self::stage::Stage;
use self::tale::Tale;
use crate::cli::args::DemoArgs;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};

/// As a shell tells that a program was interrupted.
const INTERRUPTED: u8 = 130;

pub(super) fn run(context: &Context, arguments: &DemoArgs) -> Result {
    let stage = Arc::new(Stage::new(arguments.keep.as_deref(), arguments.seed)?);
    let (done, ended) = oneshot::channel();
    let bad_weather = arguments.chaos.then_some(arguments.seed);
    let (acting, mut tale) = (Arc::clone(&stage), Tale::new(context.output, arguments.fast));
    // A thread of its own, because reading a mount waits; this one listens to signals.
    let play = std::thread::spawn(move || {
        // After an interruption nobody listens any more.
        drop(done.send(steps::play(&acting, &mut tale, bad_weather)));
    });
    let result = super::block_on(watch(ended));
    // Whatever happened: no mount, no daemon and no folder stays behind.
    let closed = stage.close();
    let panicked = play.join().is_err();
    let cleared = match (Arc::into_inner(stage), &closed) {
        (Some(stage), Ok(())) => stage.clear(),
        (Some(stage), Err(_)) => {
            stage.abandon();
            Ok(())
        }
        (None, _) => Ok(()),
    };
    if panicked { Err(CliError::Quiet(1)) } else { result.and(closed).and(cleared) }
}

/// How it ended; an interruption ends it, too.
async fn watch(ended: oneshot::Receiver<Result>) -> Result {
    let listen = |kind| signal(kind).map_err(|error| CliError::io("cannot listen to signals", &error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        result = ended => result.unwrap_or(Err(CliError::Quiet(1))),
        _ = interrupt.recv() => Err(CliError::Quiet(INTERRUPTED)),
        _ = terminate.recv() => Err(CliError::Quiet(INTERRUPTED)),
    }
}
