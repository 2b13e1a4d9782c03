//! Staged bytes: what was written here and the provider does not have yet.
//!
//! Owner of: `staging/<id>` (sparse data; its length is the size) and, while base blocks are missing, `staging/<id>.map`.
//! Invariants: bytes are in the file before `write` returns, so that they survive the process; `sync` makes data durable before the
//! map that points at it. Changes take the state exclusively and count the generation, so whoever reads under the shared
//! lock sees one generation. An inode that the cache or `history/` may share is never written: the first change after
//! [`super::ContentStore::promote`] or [`super::ContentStore::keep_staged`] moves to a copy.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockWriteGuard};

use super::block_map::BlockMap;
use super::digest::{Digest, byte_len};
use super::files::{self, IoContext, STAGED, exclusive, invalid, shared};
use super::lent::Lent;
use super::scan::{MAP, RECORD};
use super::space::Space;
use super::store::StoreCore;
use super::{ContentError, Result, StagedRecord, record};
use crate::catalog::Version;
use crate::sys::{disk, durable, failpoint};
use crate::types::{BLOCK_BYTES, BlockIndex, BlockRun, ByteRange, StagedId, Timestamp};

/// Staged bytes: a sparse file, and for overlays the map of the blocks that are here. Safe for concurrent use.
pub struct StagedFile {
    pub(super) core: Arc<StoreCore>,
    pub(super) id: StagedId,
    pub(super) state: RwLock<State>,
    /// Changed under the exclusive lock only.
    pub(super) generation: AtomicU64,
    /// Changed under the exclusive lock only.
    pub(super) size: AtomicU64,
    suspect: AtomicBool,
}

pub(super) struct State {
    pub(super) data: Arc<File>,
    /// `None` once nothing of a base is missing.
    pub(super) overlay: Option<BlockMap>,
    /// Checksums of the blocks of the present generation.
    pub(super) checksums: Option<Vec<Digest>>,
    /// Somebody else may read this inode for ever: it is copied before it is changed.
    pub(super) inode_shared: bool,
    /// The names are gone.
    pub(super) discarded: bool,
    /// The kernel reads and writes the inode by itself.
    pub(super) lent: Option<Lent>,
    /// Bytes of disk that the store counts for this file.
    counted: u64,
}

impl StagedFile {
    pub(super) fn create(core: Arc<StoreCore>, id: StagedId, over: Option<&Version>) -> Result<Self> {
        let (data_path, map_path) = (core.staged_path(id), core.staged_path(id).with_extension(MAP));
        let size = over.map_or(0, |base| base.size);
        // The map first: data without its map would look complete.
        let overlay = match over {
            Some(base) if base.size > 0 => {
                Some(BlockMap::create(&map_path, base, core.boot).context(STAGED, "create", &map_path)?)
            }
            Some(_) | None => None,
        };
        failpoint::reach("stage-map-written");
        let created = files::create_new(&data_path).and_then(|data| data.set_len(size).map(|()| data));
        core.staging_names_changed();
        match created {
            Ok(data) => Ok(Self::with_parts(core, id, data, overlay, size, false)),
            Err(error) => {
                // A map beside data that it was not made for would hide that data.
                if overlay.is_some() {
                    files::remove_if_there(&map_path).context(STAGED, "remove", &map_path)?;
                }
                Err(error).context(STAGED, "create", &data_path)
            }
        }
    }

    pub(super) fn open(core: Arc<StoreCore>, id: StagedId) -> Result<Self> {
        let (data_path, map_path) = (core.staged_path(id), core.staged_path(id).with_extension(MAP));
        let Some(data) = files::open_existing(&data_path).context(STAGED, "open", &data_path)? else {
            return Err(ContentError::StagedMissing(id));
        };
        let metadata = data.metadata().context(STAGED, "stat", &data_path)?;
        let size = metadata.len();
        let overlay = match BlockMap::open(&map_path, &data, size, core.boot).context(STAGED, "open", &map_path)? {
            // Without a believable map nobody can say which blocks are here.
            Some(None) => return Err(ContentError::StagedDamaged { id, block: 0 }),
            Some(Some(map)) if !map.is_complete() || !map.fresh().is_empty() => Some(map),
            Some(Some(_)) => {
                files::remove_if_there(&map_path).context(STAGED, "remove", &map_path)?;
                None
            }
            None => None,
        };
        Ok(Self::with_parts(core, id, data, overlay, size, metadata.nlink() > 1))
    }

    fn with_parts(
        core: Arc<StoreCore>,
        id: StagedId,
        data: File,
        overlay: Option<BlockMap>,
        size: u64,
        inode_shared: bool,
    ) -> Self {
        // What was there when the store was opened is counted; what is new is empty.
        let counted = disk::allocated_bytes(&data).unwrap_or_default();
        let data = Arc::new(data);
        let state = State { data, overlay, checksums: None, inode_shared, discarded: false, lent: None, counted };
        Self {
            core,
            id,
            state: RwLock::new(state),
            generation: AtomicU64::new(0),
            size: AtomicU64::new(size),
            suspect: AtomicBool::new(false),
        }
    }

    /// Names it.
    pub fn id(&self) -> StagedId {
        self.id
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Counts changes of the bytes since the file was opened; a reader that sees the same generation before and after has read one
    /// version.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The version below, while blocks of it are still missing here.
    pub fn overlay_base(&self) -> Option<Version> {
        let state = shared(&self.state);
        state.overlay.as_ref().filter(|map| !map.is_complete()).map(|map| map.base().clone())
    }

    /// Base blocks that must be filled in before a write of `range` (partly overwritten blocks that are not here).
    pub fn missing_for_write(&self, range: ByteRange) -> Vec<BlockRun> {
        shared(&self.state).overlay.as_ref().map_or_else(Vec::new, |map| map.missing_for_write(range))
    }

    /// Base blocks of `range` that are not here.
    pub fn missing(&self, range: ByteRange) -> Vec<BlockRun> {
        shared(&self.state).missing(range)
    }

    /// When the bytes were last written, or the time that [`Self::set_modified`] gave them. Survives the process, and a power cut after
    /// [`Self::sync`].
    pub fn modified(&self) -> Result<Timestamp> {
        let modified = shared(&self.state).data.metadata().and_then(|metadata| metadata.modified());
        modified.map(Timestamp::from_system).context(STAGED, "stat", &self.path())
    }

    /// Gives the bytes a time of last change.
    pub fn set_modified(&self, at: Timestamp) -> Result<()> {
        let state = exclusive(&self.state);
        state.data.set_modified(at.to_system()).context(STAGED, "change the time of", &self.path())
    }

    /// Puts base bytes (whole blocks of the *base* version from `start`) where nothing was written here. Does not count as a write.
    pub fn fill_base(&self, start: BlockIndex, bytes: &[u8]) -> Result<()> {
        self.core.reserve_staged(byte_len(bytes))?;
        let mut state = exclusive(&self.state);
        let path = self.path();
        let State { data, overlay: Some(map), .. } = &mut *state else { return Ok(()) };
        if bytes.is_empty() {
            return Ok(());
        }
        if start.0 >= map.base().size.div_ceil(BLOCK_BYTES) {
            return Err(invalid("fill", &path, "the blocks are beyond the end of the base"));
        }
        let given = ByteRange::at(start.start(), byte_len(bytes));
        if given.end > map.base().size || (given.end != map.base().size && !given.end.is_multiple_of(BLOCK_BYTES)) {
            return Err(invalid("fill", &path, "the bytes are not whole blocks of the base"));
        }
        let modified = data.metadata().and_then(|metadata| metadata.modified()).context(STAGED, "stat", &path)?;
        for run in map.missing(given) {
            let part = run.bytes(map.limit());
            let (from, to) = (part.start - given.start, part.end - given.start);
            let indexes = [from, to].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
            data.write_all_at(&bytes[indexes[0]..indexes[1]], part.start).context(STAGED, "write", &path)?;
            failpoint::reach("fill-base-written");
            map.mark_fresh(run).context(STAGED, "write", &path)?;
        }
        data.set_modified(modified).context(STAGED, "change the time of", &path)?;
        self.recount(&mut state);
        Ok(())
    }

    /// Writes; grows the file. `missing_for_write` must be empty for the range.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.reserve(ByteRange::at(offset, byte_len(bytes)))?;
        let mut state = exclusive(&self.state);
        let written = self.write_locked(&mut state, offset, bytes);
        self.recount(&mut state);
        written
    }

    /// Writes at the end, atomically with other appends; returns the offset.
    pub fn append(&self, bytes: &[u8]) -> Result<u64> {
        self.core.reserve_staged(byte_len(bytes))?;
        let mut state = exclusive(&self.state);
        let offset = self.size();
        let written = self.write_locked(&mut state, offset, bytes);
        self.recount(&mut state);
        written.map(|()| offset)
    }

    /// Shrinks or grows. Base blocks need not be here: what is cut off never comes back.
    pub fn truncate(&self, size: u64) -> Result<()> {
        let path = self.path();
        let mut state = exclusive(&self.state);
        if size == self.size() {
            return Ok(());
        }
        self.begin_change(&mut state, size)?;
        state.data.set_len(size).context(STAGED, "resize", &path)?;
        failpoint::reach("truncate-data-cut");
        self.size.store(size, Ordering::Release);
        if let Some(map) = &mut state.overlay {
            map.limit_to(size).context(STAGED, "write", &path)?;
        }
        if size == 0 {
            // Nothing of what a failed fsync may have lost is left.
            self.suspect.store(false, Ordering::Release);
        }
        self.recount(&mut state);
        Ok(())
    }

    /// Makes data, their time of last change, block map and names durable. After a failure the bytes are suspect: the kernel may have
    /// dropped what it could not write, so a later success would prove nothing.
    pub fn sync(&self) -> Result<()> {
        let path = self.path();
        if self.is_suspect() {
            return Err(io::Error::from_raw_os_error(libc::EIO)).context(STAGED, "sync", &path);
        }
        let result = self.sync_all_parts();
        if result.is_err() {
            self.suspect.store(true, Ordering::Release);
        }
        result
    }

    /// Writes the self-describing record durably (temp, fsync, rename, fsync of the folder).
    pub fn write_record(&self, record: &StagedRecord) -> Result<()> {
        let state = shared(&self.state);
        if state.discarded {
            return Err(ContentError::StagedMissing(self.id));
        }
        record::write(&self.core.dirs.staging, &self.path().with_extension(RECORD), record)?;
        self.core.staging_names_changed();
        self.core.sync_staging_names()
    }

    /// True while a failed fsync makes the bytes suspect: every later `sync` fails until they are cut to nothing and
    /// written again.
    pub fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Acquire)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.core.staged_path(self.id)
    }

    fn sync_all_parts(&self) -> Result<()> {
        let (path, map_path) = (self.path(), self.path().with_extension(MAP));
        // Writers go on while the disk works.
        let (data, fresh) = {
            let state = shared(&self.state);
            (Arc::clone(&state.data), state.overlay.as_ref().map_or_else(Vec::new, BlockMap::fresh))
        };
        durable::sync_all(&data).context(STAGED, "sync", &path)?;
        failpoint::reach("sync-data-durable");
        let map = {
            let mut state = exclusive(&self.state);
            if let Some(map) = &mut state.overlay {
                map.settle(&fresh).context(STAGED, "write", &map_path)?;
            }
            let finished = state.overlay.take_if(|map| map.is_complete() && map.fresh().is_empty());
            if finished.is_some() && !state.discarded {
                files::remove_if_there(&map_path).context(STAGED, "remove", &map_path)?;
            }
            state.overlay.as_ref().map(BlockMap::file)
        };
        if let Some(map) = map {
            durable::sync_data(&map).context(STAGED, "sync", &map_path)?;
        }
        self.core.sync_staging_names()
    }

    /// Space for a write. Overwriting what is allocated needs none, so that a full disk does not stop it.
    fn reserve(&self, range: ByteRange) -> Result<()> {
        self.core.reserve_unless(range.len(), || {
            disk::data_bytes(&shared(&self.state).data, range).is_ok_and(|data| data == range.len())
        })
    }

    fn write_locked(&self, state: &mut State, offset: u64, bytes: &[u8]) -> Result<()> {
        let path = self.path();
        if bytes.is_empty() {
            return Ok(());
        }
        let range = ByteRange::at(offset, byte_len(bytes));
        if i64::try_from(range.end).is_err() {
            return Err(io::Error::from_raw_os_error(libc::EFBIG)).context(STAGED, "write", &path);
        }
        state.check_writable(range).map_err(|reason| invalid("write", &path, reason))?;
        self.begin_change(state, u64::MAX)?;
        let mut written = state.data.write_all_at(bytes, offset).context(STAGED, "write", &path);
        if let Err(ContentError::NoSpace { .. }) = written
            && self.core.evict_least_recent(range.len())? > 0
        {
            // The disk was fuller than it had said (a quota, another writer): once more, over what was written in part.
            written = state.data.write_all_at(bytes, offset).context(STAGED, "write", &path);
        }
        if let Err(error) = written {
            if let ContentError::NoSpace { why, .. } = &error {
                self.core.was_refused(range.len(), *why);
            }
            // A part may have been written beyond the end; the length of the file is its size.
            if range.end > self.size() {
                state.data.set_len(self.size()).context(STAGED, "resize", &path)?;
            }
            return Err(error);
        }
        failpoint::reach("write-data-written");
        if let Some(map) = &mut state.overlay {
            let covered = map.covered(range);
            map.mark_fresh(covered).context(STAGED, "write", &path)?;
        }
        self.size.fetch_max(range.end, Ordering::AcqRel);
        Ok(())
    }

    /// After bytes changed: the store counts what they occupy now.
    pub(super) fn recount(&self, state: &mut State) {
        match disk::allocated_bytes(&state.data) {
            // Bytes that are the cache's or history's, too, and have no name here any more are counted there.
            Ok(_) if state.discarded && state.inode_shared => {}
            Ok(now) => {
                self.core.space.staged_changed(state.counted, now);
                state.counted = now;
            }
            Err(error) => tracing::warn!(%error, id = %self.id, "staged bytes cannot be counted"),
        }
    }

    /// Before bytes change: a new generation, no checksums, an inode of our own. Bytes from `keep` on are about to go.
    pub(super) fn begin_change(&self, state: &mut State, keep: u64) -> Result<()> {
        if state.inode_shared {
            self.move_to_copy(state, keep)?;
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        state.checksums = None;
        Ok(())
    }

    /// Leaves the present inode to whoever shares it. Durable before the name changes hands.
    fn move_to_copy(&self, state: &mut State, keep: u64) -> Result<()> {
        let (path, folder) = (self.path(), &self.core.dirs.staging);
        let allocated = disk::allocated_bytes(&state.data).context(STAGED, "stat", &path)?;
        self.core.reserve_staged(allocated.min(keep))?;
        let temporary = files::temporary_in(folder).context(STAGED, "create", folder)?;
        files::copy_sparse(&state.data, temporary.as_file(), self.size().min(keep)).context(STAGED, "copy", &path)?;
        durable::sync_data(temporary.as_file()).context(STAGED, "sync", &path)?;
        let copy = if state.discarded {
            temporary.into_file()
        } else {
            let copy = temporary.persist(&path).map_err(|error| error.error).context(STAGED, "rename", &path)?;
            self.core.staging_names_changed();
            self.core.sync_staging_names()?;
            copy
        };
        state.data = Arc::new(copy);
        state.inode_shared = false;
        Ok(())
    }

    /// Makes the data durable under a lock that is already held. False, and suspect from now on, if that fails.
    pub(super) fn sync_frozen(&self, state: &State) -> bool {
        let synced = durable::sync_data(&state.data);
        if let Err(error) = &synced {
            tracing::error!(%error, id = %self.id, "staged bytes could not be written to the disk");
            self.suspect.store(true, Ordering::Release);
        }
        synced.is_ok()
    }

    /// Takes the state exclusively, for the store.
    pub(super) fn freeze(&self) -> RwLockWriteGuard<'_, State> {
        exclusive(&self.state)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.discarded {
            // The last name went before; now the disk gets the space back.
            self.core.space.staged_changed(state.counted, 0);
        }
    }
}

impl State {
    /// The names are about to go. The space stays in use while the file is open, unless the cache or history has it now.
    pub(super) fn discard(&mut self, space: &Space) {
        self.discarded = true;
        if self.inode_shared {
            space.staged_changed(std::mem::take(&mut self.counted), 0);
        }
    }

    pub(super) fn missing(&self, range: ByteRange) -> Vec<BlockRun> {
        self.overlay.as_ref().map_or_else(Vec::new, |map| map.missing(range))
    }

    pub(super) fn check_writable(&self, range: ByteRange) -> std::result::Result<(), &'static str> {
        match &self.overlay {
            Some(map) if !map.missing_for_write(range).is_empty() => Err("a partly covered block is not here"),
            Some(_) | None => Ok(()),
        }
    }
}
