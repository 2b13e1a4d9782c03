//! Starts the daemon when a command needs one and none is there.
//!
//! The daemon is this same program, detached: a process group of its own, input from nowhere, messages to its log. It says
//! on a pipe that it is ready, or why it cannot be; nothing here guesses by waiting.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Client;
use crate::control::protocol::{ErrorBody, ErrorCode, Problem};

/// What the daemon writes on its standard output when it accepts connections; else one line with an [`ErrorBody`].
pub const READY_LINE: &str = "ready";

/// Longest wait for the daemon to be ready: it opens databases and may have to repair one.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A log that is larger is put away when the daemon starts.
const LARGEST_LOG_BYTES: u64 = 8 * 1024 * 1024;

/// How often, and in which distance, to try again while another daemon is starting or ending.
const RACE_ATTEMPTS: u32 = 200;
const RACE_PAUSE: Duration = Duration::from_millis(100);

/// Starts `program` with `arguments` as the daemon, with its messages going to `log`, and waits until it is ready.
///
/// Another daemon may be just starting (two commands had the same idea) or just ending: then this asks again, a bounded
/// number of times, until that one answers or has gone.
pub async fn start(client: &Client, program: &Path, arguments: &[String], log: &Path) -> Result<(), Problem> {
    let mut refusal = Problem::new(ErrorCode::DaemonAbsent, "the daemon was not started");
    for _ in 0..RACE_ATTEMPTS {
        match start_once(program, arguments, log).await {
            Ok(()) => return Ok(()),
            Err(problem) if problem.code == ErrorCode::AlreadyRunning => refusal = problem,
            Err(problem) => {
                let hint = problem.hint.or_else(|| Some(format!("its messages are in {}", log.display())));
                return Err(Problem { code: ErrorCode::DaemonAbsent, hint, ..problem });
            }
        }
        tokio::time::sleep(RACE_PAUSE).await;
        if client.is_answering().await {
            return Ok(());
        }
    }
    Err(Problem { code: ErrorCode::DaemonAbsent, ..refusal })
}

async fn start_once(program: &Path, arguments: &[String], log: &Path) -> Result<(), Problem> {
    let io = |what: &str, error: std::io::Error| {
        Problem::new(ErrorCode::DaemonAbsent, format!("cannot start the daemon: {what}")).because(&error)
    };
    rotate(log).map_err(|error| io("putting its old log away", error))?;
    let messages = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(log)
        .map_err(|error| io("opening its log", error))?;
    let mut daemon = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(messages)
        .current_dir("/")
        .process_group(0)
        .spawn()
        .map_err(|error| io("running it", error))?;
    let Some(pipe) = daemon.stdout.take() else {
        return Err(Problem::new(ErrorCode::Internal, "the daemon has no pipe to tell that it is ready"));
    };

    let (told, hears) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(pipe).read_line(&mut line).map(|_| line);
        // The receiver is gone only after the time limit, and then nobody is interested.
        drop(told.send(read));
    });
    let line = match tokio::time::timeout(START_TIMEOUT, hears).await {
        Ok(Ok(Ok(line))) => line,
        Ok(Ok(Err(error))) => return Err(io("listening to it", error)),
        Ok(Err(_)) => return Err(Problem::new(ErrorCode::Internal, "nobody listened to the daemon")),
        Err(_) => {
            let late = format!("the daemon was not ready after {} s", START_TIMEOUT.as_secs());
            return Err(Problem::new(ErrorCode::DaemonAbsent, late));
        }
    };
    if line.trim_end() == READY_LINE {
        return Ok(());
    }
    // It has ended or is about to; it must not stay behind as a zombie of a long-running caller.
    drop(daemon.wait());
    match serde_json::from_str::<ErrorBody>(&line) {
        Ok(body) => Err(body.error),
        Err(_) => Err(Problem::new(ErrorCode::DaemonAbsent, "the daemon ended while it was starting")),
    }
}

/// Keeps one old log.
fn rotate(log: &Path) -> std::io::Result<()> {
    match std::fs::metadata(log) {
        Ok(found) if found.len() > LARGEST_LOG_BYTES => std::fs::rename(log, log.with_extension("log.1")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
