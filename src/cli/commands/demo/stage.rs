//! Where the demonstration happens: a folder with everything in it, and this same program run against it.
//!
//! Invariant: after [`Stage::close`] no command runs any more, so that none can start the daemon again; [`Stage::clear`] comes when
//! nobody works in the folder any more, because removing files below a live mount would be work for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::cli::error::{CliError, Result};
use crate::config::env;
use crate::config::settings::SETTINGS;
use crate::control::protocol::{ErrorCode, Problem};

/// Preferred over the usual folder for temporary files, which may be no disk.
const ON_DISK: &str = "/var/tmp";

/// How long removing the folder is tried.
const LONGEST_REMOVAL: Duration = Duration::from_secs(5);

/// Where the demonstration happens.
pub(super) struct Stage {
    root: PathBuf,
    program: PathBuf,
    temporary: Option<TempDir>,
    /// The folder of the control socket: short, because the path of a socket must be.
    sockets: TempDir,
    /// No command runs any more.
    closed: Mutex<bool>,
    closing: Condvar,
}

/// What a command said.
pub(super) struct Said {
    /// Standard output.
    pub(super) out: String,
    /// Standard error.
    pub(super) err: String,
}

impl Stage {
    /// In a temporary folder, or in a new one that stays.
    pub(super) fn new(keep: Option<&Path>) -> Result<Self> {
        let failed = |error| CliError::io("cannot make a folder for the demonstration", &error);
        let program = std::env::current_exe().map_err(|error| CliError::io("cannot find this program", &error))?;
        let sockets = tempfile::Builder::new().prefix("vaultfs-demo-").tempdir().map_err(failed)?;
        let (root, temporary) = match keep {
            Some(dir) => {
                std::fs::create_dir(dir)
                    .map_err(|error| CliError::io(format!("cannot make the new folder `{}`", dir.display()), &error))?;
                (dir.canonicalize().map_err(failed)?, None)
            }
            None => {
                let named = || tempfile::Builder::new().prefix("vaultfs-demo-").to_owned();
                let temporary = named().tempdir_in(ON_DISK).or_else(|_| named().tempdir()).map_err(failed)?;
                (temporary.path().canonicalize().map_err(failed)?, Some(temporary))
            }
        };
        for folder in ["provider", "mnt"] {
            std::fs::create_dir(root.join(folder)).map_err(failed)?;
        }
        Ok(Self { root, program, temporary, sockets, closed: Mutex::new(false), closing: Condvar::new() })
    }

    /// The folder of everything.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The vaults' own folders.
    pub(super) fn provider(&self) -> PathBuf {
        self.root.join("provider")
    }

    /// Where all vaults are mounted.
    pub(super) fn mnt(&self) -> PathBuf {
        self.root.join("mnt")
    }

    /// Runs a command of vaultfs, which must succeed. Paths are relative to [`Stage::root`].
    pub(super) fn run(&self, words: &[&str]) -> Result<Said> {
        // Held while it runs: closing waits for it.
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(CliError::Quiet(super::INTERRUPTED));
        }
        self.said(words)
    }

    /// Runs a command of vaultfs and reads its answer.
    pub(super) fn ask<T: DeserializeOwned>(&self, words: &[&str]) -> Result<T> {
        let said = self.run(&[words, &["--json"]].concat())?;
        serde_json::from_str(&said.out).map_err(|error| {
            Problem::new(ErrorCode::Internal, format!("vaultfs {}: no answer", words.join(" "))).because(&error).into()
        })
    }

    fn said(&self, words: &[&str]) -> Result<Said> {
        let line = words.join(" ");
        let output =
            self.command(words).output().map_err(|error| CliError::io(format!("cannot run vaultfs {line}"), &error))?;
        let Output { status, stdout, stderr } = output;
        let said = Said {
            out: String::from_utf8_lossy(&stdout).into_owned(),
            err: String::from_utf8_lossy(&stderr).into_owned(),
        };
        if status.success() {
            return Ok(said);
        }
        let problem = Problem::new(ErrorCode::Internal, format!("vaultfs {line} failed ({status})"));
        Err(said.err.lines().fold(problem, |problem, line| problem.cause(line)).into())
    }

    /// The program in its own small world: nothing that the user has set for the real one counts.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for setting in SETTINGS {
            command.env_remove(setting.variable);
        }
        command
            .env(env::VAULTFS_CONFIG_DIR, self.root.join("settings"))
            .env(env::VAULTFS_STATE_DIR, self.root.join("state"))
            .env(env::VAULTFS_CACHE_DIR, self.root.join("cache"))
            .env(env::VAULTFS_RUNTIME_DIR, self.sockets.path())
            .env(env::NO_COLOR, "1")
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .args(words);
        command
    }

    /// Returns after this time, or when it is closed.
    pub(super) fn pause(&self, time: Duration) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether it was closed is for the next command to find.
        drop(self.closing.wait_timeout_while(closed, time, |closed| !*closed));
    }

    /// Ends the daemon with its mounts. Commands after this fail.
    pub(super) fn close(&self) -> Result {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = true;
        self.closing.notify_all();
        self.stop_daemon().map_err(|problem| {
            let hint = format!("end the process and unmount what is below {}", self.root.display());
            problem.hint(hint).into()
        })
    }

    /// Removes the folders, except for one that shall stay.
    pub(super) fn clear(self) -> Result {
        [Some(self.sockets), self.temporary].into_iter().flatten().try_for_each(remove)
    }

    /// Leaves everything as it is: a daemon still works in it.
    pub(super) fn abandon(self) {
        for left in [Some(self.sockets), self.temporary].into_iter().flatten() {
            tracing::debug!(folder = %left.keep().display(), "left");
        }
    }

    /// Ends the daemon with its mounts; none may run.
    fn stop_daemon(&self) -> std::result::Result<(), Problem> {
        let failed = |cause: String| Problem::new(ErrorCode::Internal, "the daemon does not end").cause(cause);
        let output = self.command(&["daemon", "stop"]).output().map_err(|error| failed(error.to_string()))?;
        let none_runs = output.status.code() == Some(ErrorCode::DaemonAbsent.exit_code().into());
        if output.status.success() || none_runs {
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

/// A daemon that no longer answers may still be closing its files for a moment.
fn remove(folder: TempDir) -> Result {
    let (path, asked) = (folder.keep(), Instant::now());
    loop {
        match std::fs::remove_dir_all(&path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) if asked.elapsed() > LONGEST_REMOVAL => {
                return Err(CliError::io(format!("cannot remove {}", path.display()), &error));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
