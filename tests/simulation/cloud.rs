//! A cloud in memory: the truth that devices and a web user share. Written from what the real services do, not from what the engine
//! expects; everything is one commit at a time.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use vaultfs::provider::{Change, EntryBody, ErrorKind, ProviderError, RemoteEntry};
use vaultfs::types::{ContentHash, EntryName, HashKind, NameKey, NameRules, RemoteId, Revision};

/// Which service is imitated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    /// Conditional writes, ids for life, case does not matter, deletions told by place, renames of case not told, old revisions stay.
    Dropbox,
    /// No conditional writes, a new version is a new document and the old one goes to the trash, polled, no hash.
    Icloud,
}

/// A file or folder.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: RemoteId,
    pub(crate) parent: Option<RemoteId>,
    pub(crate) name: EntryName,
    /// `None` for a folder.
    pub(crate) revision: Option<Revision>,
}

/// What the cloud holds.
pub(crate) struct Cloud {
    pub(crate) manner: Manner,
    pub(crate) entries: BTreeMap<RemoteId, Entry>,
    /// Every content that was ever committed.
    pub(crate) revisions: BTreeMap<Revision, Vec<u8>>,
    /// Contents that lost their document without anybody asking for it (iCloud only).
    pub(crate) trash: Vec<Vec<u8>>,
    /// Upload sessions.
    pub(crate) sessions: BTreeMap<String, Vec<u8>>,
    /// Committed changes, in groups that the feed never tears apart.
    log: Vec<Vec<Change>>,
    /// Cursors of before this are refused.
    pub(crate) epoch: u64,
    counter: u64,
    random: StdRng,
    /// Number of the last group, for waiters.
    pub(crate) tip: watch::Sender<usize>,
    /// Commits by devices.
    pub(crate) mutations: u64,
}

pub(crate) type Result<T> = std::result::Result<T, ProviderError>;

/// An error without words.
pub(crate) fn refuse<T>(kind: ErrorKind, operation: &'static str) -> Result<T> {
    Err(ProviderError::new(kind, operation, "simulated"))
}

impl Cloud {
    pub(crate) fn new(manner: Manner, seed: u64) -> Self {
        let root = Entry { id: root_id(), parent: None, name: name("root"), revision: None };
        Self {
            manner,
            entries: BTreeMap::from([(root_id(), root)]),
            revisions: BTreeMap::new(),
            trash: Vec::new(),
            sessions: BTreeMap::new(),
            log: Vec::new(),
            epoch: 0,
            counter: 0,
            random: StdRng::seed_from_u64(seed),
            tip: watch::Sender::new(0),
            mutations: 0,
        }
    }

    pub(crate) fn names(&self) -> NameRules {
        match self.manner {
            Manner::Dropbox => {
                NameRules { case_insensitive: true, normalization_insensitive: true, ..NameRules::EXACT }
            }
            Manner::Icloud => NameRules { normalization_insensitive: true, ..NameRules::EXACT },
        }
    }

    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Names of files in the order in which they were committed.
    pub(crate) fn committed_names(&self) -> Vec<String> {
        let told = self.log.iter().flatten().filter_map(|change| match change {
            Change::Upsert(entry) => Some(entry.name.to_string()),
            Change::Removed(_) | Change::RemovedAt { .. } => None,
        });
        told.collect()
    }

    fn key(&self, name: &EntryName) -> NameKey {
        self.names().key(name)
    }

    pub(crate) fn child(&self, parent: &RemoteId, name: &EntryName) -> Option<&Entry> {
        let key = self.key(name);
        self.entries.values().find(|entry| entry.parent.as_ref() == Some(parent) && self.key(&entry.name) == key)
    }

    pub(crate) fn children(&self, parent: &RemoteId) -> Vec<&Entry> {
        self.entries.values().filter(|entry| entry.parent.as_ref() == Some(parent)).collect()
    }

    pub(crate) fn bytes(&self, entry: &Entry) -> &[u8] {
        entry.revision.as_ref().map_or(&[], |revision| &self.revisions[revision])
    }

    pub(crate) fn describe(&self, entry: &Entry) -> RemoteEntry {
        let body = match &entry.revision {
            None => EntryBody::Folder,
            Some(revision) => {
                let bytes = &self.revisions[revision];
                let hash = (self.manner == Manner::Dropbox).then(|| ContentHash::of(HashKind::Dropbox, bytes));
                EntryBody::File { revision: revision.clone(), size: bytes.len() as u64, hash, modified: None }
            }
        };
        RemoteEntry { id: entry.id.clone(), parent: entry.parent.clone(), name: entry.name.clone(), body }
    }

    fn commit(&mut self, group: Vec<Change>) {
        if group.is_empty() {
            return;
        }
        self.log.push(group);
        self.tip.send_replace(self.log.len());
    }

    pub(crate) fn groups(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn group(&self, index: usize) -> Vec<Change> {
        self.log[index].clone()
    }

    /// Ids below an entry, itself included, parents first.
    pub(crate) fn subtree(&self, top: &RemoteId) -> Vec<RemoteId> {
        let (mut found, mut at) = (vec![top.clone()], 0);
        while at < found.len() {
            let below: Vec<RemoteId> = self.children(&found[at]).into_iter().map(|entry| entry.id.clone()).collect();
            found.extend(below);
            at += 1;
        }
        found
    }

    fn folder(&self, id: &RemoteId, operation: &'static str) -> Result<()> {
        match self.entries.get(id) {
            Some(entry) if entry.revision.is_none() => Ok(()),
            Some(_) | None => refuse(ErrorKind::NotFound, operation),
        }
    }

    pub(crate) fn create_folder(&mut self, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry> {
        self.folder(parent, "create folder")?;
        if self.child(parent, name).is_some() {
            return refuse(ErrorKind::Exists, "create folder");
        }
        let id = RemoteId(format!("id{}", self.next()));
        self.insert(Entry { id, parent: Some(parent.clone()), name: name.clone(), revision: None })
    }

    /// Files `0`, `1`, ... at the top of an empty cloud.
    pub(crate) fn fill(&mut self, count: usize) {
        let mut group = Vec::new();
        for number in 0..count {
            let revision = Some(self.new_revision(number.to_string().into_bytes()));
            let id = RemoteId(format!("id{}", self.next()));
            let entry = Entry { id, parent: Some(root_id()), name: name(&number.to_string()), revision };
            group.push(Change::Upsert(self.describe(&entry)));
            self.entries.insert(entry.id.clone(), entry);
        }
        self.commit(group);
    }

    fn insert(&mut self, entry: Entry) -> Result<RemoteEntry> {
        let told = self.describe(&entry);
        self.entries.insert(entry.id.clone(), entry);
        self.commit(vec![Change::Upsert(told.clone())]);
        Ok(told)
    }

    fn new_revision(&mut self, bytes: Vec<u8>) -> Revision {
        let revision = Revision(format!("rev{}", self.next()));
        self.revisions.insert(revision.clone(), bytes);
        revision
    }

    pub(crate) fn create_file(&mut self, parent: &RemoteId, name: &EntryName, bytes: Vec<u8>) -> Result<RemoteEntry> {
        self.folder(parent, "upload")?;
        if self.child(parent, name).is_some() {
            return refuse(ErrorKind::Exists, "upload");
        }
        let revision = Some(self.new_revision(bytes));
        let id = RemoteId(format!("id{}", self.next()));
        self.insert(Entry { id, parent: Some(parent.clone()), name: name.clone(), revision })
    }

    /// `expected` is honoured where writes are conditional.
    pub(crate) fn replace_file(&mut self, id: &RemoteId, expected: &Revision, bytes: Vec<u8>) -> Result<RemoteEntry> {
        let Some(old) = self.entries.get(id).cloned() else { return refuse(ErrorKind::NotFound, "upload") };
        let Some(current) = &old.revision else { return refuse(ErrorKind::NotFound, "upload") };
        match self.manner {
            Manner::Dropbox => {
                if current != expected {
                    return refuse(ErrorKind::RevisionMismatch, "upload");
                }
                let revision = self.new_revision(bytes);
                self.insert(Entry { revision: Some(revision), ..old })
            }
            Manner::Icloud => {
                if current != expected {
                    self.trash.push(self.revisions[current].clone());
                }
                self.entries.remove(id);
                let revision = Some(self.new_revision(bytes));
                let entry = Entry { id: RemoteId(format!("id{}", self.next())), revision, ..old };
                let told = self.describe(&entry);
                self.entries.insert(entry.id.clone(), entry);
                let mut group = vec![Change::Removed(id.clone()), Change::Upsert(told.clone())];
                if self.random.random_bool(0.5) {
                    group.reverse();
                }
                self.commit(group);
                Ok(told)
            }
        }
    }

    pub(crate) fn relocate(&mut self, id: &RemoteId, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry> {
        let Some(old) = self.entries.get(id).cloned() else { return refuse(ErrorKind::NotFound, "move") };
        self.folder(parent, "move")?;
        if self.subtree(id).contains(parent) {
            return refuse(ErrorKind::Invalid, "move");
        }
        if self.child(parent, name).is_some_and(|holder| holder.id != *id) {
            return refuse(ErrorKind::Exists, "move");
        }
        if old.parent.as_ref() == Some(parent) && old.name == *name {
            return Ok(self.describe(&old));
        }
        let is_case_only = old.parent.as_ref() == Some(parent) && self.key(&old.name) == self.key(name);
        let entry = Entry { parent: Some(parent.clone()), name: name.clone(), ..old.clone() };
        let told = self.describe(&entry);
        self.entries.insert(id.clone(), entry);
        match self.manner {
            // The real service does not report this one.
            Manner::Dropbox if is_case_only => {}
            Manner::Dropbox => {
                let mut group: Vec<Change> =
                    self.subtree(id).iter().map(|below| Change::Upsert(self.describe(&self.entries[below]))).collect();
                let gone = Change::RemovedAt { parent: old.parent.unwrap_or_else(root_id), name: old.name };
                let at = if self.random.random_bool(0.5) { 0 } else { group.len() };
                group.insert(at, gone);
                self.commit(group);
            }
            Manner::Icloud => self.commit(vec![Change::Upsert(told.clone())]),
        }
        Ok(told)
    }

    pub(crate) fn delete(&mut self, id: &RemoteId, expected: Option<&Revision>) -> Result<()> {
        let Some(entry) = self.entries.get(id) else { return Ok(()) };
        if !self.children(id).is_empty() {
            return refuse(ErrorKind::NotEmpty, "delete");
        }
        if entry.revision.is_some() && expected.is_some() && entry.revision.as_ref() != expected {
            match self.manner {
                Manner::Dropbox => return refuse(ErrorKind::RevisionMismatch, "delete"),
                Manner::Icloud => self.trash.push(self.bytes(entry).to_vec()),
            }
        }
        self.remove(id);
        Ok(())
    }

    /// With everything below.
    pub(crate) fn remove(&mut self, id: &RemoteId) {
        let top = self.entries[id].clone();
        for below in self.subtree(id) {
            self.entries.remove(&below);
        }
        let change = match self.manner {
            Manner::Dropbox => Change::RemovedAt { parent: top.parent.unwrap_or_else(root_id), name: top.name },
            Manner::Icloud => Change::Removed(id.clone()),
        };
        self.commit(vec![change]);
    }

    /// Path to bytes; folders without.
    pub(crate) fn tree(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut tree = BTreeMap::new();
        let mut pending = vec![(root_id(), String::new())];
        while let Some((folder, path)) = pending.pop() {
            for entry in self.children(&folder) {
                let path = if path.is_empty() { entry.name.to_string() } else { format!("{path}/{}", entry.name) };
                tree.insert(path.clone(), entry.revision.as_ref().map(|_| self.bytes(entry).to_vec()));
                if entry.revision.is_none() {
                    pending.push((entry.id.clone(), path));
                }
            }
        }
        tree
    }

    /// Every file, and which version of it is the newest.
    pub(crate) fn versions(&self) -> BTreeSet<(RemoteId, Revision)> {
        self.entries.values().filter_map(|entry| Some((entry.id.clone(), entry.revision.clone()?))).collect()
    }

    /// What every entry of the cloud must satisfy.
    pub(crate) fn check(&self) {
        let mut places = BTreeSet::new();
        for entry in self.entries.values() {
            let Some(parent) = &entry.parent else { continue };
            assert!(self.entries.contains_key(parent), "{} hangs in the air", entry.name);
            assert!(places.insert((parent.clone(), self.key(&entry.name))), "two entries {}", entry.name);
        }
    }
}

pub(crate) fn root_id() -> RemoteId {
    RemoteId("root".to_owned())
}

pub(crate) fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}
