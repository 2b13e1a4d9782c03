//! One device's connection to the cloud, with what goes wrong on the way: no network, calls that take long, calls that are refused for
//! now, answers that are lost after the effect, feeds that lag, repeat themselves and forget cursors.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use vaultfs::provider::{
    Capabilities, Change, ChangeFeed, ChangePage, Cursor, ErrorKind, Limits, Provider, ProviderError, RemoteEntry,
    Space, Upload, UploadSession, UploadTarget,
};
use vaultfs::types::{ByteRange, ContentHash, EntryName, HashKind, RemoteId, Revision};

use crate::cloud::{Cloud, Manner, Result, refuse, root_id};
use crate::struck::Struck;

/// How often things go wrong, each from 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// The call is refused for now, without effect.
    pub(crate) busy: f64,
    /// The effect happens, the answer is lost.
    pub(crate) lost_reply: f64,
    /// The network is gone for this call.
    pub(crate) offline: f64,
    /// The feed answers with an older state.
    pub(crate) lag: f64,
    /// The feed repeats what it had told before.
    pub(crate) repeat: f64,
    /// The cursor is forgotten.
    pub(crate) reset: f64,
    /// A page tells each place once, in its latest state, which may be ahead of the page (Dropbox only).
    pub(crate) coalesce: f64,
    /// Longest delay of a call.
    pub(crate) delay_ms: u64,
}

const PART_BYTES: usize = 40_000;
const PAGE_GROUPS: usize = 3;

/// One device's connection.
pub(crate) struct SimProvider {
    cloud: Arc<Mutex<Cloud>>,
    capabilities: Capabilities,
    random: Mutex<StdRng>,
    faults: Mutex<Faults>,
    offline: AtomicBool,
    /// This call (`*`: every call) fails with this kind.
    trouble: Mutex<Option<(&'static str, ErrorKind)>>,
    /// Bytes of uploads that arrived.
    pub(crate) received: AtomicU64,
    /// Files that were made without sending their bytes.
    pub(crate) copies: AtomicU64,
    /// Times that bytes were asked for.
    pub(crate) reads: AtomicU64,
    /// Folders that were looked into.
    pub(crate) listed: AtomicU64,
    /// Calls made.
    pub(crate) calls: AtomicU64,
    /// What went wrong.
    pub(crate) struck: Struck,
    /// When the feed was read.
    pub(crate) pulls: Mutex<Vec<tokio::time::Instant>>,
}

impl SimProvider {
    pub(crate) fn new(cloud: Arc<Mutex<Cloud>>, seed: u64) -> Self {
        let (manner, names) = {
            let cloud = cloud.lock().unwrap();
            (cloud.manner, cloud.names())
        };
        let is_dropbox = manner == Manner::Dropbox;
        let capabilities = Capabilities {
            direct: false,
            ranged_read: true,
            stable_ids: true,
            conditional_write: is_dropbox,
            overwrite_keeps_id: is_dropbox,
            folder_move: true,
            server_copy: is_dropbox,
            reports_case_rename: !is_dropbox,
            symlinks: false,
            change_feed: if is_dropbox { ChangeFeed::Notified } else { ChangeFeed::Polled(Duration::from_secs(15)) },
            content_hash: is_dropbox.then_some(HashKind::Dropbox),
            names,
            limits: Limits { max_file_bytes: u64::MAX, parallel_calls: 3, max_read_bytes: 128 * 1024 },
        };
        Self {
            cloud,
            capabilities,
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            faults: Mutex::default(),
            offline: AtomicBool::new(false),
            trouble: Mutex::default(),
            received: AtomicU64::new(0),
            copies: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            listed: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            struck: Struck::default(),
            pulls: Mutex::default(),
        }
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        *self.faults.lock().unwrap() = faults;
    }

    pub(crate) fn set_trouble(&self, trouble: Option<(&'static str, ErrorKind)>) {
        *self.trouble.lock().unwrap() = trouble;
    }

    pub(crate) fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Ordering::Relaxed);
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Relaxed)
    }

    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap()
    }

    fn faults(&self) -> Faults {
        *self.faults.lock().unwrap()
    }

    fn happens(&self, rate: f64) -> bool {
        rate > 0.0 && self.random.lock().unwrap().random_bool(rate)
    }

    /// Whether a fault strikes an operation now.
    fn strikes(&self, kind: &'static str, rate: f64, operation: &'static str) -> bool {
        let strikes = self.happens(rate);
        if strikes {
            self.struck.count(kind, operation);
        }
        strikes
    }

    fn is_cut_off(&self, operation: &'static str) -> bool {
        let offline = self.is_offline();
        if offline {
            self.struck.count("offline", operation);
        }
        offline
    }

    async fn delay(&self, faults: &Faults, operation: &'static str) {
        if faults.delay_ms > 0 {
            self.struck.count("delay", operation);
        }
        tokio::time::sleep(Duration::from_millis(1 + self.below(faults.delay_ms))).await;
    }

    fn below(&self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.random.lock().unwrap().random_range(0..limit) }
    }

    /// The way to the cloud.
    async fn request(&self, operation: &'static str) -> Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let faults = self.faults();
        self.delay(&faults, operation).await;
        if self.is_cut_off(operation) || self.strikes("offline", faults.offline, operation) {
            return refuse(ErrorKind::Offline, operation);
        }
        if let Some((what, kind)) = *self.trouble.lock().unwrap()
            && (what == "*" || what == operation)
        {
            return refuse(kind, operation);
        }
        if self.strikes("busy", faults.busy, operation) {
            let mut error = ProviderError::new(ErrorKind::Busy, operation, "simulated");
            if self.happens(0.5) {
                error = error.retry_after(Duration::from_secs(1 + self.below(20)));
            }
            return Err(error);
        }
        Ok(())
    }

    /// The way back after a change.
    async fn reply<T>(&self, operation: &'static str, result: Result<T>) -> Result<T> {
        let faults = self.faults();
        self.delay(&faults, operation).await;
        if result.is_ok() {
            self.cloud().mutations += 1;
            if self.is_offline() || self.happens(faults.lost_reply) {
                self.struck.count("lost reply", operation);
                return refuse(ErrorKind::Ambiguous, operation);
            }
        }
        result
    }

    fn page(&self, at: &str) -> Result<ChangePage> {
        let faults = self.faults();
        let cloud = self.cloud();
        let Some((epoch, from)) = at.split_once(':') else { return refuse(ErrorKind::CursorReset, "list changes") };
        if epoch.parse() != Ok(cloud.epoch) {
            return refuse(ErrorKind::CursorReset, "list changes");
        }
        let mut from: usize = from.parse().unwrap();
        let known = from;
        if self.strikes("repeat", faults.repeat, "list changes") {
            from = from.saturating_sub(usize::try_from(self.below(6)).unwrap());
        }
        let mut tip = cloud.groups();
        if self.strikes("lag", faults.lag, "list changes") {
            tip = known.max(tip.saturating_sub(usize::try_from(self.below(4)).unwrap()));
        }
        let to = tip.min(from.max(known) + PAGE_GROUPS);
        let mut changes: Vec<Change> = (from..to).flat_map(|group| cloud.group(group)).collect();
        if cloud.manner == Manner::Dropbox && self.strikes("coalesce", faults.coalesce, "list changes") {
            changes = coalesced(&cloud, &changes);
        }
        Ok(ChangePage { changes, cursor: Cursor(format!("{}:{to}", cloud.epoch)), has_more: to < tip })
    }

    /// The first page of a listing holds everything; the order is not promised.
    fn listing(&self) -> ChangePage {
        let cloud = self.cloud();
        let mut changes: Vec<Change> = cloud
            .entries
            .values()
            .filter(|entry| entry.parent.is_some())
            .map(|entry| Change::Upsert(cloud.describe(entry)))
            .collect();
        if self.happens(0.5) {
            changes.reverse();
        }
        ChangePage { changes, cursor: Cursor(format!("{}:{}", cloud.epoch, cloud.groups())), has_more: false }
    }

    /// The bytes of a copy: those that its source holds when the copy is made.
    async fn copied(&self, upload: &Upload<'_>) -> Result<Option<Vec<u8>>> {
        let (Some(source), UploadTarget::Create { .. }, true) =
            (&upload.copy_of, &upload.target, self.capabilities.server_copy)
        else {
            return Ok(None);
        };
        self.request("copy").await?;
        let bytes = {
            let cloud = self.cloud();
            let file = cloud.entries.get(&source.id).filter(|entry| entry.revision.as_ref() == Some(&source.revision));
            file.map(|file| cloud.bytes(file).to_vec())
        };
        if let Some(bytes) = &bytes {
            let hash = ContentHash::of(self.capabilities.hash_kind(), bytes);
            assert_eq!(hash, upload.hash, "what is to be copied has other bytes");
            self.copies.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes)
    }

    async fn receive(&self, upload: &Upload<'_>) -> Result<Vec<u8>> {
        let size = usize::try_from(upload.source.size()).unwrap();
        let is_large = size > PART_BYTES;
        // A session that is not there any more is begun anew.
        let resumed = upload.resume.as_ref().filter(|_| is_large).and_then(|session| {
            let bytes = self.cloud().sessions.get(&session.id).cloned();
            bytes.map(|bytes| (session.id.clone(), bytes))
        });
        let (session, mut bytes) = resumed.unwrap_or_else(|| (format!("session{}", self.below(u64::MAX)), Vec::new()));
        while bytes.len() < size {
            let mut part = vec![0; PART_BYTES.min(size - bytes.len())];
            let read = upload.source.read_at(bytes.len() as u64, &mut part);
            read.map_err(|error| {
                ProviderError::new(ErrorKind::Invalid, "upload", "the bytes changed").caused_by(error)
            })?;
            bytes.extend(part);
            self.received.fetch_add(PART_BYTES.min(size) as u64, Ordering::Relaxed);
            upload.observer.progressed(bytes.len() as u64);
            if is_large {
                self.cloud().sessions.insert(session.clone(), bytes.clone());
                upload.observer.session(&UploadSession { id: session.clone(), offset: bytes.len() as u64 });
                self.request("upload part").await?;
            }
        }
        self.cloud().sessions.remove(&session);
        if ContentHash::of(self.capabilities.hash_kind(), &bytes) != upload.hash {
            return refuse(ErrorKind::Corrupt, "upload");
        }
        Ok(bytes)
    }
}

/// Deletions first, then what is there, in the order in which the places were told of last.
fn coalesced(cloud: &Cloud, changes: &[Change]) -> Vec<Change> {
    let mut told = std::collections::BTreeSet::new();
    let (mut gone, mut present) = (Vec::new(), Vec::new());
    for change in changes.iter().rev() {
        let (parent, name) = match change {
            Change::Upsert(entry) => (entry.parent.clone().unwrap_or_else(root_id), &entry.name),
            Change::RemovedAt { parent, name } => (parent.clone(), name),
            Change::Removed(_) => unreachable!("Dropbox tells deletions by place"),
        };
        if !told.insert((parent.clone(), cloud.names().key(name))) {
            continue;
        }
        match cloud.child(&parent, name) {
            Some(entry) => present.push(Change::Upsert(cloud.describe(entry))),
            None => gone.push(Change::RemovedAt { parent, name: name.clone() }),
        }
    }
    gone.into_iter().rev().chain(present.into_iter().rev()).collect()
}

#[async_trait]
impl Provider for SimProvider {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn root(&self) -> Result<RemoteEntry> {
        self.request("root").await?;
        let cloud = self.cloud();
        Ok(cloud.describe(&cloud.entries[&root_id()]))
    }

    async fn changes(&self, cursor: Option<&Cursor>) -> Result<ChangePage> {
        self.pulls.lock().unwrap().push(tokio::time::Instant::now());
        self.request("list changes").await?;
        if let Some((what, kind)) = *self.trouble.lock().unwrap()
            && what == "cursor"
            && cursor.is_some()
        {
            return refuse(kind, "list changes");
        }
        if cursor.is_some() && self.strikes("reset", self.faults().reset, "list changes") {
            return refuse(ErrorKind::CursorReset, "list changes");
        }
        match cursor {
            None => Ok(self.listing()),
            Some(cursor) => self.page(&cursor.0),
        }
    }

    async fn wait_for_changes(&self, cursor: &Cursor, timeout: Duration) -> Result<()> {
        self.request("wait for changes").await?;
        let known: usize = cursor.0.split_once(':').and_then(|(_, at)| at.parse().ok()).unwrap_or(0);
        let mut tip = self.cloud().tip.subscribe();
        drop(tokio::time::timeout(timeout, tip.wait_for(|tip| *tip > known)).await);
        if self.is_offline() { refuse(ErrorKind::Offline, "wait for changes") } else { Ok(()) }
    }

    async fn stat(&self, id: &RemoteId) -> Result<RemoteEntry> {
        self.request("stat").await?;
        let cloud = self.cloud();
        match cloud.entries.get(id) {
            Some(entry) => Ok(cloud.describe(entry)),
            None => refuse(ErrorKind::NotFound, "stat"),
        }
    }

    async fn find(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>> {
        self.request("find").await?;
        let cloud = self.cloud();
        if !cloud.entries.contains_key(parent) {
            return refuse(ErrorKind::NotFound, "find");
        }
        Ok(cloud.child(parent, name).map(|entry| cloud.describe(entry)))
    }

    async fn children(&self, folder: &RemoteId) -> Result<Vec<RemoteEntry>> {
        self.listed.fetch_add(1, Ordering::Relaxed);
        self.request("list a folder").await?;
        let cloud = self.cloud();
        if !cloud.entries.contains_key(folder) {
            return refuse(ErrorKind::NotFound, "list a folder");
        }
        Ok(cloud.children(folder).into_iter().map(|entry| cloud.describe(entry)).collect())
    }

    async fn read(&self, id: &RemoteId, revision: &Revision, range: ByteRange) -> Result<Bytes> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.request("read").await?;
        let cloud = self.cloud();
        let is_there = match cloud.manner {
            Manner::Dropbox => cloud.revisions.contains_key(revision),
            Manner::Icloud => cloud.entries.get(id).is_some_and(|entry| entry.revision.as_ref() == Some(revision)),
        };
        if !is_there {
            return refuse(ErrorKind::RevisionGone, "read");
        }
        let bytes = &cloud.revisions[revision];
        let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
        match bytes.get(start..end) {
            Some(part) => Ok(Bytes::copy_from_slice(part)),
            None => refuse(ErrorKind::Invalid, "read"),
        }
    }

    async fn create_folder(&self, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry> {
        self.request("create folder").await?;
        let made = self.cloud().create_folder(parent, name);
        self.reply("create folder", made).await
    }

    async fn create_symlink(&self, _parent: &RemoteId, _name: &EntryName, _target: &str) -> Result<RemoteEntry> {
        refuse(ErrorKind::Unsupported, "create link")
    }

    async fn upload(&self, upload: Upload<'_>) -> Result<RemoteEntry> {
        self.request("upload").await?;
        let bytes = match self.copied(&upload).await? {
            Some(bytes) => bytes,
            None => self.receive(&upload).await?,
        };
        let stored = match &upload.target {
            UploadTarget::Create { parent, name } => self.cloud().create_file(parent, name, bytes),
            UploadTarget::Replace { id, expected } => self.cloud().replace_file(id, expected, bytes),
        };
        self.reply("upload", stored).await
    }

    async fn relocate(&self, id: &RemoteId, to_parent: &RemoteId, to_name: &EntryName) -> Result<RemoteEntry> {
        self.request("move").await?;
        let moved = self.cloud().relocate(id, to_parent, to_name);
        self.reply("move", moved).await
    }

    async fn delete(&self, id: &RemoteId, expected: Option<&Revision>) -> Result<()> {
        self.request("delete").await?;
        let deleted = self.cloud().delete(id, expected);
        self.reply("delete", deleted).await
    }

    fn open_direct(&self, _id: &RemoteId, _revision: &Revision) -> Option<File> {
        None
    }

    fn direct_is_current(&self, _file: &File, _revision: &Revision) -> bool {
        false
    }

    async fn space(&self) -> Result<Space> {
        Ok(Space { total: u64::MAX, free: u64::MAX })
    }
}
