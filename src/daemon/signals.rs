//! Stop requests from outside: the first one asks, the second one insists.
//!
//! A terminal that closes (`SIGHUP`) does not concern the daemon.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::control::protocol::{ErrorCode, Problem};

/// Exit code of a daemon that was told twice: killed by request, as shells count it (128 + SIGTERM).
const INSISTED_EXIT: i32 = 143;

/// The signals that the daemon knows.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl StopSignals {
    /// Begins to listen: from here on the signals no longer kill.
    pub fn listen() -> Result<Self, Problem> {
        let listen = |kind| {
            signal(kind).map_err(|error| Problem::new(ErrorCode::Internal, "cannot listen to signals").because(&error))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Returns at a request to stop.
    pub async fn requested(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {}
            }
        }
    }

    /// Ends the process at the next request: everything acknowledged is on disk already, as after any crash.
    pub async fn end_at_the_next_one(mut self) {
        self.requested().await;
        tracing::warn!("told to stop twice: ending at once");
        std::process::exit(INSISTED_EXIT);
    }
}
