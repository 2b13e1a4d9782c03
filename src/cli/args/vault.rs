//! Flags of `vault`.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};

use crate::config::value::{RawValue, ValueError};
use crate::vaults::VaultSetting;

/// `vault …`
#[derive(Subcommand, Debug)]
pub enum VaultCommand {
    /// Add a vault
    Add {
        /// Name of the vault: the folder that `mount --all` shows
        name: String,
        /// Where its files live
        #[arg(long, value_enum)]
        provider: ProviderArg,
        /// For local vaults: an existing folder. For clouds: the folder where you will mount it, for programs such as Muze
        #[arg(long, value_name = "DIR", required_if_eq("provider", "local"))]
        path: Option<PathBuf>,
        /// For clouds: the folder there, such as /Apps/Muze/MyVault; made if it is missing, / is the whole cloud, without it you choose
        #[arg(long, value_name = "FOLDER")]
        folder: Option<String>,
        /// For clouds: the account (not needed if there is only one)
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// What its folders mean
        #[arg(long, value_enum)]
        layout: Option<LayoutArg>,
        /// Let other users of this machine use its mounts, as far as permission bits allow
        #[arg(long)]
        allow_other: bool,
        /// A rehearsal of distance
        #[command(flatten)]
        link: LinkArgs,
    },
    /// List vaults
    List,
    /// Show one vault (the default vault if none is named)
    Show {
        /// Name or id
        name: Option<String>,
    },
    /// Rename a vault; its files stay as they are
    Rename {
        /// Name or id
        name: String,
        /// The new name
        new_name: String,
    },
    /// Forget a vault; its files at the provider stay
    Remove {
        /// Name or id
        name: String,
        /// Also if changes have not been sent; they are kept on disk
        #[arg(long)]
        even_if_unsent: bool,
    },
    /// Take over the vaults of the Muze recorder's registry; their files stay where they are
    Import {
        /// The registry (found by itself if it is where Muze keeps it)
        file: Option<PathBuf>,
    },
    /// Change a setting of a vault
    Set {
        /// Name or id
        name: String,
        /// Which setting
        #[arg(value_parser = settings())]
        key: VaultSetting,
        /// The new value
        value: String,
    },
    /// Put a setting of a vault back to what a new one has
    Unset {
        /// Name or id
        name: String,
        /// Which setting
        #[arg(value_parser = settings())]
        key: VaultSetting,
    },
    /// Show the default vault, or choose it: it is meant where no vault is named
    Default {
        /// Name or id
        name: Option<String>,
    },
    /// Show the active vault, or switch to another: programs such as Muze show it first
    Switch {
        /// Name or id
        name: Option<String>,
    },
}

/// The settings with their explanations.
fn settings() -> impl TypedValueParser<Value = VaultSetting> {
    let words = VaultSetting::ALL.map(|setting| PossibleValue::new(setting.as_str()).help(setting.about()));
    PossibleValuesParser::new(words).try_map(|word| word.parse::<VaultSetting>())
}

/// A simulated network link between a local vault and its folder: files are then fetched into the cache like those of a cloud.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Rehearsal: put the folder behind a slow network link that is not there")]
pub struct LinkArgs {
    /// How much longer every request takes, in milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=MAX_LATENCY_MS))]
    pub link_latency: Option<u64>,
    /// Bytes per second, both directions together, such as "4 MiB"; as fast as the disk without it
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    pub link_rate: Option<u64>,
}

/// Beyond this every call would be given up before its answer.
const MAX_LATENCY_MS: u64 = 10_000;

fn rate(text: &str) -> Result<u64, ValueError> {
    match RawValue::Text(text.to_owned()).rate()? {
        0 => Err(ValueError::Refused("a link of 0 bytes per second passes nothing; see `vaultfs offline`")),
        bytes => Ok(bytes),
    }
}

/// Providers.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProviderArg {
    /// A folder of this machine
    Local,
    /// Dropbox
    Dropbox,
    /// iCloud Drive
    Icloud,
}

/// Layouts.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayoutArg {
    /// Nothing special
    Plain,
    /// Collections, projects and mixes with their manifests
    Music,
    /// Case folders
    Cases,
}
