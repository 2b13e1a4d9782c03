//! Keeps the engine of a vault running. One that ends by an error or a crash is started again, since nobody looks after a daemon; that it
//! was so is told until it has gone through a whole cycle again.

use std::any::Any;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::news::Attention;
use super::tasks::Stop;
use crate::config::Settings;
use crate::control::protocol::{ErrorCode, Problem};
use crate::sync::Engine;

/// How long an engine that failed rests, the first time; twice as long each further time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Why the engine does not work, or has not yet shown that it does again. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Trouble {
    problem: Arc<Mutex<Option<Problem>>>,
    attention: Attention,
}

impl Trouble {
    /// None yet. `attention` is called for at every change.
    pub(super) fn new(attention: Attention) -> Self {
        Self { problem: Arc::default(), attention }
    }

    /// The problem, while there is one.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, problem: Option<Problem>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
        self.attention.call();
    }
}

/// Runs the engine until the vault is closed, while the settings want it to run by itself.
pub(super) async fn keep_as_set(
    vault: String,
    engine: Arc<Engine>,
    trouble: Trouble,
    mut settings: watch::Receiver<Settings>,
    mut stop: Stop,
) {
    loop {
        let auto = settings.borrow_and_update().sync.auto;
        engine.set_manual(!auto);
        let (tell, told) = watch::channel(false);
        let mut stopping = Stop::when(told);
        let work = async {
            if auto {
                keep(vault.clone(), Arc::clone(&engine), trouble.clone(), stopping).await;
            } else {
                trouble.set(None);
                stopping.requested().await;
            }
        };
        tokio::pin!(work);
        let is_over = tokio::select! {
            () = &mut work => return,
            () = stop.requested() => true,
            // An error means that the vault is gone, and this task with it.
            changed = settings.wait_for(|settings| settings.sync.auto != auto) => changed.is_err(),
        };
        // What is just being written is finished.
        tell.send_replace(true);
        work.await;
        if is_over {
            return;
        }
    }
}

/// Runs the engine until it is told to stop.
async fn keep(vault: String, engine: Arc<Engine>, trouble: Trouble, stop: Stop) {
    let run = |told| {
        let engine = Arc::clone(&engine);
        async move { engine.run(told).await.map_err(|error| Problem::new(ErrorCode::Io, "").because(&error)) }
    };
    keep_running(&vault, run, || engine.went_round(), &trouble, stop).await;
}

/// `run` is the work, `went_round` returns when a cycle of it has ended well.
async fn keep_running<R, W>(
    vault: &str,
    run: impl Fn(watch::Receiver<bool>) -> R,
    went_round: impl Fn() -> W,
    trouble: &Trouble,
    mut stop: Stop,
) where
    R: Future<Output = Result<(), Problem>> + Send + 'static,
    W: Future<Output = ()>,
{
    let mut failures = 0_u32;
    loop {
        // A task of its own, so that a crash ends nothing else; it ends with this one.
        let mut running = JoinSet::new();
        running.spawn(run(stop.clone().receiver()));
        let ended = loop {
            tokio::select! {
                biased;
                ended = running.join_next() => break ended,
                () = went_round(), if failures > 0 => {
                    failures = 0;
                    trouble.set(None);
                    tracing::info!(vault, "syncing works again");
                }
            }
        };
        let problem = match ended {
            Some(Ok(Ok(()))) | None => return,
            Some(Ok(Err(failed))) => failure(vault, failed.cause),
            Some(Err(error)) => match error.try_into_panic() {
                Ok(panic) => crash(vault, &*panic),
                // Cut off with everything else.
                Err(_) => return,
            },
        };
        tracing::error!(vault, %problem, failures, "the sync engine has ended and is started again");
        trouble.set(Some(problem));
        let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
        failures = failures.saturating_add(1);
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn failure(vault: &str, cause: Vec<String>) -> Problem {
    let what = format!("syncing of vault {vault} has stopped and is started again");
    let problem = Problem::new(ErrorCode::Io, what).hint("nothing is lost, what waits is kept; see `vaultfs doctor`");
    Problem { cause, ..problem }
}

fn crash(vault: &str, panic: &(dyn Any + Send)) -> Problem {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Problem::new(ErrorCode::Internal, format!("syncing of vault {vault} crashed and is started again"))
        .cause(message)
        .hint("nothing is lost, what waits is kept; this is a fault of vaultfs: report it with the log of the daemon")
}

#[cfg(test)]
#[path = "syncing_tests.rs"]
mod tests;
