//! The registry of vaults and their layouts.
//!
//! [`Registry`] is the document `vaults.json` as a value, [`RegistryFile`] the one place that reads and writes the file,
//! [`layout`] what folders mean to the people who use a vault. The registry has the shape of the Muze recorder's own, so
//! that either program can open the other's; what only vaultfs knows sits under `vaultfs` in each vault, and whatever
//! neither knows survives every rewrite in its place.

mod error;
pub mod layout;
mod model;
mod muze;
mod reader;
mod registry;
pub mod root;
mod setting;
mod store;

pub use error::{Location, NameProblem, RegistryError};
pub use model::{
    DropboxConfig, IcloudConfig, MountSettings, NewVault, ProviderKind, SimulatedLink, SyncStatus, UnknownProvider,
    Vault, VaultfsSettings,
};
pub use muze::{Import, Imported};
pub use registry::Registry;
pub use setting::{UnknownSetting, VaultSetting};
pub use store::RegistryFile;

#[cfg(test)]
mod schema_tests;
