//! Listing: brings the index up to date with the disk and decides what is the same entry.
//!
//! Who is who: an inode that is found at another place has moved, and keeps its id. A new inode at a place whose old inode
//! is nowhere any more is a new version (an atomic save, a restored backup), and the place keeps its id. Both are decided
//! only when everything that was to be looked at has been seen.
//!
//! Nothing is removed from the index on a doubt: a folder that cannot be read, a name that cannot be looked up, and a
//! place under another mounted file system are left as they are, a folder that changed while it was read is read again,
//! and the root's marker is checked before the first removal.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
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
use super::root::{Ident, Root, Stat, Unreachable};
use super::state::Local;
use super::status::{SkipReason, Skipped};
use super::watch::{Names, Work};

/// How long the index is locked at a time.
const SLICE: Duration = Duration::from_millis(20);
/// How often folders that change while they are read are read again.
const ROUNDS: u32 = 3;

/// A folder to look at.
struct Task {
    row: i64,
    names: Names,
    /// Look at the known folders below, too. New ones are always looked at.
    descend: bool,
}

/// Something that is not where the index has it.
struct Sighting {
    parent: i64,
    name: EntryName,
    stat: Stat,
}

/// Whether an entry still is where the index has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    There,
    Absent,
    Unknown,
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

    /// Takes in what `stat` says of an entry that is where the index has it, with the inode that the index has.
    /// `moved`: it has just come there.
    pub(super) fn take_in(index: &mut Index, row: &mut Row, stat: &Stat, moved: bool) -> rusqlite::Result<()> {
        let old = std::mem::replace(&mut row.stat, *stat);
        let same_bytes = old.same_content(stat) && (old.ctime == stat.ctime || moved);
        if stat.kind == NodeKind::File && !same_bytes {
            row.minted = stat.ctime;
            row.hash = None;
            return index.update(row);
        }
        if moved {
            return index.update(row);
        }
        Ok(())
    }
}

struct Scan<'a> {
    local: &'a Local,
    root: Arc<Root>,
    queue: VecDeque<Task>,
    sightings: Vec<Sighting>,
    missing: BTreeSet<i64>,
    /// Folders that were listed, with their change time before.
    listed: Vec<(i64, i64)>,
    appeared: Vec<PathBuf>,
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
            if !self.sightings.is_empty() {
                self.local.index().batch(|index| self.settle(index)).map_err(failed)?;
                continue;
            }
            if self.missing.is_empty() {
                return Ok(());
            }
            rounds += 1;
            if rounds <= ROUNDS && self.queue_torn().map_err(failed)? {
                continue;
            }
            if !self.local.root(operation)?.is_same_as(&self.root) {
                return Err(root_missing(operation, "the vault's folder was replaced while it was listed"));
            }
            return self.local.index().batch(|index| self.remove_missing(index)).map_err(failed);
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
        for (name, stat) in found {
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

    /// Decides about everything that is not where the index has it.
    fn settle(&mut self, index: &mut Index) -> rusqlite::Result<()> {
        let mut occupied = Vec::new();
        let mut sightings = Vec::new();
        for mut sighting in std::mem::take(&mut self.sightings) {
            // Time has passed, and we may have changed the place ourselves.
            let Some(stat) = self.look(index, &sighting)? else { continue };
            sighting.stat = stat;
            sightings.push(sighting);
        }
        let observed: HashSet<Ident> = sightings.iter().map(|sighting| sighting.stat.ident).collect();
        for sighting in sightings {
            if index::child(index.connection(), sighting.parent, &sighting.name)?.is_some() {
                occupied.push(sighting);
            } else {
                self.place(index, &sighting)?;
            }
        }
        if !self.queue.is_empty() {
            // What was displaced may be inside of the folders that were just placed.
            self.sightings = occupied;
            return Ok(());
        }
        for sighting in occupied {
            let Some(mut occupant) = index::child(index.connection(), sighting.parent, &sighting.name)? else {
                self.place(index, &sighting)?; // the occupant was placed elsewhere
                continue;
            };
            let (old, new) = (occupant.stat, sighting.stat);
            if (old.ident, old.kind) == (new.ident, new.kind) {
                Local::take_in(index, &mut occupant, &new, false)?;
            } else if old.kind == new.kind && !observed.contains(&old.ident) {
                self.replace(index, occupant, &sighting)?;
            } else {
                self.missing.insert(occupant.row);
                self.place(index, &sighting)?;
            }
        }
        Ok(())
    }

    /// A new version at a place: the place keeps its id.
    fn replace(&mut self, index: &mut Index, mut row: Row, sighting: &Sighting) -> rusqlite::Result<()> {
        for known in index::by_ident(index.connection(), sighting.stat.ident)? {
            self.missing.insert(known.row); // what was renamed over it
        }
        if row.stat.kind == NodeKind::Symlink {
            let Ok(folder) = self.open(index, row.parent)? else { return Ok(()) };
            row.target = link_target(&folder, &sighting.name);
        }
        row.stat = sighting.stat;
        row.minted = sighting.stat.ctime;
        row.hash = None;
        index.update(&mut row)?;
        if row.stat.kind == NodeKind::Folder {
            self.queue.push_back(Task { row: row.row, names: Names::All, descend: true });
        }
        Ok(())
    }

    /// Something at a place that nothing else claims: moved there, or new.
    fn place(&mut self, index: &mut Index, sighting: &Sighting) -> rusqlite::Result<()> {
        for mut known in index::by_ident(index.connection(), sighting.stat.ident)? {
            let respelled = known.parent == sighting.parent && names::same(&known.name, &sighting.name);
            if known.stat.kind == sighting.stat.kind && (respelled || self.presence(index, &known)? == Presence::Absent)
            {
                known.parent = sighting.parent;
                known.name = sighting.name.clone();
                Local::take_in(index, &mut known, &sighting.stat, true)?;
                if known.stat.kind == NodeKind::Folder {
                    self.queue.push_back(Task { row: known.row, names: Names::All, descend: true });
                }
                return Ok(());
            }
        }
        match self.open(index, sighting.parent)? {
            Ok(folder) => self.insert(index, &folder, sighting),
            Err(Unreachable::Gone | Unreachable::Unreadable(_)) => Ok(()),
        }
    }

    fn insert(&mut self, index: &mut Index, folder: &Dir, sighting: &Sighting) -> rusqlite::Result<()> {
        let target = if sighting.stat.kind == NodeKind::Symlink {
            match link_target(folder, &sighting.name) {
                Some(target) => Some(target),
                None => return Ok(()), // gone again, or not UTF-8
            }
        } else {
            None
        };
        let row = index.insert(sighting.parent, &sighting.name, &sighting.stat, target, None)?;
        if row.stat.kind == NodeKind::Folder {
            self.appeared.push(Local::path_of(index.connection(), row.row)?);
            self.queue.push_back(Task { row: row.row, names: Names::All, descend: true });
        }
        Ok(())
    }

    /// Queues the folders that changed after they were listed.
    fn queue_torn(&mut self) -> rusqlite::Result<bool> {
        for (row, ctime) in std::mem::take(&mut self.listed) {
            let index = self.local.index();
            let Ok(folder) = self.open(&index, row)? else { continue };
            if folder.dir_metadata().is_ok_and(|metadata| Stat::of(&metadata).ctime != ctime) {
                self.queue.push_back(Task { row, names: Names::All, descend: false });
            }
        }
        Ok(!self.queue.is_empty())
    }

    fn remove_missing(&mut self, index: &mut Index) -> rusqlite::Result<()> {
        for row in std::mem::take(&mut self.missing) {
            let Some(row) = index::by_row(index.connection(), row)? else { continue };
            if self.presence(index, &row)? == Presence::Absent {
                index.remove(&row)?;
                self.local.skipped().remove(&row.row);
            }
        }
        Ok(())
    }

    fn presence(&self, index: &Index, row: &Row) -> rusqlite::Result<Presence> {
        let Ok(folder) = self.open(index, row.parent)? else { return Ok(Presence::Unknown) };
        Ok(match folder.symlink_metadata(row.name.as_str()) {
            Ok(metadata) if self.root.is_foreign(&metadata) => Presence::Unknown,
            Ok(metadata) => {
                let stat = Stat::of(&metadata);
                let same = (stat.ident, stat.kind) == (row.stat.ident, row.stat.kind);
                if same { Presence::There } else { Presence::Absent }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Presence::Absent,
            Err(_) => Presence::Unknown,
        })
    }

    fn look(&self, index: &Index, sighting: &Sighting) -> rusqlite::Result<Option<Stat>> {
        let Ok(folder) = self.open(index, sighting.parent)? else { return Ok(None) };
        let metadata = folder.symlink_metadata(sighting.name.as_str());
        let ours = metadata.ok().filter(|metadata| !self.root.is_foreign(metadata));
        Ok(ours.map(|metadata| Stat::of(&metadata)).filter(|stat| stat.kind != NodeKind::Special))
    }

    fn open(&self, index: &Index, row: i64) -> rusqlite::Result<std::result::Result<Dir, Unreachable>> {
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

fn link_target(folder: &Dir, name: &EntryName) -> Option<String> {
    folder.read_link_contents(name.as_str()).ok()?.into_os_string().into_string().ok()
}
