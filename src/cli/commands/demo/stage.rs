//! Where the demonstration happens: a folder with everything in it, the simulated account, and two devices of one person.
//!
//! Invariant: after [`Stage::close`] no command runs any more, so that none can start a daemon again; [`Stage::clear`] comes when
//! nobody works in the folder any more, because removing files below a live mount would be work for it.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tempfile::TempDir;

use super::account::Account;
use super::device::{Device, Said};
use crate::cli::error::{CliError, Result};
use crate::control::protocol::{ErrorCode, Problem};

/// Preferred over the usual folder for temporary files, which may be no disk.
const ON_DISK: &str = "/var/tmp";

/// How long removing the folder is tried.
const LONGEST_REMOVAL: Duration = Duration::from_secs(5);

/// Where the demonstration happens.
pub(super) struct Stage {
    root: PathBuf,
    /// The account of both devices.
    pub(super) account: Account,
    /// Where the music is made.
    pub(super) studio: Device,
    /// Where it is listened to.
    pub(super) laptop: Device,
    temporary: Option<TempDir>,
    /// The folder of the control sockets: short, because the path of a socket must be.
    sockets: TempDir,
    /// No command runs any more.
    closed: Mutex<bool>,
    closing: Condvar,
}

impl Stage {
    /// In a temporary folder, or in a new one that stays. `seed`: of everything that the service draws by chance.
    pub(super) fn new(keep: Option<&Path>, seed: u64) -> Result<Self> {
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
        let device = |name| Device::new(name, &program, &root, sockets.path()).map_err(failed);
        Ok(Self {
            account: Account::start(&program, &root.join("account"), seed)?,
            studio: device("studio")?,
            laptop: device("laptop")?,
            root,
            temporary,
            sockets,
            closed: Mutex::new(false),
            closing: Condvar::new(),
        })
    }

    /// The folder of everything.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// What the account was filled with.
    pub(super) fn originals(&self) -> PathBuf {
        self.root.join("originals")
    }

    /// Both devices.
    pub(super) fn devices(&self) -> [&Device; 2] {
        [&self.studio, &self.laptop]
    }

    /// Runs a command of vaultfs on a device.
    pub(super) fn run(&self, device: &Device, words: &[&str]) -> Result<Said> {
        self.while_open(|| device.run(words))
    }

    /// Signs a device in.
    pub(super) fn connect(&self, device: &Device) -> Result<Said> {
        self.while_open(|| device.connect(&self.account))
    }

    /// Held while it runs: closing waits for it.
    fn while_open<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed { Err(CliError::Quiet(super::INTERRUPTED)) } else { act() }
    }

    /// Runs a command of vaultfs on a device and reads its answer.
    pub(super) fn ask<T: DeserializeOwned>(&self, device: &Device, words: &[&str]) -> Result<T> {
        let said = self.run(device, &[words, &["--json"]].concat())?;
        serde_json::from_str(&said.out).map_err(|error| {
            Problem::new(ErrorCode::Internal, format!("vaultfs {}: no answer", words.join(" "))).because(&error).into()
        })
    }

    /// Returns after this time, or when it is closed.
    pub(super) fn pause(&self, time: Duration) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether it was closed is for the next command to find.
        drop(self.closing.wait_timeout_while(closed, time, |closed| !*closed));
    }

    /// Waits until something has come to be, and returns how long that took; `None` if it took longer than this.
    pub(super) fn eventually(&self, longest: Duration, mut is_so: impl FnMut() -> bool) -> Result<Option<Duration>> {
        let asked = Instant::now();
        loop {
            if is_so() {
                return Ok(Some(asked.elapsed()));
            }
            if asked.elapsed() > longest {
                return Ok(None);
            }
            self.pause(Duration::from_millis(20));
            self.while_open(|| Ok(()))?;
        }
    }

    /// Ends the daemons with their mounts, then the account. Commands after this fail.
    pub(super) fn close(&self) -> Result {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = true;
        self.closing.notify_all();
        let ended = self.devices().map(Device::stop_daemon).into_iter().collect::<std::result::Result<Vec<()>, _>>();
        self.account.stop();
        ended.map(drop).map_err(|problem| {
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
