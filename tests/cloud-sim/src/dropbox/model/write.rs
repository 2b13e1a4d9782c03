//! Writing one path: files by their mode, folders, deletions.

use std::sync::Arc;

use super::history::Revision;
use super::path::{self, BadPath};
use super::view::{Place, View};
use super::world::World;
use super::{FileNode, Node, Traits};
use crate::content::Blob;

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    Malformed,
    Disallowed,
    Conflict(Conflict),
    NoPermission,
    InsufficientSpace,
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    File,
    Folder,
    FileAncestor,
}

impl From<BadPath> for WriteError {
    fn from(bad: BadPath) -> Self {
        match bad {
            BadPath::Malformed => Self::Malformed,
            BadPath::Disallowed => Self::Disallowed,
        }
    }
}

/// When a file may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Add,
    Overwrite,
    Update(String),
}

/// A file to be written.
pub(crate) struct Put {
    pub(crate) mode: Mode,
    pub(crate) autorename: bool,
    pub(crate) strict_conflict: bool,
    pub(crate) client_modified: Option<i64>,
    pub(crate) blob: Arc<Blob>,
    pub(crate) traits: Traits,
}

/// Who writes, and when.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) account: Arc<str>,
    pub(crate) now: i64,
}

enum Decision {
    Write,
    Nothing,
    Refuse(Conflict),
}

impl World {
    /// Writes a file; where it went, which is elsewhere than asked after an automatic rename.
    pub(crate) fn put(&mut self, view: View, place: &Place, put: Put, author: &Author) -> Result<Place, WriteError> {
        path::check_new(&place.display, self.emoji)?;
        self.check_lock(place, author)?;
        let mut target = place.clone();
        match self.decide(place, &put) {
            Decision::Nothing => return Ok(target),
            Decision::Write => {}
            Decision::Refuse(conflict) => {
                if !put.autorename || conflict == Conflict::FileAncestor {
                    return Err(WriteError::Conflict(conflict));
                }
                target = match &put.mode {
                    Mode::Add | Mode::Overwrite => self.numbered(place, false),
                    Mode::Update(_) => self.conflicted_copy(place, author),
                };
            }
        }
        self.check_quota(view, &target, put.blob.length())?;
        let old = self.live(&target).and_then(|entry| entry.node.file()).cloned();
        let display = match self.live(&target) {
            Some(entry) => entry.display.clone(),
            None => {
                self.make_parents(target.ns, &target.display);
                self.cased(target.ns, &target.display)
            }
        };
        let file = FileNode {
            id: old.map_or_else(|| self.new_id(), |old| old.id.clone()),
            rev: self.new_rev(target.ns),
            client_modified: put.client_modified.unwrap_or(author.now),
            server_modified: author.now,
            blob: put.blob,
            traits: put.traits,
        };
        self.set_file(&target, display, file);
        Ok(target)
    }

    /// Puts a version at a path and into its history.
    pub(crate) fn set_file(&mut self, place: &Place, display: Arc<str>, file: FileNode) {
        let file = Arc::new(file);
        self.history.add(Revision {
            file: file.clone(),
            ns: place.ns,
            path: place.path.clone(),
            display: display.clone(),
        });
        self.set(place.ns, place.path.clone(), display, Node::File(file));
    }

    fn decide(&self, place: &Place, put: &Put) -> Decision {
        if self.ns(place.ns).file_ancestor(&place.path) {
            return Decision::Refuse(Conflict::FileAncestor);
        }
        let Some(entry) = self.live(place) else {
            let gone = matches!(put.mode, Mode::Update(_)) && put.strict_conflict;
            return if gone { Decision::Refuse(Conflict::File) } else { Decision::Write };
        };
        let Some(file) = entry.node.file() else { return Decision::Refuse(Conflict::Folder) };
        let same = file.blob.hash() == put.blob.hash();
        match &put.mode {
            Mode::Add if same && !put.strict_conflict => Decision::Nothing,
            Mode::Add => Decision::Refuse(Conflict::File),
            Mode::Overwrite if same => Decision::Nothing,
            Mode::Overwrite => Decision::Write,
            Mode::Update(rev) => {
                let current = **rev == *file.rev;
                match (same, current) {
                    (true, true) => Decision::Nothing,
                    (true, false) if !put.strict_conflict => Decision::Nothing,
                    (true | false, false) => Decision::Refuse(Conflict::File),
                    (false, true) => Decision::Write,
                }
            }
        }
    }

    pub(crate) fn numbered(&self, place: &Place, is_folder: bool) -> Place {
        self.first_free(place, |path, number| path::marked(path, &number.to_string(), is_folder), 1)
    }

    fn conflicted_copy(&self, place: &Place, author: &Author) -> Place {
        let whose = self.account(&author.account).map(|account| format!("{}'s ", account.display_name()));
        let whose = whose.unwrap_or_default();
        let name = |path: &str, number: u32| match number {
            0 => path::marked(path, &format!("{whose}conflicted copy"), false),
            number => path::marked(path, &format!("{whose}conflicted copy {number}"), false),
        };
        self.first_free(place, name, 0)
    }

    fn first_free(&self, place: &Place, name: impl Fn(&str, u32) -> String, from: u32) -> Place {
        for number in from.. {
            let display = name(&place.display, number);
            let path: Arc<str> = path::lower(&display).into();
            if self.ns(place.ns).live(&path).is_none() {
                return Place { ns: place.ns, display, path };
            }
        }
        place.clone()
    }

    pub(crate) fn check_lock(&self, place: &Place, author: &Author) -> Result<(), WriteError> {
        let held = self.ns(place.ns).locks.get(&place.path).is_some_and(|lock| lock.account != author.account);
        if held { Err(WriteError::NoPermission) } else { Ok(()) }
    }

    /// Whether so many more bytes fit into the account that pays for a place.
    pub(crate) fn check_quota(&self, view: View, place: &Place, bytes: u64) -> Result<(), WriteError> {
        let payer = self.accounts.iter().find(|account| account.home == place.ns || account.home == view.root);
        let Some(payer) = payer.or_else(|| self.accounts.iter().find(|account| account.root == view.root)) else {
            return Ok(());
        };
        let replaced = self.live(place).and_then(|entry| entry.node.file()).map_or(0, |file| file.blob.length());
        if self.used(payer.home) + bytes > payer.quota.saturating_add(replaced) {
            return Err(WriteError::InsufficientSpace);
        }
        Ok(())
    }

    /// Bytes in a namespace and in those mounted in it.
    pub(crate) fn used(&self, home: super::NsId) -> u64 {
        let ns = self.ns(home);
        ns.used + ns.mounts.values().map(|inside| self.used(*inside)).sum::<u64>()
    }

    /// Makes a folder.
    pub(crate) fn create_folder(&mut self, place: &Place, autorename: bool) -> Result<Place, WriteError> {
        path::check_new(&place.display, self.emoji)?;
        if self.ns(place.ns).file_ancestor(&place.path) {
            return Err(WriteError::Conflict(Conflict::FileAncestor));
        }
        let mut target = place.clone();
        if let Some(entry) = self.live(place) {
            if !autorename {
                let is_file = entry.node.file().is_some();
                return Err(WriteError::Conflict(if is_file { Conflict::File } else { Conflict::Folder }));
            }
            target = self.numbered(place, true);
        }
        self.make_parents(target.ns, &target.display);
        let display = self.cased(target.ns, &target.display);
        let id = self.new_id();
        self.set(target.ns, target.path.clone(), display, Node::Folder { id, mounted: None });
        Ok(target)
    }

    /// Removes what stands at a place, and everything below: a tombstone for each.
    pub(crate) fn delete(&mut self, place: &Place) {
        let ns = self.ns(place.ns);
        let mut gone: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        gone.extend(ns.entry(&place.path).map(|(path, entry)| (path.clone(), entry.display.clone())));
        let below = ns.below(&place.path, None).filter(|(_, entry)| entry.node.is_live());
        gone.extend(below.map(|(path, entry)| (path.clone(), entry.display.clone())));
        for (path, display) in gone {
            let ns = self.ns_mut(place.ns);
            ns.mounts.remove(&path);
            ns.locks.remove(&path);
            self.set(place.ns, path, display, Node::Deleted);
        }
    }
}
