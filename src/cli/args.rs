//! The flag table: parser, help, man pages and completions all come from here. The forms are fixed; scripts rely on them.

mod account;
mod music;
mod vault;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use account::{AccountArg, AccountCommand, CloudArg, ConnectArgs, RedirectArg};
pub use music::{MusicArg, NewArgs};
pub use vault::{LayoutArg, LinkArgs, ProviderArg, VaultCommand};

/// Mounts vaults (local folders, Dropbox, iCloud) as ordinary folders.
///
/// Names and sizes are there at once; bytes come when somebody reads them. Saves return at the speed of the local disk,
/// queue while offline, and flow to the provider in the background.
#[derive(Parser, Debug)]
#[command(
    name = "vaultfs",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct GlobalArgs {
    /// Print answers as JSON
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Name of this device in conflict names (read when the daemon starts)
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub device_name: Option<String>,
}

/// Commands.
#[derive(Subcommand, Debug)]
#[expect(missing_docs, reason = "the variants are documented by their help texts")]
pub enum Command {
    /// Add, list, show, change, rename, remove vaults; choose the default and the active one
    Vault {
        #[command(subcommand)]
        command: VaultCommand,
    },
    /// Sign in to a cloud
    Connect(ConnectArgs),
    /// Sign out of a cloud; files and unsent changes of its vaults stay
    Disconnect(AccountArg),
    /// Accounts of clouds: which there are, how they stand
    Account {
        #[command(subcommand)]
        command: Option<AccountCommand>,
    },
    /// See whether an account works: key store, sign-in, server, clock
    TestConnection(AccountArg),
    /// End a sign-in with the address that a browser has followed
    #[command(hide = true)]
    SignInRedirect {
        /// com.krondor.muze://oauth?…
        address: String,
    },
    /// Mount a vault, or all vaults as folders of one folder
    #[command(
        override_usage = "vaultfs mount [OPTIONS] NAME DIR\n       vaultfs mount [OPTIONS] --all DIR",
        allow_missing_positional = true
    )]
    Mount(MountArgs),
    /// Unmount; changes that are not in the cloud yet stay queued and are listed
    Unmount(UnmountArgs),
    /// The background process that serves all mounts
    Daemon {
        #[command(subcommand)]
        command: DaemonCommand,
    },
    /// What is here, what is in the cloud, what is on its way
    Status(StatusArgs),
    /// The cases of vaults with that layout, each with its state and what it holds
    Cases(VaultArg),
    /// Changes that are not at the provider yet, and what to do with them
    Queue {
        #[command(subcommand)]
        command: Option<QueueCommand>,
        #[command(flatten)]
        vault: VaultArg,
    },
    /// Read changes and send everything, now
    Sync(SyncArgs),
    /// Fetch a file or folder and keep it on this machine
    Pin(TargetArgs),
    /// No longer keep a file or folder on this machine
    Unpin(TargetArgs),
    /// Drop the local bytes of what is safe in the cloud
    Evict(TargetArgs),
    /// Return when a file or folder is safe in the cloud
    Wait(WaitArgs),
    /// Make a collection, project or mix in a vault of music
    New(NewArgs),
    /// Versions that were replaced or deleted
    History {
        #[command(subcommand)]
        command: Option<HistoryCommand>,
        #[command(flatten)]
        vault: VaultArg,
    },
    /// Files that were changed on two devices at once
    Conflicts {
        #[command(subcommand)]
        command: Option<ConflictsCommand>,
        #[command(flatten)]
        vault: VaultArg,
    },
    /// What never leaves this machine, and what is left out of it
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Every entry with its state, size, hash, revision and id at the provider, one per line
    Manifest(VaultArg),
    /// Check that everything is as the manifest says
    Verify {
        /// Read every byte that is here, list everything at the provider, and fetch again what has rotted
        #[arg(long)]
        deep: bool,
        #[command(flatten)]
        vault: VaultArg,
    },
    /// Look for trouble and say what to do
    Doctor {
        /// Put right what can be put right without losing anything
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        vault: VaultArg,
    },
    /// Settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
        #[command(flatten)]
        vault: VaultArg,
    },
    /// Behave as if there were no network
    Offline(NetworkArgs),
    /// Undo `offline`
    Online(NetworkArgs),
    /// Show vaultfs at work on two devices of a simulated Dropbox account
    Demo(DemoArgs),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Write man pages
    Man {
        /// Folder to write into
        dir: PathBuf,
    },
}

/// `--vault`.
#[derive(Args, Clone, Debug, Default)]
pub struct VaultArg {
    /// Only this vault (name or id)
    #[arg(long, global = true, value_name = "NAME")]
    pub vault: Option<String>,
}

/// A file or folder.
#[derive(Args, Clone, Debug)]
pub struct TargetArgs {
    /// File or folder in a mount; with --vault also a path in the vault
    pub path: PathBuf,
    /// The vault, for paths that are relative to it
    #[arg(long, value_name = "NAME")]
    pub vault: Option<String>,
}

/// `mount`
#[derive(Args, Debug)]
pub struct MountArgs {
    /// Name or id of the vault
    pub name: Option<String>,
    /// Existing empty folder
    pub dir: PathBuf,
    /// Mount every vault, each as a folder below DIR
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// Stay until it is unmounted; unmount when interrupted
    #[arg(long)]
    pub foreground: bool,
}

/// `unmount`
#[derive(Args, Debug)]
pub struct UnmountArgs {
    /// Mountpoint, or the folder given to `mount --all`
    pub dir: PathBuf,
    /// Return when every change is safe in the cloud
    #[arg(long)]
    pub wait: bool,
}

/// `daemon …`
#[derive(Subcommand, Clone, Copy, Debug)]
pub enum DaemonCommand {
    /// Run it here, until it is told to stop
    Run {
        /// Log to a file instead of standard error
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Run it in the background, and again if something kills it
    #[command(hide = true)]
    Supervise,
    /// Is it running?
    Status,
    /// Unmount everything and end it; what is queued stays queued
    Stop,
}

/// `status`
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// File or folder in a mount; with --vault also a path in the vault
    pub path: Option<PathBuf>,
    /// Only this vault (name or id)
    #[arg(long, value_name = "NAME")]
    pub vault: Option<String>,
    /// One word: idle, syncing, paused, offline, conflict, auth-required or error; of a PATH: synced, syncing, pending, held, filtered,
    /// local-only, unreadable, conflict or error
    #[arg(long)]
    pub short: bool,
}

/// `queue …`
#[derive(Subcommand, Debug)]
pub enum QueueCommand {
    /// List what is left to do (the default)
    List,
    /// Start nothing new
    Pause,
    /// Go on
    Resume,
    /// Try what failed again, now
    Retry {
        /// Only this file or folder
        path: Option<PathBuf>,
    },
    /// Keep a file or folder back
    Hold {
        /// File or folder
        path: PathBuf,
    },
    /// Let what was held go; without PATH also deletions that wait for a yes
    Release {
        /// File or folder
        path: Option<PathBuf>,
    },
    /// Give up a local change: the provider's version comes back, the local bytes go to history
    Discard {
        /// File or folder
        path: PathBuf,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Send a local edit over whatever the provider has; the provider's version goes to history
    Upload {
        /// File or folder
        path: PathBuf,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// `sync`
#[derive(Args, Debug)]
pub struct SyncArgs {
    /// The word may be left out
    #[arg(value_enum, value_name = "now", hide_possible_values = true)]
    pub now: Option<SyncNow>,
    /// List everything at the provider again, and repair
    #[arg(long, conflicts_with = "dry_run")]
    pub full: bool,
    /// Print what would be done; do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Only this vault (name or id)
    #[arg(long, value_name = "NAME")]
    pub vault: Option<String>,
}

/// The word `now`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncNow {
    /// Now.
    Now,
}

/// `wait`
#[derive(Args, Debug)]
pub struct WaitArgs {
    /// What to wait for
    #[command(flatten)]
    pub target: TargetArgs,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

/// `history …`
#[derive(Subcommand, Debug)]
pub enum HistoryCommand {
    /// List kept versions (the default)
    List,
    /// List what was decided by hand: versions that were overruled, files that were kept back, conflicts that were settled
    Decisions,
    /// Put a kept version back, beside what is there now
    Restore {
        /// Number in `history list`
        id: i64,
    },
    /// Write every kept version as a plain file
    Export {
        /// Folder to write into
        dir: PathBuf,
    },
}

/// `conflicts …`
#[derive(Subcommand, Debug)]
pub enum ConflictsCommand {
    /// List conflicts (the default)
    List,
    /// Say that a conflict is settled; without ID all of them. Deleting one of the two files says it, too
    Resolve {
        /// Number in `conflicts list`
        id: Option<i64>,
        /// Keep only one of the two versions, under the name; the other one goes to history
        #[arg(long, value_enum, requires = "id")]
        keep: Option<KeepArg>,
        /// Do not ask
        #[arg(long, short, requires = "keep")]
        yes: bool,
    },
    /// Write both versions of every conflict as plain files
    Export {
        /// Folder to write into
        dir: PathBuf,
    },
}

/// `--keep`
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeepArg {
    /// The version of this device
    Ours,
    /// The version of the other device
    Theirs,
    /// The version that has the name, whoever made it
    Named,
    /// The version beside it, whoever made it
    Copy,
    /// Both, as they are
    Both,
}

/// `rules …`
#[derive(Subcommand, Debug)]
pub enum RulesCommand {
    /// Say whether a file takes part in syncing, and which rule or which part of the filter says so
    Why {
        /// File name, path in the vault, or file in a mount
        name: String,
        /// The vault whose rules apply (the default vault if none is named)
        #[arg(long, value_name = "NAME")]
        vault: Option<String>,
    },
}

/// `config …`
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Every setting, its value and where it comes from
    Show,
    /// Change a setting in the settings file; a running daemon is told
    Set {
        /// Name of the setting, as `config show` prints it
        key: String,
        /// New value; several with commas between them, or as ["a", "b"]
        value: String,
    },
    /// Take a setting out of the settings file, so that the default (or the value for all vaults) holds again
    Unset {
        /// Name of the setting, as `config show` prints it
        key: String,
    },
    /// Tell a running daemon that the settings file was changed by hand
    Reload,
}

/// `offline`, `online`
#[derive(Args, Debug)]
pub struct NetworkArgs {
    /// Only this vault (name or id)
    pub name: Option<String>,
}

/// `demo`
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Do not wait between the steps
    #[arg(long)]
    pub fast: bool,
    /// Then make the service and the link bad, kill a daemon in the middle of its work, and look for what was lost
    #[arg(long)]
    pub chaos: bool,
    /// Seed of what goes wrong by chance
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "chaos")]
    pub seed: u64,
    /// Work in this new folder and leave it there: files, settings, state, cache and log of both devices
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
