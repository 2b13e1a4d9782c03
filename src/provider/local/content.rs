//! Bytes: ranged reads of one revision, and uploads that appear as a whole or not at all.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};

use crate::provider::{ErrorKind, ProviderError, RemoteEntry, Result, Upload, UploadTarget};
use crate::sys::{disk, failpoint};
use crate::types::{ByteRange, ContentHash, ContentHasher, EntryName, RemoteId, Revision, Timestamp};

use super::attributes::carry_over;
use super::error::{index_error, io_error};
use super::index::{self, Index, Row};
use super::root::{Stat, exchange, open_file, rename_new, sync_dir};
use super::state::{Local, Located, expect_revision, stat_open};
use super::{blocking, check_name, effect_unknown};

/// Bytes that are copied at a time.
const PART_BYTES: u64 = 1024 * 1024;

/// Permission bits of a new file, before the umask: those that any program would ask for.
const NEW_FILE: u32 = 0o666;
/// Of a new version until it is complete and gets those of the one that it replaces: its bytes may be nobody else's business.
const NEXT_VERSION: u32 = 0o600;

const READ: &str = "read";
const UPLOAD: &str = "upload";

impl Local {
    /// Reads exactly `range` of one revision.
    pub(super) fn read(&self, id: &RemoteId, revision: &Revision, range: ByteRange) -> Result<Bytes> {
        let root = self.held_root(READ)?;
        let open = || {
            if let Some(found) = self.open_current(&root, id, revision) {
                return Ok(found);
            }
            self.with_entry(READ, &root, id, |_, Located { row, folder }| {
                expect_revision(&row, revision, ErrorKind::RevisionGone, READ)?;
                let file = open_file(&folder, row.name.as_str())
                    .map_err(|error| io_error(READ, row.name.as_str(), error))?
                    .into_std();
                if stat_open(&file, &row.name, READ)? != row.stat {
                    return Err(revision_gone(&row));
                }
                Ok((file, row))
            })
        };
        let (file, row) = open()?;
        if range.end > row.stat.size {
            let size = row.stat.size;
            let text = format!("{}: bytes {}..{} of {size}", row.name, range.start, range.end);
            return Err(ProviderError::new(ErrorKind::Invalid, READ, text));
        }
        let length = usize::try_from(range.len())
            .map_err(|error| ProviderError::new(ErrorKind::Invalid, READ, "range").caused_by(error))?;
        let mut buffer = vec![0; length];
        match file.read_exact_at(&mut buffer, range.start) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(revision_gone(&row)),
            Err(error) => return Err(io_error(READ, row.name.as_str(), error)),
        }
        // Somebody may have written while we read. A mere rename is told apart by looking it up again.
        let after = stat_open(&file, &row.name, READ)?;
        if after != row.stat && !(after.same_content(&row.stat) && open()?.1.stat == after) {
            return Err(revision_gone(&row));
        }
        Ok(buffer.into())
    }

    fn begin_upload(self: Arc<Self>, target: &UploadTarget) -> Result<Temporary> {
        let root = self.root(UPLOAD)?;
        let create = |folder: Dir, mode| Temporary::create(&self, folder, mode);
        match target {
            UploadTarget::Create { parent, name } => {
                check_name(UPLOAD, name)?;
                self.with_folder(UPLOAD, &root, parent, |_, _, folder| match folder.symlink_metadata(name.as_str()) {
                    Ok(_) => Err(ProviderError::new(ErrorKind::Exists, UPLOAD, format!("{name} exists"))),
                    Err(_) => create(folder, NEW_FILE),
                })
            }
            UploadTarget::Replace { id, expected } => {
                self.with_entry(UPLOAD, &root, id, |_, Located { row, folder }| {
                    expect_revision(&row, expected, ErrorKind::RevisionMismatch, UPLOAD)?;
                    create(folder, NEXT_VERSION)
                })
            }
        }
    }

    fn commit_upload(
        &self,
        temporary: &mut Temporary,
        target: &UploadTarget,
        hash: ContentHash,
    ) -> Result<RemoteEntry> {
        let root = self.root(UPLOAD)?;
        match target {
            UploadTarget::Create { parent, name } => {
                self.vacate(UPLOAD, parent, name)?;
                self.with_folder(UPLOAD, &root, parent, |index, parent, folder| {
                    temporary.commit_new(index, parent, &folder, name, hash)
                })
            }
            UploadTarget::Replace { id, expected } => self.with_entry(UPLOAD, &root, id, |index, located| {
                expect_revision(&located.row, expected, ErrorKind::RevisionMismatch, UPLOAD)?;
                temporary.commit_over(index, located, hash)
            }),
        }
    }
}

/// Stores one file version.
pub(super) async fn upload(local: &Arc<Local>, upload: Upload<'_>) -> Result<RemoteEntry> {
    let target = upload.target.clone();
    let mut temporary = blocking(UPLOAD, local, move |local| Arc::clone(local).begin_upload(&target)).await?;
    let mut hasher = ContentHasher::new(upload.hash.kind);
    let size = upload.source.size();
    let mut offset = 0;
    while offset < size {
        let granted = upload.observer.grant(PART_BYTES.min(size - offset)).await;
        let mut part = vec![0; usize::try_from(granted).unwrap_or_default()];
        upload.source.read_at(offset, &mut part).map_err(|error| io_error(UPLOAD, "the bytes to upload", error))?;
        hasher.update(&part);
        temporary = temporary.write(offset, part).await?;
        offset += granted;
        upload.observer.progressed(offset);
    }
    if hasher.finish() != upload.hash {
        return Err(ProviderError::new(
            ErrorKind::Corrupt,
            UPLOAD,
            "the bytes are not those that the hash was made of",
        ));
    }
    let (target, hash, modified) = (upload.target, upload.hash, upload.modified);
    blocking(UPLOAD, local, move |local| {
        temporary.finish(size, modified)?;
        local.commit_upload(&mut temporary, &target, hash)
    })
    .await
}

fn revision_gone(row: &Row) -> ProviderError {
    ProviderError::new(ErrorKind::RevisionGone, READ, format!("{} changed while it was read", row.name))
}

/// An upload in progress: a file under a reserved name that disappears with this value, unless it was committed.
struct Temporary {
    local: Arc<Local>,
    folder: Dir,
    name: String,
    file: Arc<File>,
}

impl Temporary {
    fn create(local: &Arc<Local>, folder: Dir, mode: u32) -> Result<Self> {
        let name = local.reserve_temporary();
        match folder.open_with(&name, OpenOptions::new().write(true).create_new(true).mode(mode)) {
            Ok(file) => Ok(Self { local: Arc::clone(local), folder, name, file: Arc::new(file.into_std()) }),
            Err(error) => {
                local.release_temporary(&name);
                Err(io_error(UPLOAD, "a temporary file", error))
            }
        }
    }

    async fn write(self, offset: u64, part: Vec<u8>) -> Result<Self> {
        let local = Arc::clone(&self.local);
        blocking(UPLOAD, &local, move |_| {
            let written = disk::write_sparse(&self.file, &part, offset);
            written.map_err(|error| io_error(UPLOAD, "a temporary file", error))?;
            Ok(self)
        })
        .await
    }

    /// Makes the bytes durable. Zeros at the end were left out and are put there now.
    fn finish(&self, size: u64, modified: Timestamp) -> Result<()> {
        let finish = || {
            self.file.set_len(size)?;
            self.file.set_modified(modified.to_system())?;
            self.file.sync_all()
        };
        finish().map_err(|error| io_error(UPLOAD, "a temporary file", error))
    }

    fn commit_new(
        &mut self,
        index: &mut Index,
        parent: i64,
        folder: &Dir,
        name: &EntryName,
        hash: ContentHash,
    ) -> Result<RemoteEntry> {
        let failed = |error| io_error(UPLOAD, name.as_str(), error);
        let before = Stat::of_file(&self.file).map_err(failed)?;
        rename_new(&self.folder, &self.name, folder, name.as_str()).map_err(failed)?;
        failpoint::reach("local-file-made");
        let record = |index: &mut Index| -> rusqlite::Result<RemoteEntry> {
            Local::claim(index, parent, name)?;
            let row = index.insert(parent, name, &self.committed(before), None, Some(hash))?;
            Local::entry(index.connection(), row)
        };
        let entry = index.batch(record).map_err(|error| effect_unknown(index_error(UPLOAD, error)))?;
        sync_dir(folder).map_err(|error| effect_unknown(failed(error)))?;
        Ok(entry)
    }

    fn commit_over(&mut self, index: &mut Index, located: Located, hash: ContentHash) -> Result<RemoteEntry> {
        let Located { mut row, folder } = located;
        let name = row.name.clone();
        let failed = |error| io_error(UPLOAD, name.as_str(), error);
        let old = open_file(&folder, name.as_str()).map_err(failed)?.into_std();
        carry_over(&old, &self.file).map_err(failed)?;
        let before = Stat::of_file(&self.file).map_err(failed)?;
        // An exchange shows what was replaced, so that an edit that slipped in after the check is put back, not lost.
        if exchange(&self.folder, &self.name, &folder, name.as_str()).map_err(failed)? {
            let replaced = self.folder.symlink_metadata(&self.name).map(|metadata| Stat::of(&metadata));
            if !replaced.is_ok_and(|replaced| replaced.same_content(&row.stat)) {
                let undone = exchange(&self.folder, &self.name, &folder, name.as_str());
                undone.map_err(|error| effect_unknown(failed(error)))?;
                return Err(ProviderError::new(
                    ErrorKind::RevisionMismatch,
                    UPLOAD,
                    format!("{name} was changed by another program"),
                ));
            }
        } else {
            self.folder.rename(&self.name, &folder, name.as_str()).map_err(failed)?;
        }
        failpoint::reach("local-file-replaced");
        row.stat = self.committed(before);
        row.minted = row.stat.ctime;
        row.hash = Some(hash);
        let record = |index: &mut Index| -> rusqlite::Result<RemoteEntry> {
            index.update(&mut row)?;
            Local::entry(index.connection(), row)
        };
        let entry = record(index).map_err(|error| effect_unknown(index_error(UPLOAD, error)))?;
        sync_dir(&folder).map_err(|error| effect_unknown(failed(error)))?;
        Ok(entry)
    }

    /// What was committed: the rename has touched the change time. If another program has already written to the file, it is
    /// what we put there, and the next scan finds the other version.
    fn committed(&self, before: Stat) -> Stat {
        Stat::of_file(&self.file).ok().filter(|after| after.same_content(&before)).unwrap_or(before)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nothing has this name after a new file was committed; after an exchange it is the replaced version.
        if let Err(error) = self.folder.remove_file(&self.name)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, name = self.name, "a temporary file stays until the next start");
        }
        self.local.release_temporary(&self.name);
    }
}

impl Local {
    /// Brings the index up to date about a place where something is to be put, if it thinks that something is there.
    pub(super) fn vacate(&self, operation: &'static str, parent: &RemoteId, name: &EntryName) -> Result<()> {
        let failed = |error| index_error(operation, error);
        let stale = {
            let reader = self.reader();
            match index::by_id(&reader, parent).map_err(failed)? {
                Some(parent) => {
                    let occupied = index::child(&reader, parent.row, name).map_err(failed)?.is_some();
                    occupied.then(|| Self::path_of(&reader, parent.row)).transpose().map_err(failed)?
                }
                None => None,
            }
        };
        stale.map_or(Ok(()), |path| self.refresh_name(path, name, operation))
    }

    /// Something was just put at a place that was free: whatever the index still has there is gone.
    pub(super) fn claim(index: &mut Index, parent: i64, name: &EntryName) -> rusqlite::Result<()> {
        match index::child(index.connection(), parent, name)? {
            Some(stale) => index.remove(&stale),
            None => Ok(()),
        }
    }
}
