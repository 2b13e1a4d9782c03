//! Listing: walks the folders that a scan is about and compares them with the index. What is where the index has it is
//! taken in at once; the rest is collected and decided in `settle`.
//!
//! A folder that cannot be read, a name that cannot be looked up, and a place under another mounted file system are left as
//! they are; a folder that changed while it was read is read again; the root's marker is checked before the first removal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::fs::{Dir, Metadata};

use crate::provider::Result;
use crate::types::{EntryName, NodeKind};

use super::error::{index_error, root_missing};
use super::index::{self, Index, ROOT, Row};
use super::names;
use super::root::{Root, Stat, Unreachable};
use super::state::Local;
use super::status::{SkipReason, Skipped};
use super::watch::{Names, Work};

/// How long the index is locked at a time.
const SLICE: Duration = Duration::from_millis(20);
/// How often folders that change while they are read are read again.
const ROUNDS: u32 = 3;

/// A folder to look at.
pub(super) struct Task {
    pub(super) row: i64,
    pub(super) names: Names,
    /// Look at the known folders below, too. New ones are always looked at.
    pub(super) descend: bool,
}

/// Something that is not where the index has it.
pub(super) struct Sighting {
    pub(super) parent: i64,
    pub(super) name: EntryName,
    pub(super) stat: Stat,
}

impl Local {
    /// Looks at the disk and brings the index up to date with it.
    pub(super) fn scan(&self, work: &Work, operation: &'static str) -> Result<()> {
        let root = self.root(operation)?;
        let mut scan = Scan::new(self, root);
        match work {
            Work::Everything => scan.queue.push_back(Task { row: ROOT, names: Names::All, descend: true }),
            Work::Places(places) => scan.resolve(places).map_err(|error| index_error(operation, error))?,
        }
        scan.run(operation)?;
        if matches!(work, Work::Places(_)) {
            for folder in scan.appeared {
                self.dirty.settle(folder);
            }
        }
        Ok(())
    }
}

/// A scan in progress.
pub(super) struct Scan<'a> {
    pub(super) local: &'a Local,
    pub(super) root: Arc<Root>,
    pub(super) queue: VecDeque<Task>,
    pub(super) sightings: Vec<Sighting>,
    /// Rows that were not seen at their places, to be looked for at the end.
    pub(super) missing: BTreeSet<i64>,
    /// Folders that were listed, with their change time before.
    listed: Vec<(i64, i64)>,
    /// Folders that are new, by path.
    pub(super) appeared: Vec<PathBuf>,
}

impl<'a> Scan<'a> {
    fn new(local: &'a Local, root: Arc<Root>) -> Self {
        let (queue, sightings, missing) = (VecDeque::new(), Vec::new(), BTreeSet::new());
        Self { local, root, queue, sightings, missing, listed: Vec::new(), appeared: Vec::new() }
    }

    /// Turns paths into tasks: each for the deepest folder that the index knows.
    fn resolve(&mut self, places: &BTreeMap<PathBuf, Names>) -> rusqlite::Result<()> {
        let index = self.local.index();
        'places: for (path, names) in places {
            let mut row = ROOT;
            for component in path {
                let Some(name) = component.to_str().and_then(|name| EntryName::new(name).ok()) else {
                    continue 'places; // nothing below a name that no vault can hold
                };
                match index::child(index.connection(), row, &name)? {
                    Some(child) if child.stat.kind == NodeKind::Folder => row = child.row,
                    Some(_) | None => {
                        let names = if names::are_folded() { Names::All } else { only(&name) };
                        self.queue.push_back(Task { row, names, descend: false });
                        continue 'places;
                    }
                }
            }
            self.queue.push_back(Task { row, names: names.clone(), descend: false });
        }
        Ok(())
    }

    fn run(&mut self, operation: &'static str) -> Result<()> {
        let failed = |error| index_error(operation, error);
        let mut rounds = 0;
        loop {
            self.drain().map_err(failed)?;
            self.local.index().batch(|index| self.settle(index)).map_err(failed)?;
            if !self.queue.is_empty() {
                continue;
            }
            if self.sightings.is_empty() && self.missing.is_empty() {
                return Ok(());
            }
            rounds += 1;
            if rounds <= ROUNDS {
                // What is missing here may have come in elsewhere meanwhile.
                self.local.dirty.catch_notices(|| self.root.touch_marker());
                self.resolve(&self.local.dirty.take_places()).map_err(failed)?;
                self.queue_torn().map_err(failed)?;
                if !self.queue.is_empty() {
                    continue;
                }
            }
            if !self.local.root(operation)?.is_same_as(&self.root) {
                return Err(root_missing(operation, "the vault's folder was replaced while it was listed"));
            }
            self.local.index().batch(|index| self.settle_taken(index)).map_err(failed)?;
            if self.queue.is_empty() {
                return self.local.index().batch(|index| self.remove_missing(index)).map_err(failed);
            }
        }
    }

    fn drain(&mut self) -> rusqlite::Result<()> {
        while !self.queue.is_empty() {
            self.local.index().batch(|index| {
                let started = Instant::now();
                while let Some(task) = self.queue.pop_front() {
                    self.walk(index, &task)?;
                    if started.elapsed() > SLICE {
                        break;
                    }
                }
                Ok::<_, rusqlite::Error>(())
            })?;
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Looks at one folder.
    fn walk(&mut self, index: &mut Index, task: &Task) -> rusqlite::Result<()> {
        let mut skipped = Vec::new();
        let folder = match self.open(index, task.row)? {
            Ok(folder) => folder,
            Err(Unreachable::Unreadable(error)) => {
                self.note(index, task.row, vec![(None, SkipReason::Unreadable(error.to_string()))])?;
                return Ok(());
            }
            Err(Unreachable::Gone) => {
                // The folder above knows more.
                if let Some(row) = index::by_row(index.connection(), task.row)?.filter(|row| row.parent != 0) {
                    self.queue.push_back(Task { row: row.parent, names: only(&row.name), descend: false });
                }
                return Ok(());
            }
        };
        let connection = index.connection();
        let mut known: BTreeMap<EntryName, Row> = match &task.names {
            Names::All => index::children(connection, task.row)?,
            Names::Some(names) => {
                let names = names.iter().filter_map(|name| EntryName::new(name.as_str()).ok());
                let rows = names.map(|name| index::child(connection, task.row, &name));
                rows.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>()?
            }
        }
        .into_iter()
        .map(|row| (row.name.clone(), row))
        .collect();
        let found = match self.read(&folder, task, &mut known, &mut skipped) {
            Ok(found) => found,
            Err(error) => {
                self.note(index, task.row, vec![(None, SkipReason::Unreadable(error.to_string()))])?;
                return Ok(());
            }
        };
        let mut started = Instant::now();
        for (name, stat) in found {
            if started.elapsed() > SLICE {
                index.keep_so_far()?;
                started = Instant::now();
            }
            match known.remove(&name) {
                Some(mut row) if (row.stat.ident, row.stat.kind) == (stat.ident, stat.kind) => {
                    Local::take_in(index, &mut row, &stat, false)?;
                    if stat.kind == NodeKind::Folder && task.descend {
                        self.queue.push_back(Task { row: row.row, names: Names::All, descend: true });
                    }
                }
                None if index::by_ident(index.connection(), stat.ident)?.is_empty() => {
                    self.insert(index, &folder, &Sighting { parent: task.row, name, stat })?;
                }
                Some(_) | None => self.sightings.push(Sighting { parent: task.row, name, stat }),
            }
        }
        self.missing.extend(known.into_values().map(|row| row.row));
        if task.names == Names::All {
            self.note(index, task.row, skipped)?;
        }
        Ok(())
    }

    /// What is in a folder. Names that were there but could not be looked at are taken out of `known`: nothing is decided
    /// about them.
    fn read(
        &mut self,
        folder: &Dir,
        task: &Task,
        known: &mut BTreeMap<EntryName, Row>,
        skipped: &mut Vec<(Option<String>, SkipReason)>,
    ) -> io::Result<Vec<(EntryName, Stat)>> {
        let mut found = Vec::new();
        let mut see = |name: EntryName, metadata: io::Result<Metadata>| {
            let reason = match metadata {
                Ok(metadata) if self.root.is_foreign(&metadata) => SkipReason::OtherFileSystem,
                Ok(metadata) => {
                    let stat = Stat::of(&metadata);
                    if stat.kind != NodeKind::Special {
                        found.push((name, stat));
                        return;
                    }
                    skipped.push((Some(name.as_str().to_owned()), SkipReason::Special));
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return,
                Err(error) => SkipReason::Unreadable(error.to_string()),
            };
            skipped.push((Some(name.as_str().to_owned()), reason));
            known.remove(&name);
        };
        match &task.names {
            Names::Some(names) => {
                for name in names.iter().filter(|name| !names::is_reserved(name)) {
                    if let Ok(name) = EntryName::new(name.as_str()) {
                        let metadata = folder.symlink_metadata(name.as_str());
                        see(name, metadata);
                    }
                }
            }
            Names::All => {
                let before = Stat::of(&folder.dir_metadata()?);
                let mut refused = Vec::new();
                for entry in folder.entries()? {
                    let entry = entry?;
                    let name = entry.file_name();
                    if name.to_str().is_some_and(names::is_reserved) {
                        self.local.remove_if_stale(folder, &name);
                        continue;
                    }
                    match EntryName::from_os(&name) {
                        Ok(name) => see(name, entry.metadata()),
                        Err(error) => {
                            refused.push((Some(name.to_string_lossy().into_owned()), SkipReason::Name(error)))
                        }
                    }
                }
                skipped.append(&mut refused);
                self.listed.push((task.row, before.ctime));
            }
        }
        // One order, so that ids that are derived anew come out the same.
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// Queues the folders that changed after they were listed.
    fn queue_torn(&mut self) -> rusqlite::Result<()> {
        for (row, ctime) in std::mem::take(&mut self.listed) {
            let index = self.local.index();
            let Ok(folder) = self.open(&index, row)? else { continue };
            if folder.dir_metadata().is_ok_and(|metadata| Stat::of(&metadata).ctime != ctime) {
                self.queue.push_back(Task { row, names: Names::All, descend: false });
            }
        }
        Ok(())
    }

    /// Opens the folder of a row, if it is where the index has it.
    pub(super) fn open(&self, index: &Index, row: i64) -> rusqlite::Result<std::result::Result<Dir, Unreachable>> {
        let chain = index::chain(index.connection(), row)?;
        Ok(chain.ok_or(Unreachable::Gone).and_then(|chain| self.root.open_folder(&chain)))
    }

    /// Remembers for people what was left out of a folder.
    fn note(&self, index: &Index, row: i64, left_out: Vec<(Option<String>, SkipReason)>) -> rusqlite::Result<()> {
        let mut skipped = self.local.skipped();
        if left_out.is_empty() {
            skipped.remove(&row);
            return Ok(());
        }
        let folder = Local::path_of(index.connection(), row)?;
        let place = |name: Option<String>| name.map_or_else(|| folder.clone(), |name| folder.join(Path::new(&name)));
        skipped
            .insert(row, left_out.into_iter().map(|(name, reason)| Skipped { place: place(name), reason }).collect());
        Ok(())
    }
}

fn only(name: &EntryName) -> Names {
    Names::Some(BTreeSet::from([name.as_str().to_owned()]))
}
