//! The file `vaults.json`. Every change is load, change, save under a lock that holds between processes, so that no
//! update is ever lost; a file that cannot be understood is never overwritten.

use std::path::{Path, PathBuf};

use super::error::RegistryError;
use super::registry::Registry;
use crate::config::private_file::{self, ChangeLock};

/// The registry's file.
#[derive(Clone, Debug)]
pub struct RegistryFile {
    path: PathBuf,
}

impl RegistryFile {
    /// The registry kept at this path; the file need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The registry as it is now; no file is an empty one.
    pub fn load(&self) -> Result<Registry, RegistryError> {
        let bytes = private_file::read(&self.path)
            .map_err(|source| RegistryError::Unreadable { path: self.path.clone(), source })?;
        match bytes {
            Some(bytes) => Registry::parse(&self.path, &bytes),
            None => Ok(Registry::default()),
        }
    }

    /// Changes the registry: nobody else changes it between the load and the save. If `change` fails, or changes nothing,
    /// nothing is written. Blocks for as long as another process is at it, ten seconds at most.
    pub fn update<T>(
        &self,
        change: impl FnOnce(&mut Registry) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let unwritable = |source| RegistryError::Unwritable { path: self.path.clone(), source };
        let _lock = ChangeLock::acquire(&self.path).map_err(unwritable)?;
        let before = self.load()?;
        let mut after = before.clone();
        let result = change(&mut after)?;
        if after != before {
            after.repair();
            private_file::replace(&self.path, after.to_text().as_bytes(), false).map_err(unwritable)?;
        }
        Ok(result)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
