//! Starts the daemon again when something kills it, where no service manager does.
//!
//! A daemon that was started by a command has nobody who looks after it, and without it every call on a mount fails. So the process
//! that is started is this one: it starts the daemon as its child and waits. A child that ends by itself, whatever its exit code,
//! had its reason and is not started again; one that was ended by a signal or a panic is (promise P17). Owner of: the child.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::signals::StopSignals;
use crate::control::protocol::{ErrorCode, Problem};
use crate::sys::process::terminate;

/// Between a crash and the next start, as in the systemd unit.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// So many crashes in so short a time are no accident, and another start would not help.
const MOST_CRASHES: usize = 10;
const CRASH_WINDOW: Duration = Duration::from_secs(5 * 60);

/// Exit code of a Rust program whose main thread panicked.
const PANICKED: i32 = 101;

/// When to give up.
#[derive(Default)]
struct Crashes(VecDeque<Instant>);

impl Crashes {
    /// Counts one; false if it was one too many.
    fn bearable(&mut self, now: Instant) -> bool {
        self.0.push_back(now);
        while self.0.front().is_some_and(|first| now.duration_since(*first) > CRASH_WINDOW) {
            self.0.pop_front();
        }
        self.0.len() < MOST_CRASHES
    }
}

/// Runs `daemon`, again and again while it crashes; returns its exit code. Its first line on standard output, which says that it is
/// ready or why it cannot be, is passed on to ours the first time. `is_followed` tells of a crashed process that another daemon, which
/// has a supervisor of its own, has come after it: that one may even have been stopped since.
pub fn run(daemon: impl Fn() -> Command, is_followed: impl Fn(u32) -> bool) -> Result<u8, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::new(ErrorCode::Internal, "cannot wait for the daemon").because(&error))?;
    runtime.block_on(supervise(daemon, is_followed))
}

async fn supervise(daemon: impl Fn() -> Command, is_followed: impl Fn(u32) -> bool) -> Result<u8, Problem> {
    let mut signals = StopSignals::listen()?;
    let mut crashes = Crashes::default();
    let mut was_ready = false;
    loop {
        let mut child = daemon()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Problem::new(ErrorCode::Internal, "cannot start the daemon").because(&error))?;
        let pid = child.id();
        let said = listen(&mut child, !was_ready);
        let mut ended = tokio::task::spawn_blocking(move || child.wait());
        let status = loop {
            tokio::select! {
                status = &mut ended => break status,
                () = signals.requested() => {
                    if let Err(error) = terminate(pid) {
                        tracing::debug!(pid, %error, "the daemon has ended already");
                    }
                }
            }
        };
        let status = status
            .map_err(|error| Problem::new(ErrorCode::Internal, "cannot wait for the daemon").because(&error))?
            .map_err(|error| Problem::new(ErrorCode::Internal, "cannot wait for the daemon").because(&error))?;
        // Its pipe may still be held by a program that it started; what it said itself is there.
        was_ready |= tokio::time::timeout(RESTART_PAUSE, said).await.is_ok_and(|said| said.unwrap_or(false));
        if !(crashed(status) && was_ready && crashes.bearable(Instant::now())) {
            tracing::info!(pid, %status, "the daemon has ended and is not started again");
            return Ok(exit_code(status));
        }
        tracing::warn!(pid, %status, "the daemon crashed; it is started again");
        tokio::select! {
            () = tokio::time::sleep(RESTART_PAUSE) => {}
            () = signals.requested() => return Ok(exit_code(status)),
        }
        if is_followed(pid) {
            tracing::info!(pid, "another daemon has taken over");
            return Ok(exit_code(status));
        }
    }
}

/// Tells whether the child says a line, and passes it on; drains the rest until all who hold the pipe have ended.
fn listen(child: &mut Child, pass_on: bool) -> oneshot::Receiver<bool> {
    let (tell, told) = oneshot::channel();
    let pipe = child.stdout.take();
    std::thread::spawn(move || {
        let Some(pipe) = pipe else { return };
        let mut pipe = BufReader::new(pipe);
        let mut line = String::new();
        let said = pipe.read_line(&mut line).is_ok_and(|bytes| bytes > 0);
        if pass_on {
            let mut out = std::io::stdout().lock();
            if let Err(error) = out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
                tracing::debug!(%error, "whoever started the daemon does not listen any more");
            }
        }
        if tell.send(said).is_err() {
            tracing::debug!("the daemon spoke after its end");
        }
        if let Err(error) = std::io::copy(&mut pipe, &mut std::io::sink()) {
            tracing::debug!(%error, "the daemon's output cannot be read");
        }
    });
    told
}

/// True if it did not end by itself.
fn crashed(status: ExitStatus) -> bool {
    status.code().is_none_or(|code| code == PANICKED)
}

fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> impl Fn() -> Command {
        move || {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        }
    }

    #[test]
    fn an_end_by_itself_is_the_end_whatever_the_code() {
        for code in [0, 1, 2, 143] {
            assert_eq!(run(shell(&format!("echo ready; exit {code}")), |_| false).unwrap(), code);
        }
    }

    #[test]
    fn a_daemon_that_is_killed_before_it_is_ready_is_not_tried_again() {
        assert_eq!(run(shell("kill -9 $$"), |_| false).unwrap(), 1);
    }

    #[test]
    fn a_killed_daemon_is_started_again() {
        let dir = tempfile::tempdir().unwrap();
        let seen = dir.path().join("seen");
        let script = format!("echo ready; [ -e {0} ] && exit 7; touch {0}; kill -9 $$", seen.display());
        assert_eq!(run(shell(&script), |_| false).unwrap(), 7);
    }

    #[test]
    fn a_daemon_that_another_one_has_followed_stays_dead() {
        assert_eq!(run(shell("echo ready; kill -9 $$"), |_| true).unwrap(), 1);
    }

    #[test]
    fn ten_crashes_in_a_row_are_the_last() {
        let mut crashes = Crashes::default();
        let start = Instant::now();
        assert!((1..MOST_CRASHES).all(|_| crashes.bearable(start)));
        assert!(!crashes.bearable(start));
        assert!(crashes.bearable(start + CRASH_WINDOW + Duration::from_secs(1)), "the old ones are forgotten");
    }
}
