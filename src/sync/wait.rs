//! How the loop sleeps: until a job ends, the provider says that something changed, the mount or a person wants something, or the clock
//! says so. A vault with nothing to do has one question open at the provider and one timer.

use std::time::Duration;

use futures_util::stream::StreamExt;
use tokio::sync::watch;

use super::drive::Drive;
use super::engine::{Reach, Why};
use super::error::{Result, SyncError};
use crate::provider::{ChangeFeed, ErrorKind, ProviderError};

/// How long one wait for the provider's notice takes at most.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

impl Drive<'_> {
    /// Sleeps until something happens, and takes note of it.
    pub(super) async fn wait(&mut self, stop: &mut Option<&mut watch::Receiver<bool>>) -> Result<()> {
        self.listen();
        let timer = self.timer();
        let stopped = async {
            match stop {
                Some(stop) => {
                    // An error means that nobody can stop us any more: the same as being told to.
                    drop(stop.wait_for(|stop| *stop).await);
                }
                None => std::future::pending().await,
            }
        };
        let noticed = async {
            match &mut self.notice {
                Some(notice) => notice.await,
                None => std::future::pending().await,
            }
        };
        let slept = async {
            match timer {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stopped => Ok(()),
            Some(finished) = self.jobs.next() => self.finished(finished),
            result = noticed => { self.notice = None; self.noticed(result); Ok(()) }
            () = self.engine.wake.notified() => Ok(()),
            () = slept => { self.timer_rang(); Ok(()) }
        }
    }

    /// Keeps one question open at the provider: tell me when something changes.
    fn listen(&mut self) {
        if self.mode.ends() {
            return;
        }
        let engine = self.engine;
        {
            let state = engine.state();
            if state.paused || state.told_offline || state.reach != Reach::Online || !state.has_pulled {
                self.notice = None;
                return;
            }
            if self.notice.is_some() || self.contacting || state.pulled != state.pull_wanted {
                return;
            }
        }
        let Ok(Some(cursor)) = engine.catalog.read(|view| Ok(view.feed()?.cursor)) else { return };
        self.notice = Some(Box::pin(async move {
            match engine.provider.capabilities().change_feed {
                ChangeFeed::Notified => {
                    let asked = engine.clock.monotonic();
                    engine.provider.wait_for_changes(&cursor, LONGEST_WAIT).await?;
                    let waited = engine.clock.monotonic().saturating_duration_since(asked);
                    Ok(if waited < LONGEST_WAIT { Why::Hint } else { Why::Routine })
                }
                ChangeFeed::Polled(every) => {
                    tokio::time::sleep(every).await;
                    Ok(Why::Routine)
                }
            }
        }));
    }

    fn noticed(&mut self, result: std::result::Result<Why, ProviderError>) {
        let why = match result {
            Ok(why) => why,
            Err(error) => {
                // Of a lost cursor the pull that follows finds out, and lists everything.
                if error.kind != ErrorKind::CursorReset {
                    self.engine.pull_failed(&SyncError::Provider(error));
                }
                Why::Hint
            }
        };
        self.engine.want_pull(why);
    }

    /// How long nothing has to be done by the clock.
    fn timer(&self) -> Option<Duration> {
        if self.mode.ends() {
            return None;
        }
        let state = self.engine.state();
        let now = self.engine.clock.monotonic();
        if state.paused || state.told_offline {
            return None;
        }
        let mut pause: Option<Duration> = None;
        let mut at_most = |wait: Duration| pause = Some(pause.map_or(wait, |pause| pause.min(wait)));
        match &state.reach {
            Reach::Lost(lost) => at_most(lost.next_probe.saturating_duration_since(now)),
            Reach::Online => {
                if let Some(due) = self.next_due {
                    at_most(due.since(self.engine.clock.now()));
                }
                if let Some((due, _)) = state.pull_due {
                    at_most(due.saturating_duration_since(now));
                }
                if let Some(until) = state.pull_not_before {
                    at_most(until.saturating_duration_since(now));
                }
                if (state.kicked || state.replan) && state.has_pulled {
                    at_most(self.plan_gap());
                }
            }
        }
        // A clock that stands still must not make a busy loop.
        pause.map(|pause| pause.max(Duration::from_millis(1)))
    }

    fn timer_rang(&mut self) {
        if self.next_due.is_some_and(|due| due <= self.engine.clock.now()) {
            self.next_due = None;
            self.rounds = 0;
            self.engine.state().replan = true;
        }
    }
}
