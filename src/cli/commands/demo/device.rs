//! A device of the demonstration: folders of its own, and this same program run with nothing but them.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::account::{APP_KEY, Account};
use crate::cli::error::{CliError, Result};
use crate::config::env;
use crate::config::settings::SETTINGS;
use crate::control::protocol::{ErrorCode, Problem};

/// A device.
pub(super) struct Device {
    name: &'static str,
    program: PathBuf,
    /// Everything of it but the socket.
    folder: PathBuf,
    sockets: PathBuf,
}

/// What a command said.
pub(super) struct Said {
    /// Standard output.
    pub(super) out: String,
    /// Standard error.
    pub(super) err: String,
}

impl Device {
    /// A device with nothing on it, below `root`.
    pub(super) fn new(name: &'static str, program: &Path, root: &Path, sockets: &Path) -> std::io::Result<Self> {
        let (folder, sockets) = (root.join(name), sockets.join(name));
        std::fs::create_dir_all(folder.join("mnt"))?;
        std::fs::create_dir(&sockets)?;
        Ok(Self { name, program: program.to_owned(), folder, sockets })
    }

    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Where all vaults are mounted.
    pub(super) fn mnt(&self) -> PathBuf {
        self.folder.join("mnt")
    }

    /// Runs a command of vaultfs and returns what it said; it must succeed. Paths are relative to the device's folder.
    pub(super) fn run(&self, words: &[&str]) -> Result<Said> {
        let output = self.command(words).output().map_err(|error| cannot_run(words, &error))?;
        said(words, &output)
    }

    /// Signs in to the account as a person does who has only a terminal: opens the address and types the code.
    pub(super) fn connect(&self, account: &Account) -> Result<Said> {
        let url = account.url();
        let words = ["connect", "dropbox", "--base-url", &url, "--app-key", APP_KEY, "--no-browser"];
        let failed = |error| cannot_run(&words, &error);
        let mut child = self
            .command(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut told = child.stderr.take().map(BufReader::new);
        let mut address = String::new();
        while let Some(lines) = &mut told
            && !address.trim().starts_with("http")
        {
            address.clear();
            if lines.read_line(&mut address).map_err(failed)? == 0 {
                break;
            }
        }
        if let (Some(mut stdin), false) = (child.stdin.take(), address.is_empty()) {
            writeln!(stdin, "{}", account.code(address.trim())?).map_err(failed)?;
        }
        let mut rest = Vec::new();
        if let Some(lines) = &mut told {
            lines.read_to_end(&mut rest).map_err(failed)?;
        }
        let output = child.wait_with_output().map_err(failed)?;
        said(&words, &Output { stderr: rest, ..output })
    }

    /// Ends the daemon with its mounts; none may run.
    pub(super) fn stop_daemon(&self) -> std::result::Result<(), Problem> {
        let failed = |cause: String| {
            Problem::new(ErrorCode::Internal, format!("the daemon of the {} does not end", self.name)).cause(cause)
        };
        let output = self.command(&["daemon", "stop"]).output().map_err(|error| failed(error.to_string()))?;
        let none_runs = output.status.code() == Some(ErrorCode::DaemonAbsent.exit_code().into());
        if output.status.success() || none_runs {
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// The program in its own small world: nothing that the user has set for the real one counts, and neither their key store nor
    /// their browser can be found.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for setting in SETTINGS {
            command.env_remove(setting.variable);
        }
        for desktop in [env::DBUS_SESSION_BUS_ADDRESS, env::BROWSER, env::DISPLAY, env::WAYLAND_DISPLAY] {
            command.env_remove(desktop);
        }
        command
            .env(env::VAULTFS_CONFIG_DIR, self.folder.join("settings"))
            .env(env::VAULTFS_STATE_DIR, self.folder.join("state"))
            .env(env::VAULTFS_CACHE_DIR, self.folder.join("cache"))
            .env(env::VAULTFS_RUNTIME_DIR, &self.sockets)
            .env(env::XDG_RUNTIME_DIR, &self.sockets)
            .env("VAULTFS_SECRETS_STORE", "file")
            .env("VAULTFS_DEVICE_NAME", self.name)
            // The account is on this machine, whatever stands between this machine and the world.
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .env(env::NO_COLOR, "1")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .args(words);
        command
    }
}

fn cannot_run(words: &[&str], error: &std::io::Error) -> CliError {
    CliError::io(format!("cannot run vaultfs {}", words.join(" ")), error)
}

fn said(words: &[&str], output: &Output) -> Result<Said> {
    let Output { status, stdout, stderr } = output;
    let said =
        Said { out: String::from_utf8_lossy(stdout).into_owned(), err: String::from_utf8_lossy(stderr).into_owned() };
    if status.success() {
        return Ok(said);
    }
    let problem = Problem::new(ErrorCode::Internal, format!("vaultfs {} failed ({status})", words.join(" ")));
    Err(said.err.lines().fold(problem, |problem, line| problem.cause(line)).into())
}
