//! What lies under `blocks/` and is of no use: files that no index speaks for, and versions that nobody names any more. Harmless, but not
//! worth its space; `doctor` asks.

use std::path::PathBuf;
use std::sync::Arc;

use super::block_index::BlockIndexFile;
use super::files::{CACHED, IoContext, remove_if_there};
use super::{ContentStore, Result, scan};
use crate::catalog::Version;

impl ContentStore {
    /// Versions with cached bytes that nobody has open.
    pub fn idle_versions(&self) -> Result<Vec<Version>> {
        let blocks = &self.core.dirs.blocks;
        let mut keys = Vec::new();
        scan::for_each_data(blocks, |key, _| keys.push(key)).context(CACHED, "scan", blocks)?;
        let mut versions = Vec::new();
        for key in keys {
            let is_open = self.core.cached.lock().get(&key).is_some_and(|file| Arc::strong_count(&file) > 1);
            let path = self.core.index_path(key);
            if let (false, Some((_, header))) = (is_open, BlockIndexFile::open(&path).context(CACHED, "open", &path)?) {
                versions.push(header.version);
            }
        }
        Ok(versions)
    }

    /// Files under `blocks/` that belong to nothing that could be read.
    pub fn strays(&self) -> Result<Vec<PathBuf>> {
        let blocks = &self.core.dirs.blocks;
        let mut strays = scan::strays(blocks).context(CACHED, "scan", blocks)?;
        // One that somebody is just making has an index in a moment.
        strays.retain(|(key, _)| key.is_none_or(|key| self.core.cached.lock().get(&key).is_none()));
        Ok(strays.into_iter().map(|(_, path)| path).collect())
    }

    /// Removes what [`ContentStore::strays`] lists; returns how many there were.
    pub fn remove_strays(&self) -> Result<u64> {
        let strays = self.strays()?;
        for path in &strays {
            remove_if_there(path).context(CACHED, "remove", path)?;
        }
        Ok(u64::try_from(strays.len()).unwrap_or(u64::MAX))
    }
}
