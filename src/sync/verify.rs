//! Looking whether the bytes are what the catalog says, and whether the provider has what the catalog thinks that it has. What can be
//! had again is fetched again; bytes that only this machine has are reported and never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::engine::Engine;
use super::error::Result;
use crate::catalog::{LocalContent, LocalRow, RemoteBody, RemoteRow, Version, View};
use crate::content::{CachedFile, ContentError, ReadOutcome};
use crate::provider::{Change, EntryBody, ErrorKind, ProviderError, RemoteEntry};
use crate::types::{ByteRange, NodeId, NodeKind, RemoteId, StagedId};

/// Bytes that are read at once.
const CHUNK_BYTES: u64 = 1024 * 1024;

/// Most pages of a listing; a listing that never ends is broken.
const MAX_PAGES: usize = 1_000_000;

/// How closely is looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// That everything is there and as long as it should be.
    Presence,
    /// Every byte that is here.
    Bytes,
}

/// Something that is not as the catalog says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch {
    /// Path in the vault.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// It was put right.
    pub healed: bool,
}

/// What looking at one entry found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Looked {
    /// Bytes that were read.
    pub bytes: u64,
    /// What is wrong, if anything is: in words, and whether it was put right.
    pub wrong: Option<(String, bool)>,
}

impl Looked {
    fn wrong(bytes: u64, what: impl Into<String>, healed: bool) -> Self {
        Self { bytes, wrong: Some((what.into(), healed)) }
    }
}

impl Engine {
    /// Looks at the content of one entry of the mount.
    pub async fn verify_entry(&self, node: NodeId, depth: Depth) -> Result<Looked> {
        let Some(row) = self.catalog.read(|view| view.local(node))? else { return Ok(Looked::default()) };
        match &row.content {
            LocalContent::None | LocalContent::Symlink(_) => Ok(Looked::default()),
            LocalContent::Staged { staged, .. } => self.verify_staged(&row, *staged, depth).await,
            LocalContent::Clean(version) => match self.content.cached_if_present(version)? {
                Some(cached) => self.verify_cached(version, cached, depth).await,
                None => self.verify_direct(&row, version, depth).await,
            },
        }
    }

    /// Bytes that only this machine has: whatever is found, they stay as they are.
    async fn verify_staged(&self, row: &LocalRow, id: StagedId, depth: Depth) -> Result<Looked> {
        let file = match self.content.staged(id) {
            Ok(file) => file,
            Err(ContentError::StagedMissing(_)) => {
                return Ok(Looked::wrong(0, "its bytes, which only this machine had, are missing", false));
            }
            Err(error) => return Err(error.into()),
        };
        if self.local.freeze().is_open_for_writing(row.ino) {
            return Ok(Looked::default());
        }
        if file.size() != row.attr.size {
            let what = format!("it should have {} bytes, and has {}", row.attr.size, file.size());
            return Ok(Looked::wrong(0, what, false));
        }
        let stored = self.catalog.read(|view| view.staged(id))?.and_then(|row| row.hashed);
        let is_whole = file.missing(ByteRange::new(0, file.size())).is_empty();
        let (Some(hash), Depth::Bytes, true) = (stored, depth, is_whole) else { return Ok(Looked::default()) };
        let (of, bytes) = (Arc::clone(&file), file.size());
        match self.off_thread(bytes, move || of.hash(hash.kind)).await? {
            Ok((found, generation)) if found == hash || generation != file.generation() => {
                Ok(Looked { bytes, wrong: None })
            }
            Ok(_) => {
                Ok(Looked::wrong(bytes, "its bytes, which only this machine has, have changed on the disk", false))
            }
            Err(error) => Ok(Looked::wrong(bytes, format!("its bytes cannot be read: {error}"), false)),
        }
    }

    /// The provider's own file on this machine.
    async fn verify_direct(&self, row: &LocalRow, version: &Version, depth: Depth) -> Result<Looked> {
        if !self.provider.capabilities().direct {
            return Ok(Looked::default());
        }
        if self.provider.open_direct(&version.rid, &version.revision).is_none() {
            if self.catalog.read(|view| view.is_dirty(row.node))? {
                // Known, and about to be dealt with.
                return Ok(Looked::default());
            }
            self.hint();
            return Ok(Looked::wrong(0, "the provider's file is not the one that was last told of", false));
        }
        let (Some(hash), Depth::Bytes) = (version.hash, depth) else { return Ok(Looked::default()) };
        if self.hash_version(version).await? == hash {
            return Ok(Looked { bytes: version.size, wrong: None });
        }
        Ok(Looked::wrong(version.size, "the provider's bytes are not those that it was sent", false))
    }

    /// Bytes that can be fetched again.
    async fn verify_cached(&self, version: &Version, file: Arc<CachedFile>, depth: Depth) -> Result<Looked> {
        if depth == Depth::Presence {
            return Ok(Looked::default());
        }
        let was_complete = file.is_complete();
        let (of, rotten_before) = (Arc::clone(&file), self.content.rotten_blocks());
        let bytes = self.off_thread(file.present_bytes(), move || read_present(&of)).await??;
        let rotten = self.content.rotten_blocks() - rotten_before;
        if rotten > 0 {
            let healed = !was_complete || self.hydrate.hydrate(version).await.is_ok();
            return Ok(Looked::wrong(
                bytes,
                format!("{rotten} blocks of its cached bytes had changed on the disk"),
                healed,
            ));
        }
        let (Some(hash), true) = (version.hash, was_complete) else { return Ok(Looked { bytes, wrong: None }) };
        if self.hash_version(version).await? == hash {
            return Ok(Looked { bytes, wrong: None });
        }
        self.content.reject(version)?;
        let healed = match self.hydrate.hydrate(version).await {
            Ok(()) => self.hash_version(version).await? == hash,
            Err(_) => false,
        };
        Ok(Looked::wrong(bytes, "its cached bytes are not those of the provider", healed))
    }

    /// Lists everything at the provider and compares it with what the catalog thinks. What differs is read again; what still differs then
    /// is not healed.
    pub async fn verify_listing(&self) -> Result<Vec<Mismatch>> {
        let found = self.differences(&self.list_all().await?).await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        self.sync_now(true).await?;
        let left: BTreeSet<RemoteId> = self.differences(&self.list_all().await?).await?.into_keys().collect();
        let mismatch =
            |(rid, (path, what)): (RemoteId, (String, String))| Mismatch { path, what, healed: !left.contains(&rid) };
        Ok(found.into_iter().map(mismatch).collect())
    }

    async fn list_all(&self) -> Result<BTreeMap<RemoteId, RemoteEntry>> {
        let (mut entries, mut cursor) = (BTreeMap::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.provider.changes(cursor.as_ref()).await?;
            for change in page.changes {
                match change {
                    Change::Upsert(entry) => drop(entries.insert(entry.id.clone(), entry)),
                    Change::Removed(rid) => drop(entries.remove(&rid)),
                    // Of something that is told again, or not, by a later look.
                    Change::RemovedAt { .. } => {}
                }
            }
            if !page.has_more {
                return Ok(entries);
            }
            cursor = Some(page.cursor);
        }
        Err(ProviderError::new(ErrorKind::Protocol, "list everything", "the listing does not end").into())
    }

    /// What differs between a listing and R, by provider id: path and words. Looked at once more, because both sides move on.
    async fn differences(
        &self,
        listed: &BTreeMap<RemoteId, RemoteEntry>,
    ) -> Result<BTreeMap<RemoteId, (String, String)>> {
        let suspects = self.catalog.read(|view| {
            let mut suspects = BTreeMap::new();
            let mut known = BTreeSet::new();
            each_remote(view, &mut |row| {
                known.insert(row.rid.clone());
                if let Some(what) = difference(view, row, listed.get(&row.rid))? {
                    suspects.insert(row.rid.clone(), (remote_path(view, row.node)?, what));
                }
                Ok(())
            })?;
            for (rid, entry) in listed.iter().filter(|(rid, _)| !known.contains(*rid)) {
                if entry.parent.is_some() {
                    let what = "the provider has it, and the catalog does not know it".to_owned();
                    suspects.insert(rid.clone(), (entry.name.to_string(), what));
                }
            }
            Ok(suspects)
        })?;
        let mut differing = BTreeMap::new();
        for (rid, (path, what)) in suspects {
            let now = match self.provider.stat(&rid).await {
                Ok(entry) => Some(entry),
                Err(error) if error.kind == ErrorKind::NotFound => None,
                Err(error) => return Err(error.into()),
            };
            let still = self.catalog.read(|view| match view.remote_by_rid(&rid)? {
                Some(row) => difference(view, &row, now.as_ref()),
                None => Ok(now.as_ref().map(|_| what)),
            })?;
            if let Some(what) = still {
                differing.insert(rid, (path, what));
            }
        }
        Ok(differing)
    }
}

/// Reads every block that is here, which drops those that rotted. Returns the bytes that were read.
fn read_present(file: &CachedFile) -> Result<u64> {
    let size = file.version().size;
    let (mut at, mut bytes) = (0, 0);
    while at < size {
        let range = ByteRange::new(at, (at + CHUNK_BYTES).min(size));
        at = range.end;
        for part in present_parts(file, range) {
            let mut buffer = vec![0; usize::try_from(part.len()).unwrap_or(0)];
            match file.read(part.start, &mut buffer)? {
                ReadOutcome::Complete => bytes += part.len(),
                // Dropped just now, as damaged or to make room.
                ReadOutcome::Missing(_) => {}
            }
        }
    }
    Ok(bytes)
}

/// The parts of a range that are here, block by block where some are missing.
fn present_parts(file: &CachedFile, range: ByteRange) -> Vec<ByteRange> {
    let missing = file.missing(range);
    if missing.is_empty() {
        return vec![range];
    }
    let size = file.version().size;
    let is_missing = |block| missing.iter().any(|run| (run.start..run.end).contains(&block));
    range.blocks().iter().filter(|block| !is_missing(*block)).map(|block| block.bytes(size)).collect()
}

fn each_remote(
    view: &View<'_>,
    visit: &mut impl FnMut(&RemoteRow) -> crate::catalog::Result<()>,
) -> crate::catalog::Result<()> {
    let mut open = vec![NodeId::ROOT];
    while let Some(folder) = open.pop() {
        for row in view.remote_children(folder)? {
            visit(&row)?;
            if row.kind() == NodeKind::Folder {
                open.push(row.node);
            }
        }
    }
    Ok(())
}

/// What is different about a row of R and what the provider says of it.
fn difference(view: &View<'_>, row: &RemoteRow, told: Option<&RemoteEntry>) -> crate::catalog::Result<Option<String>> {
    let Some(told) = told else { return Ok(Some("the provider does not have it".to_owned())) };
    let parent = match row.parent {
        Some(parent) => super::root::rid_of_node(view, parent)?,
        None => None,
    };
    if told.parent != parent || told.name != row.name {
        return Ok(Some(format!("the provider has it at another place, as `{}`", told.name)));
    }
    let differs = match (&row.body, &told.body) {
        (RemoteBody::Folder, EntryBody::Folder) => false,
        (RemoteBody::Symlink { target }, EntryBody::Symlink { target: told }) => target != told,
        (
            RemoteBody::File { revision, size, hash, .. },
            EntryBody::File { revision: told_revision, size: told_size, hash: told_hash, .. },
        ) => {
            revision != told_revision
                || size != told_size
                || (told_hash.is_some() && hash.is_some() && hash != told_hash)
        }
        (RemoteBody::Folder | RemoteBody::Symlink { .. } | RemoteBody::File { .. }, _) => true,
    };
    Ok(differs.then(|| "the provider has another version of it".to_owned()))
}

fn remote_path(view: &View<'_>, node: NodeId) -> crate::catalog::Result<String> {
    let (mut names, mut at) = (Vec::new(), Some(node));
    while let Some(row) = at.filter(|node| *node != NodeId::ROOT).map(|node| view.remote(node)).transpose()?.flatten() {
        names.push(row.name.to_string());
        at = row.parent;
    }
    names.reverse();
    Ok(names.join("/"))
}
