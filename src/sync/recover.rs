//! Start-up recovery (idempotent): rows and staged bytes are brought together again before anything is mounted.
//!
//! - Bytes that a row names and that are there are that row's content, at their present size: what was written and not flushed before the
//!   process died is kept.
//! - Bytes that no row names go to history if their record says that they were synced to disk, otherwise they are garbage.
//! - A row whose bytes are missing is a loss that must never happen: it is shown as a conflict, and the node gets back the last version
//!   that the provider has had, or, as an empty file, its name. The same goes for bytes that are damaged so that nobody can say which
//!   they are; those are put aside.
//! - A record that is damaged is a promise all the same: its bytes go to history without a name. So do, after the catalog was lost, bytes
//!   without a record, since nobody can say any more what they were.
//! - After the catalog was lost, bytes wait until everything was listed, and are then attached by their records ([`super::rebuild`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::agree::agree;
use super::engine::Engine;
use super::error::Result;
use super::keep_both::Clash;
use super::rebuild::REBUILD_PENDING;
use crate::catalog::{
    Attr, Catalog, CatalogError, HistoryReason, HistoryRow, LocalContent, LocalRow, Opened, StagedRow, SyncedBody, Txn,
    View,
};
use crate::content::{ContentError, ContentStore, StagedFile, StagedRecord};
use crate::sys::failpoint;
use crate::types::{ByteRange, ContentHash, NameRules, NodeId, StagedId, Timestamp};

/// What recovery did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// Staged bytes without an owner that went to history.
    pub kept: u64,
    /// Staged bytes that nobody was promised.
    pub dropped: u64,
    /// Rows whose bytes are missing.
    pub lost: u64,
    /// Rows whose size or time was behind their bytes.
    pub refreshed: u64,
    /// Staged bytes that are damaged and were put aside.
    pub set_aside: u64,
    /// The catalog was lost: the rest happens after the first complete listing.
    pub rebuilding: bool,
}

/// Runs once, after the catalog and the content store were opened and before the vault is mounted or synced.
pub fn recover(
    catalog: &Catalog,
    content: &ContentStore,
    rules: &NameRules,
    device: &str,
    opened: &Opened,
) -> Result<Recovered> {
    let mut found = Recovered::default();
    catalog.flush_first(content.names_flush());
    // What is read below decides which bytes go: it must not be older after a power cut.
    catalog.sync()?;
    let on_disk: BTreeSet<StagedId> = content.staged_ids()?.into_iter().collect();
    let is_lost = match opened {
        Opened::Rebuilt { .. } => true,
        // Nothing is staged before there is a catalog.
        Opened::Created => !on_disk.is_empty(),
        Opened::Clean | Opened::AfterCrash => false,
    };
    if is_lost {
        catalog.write(|txn| txn.set_meta(REBUILD_PENDING, "1"))?;
    }
    found.rebuilding = catalog.read(|view| view.meta(REBUILD_PENDING))?.as_deref() == Some("1");
    catalog.write(|txn| txn.set_meta(SESSION_HASHES, "{}"))?;
    let rows = catalog.read(|view| view.all_staged())?;
    let mut owned = BTreeMap::new();
    for row in rows {
        let local = catalog.read(|view| view.local(row.node))?;
        match local {
            Some(local) if is_content_of(&local, row.id) => {
                if !on_disk.contains(&row.id) {
                    let loss = Loss::of_missing(found.rebuilding);
                    if loss == Loss::Missing && catalog.read(|view| view.synced(row.node))?.is_none() {
                        content.stage(row.id, None)?;
                    }
                    catalog.write(|txn| lost(txn, rules, device, &row, loss))?;
                    found.lost += 1;
                } else if is_damaged(content, row.id)? {
                    // Aside first: the row is what finds them.
                    content.set_aside(row.id)?;
                    catalog.write(|txn| lost(txn, rules, device, &row, Loss::Damaged))?;
                    found.set_aside += 1;
                } else {
                    found.refreshed += u64::from(refresh_row(catalog, content, &row, local)?);
                }
                failpoint::reach("recover-attached");
                owned.insert(row.id, row.node);
            }
            Some(_) | None => {
                found.count(collect_one(catalog, content, row.id, row.node, Nameless::of(row.node))?);
                owned.insert(row.id, row.node);
            }
        }
    }
    for id in on_disk.into_iter().filter(|id| !owned.contains_key(id)) {
        if found.rebuilding && content.record(id)?.is_some() {
            continue;
        }
        let nameless = if found.rebuilding { Nameless::Keep } else { Nameless::Drop };
        // A row of nobody's, so that bytes that cannot be kept yet are not forgotten.
        catalog.write(|txn| {
            let (size, created) = (0, txn.now());
            txn.put_staged(&StagedRow { id, node: NodeId::ROOT, size, hashed: None, session: None, created })
        })?;
        found.count(collect_one(catalog, content, id, NodeId::ROOT, nameless)?);
    }
    Ok(found)
}

impl Engine {
    /// Collects staged bytes whose node was deleted or got other content, once nobody has them open any more.
    pub(super) async fn collect(&self) -> Result<()> {
        self.catalog.settle()?;
        for row in self.catalog.read(|view| view.unowned_staged())? {
            let nameless = Nameless::of(row.node);
            match self.content.staged(row.id) {
                Ok(file) if nameless == Nameless::Keep || self.content.record(row.id)?.is_some() => {
                    if let Err(error) = self.complete(&file).await {
                        // What they were an edit of cannot be had now, or any more: they stay until it can.
                        tracing::warn!(%error, id = %row.id, "bytes without an owner are incomplete");
                        continue;
                    }
                }
                Ok(_) | Err(ContentError::StagedMissing(_) | ContentError::StagedDamaged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            collect_one(&self.catalog, &self.content, row.id, row.node, nameless)?;
        }
        Ok(())
    }
}

/// What becomes of bytes without a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Nameless {
    /// Nobody was promised them.
    Drop,
    /// Nobody knows any more whether anybody was.
    Keep,
}

impl Nameless {
    /// Only bytes that were found when the catalog had been lost stay in the name of nobody: the root.
    fn of(node: NodeId) -> Self {
        if node == NodeId::ROOT { Self::Keep } else { Self::Drop }
    }
}

/// Bytes that no row of L names: to history if they were promised to anybody, else away; and their row. Those that somebody has open,
/// and those that are incomplete, stay for later.
fn collect_one(
    catalog: &Catalog,
    content: &ContentStore,
    id: StagedId,
    node: NodeId,
    nameless: Nameless,
) -> Result<Collected> {
    let collected = match content.staged(id) {
        // Without a row in L nobody can come to hold them.
        Ok(file) if Arc::strong_count(&file) > 1 => return Ok(Collected::Left),
        Ok(file) => match promised(content, &file, nameless)? {
            Promised::Nothing => Collected::Dropped,
            Promised::Place(record) if is_synced_copy(catalog, &file, &record)? => Collected::Dropped,
            Promised::Place(_) | Promised::Something if !file.missing(ByteRange::new(0, file.size())).is_empty() => {
                return Ok(Collected::Left);
            }
            Promised::Place(record) => keep(catalog, content, &file, node, record.path)?,
            Promised::Something => keep(catalog, content, &file, node, format!("recovered/{id}"))?,
        },
        Err(ContentError::StagedMissing(_)) => Collected::Dropped,
        Err(ContentError::StagedDamaged { .. }) => {
            content.set_aside(id)?;
            Collected::SetAside
        }
        Err(error) => return Err(error.into()),
    };
    if collected != Collected::SetAside {
        content.discard(id)?;
    }
    failpoint::reach("recover-collected");
    catalog.write(|txn| {
        txn.remove_staged(id)?;
        txn.forget_node_if_absent(node)
    })?;
    Ok(collected)
}

/// What is known of bytes that no row names.
enum Promised {
    /// Nobody relies on them.
    Nothing,
    /// Somebody may, and their place is not known.
    Something,
    /// Somebody does, and they belong there.
    Place(Box<StagedRecord>),
}

fn promised(content: &ContentStore, file: &StagedFile, nameless: Nameless) -> Result<Promised> {
    let id = file.id();
    Ok(match content.record(id)? {
        Some(record) => Promised::Place(Box::new(record)),
        None if content.is_record_damaged(id)? => {
            tracing::error!(%id, "the record of staged bytes is damaged; they are kept without their name");
            Promised::Something
        }
        None if nameless == Nameless::Keep && file.size() > 0 => Promised::Something,
        None => Promised::Nothing,
    })
}

fn keep(catalog: &Catalog, content: &ContentStore, file: &StagedFile, node: NodeId, path: String) -> Result<Collected> {
    let (name, size) = (content.keep_staged(file)?, file.size());
    let reason = if node == NodeId::ROOT { HistoryReason::Recovered } else { HistoryReason::DeletedUnsynced };
    catalog.write(|txn| {
        let kept_at = txn.now();
        txn.add_history(&HistoryRow { id: 0, node, path, reason, size, file: name, kept_at })
    })?;
    catalog.sync()?;
    Ok(Collected::Kept)
}

/// True if nobody can say which bytes these are.
fn is_damaged(content: &ContentStore, id: StagedId) -> Result<bool> {
    match content.staged(id) {
        Ok(_) => Ok(false),
        Err(ContentError::StagedDamaged { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// True if what the bytes were staged for is clean with exactly these bytes: they were sent, and the process ended before they went.
fn is_synced_copy(catalog: &Catalog, file: &StagedFile, record: &StagedRecord) -> Result<bool> {
    let local = catalog.read(|view| view.local_at_path(&record.path))?;
    let Some(LocalContent::Clean(version)) = local.map(|row| row.content) else { return Ok(false) };
    let Some(hash) = version.hash.filter(|_| version.size == file.size()) else { return Ok(false) };
    if !file.missing(ByteRange::new(0, file.size())).is_empty() {
        return Ok(false);
    }
    Ok(file.hash(hash.kind)?.0 == hash)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Collected {
    Kept,
    Dropped,
    Left,
    SetAside,
}

impl Recovered {
    fn count(&mut self, collected: Collected) {
        match collected {
            Collected::Kept => self.kept += 1,
            Collected::Dropped => self.dropped += 1,
            Collected::SetAside => self.set_aside += 1,
            Collected::Left => {}
        }
    }
}

fn is_content_of(row: &LocalRow, id: StagedId) -> bool {
    match &row.content {
        LocalContent::Staged { staged, .. } => *staged == id,
        LocalContent::None | LocalContent::Symlink(_) | LocalContent::Clean(_) => false,
    }
}

/// When staged bytes were last changed, as far as the row or record tells that names this time, or the file itself, if it was written
/// after that. The row's clock and the file system's are a moment apart, and a time that is still to come tells nothing.
pub(super) fn last_change(file: &StagedFile, told: Timestamp, now: Timestamp) -> Result<Timestamp> {
    const MOMENT: Duration = Duration::from_millis(100);
    let modified = file.modified()?;
    Ok(if modified > told.plus(MOMENT) && modified <= now { modified } else { told })
}

/// The bytes are the truth: size, time and hash of the rows may be older. True if the size or the time was.
fn refresh_row(catalog: &Catalog, content: &ContentStore, row: &StagedRow, local: LocalRow) -> Result<bool> {
    let file = content.staged(row.id)?;
    let size = file.size();
    let mtime = last_change(&file, local.attr.mtime, catalog.now())?;
    let is_behind = (local.attr.size, local.attr.mtime) != (size, mtime);
    if !is_behind && row.hashed.is_none() {
        return Ok(false);
    }
    catalog.write(|txn| {
        // A hash of before the crash may be of bytes before the last write. It is remembered for the upload session alone, which goes on
        // if the bytes turn out to be the same.
        if let (Some(hash), Some(_)) = (row.hashed, &row.session) {
            remember_session_hash(txn, row.id, hash)?;
        }
        txn.put_staged(&StagedRow { size, hashed: None, ..row.clone() })?;
        if is_behind {
            txn.set_local_attr(local.node, &Attr { size, mtime, ..local.attr })?;
            txn.touch(local.node)?;
        }
        Ok::<_, CatalogError>(())
    })?;
    Ok(is_behind)
}

/// Meta key: hashes of the bytes that interrupted upload sessions were begun with, by staged id.
const SESSION_HASHES: &str = "sync.session_hashes";

fn session_hashes(view: &View<'_>) -> std::result::Result<BTreeMap<StagedId, ContentHash>, CatalogError> {
    let stored = view.meta(SESSION_HASHES)?.unwrap_or_default();
    // Unreadable is as good as none: the sessions are begun anew.
    Ok(serde_json::from_str(&stored).unwrap_or_default())
}

fn remember_session_hash(txn: &Txn<'_>, id: StagedId, hash: ContentHash) -> std::result::Result<(), CatalogError> {
    let mut hashes = session_hashes(txn)?;
    hashes.insert(id, hash);
    let text = serde_json::to_string(&hashes).map_err(|error| CatalogError::Corrupt(error.to_string()))?;
    txn.set_meta(SESSION_HASHES, &text)
}

/// True if the session of these staged bytes, interrupted by a crash, was begun with bytes of this hash.
pub(super) fn was_begun_with(
    view: &View<'_>,
    id: StagedId,
    hash: ContentHash,
) -> std::result::Result<bool, CatalogError> {
    Ok(session_hashes(view)?.get(&id) == Some(&hash))
}

/// Why a row has no bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Loss {
    /// They are not there.
    Missing,
    /// They are not there, but the row is of a backup: they may simply have been uploaded since.
    Outdated,
    /// They were put aside.
    Damaged,
}

impl Loss {
    fn of_missing(rebuilding: bool) -> Self {
        if rebuilding { Self::Outdated } else { Self::Missing }
    }

    fn word(self) -> Option<&'static str> {
        match self {
            Self::Missing => Some("lost-staged"),
            Self::Outdated => None,
            Self::Damaged => Some("damaged-staged"),
        }
    }
}

/// A row whose bytes are gone: the node gets back the last version that the provider has had. One that it never had stays as the empty
/// file that was staged for it, unless the catalog is a backup or the bytes were put aside.
fn lost(
    txn: &Txn<'_>,
    rules: &NameRules,
    device: &str,
    row: &StagedRow,
    loss: Loss,
) -> std::result::Result<(), CatalogError> {
    let Some(mut local) = txn.local(row.node)? else { return Ok(()) };
    if let Some(what) = loss.word() {
        let clash = Clash {
            ours: row.hashed.map(|hash| hash.to_hex()),
            strategy: "the last version of the provider comes back",
            ..Clash::of(what)
        };
        let path = txn.local_path(row.node)?.unwrap_or_default();
        txn.add_conflict(&clash.row(txn, device, row.node, path))?;
    }
    match txn.synced(row.node)?.map(|row| row.body) {
        Some(SyncedBody::File(version)) => {
            local.attr.size = version.size;
            txn.set_local_content(row.node, &LocalContent::Clean(version), &local.attr)?;
        }
        // Made right before a power cut, and never synced: the name stays, as names that were made after it do, and the file is empty.
        None if loss == Loss::Missing => {
            local.attr.size = 0;
            txn.set_local_attr(row.node, &local.attr)?;
            txn.touch(row.node)?;
            return txn.put_staged(&StagedRow { size: 0, hashed: None, session: None, ..row.clone() });
        }
        Some(SyncedBody::Folder | SyncedBody::Symlink { .. }) | None => txn.remove_local(row.node)?,
    }
    txn.remove_staged(row.id)?;
    agree(txn, rules, row.node)
}
