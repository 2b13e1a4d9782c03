//! Named background tasks. None crashes unseen: one that panics is a problem that `daemon status` shows. A task whose
//! work is done may end by itself.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

use crate::control::protocol::{ErrorCode, Problem};

/// Tells tasks to end. Clones tell the same.
#[derive(Clone)]
pub struct Stop {
    told: watch::Receiver<bool>,
}

impl Stop {
    /// Tells to end once the value is true, or its sender is gone.
    pub fn when(told: watch::Receiver<bool>) -> Self {
        Self { told }
    }

    /// Returns when it is time to end.
    pub async fn requested(&mut self) {
        // An error means that the owner is gone, which is the same request.
        drop(self.told.wait_for(|told| *told).await);
    }

    /// The request as a channel.
    pub fn receiver(self) -> watch::Receiver<bool> {
        self.told
    }
}

/// The tasks of one owner.
pub struct Tasks {
    running: Mutex<Running>,
    tell: watch::Sender<bool>,
}

#[derive(Default)]
struct Running {
    set: JoinSet<()>,
    names: HashMap<Id, String>,
    crashed: Vec<Problem>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { running: Mutex::default(), tell: watch::Sender::new(false) }
    }
}

impl Tasks {
    /// Starts a task; it must end soon after its [`Stop`] says so.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: impl Into<String>,
        task: impl FnOnce(Stop) -> F,
    ) {
        let stop = Stop { told: self.tell.subscribe() };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = running.set.spawn(task(stop));
        running.names.insert(handle.id(), name.into());
    }

    /// Looks which tasks have ended and why. Called by whoever reports problems.
    pub fn problems(&self) -> Vec<Problem> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = running.set.try_join_next_with_id() {
            let (id, crashed) = match ended {
                Ok((id, ())) => (id, false),
                Err(error) => (error.id(), error.is_panic()),
            };
            let name = running.names.remove(&id).unwrap_or_default();
            if crashed {
                tracing::error!(task = name, "a background task crashed");
                running.crashed.push(
                    Problem::new(ErrorCode::Internal, format!("the task `{name}` crashed"))
                        .hint("restart the daemon with `vaultfs daemon stop`, and report it with the daemon's log"),
                );
            }
        }
        running.crashed.clone()
    }

    /// Tells every task to end and waits; what has not ended after `grace` is cut off and named.
    pub async fn stop(&self, grace: Duration) -> Vec<String> {
        self.tell.send_replace(true);
        let Running { mut set, mut names, .. } =
            std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        let drain = async {
            while let Some(ended) = set.join_next_with_id().await {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                names.remove(&id);
            }
        };
        if tokio::time::timeout(grace, drain).await.is_ok() {
            return Vec::new();
        }
        set.abort_all();
        names.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_end_when_they_are_told_to() {
        let tasks = Tasks::default();
        tasks.spawn("listener", |mut stop| async move { stop.requested().await });
        assert!(tasks.stop(Duration::from_secs(5)).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_cut_off_and_named() {
        let tasks = Tasks::default();
        tasks.spawn("sleeper", |_stop| std::future::pending());
        assert_eq!(tasks.stop(Duration::from_secs(5)).await, ["sleeper"]);
    }

    #[tokio::test]
    async fn a_crash_is_a_problem_with_a_name() {
        let tasks = Tasks::default();
        tasks.spawn("fragile", |_stop| async { panic!("expected by this test") });
        while tasks.problems().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(tasks.problems()[0].what.contains("fragile"));
    }
}
