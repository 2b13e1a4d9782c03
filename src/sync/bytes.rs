//! Local bytes for the provider: completing staged files, hashing them, reading them at one generation.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::engine::Engine;
use super::error::{Result, SyncError};
use crate::catalog::{Catalog, Version};
use crate::content::{CachedFile, ContentError, ReadOutcome, StagedFile};
use crate::provider::{Bandwidth, UploadObserver, UploadSession, UploadSource};
use crate::types::{BlockRun, ByteRange, ContentHash, ContentHasher, HashKind, NodeId, StagedId};

/// Below this, hashing and copying happen on the thread that asks; above, on a worker thread.
const INLINE_BYTES: u64 = 1024 * 1024;
/// Bytes handled at once.
const CHUNK_BYTES: u64 = 1024 * 1024;
/// How often missing base blocks are brought before it is a failure (they may be evicted in between).
const FILL_ATTEMPTS: usize = 3;

impl Engine {
    /// Runs `work` where it disturbs nobody: large work on a worker thread. A runtime of one thread, as in simulations, does it itself, so
    /// that the order of events stays its own.
    pub(super) async fn off_thread<T: Send + 'static>(
        &self,
        bytes: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let is_alone = Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread;
        if bytes <= INLINE_BYTES || is_alone {
            return Ok(work());
        }
        Ok(tokio::task::spawn_blocking(work).await?)
    }

    /// Brings the base blocks that were never written here.
    pub(super) async fn complete(&self, file: &Arc<StagedFile>) -> Result<()> {
        for _ in 0..FILL_ATTEMPTS {
            let missing = file.missing(ByteRange::new(0, file.size()));
            let Some(base) = file.overlay_base() else { return Ok(()) };
            if missing.is_empty() {
                return Ok(());
            }
            if let Some(direct) = self.provider.open_direct(&base.rid, &base.revision) {
                let (file, size) = (Arc::clone(file), base.size);
                let filled = self.off_thread(base.size, move || {
                    let read = |at: u64, buffer: &mut [u8]| direct.read_exact_at(buffer, at);
                    fill(&file, &missing, size, &read).map(|()| direct)
                });
                let direct = filled.await??;
                if self.provider.direct_is_current(&direct, &base.revision) {
                    continue;
                }
                return Err(SyncError::Io {
                    operation: "the provider's file changed while it was read",
                    source: std::io::ErrorKind::ResourceBusy.into(),
                });
            }
            self.hydrate.hydrate(&base).await?;
            let cached = self.content.cached(&base)?;
            let (file, size) = (Arc::clone(file), base.size);
            self.off_thread(size, move || fill(&file, &missing, size, &|at, buffer| read_cached(&cached, at, buffer)))
                .await??;
        }
        let still = file.missing(ByteRange::new(0, file.size()));
        if still.is_empty() {
            return Ok(());
        }
        Err(SyncError::Io { operation: "fetched blocks were evicted again", source: std::io::ErrorKind::Other.into() })
    }

    /// The hash of staged bytes with the generation that it is of. The stored hash is believed while nobody has the file open for
    /// writing: whoever writes clears it.
    pub(super) async fn hashed(&self, node: NodeId, file: &Arc<StagedFile>) -> Result<(ContentHash, u64)> {
        if let Some(found) = self.stored_hash(node, file)? {
            return Ok(found);
        }
        let kind = self.provider.capabilities().hash_kind();
        let of = Arc::clone(file);
        Ok(self.off_thread(file.size(), move || of.hash(kind)).await??)
    }

    fn stored_hash(&self, node: NodeId, file: &StagedFile) -> Result<Option<(ContentHash, u64)>> {
        let frozen = self.local.freeze();
        let (local, row) = self.catalog.read(|view| Ok((view.local(node)?, view.staged(file.id())?)))?;
        let is_written = local.is_none_or(|local| frozen.is_open_for_writing(local.ino));
        Ok(row.and_then(|row| row.hashed).filter(|_| !is_written).map(|hash| (hash, file.generation())))
    }

    /// The hash of a version's bytes, which are fetched if they are not here.
    pub(super) async fn hash_version(&self, version: &Version) -> Result<ContentHash> {
        let kind = self.provider.capabilities().hash_kind();
        let size = version.size;
        if let Some(direct) = self.provider.open_direct(&version.rid, &version.revision) {
            let read = move |at: u64, buffer: &mut [u8]| direct.read_exact_at(buffer, at);
            return self.off_thread(size, move || hash_of(&read, kind, size)).await?;
        }
        self.hydrate.hydrate(version).await?;
        let cached = self.content.cached(version)?;
        let read = move |at: u64, buffer: &mut [u8]| read_cached(&cached, at, buffer);
        self.off_thread(size, move || hash_of(&read, kind, size)).await?
    }
}

fn io(operation: &'static str) -> impl FnOnce(std::io::Error) -> SyncError {
    move |source| SyncError::Io { operation, source }
}

type ReadAt<'a> = dyn Fn(u64, &mut [u8]) -> std::io::Result<()> + 'a;

fn fill(file: &StagedFile, runs: &[BlockRun], base_size: u64, read: &ReadAt<'_>) -> Result<()> {
    let step = CHUNK_BYTES / crate::types::BLOCK_BYTES;
    for run in runs {
        let mut at = run.start.0;
        while at < run.end.0 {
            let end = (at + step).min(run.end.0);
            let part = BlockRun { start: crate::types::BlockIndex(at), end: crate::types::BlockIndex(end) };
            let range = part.bytes(base_size);
            let mut buffer = vec![0; usize::try_from(range.len()).unwrap_or(0)];
            read(range.start, &mut buffer).map_err(io("read the edited file's base"))?;
            file.fill_base(part.start, &buffer)?;
            at = end;
        }
    }
    Ok(())
}

/// Cached bytes; blocks that are not here are an error.
pub(super) fn read_cached(file: &CachedFile, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    complete_read(file.read(at, buffer))
}

/// Staged bytes; blocks that are not here are an error.
pub(super) fn read_staged(file: &StagedFile, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    complete_read(file.read(at, buffer))
}

fn complete_read(outcome: crate::content::Result<ReadOutcome>) -> std::io::Result<()> {
    match outcome {
        Ok(ReadOutcome::Complete) => Ok(()),
        Ok(ReadOutcome::Missing(_)) => Err(std::io::ErrorKind::NotFound.into()),
        Err(error) => Err(std::io::Error::other(error)),
    }
}

fn hash_of(read: &ReadAt<'_>, kind: HashKind, size: u64) -> Result<ContentHash> {
    let mut hasher = ContentHasher::new(kind);
    let mut at = 0;
    while at < size {
        let len = (size - at).min(CHUNK_BYTES);
        let mut buffer = vec![0; usize::try_from(len).unwrap_or(0)];
        read(at, &mut buffer).map_err(io("read the bytes of a version"))?;
        hasher.update(&buffer);
        at += len;
    }
    Ok(hasher.finish())
}

/// Reads positioned bytes one after the other.
pub(super) struct Sequential<'a> {
    pub(super) read: &'a ReadAt<'a>,
    pub(super) size: u64,
    pub(super) at: u64,
}

impl Read for Sequential<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        let Some(part) = buffer.get_mut(..len) else { return Ok(0) };
        if !part.is_empty() {
            (self.read)(self.at, part)?;
        }
        self.at += u64::try_from(len).unwrap_or(0);
        Ok(len)
    }
}

/// What an upload reads from.
pub(super) enum Source {
    /// Edited bytes, at one generation.
    Staged {
        /// The bytes.
        file: Arc<StagedFile>,
        /// The generation that was hashed.
        generation: u64,
        /// Set when the bytes turned out to be of another generation.
        superseded: AtomicBool,
    },
    /// A version that is completely here.
    Cached(Arc<CachedFile>),
    /// The provider's own file.
    Direct {
        /// Open for reading.
        file: File,
        /// Bytes.
        size: u64,
    },
}

impl UploadSource for Source {
    fn size(&self) -> u64 {
        match self {
            Self::Staged { file, .. } => file.size(),
            Self::Cached(file) => file.version().size,
            Self::Direct { size, .. } => *size,
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::Staged { file, generation, superseded } => {
                file.read_generation(*generation, offset, buffer).map_err(|error| {
                    if matches!(error, ContentError::Superseded(_)) {
                        superseded.store(true, Ordering::Relaxed);
                    }
                    std::io::Error::other(error)
                })
            }
            Self::Cached(file) => read_cached(file, offset, buffer),
            Self::Direct { file, .. } => file.read_exact_at(buffer, offset),
        }
    }
}

impl Source {
    /// True if the bytes were written to while they were sent.
    pub(super) fn was_superseded(&self) -> bool {
        match self {
            Self::Staged { file, generation, superseded } => {
                superseded.load(Ordering::Relaxed) || file.generation() != *generation
            }
            Self::Cached(_) | Self::Direct { .. } => false,
        }
    }
}

/// Persists upload sessions and counts sent bytes.
pub(super) struct Progress {
    pub(super) catalog: Arc<Catalog>,
    pub(super) staged: Option<StagedId>,
    pub(super) sent: Arc<AtomicU64>,
    pub(super) bandwidth: Arc<Bandwidth>,
}

#[async_trait]
impl UploadObserver for Progress {
    fn progressed(&self, sent: u64) {
        self.sent.store(sent, Ordering::Relaxed);
    }

    fn session(&self, session: &UploadSession) {
        let Some(id) = self.staged else { return };
        let stored = self.catalog.write(|txn| {
            if let Some(mut row) = txn.staged(id)? {
                row.session = Some(session.clone());
                txn.put_staged(&row)?;
            }
            Ok::<_, crate::catalog::CatalogError>(())
        });
        if let Err(error) = stored {
            // The upload goes on: without the stored session a crash costs time, not bytes.
            tracing::warn!(%error, "upload session not stored");
        }
    }

    async fn grant(&self, wanted: u64) -> u64 {
        self.bandwidth.up.grant(wanted).await
    }
}
