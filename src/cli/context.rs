//! What every command has at hand: where the folders are, how to print, and the way to the daemon.

use std::path::PathBuf;
use std::time::Duration;

use super::args::GlobalArgs;
use super::error::{CliError, Result};
use super::output::Output;
use crate::config::{Environment, Paths};
use crate::control::client::{Client, start};
use crate::control::protocol::{DaemonStatus, ErrorCode, Problem, VaultFilter};
use crate::daemon::DaemonSettings;

/// What a detached daemon cannot put into its log, in the state folder: why it crashed.
const STDERR_NAME: &str = "daemon.stderr";

/// How long a daemon that was told to stop may take: it unmounts, and finishes what it is just writing.
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// How often to look whether it has ended.
const END_PAUSE: Duration = Duration::from_millis(20);

/// What every command has at hand.
pub(super) struct Context {
    /// Where answers go.
    pub(super) output: Output,
    /// The folders of this user.
    pub(super) paths: Paths,
    /// The environment.
    pub(super) environment: Environment,
    /// Settings of the command line.
    pub(super) flags: Vec<(String, String)>,
}

impl Context {
    /// Finds the folders; touches nothing.
    pub(super) fn new(output: Output, environment: Environment, global: GlobalArgs) -> Result<Self> {
        let paths = Paths::find(&environment).map_err(|error| {
            Problem::new(ErrorCode::Io, "cannot tell where vaultfs keeps its files").because(&error)
        })?;
        let flags = global.device_name.map(|name| ("device_name".to_owned(), name)).into_iter().collect();
        Ok(Self { output, paths, environment, flags })
    }

    /// What `daemon run` needs.
    pub(super) fn daemon_settings(&self, detached: bool) -> DaemonSettings {
        let (paths, environment, flags) = (self.paths.clone(), self.environment.clone(), self.flags.clone());
        DaemonSettings { paths, environment, flags, detached }
    }

    /// The daemon; started if it does not run.
    pub(super) async fn daemon(&self) -> Result<Client> {
        let client = self.client()?;
        if !client.is_serving().await {
            self.start(&client).await?;
        } else if let Some((_, device)) = self.flags.first() {
            let status: DaemonStatus = client.get("daemon", &VaultFilter::default()).await?;
            if status.device != *device {
                let other = format!("the daemon already runs as device {}; stop it to run as {device}", status.device);
                self.output.note(other);
            }
        }
        Ok(client)
    }

    /// The daemon, if it runs.
    pub(super) async fn running_daemon(&self) -> Result<Client> {
        if let Some(client) = self.daemon_if_any().await? {
            return Ok(client);
        }
        Err(Problem::new(ErrorCode::DaemonAbsent, "the daemon is not running")
            .hint("it starts by itself when a command needs it; `vaultfs daemon run` runs it here")
            .into())
    }

    /// The daemon; `None` if none runs.
    pub(super) async fn daemon_if_any(&self) -> Result<Option<Client>> {
        let client = self.client()?;
        Ok(client.is_answering().await.then_some(client))
    }

    /// Returns when the daemon no longer answers.
    pub(super) async fn wait_for_end(&self, daemon: &Client) -> Result {
        let ended = async {
            while daemon.is_listening().await {
                tokio::time::sleep(END_PAUSE).await;
            }
        };
        tokio::time::timeout(END_TIMEOUT, ended).await.map_err(|_| {
            let late = format!("the daemon still runs after {} s", END_TIMEOUT.as_secs());
            CliError::Problem(Problem::new(ErrorCode::TimedOut, late).hint("see `vaultfs daemon status`"))
        })
    }

    fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.paths.control_socket(), self.paths.state())?)
    }

    async fn start(&self, client: &Client) -> Result {
        let program = program()?;
        self.paths
            .create()
            .map_err(|error| Problem::new(ErrorCode::Io, "cannot make the folders of vaultfs").because(&error))?;
        let mut arguments = ["daemon", "supervise"].map(str::to_owned).to_vec();
        arguments.extend(self.flag_arguments());
        start::start(client, &program, &arguments, &self.paths.state().join(STDERR_NAME)).await?;
        Ok(())
    }

    /// The settings of this command line, for another one of this program.
    pub(super) fn flag_arguments(&self) -> impl Iterator<Item = String> {
        self.flags.iter().flat_map(|(key, value)| [format!("--{}", key.replace('_', "-")), value.clone()])
    }
}

/// Where this program is.
pub(super) fn program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|error| CliError::io("cannot find this program", &error))
}
