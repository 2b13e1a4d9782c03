//! Staged bytes that cannot be served as what they were: put aside as they are, for a person to look at. Nothing precious is deleted for being
//! damaged.

use std::fs;
use std::path::PathBuf;

use super::files::{IoContext, STAGED, create_private_dir};
use super::scan::{MAP, RECORD, allocated};
use super::{ContentDirs, ContentStore, Result, record};
use crate::sys::durable;
use crate::types::StagedId;

impl ContentDirs {
    /// `$XDG_STATE_HOME/vaultfs/<vault>/quarantine`: the catalog's, too.
    pub fn quarantine(&self) -> PathBuf {
        self.staging.with_file_name("quarantine")
    }
}

impl ContentStore {
    /// True if staged bytes had a record and it cannot be believed any more. Bytes without one were promised to nobody; these were.
    pub fn is_record_damaged(&self, id: StagedId) -> Result<bool> {
        let path = self.core.staged_path(id).with_extension(RECORD);
        Ok(path.exists() && self.record(id)?.is_none() && record::read(&path)?.is_none())
    }

    /// Moves the data, the map and the record of staged bytes out of the way, and returns the folder where they are. Nobody has them open:
    /// they cannot be opened.
    pub fn set_aside(&self, id: StagedId) -> Result<PathBuf> {
        let data = self.core.staged_path(id);
        let folder = self.core.dirs.quarantine().join(format!("staged-{id}"));
        create_private_dir(&folder).context(STAGED, "create", &folder)?;
        let occupied = allocated(&data);
        // The data last: until it has moved, all of it is found again by the next start.
        let parts =
            [(data.with_extension(RECORD), "record"), (data.with_extension(MAP), "map"), (data.clone(), "bytes")];
        for (from, name) in parts {
            match fs::rename(&from, folder.join(name)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                moved => moved.context(STAGED, "put aside", &from)?,
            }
        }
        self.core.space.staged_changed(occupied, 0);
        for folder in [&folder, &self.core.dirs.quarantine(), &self.core.dirs.staging] {
            durable::sync_directory(folder).context(STAGED, "sync", folder)?;
        }
        tracing::error!(%id, folder = %folder.display(), "staged bytes are damaged and were put aside");
        Ok(folder)
    }
}
