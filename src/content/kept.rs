//! Earlier versions: `history/<uuid>`, complete and durable before anybody records them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use uuid::Uuid;

use super::digest::byte_len;
use super::files::{self, IoContext, KEPT, invalid};
use super::staged::StagedFile;
use super::staged_read::FromStart;
use super::{ContentStore, Result};
use crate::sys::{durable, failpoint};
use crate::types::ByteRange;

impl ContentStore {
    /// Keeps complete staged bytes under `history/` and returns the file name there; durable before it returns. The staged name
    /// stays until [`ContentStore::discard`], so that no crash in between loses either.
    pub fn keep_staged(&self, staged: &StagedFile) -> Result<String> {
        let mut state = staged.freeze();
        let path = staged.path();
        if !state.missing(ByteRange::new(0, staged.size())).is_empty() {
            return Err(invalid("keep", &path, "blocks of the version below are missing"));
        }
        let (name, target) = self.new_kept();
        if !staged.is_suspect() && !state.discarded && staged.sync_frozen(&state) {
            // The inode becomes history: the staged file moves to a copy before it is written again.
            match fs::hard_link(&path, &target) {
                Ok(()) => {
                    state.inode_shared = true;
                    failpoint::reach("keep-linked");
                    let folder = &self.core.dirs.history;
                    durable::sync_directory(folder).context(KEPT, "sync", folder)?;
                    return Ok(name);
                }
                Err(error) => tracing::debug!(%error, "history cannot be linked and is copied"),
            }
        }
        self.keep_copy(&mut FromStart { file: &state.data, at: 0 })
    }

    /// Copies any reader's bytes to `history/` (durable before it returns) and returns the file name there.
    pub fn keep_copy(&self, reader: &mut dyn Read) -> Result<String> {
        let folder = &self.core.dirs.history;
        let (name, target) = self.new_kept();
        let mut temporary = files::temporary_in(folder).context(KEPT, "create", folder)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context(KEPT, "read for", &target),
            };
            self.core.reserve_kept(byte_len(&buffer[..count]))?;
            temporary.write_all(&buffer[..count]).context(KEPT, "write", &target)?;
        }
        durable::sync_all(temporary.as_file()).context(KEPT, "sync", &target)?;
        failpoint::reach("keep-copied");
        temporary.persist_noclobber(&target).map_err(|error| error.error).context(KEPT, "rename", &target)?;
        durable::sync_directory(folder).context(KEPT, "sync", folder)?;
        Ok(name)
    }

    /// Opens a kept version for reading.
    pub fn open_kept(&self, file: &str) -> Result<File> {
        let path = self.kept_path(file)?;
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path).context(KEPT, "open", &path)
    }

    /// Removes a kept version; one that is not there is fine.
    pub fn discard_kept(&self, file: &str) -> Result<()> {
        let path = self.kept_path(file)?;
        files::remove_if_there(&path).context(KEPT, "remove", &path)
    }

    fn new_kept(&self) -> (String, PathBuf) {
        let name = Uuid::new_v4().to_string();
        let path = self.core.dirs.history.join(&name);
        (name, path)
    }

    /// Only names that we gave: nothing that came from a database or a request can lead out of the folder.
    fn kept_path(&self, file: &str) -> Result<PathBuf> {
        let history = &self.core.dirs.history;
        if Uuid::try_parse(file).is_ok_and(|id| id.to_string() == file) {
            Ok(history.join(file))
        } else {
            Err(invalid("open", history, "that is not the name of a kept version"))
        }
    }
}
