//! Who is who, decided when everything that a scan is about has been seen.
//!
//! An inode that is found at another place has moved, and keeps its id. A new inode at a place whose old inode is nowhere
//! any more is a new version (an atomic save, a restored backup), and the place keeps its id. Nothing is removed from the
//! index on a doubt: an entry goes only when its name is known not to be there, or to be of another inode.

use std::collections::HashSet;
use std::io;

use cap_std::fs::Dir;

use crate::types::{EntryName, NodeKind};

use super::index::{self, Index, Row};
use super::list::{Scan, Sighting, Task};
use super::names;
use super::root::{Ident, Stat, Unreachable};
use super::state::Local;
use super::watch::Names;

/// Whether an entry still is where the index has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    There,
    Absent,
    /// The folder that held it is not where the index has it either.
    FolderGone,
    Unknown,
}

impl Local {
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

impl Scan<'_> {
    /// Places what is at free places, and keeps the sightings at places that the index thinks taken. Folders first: whether
    /// something has left its folder is known when the folder is where it belongs.
    pub(super) fn settle(&mut self, index: &mut Index) -> rusqlite::Result<()> {
        let sightings = self.look_again(index)?;
        let (folders, others): (Vec<_>, Vec<_>) =
            sightings.into_iter().partition(|sighting| sighting.stat.kind == NodeKind::Folder);
        for group in [folders, others] {
            for sighting in group {
                let taken = index::child(index.connection(), sighting.parent, &sighting.name)?.is_some();
                if taken || (sighting.stat.kind != NodeKind::Folder && !self.queue.is_empty()) {
                    self.sightings.push(sighting);
                } else {
                    self.place(index, &sighting)?;
                }
            }
        }
        Ok(())
    }

    /// Decides about places where another inode is than before. Everything else has been seen and placed.
    pub(super) fn settle_taken(&mut self, index: &mut Index) -> rusqlite::Result<()> {
        let sightings = self.look_again(index)?;
        let observed: HashSet<Ident> = sightings.iter().map(|sighting| sighting.stat.ident).collect();
        for sighting in sightings {
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

    /// Takes the sightings as they are now: time has passed, and we may have changed the places ourselves.
    fn look_again(&mut self, index: &Index) -> rusqlite::Result<Vec<Sighting>> {
        let mut sightings = Vec::new();
        for sighting in std::mem::take(&mut self.sightings) {
            if let Some(stat) = self.look(index, &sighting)? {
                sightings.push(Sighting { stat, ..sighting });
            }
        }
        Ok(sightings)
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

    pub(super) fn insert(&mut self, index: &mut Index, folder: &Dir, sighting: &Sighting) -> rusqlite::Result<()> {
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

    pub(super) fn remove_missing(&mut self, index: &mut Index) -> rusqlite::Result<()> {
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
        let folder = match self.open(index, row.parent)? {
            Ok(folder) => folder,
            Err(Unreachable::Gone) => return Ok(Presence::FolderGone),
            Err(Unreachable::Unreadable(_)) => return Ok(Presence::Unknown),
        };
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
}

fn link_target(folder: &Dir, name: &EntryName) -> Option<String> {
    folder.read_link_contents(name.as_str()).ok()?.into_os_string().into_string().ok()
}
