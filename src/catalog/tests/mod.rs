//! The catalog on real files: what callers rely on, and what must be refused.

mod crash;
mod dirty;
mod local;
mod open;
mod readers;
mod remote;
mod rest;
mod scale;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use uuid::Uuid;

use super::*;
use crate::types::{
    ContentHash, EntryName, HashKind, InodeNo, NodeId, NodeKind, RemoteId, Revision, StagedId, Timestamp,
};

pub(super) const FOLDED: NameRules =
    NameRules { case_insensitive: true, normalization_insensitive: true, ..NameRules::EXACT };

/// A clock that ticks one nanosecond per look.
pub(super) struct TickingClock(AtomicI64);

impl Clock for TickingClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// A vault's state folder that can be opened again and again.
pub(super) struct Fixture {
    pub(super) folder: tempfile::TempDir,
    pub(super) vault: VaultId,
    clock: Arc<TickingClock>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            vault: VaultId(Uuid::from_u128(7)),
            clock: Arc::new(TickingClock(AtomicI64::new(1_000))),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn try_open(&self) -> Result<(Catalog, Opened)> {
        Catalog::open(self.folder.path(), self.vault, FOLDED, self.clock.clone())
    }

    pub(super) fn open(&self) -> Catalog {
        self.try_open().unwrap().0
    }

    /// A catalog with nothing but a root in L.
    pub(super) fn catalog() -> (Self, Catalog) {
        let fixture = Self::new();
        let catalog = fixture.open();
        (fixture, catalog)
    }
}

pub(super) fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

pub(super) fn attr(size: u64) -> Attr {
    Attr {
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        rdev: 0,
        special: 0,
        size,
        atime: Timestamp(1),
        mtime: Timestamp(-2),
        ctime: Timestamp(3),
        btime: Timestamp(i64::MAX),
    }
}

pub(super) fn version(rid: &str, revision: &str) -> Version {
    Version {
        rid: RemoteId(rid.to_owned()),
        revision: Revision(revision.to_owned()),
        size: 5,
        hash: Some(ContentHash::of(HashKind::Dropbox, revision.as_bytes())),
    }
}

/// Adds a folder to L.
pub(super) fn add_folder(txn: &Txn<'_>, parent: NodeId, text: &str) -> Result<LocalRow> {
    let row = LocalRow {
        node: txn.new_node(NodeKind::Folder)?,
        parent: Some(parent),
        name: name(text),
        kind: NodeKind::Folder,
        ino: txn.new_ino()?,
        attr: attr(0),
        content: LocalContent::None,
        local_only: false,
    };
    txn.insert_local(&row)?;
    Ok(row)
}

/// Adds a file with clean content to L.
pub(super) fn add_file(txn: &Txn<'_>, parent: NodeId, text: &str) -> Result<LocalRow> {
    let node = txn.new_node(NodeKind::File)?;
    let row = LocalRow {
        node,
        parent: Some(parent),
        name: name(text),
        kind: NodeKind::File,
        ino: txn.new_ino()?,
        attr: attr(5),
        content: LocalContent::Clean(version(&format!("id:{node}"), "r1")),
        local_only: false,
    };
    txn.insert_local(&row)?;
    Ok(row)
}

/// The row of R that agrees with a row of L.
pub(super) fn remote_of(row: &LocalRow) -> RemoteRow {
    let body = match &row.content {
        LocalContent::None => RemoteBody::Folder,
        LocalContent::Symlink(target) => RemoteBody::Symlink { target: target.clone() },
        LocalContent::Clean(version) | LocalContent::Staged { based_on: Some(version), .. } => RemoteBody::File {
            revision: version.revision.clone(),
            size: version.size,
            hash: version.hash,
            modified: Some(Timestamp(9)),
        },
        LocalContent::Staged { based_on: None, .. } => panic!("the provider never had {row:?}"),
    };
    RemoteRow {
        node: row.node,
        parent: row.parent,
        name: row.name.clone(),
        rid: RemoteId(format!("id:{}", row.node)),
        body,
    }
}

/// The row of S that agrees with a row of L.
pub(super) fn synced_of(row: &LocalRow) -> SyncedRow {
    let body = match &row.content {
        LocalContent::None => SyncedBody::Folder,
        LocalContent::Symlink(target) => SyncedBody::Symlink { target: target.clone() },
        LocalContent::Clean(version) | LocalContent::Staged { based_on: Some(version), .. } => {
            SyncedBody::File(version.clone())
        }
        LocalContent::Staged { based_on: None, .. } => panic!("the provider never had {row:?}"),
    };
    SyncedRow { node: row.node, parent: row.parent, name: row.name.clone(), body }
}

/// Puts the root and the given rows into R and S, and clears their marks: all trees agree.
pub(super) fn settle(txn: &Txn<'_>, rows: &[&LocalRow]) -> Result<()> {
    let root = txn.local(NodeId::ROOT)?.ok_or(CatalogError::NoSuchNode(NodeId::ROOT))?;
    for row in std::iter::once(&root).chain(rows.iter().copied()) {
        txn.put_remote(&remote_of(row))?;
        txn.put_synced(&synced_of(row))?;
        txn.clear_dirty(row.node)?;
    }
    Ok(())
}

/// A staged row for a node.
pub(super) fn staged_row(node: NodeId) -> StagedRow {
    StagedRow { id: StagedId::random(), node, size: 5, hashed: None, session: None, created: Timestamp(4) }
}

/// A transaction of a test, with the error type spelled out.
pub(super) fn write<T>(catalog: &Catalog, change: impl FnOnce(&Txn<'_>) -> Result<T>) -> Result<T> {
    catalog.write(change)
}

pub(super) fn assert_sound(catalog: &Catalog) {
    assert_eq!(catalog.check().unwrap(), Vec::<String>::new());
}

/// The message of the constraint that refused.
pub(super) fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    let CatalogError::Sqlite(refused) = &error else { panic!("another error: {error:?}") };
    refused.to_string()
}

pub(super) const ROOT: NodeId = NodeId::ROOT;
pub(super) const NO_INO: InodeNo = InodeNo(u64::MAX >> 2);
