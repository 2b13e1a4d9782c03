//! vaultfs mounts vaults (local folders, Dropbox, iCloud) as ordinary folders.
pub mod catalog;
pub mod content;
pub mod provider;
pub mod sync;
pub mod types;
pub mod vfs;
