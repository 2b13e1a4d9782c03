//! The root folder as a directory handle, its marker, and the only ways to reach what is below it: one checked name at a
//! time, without following symbolic links, and with the identity of every folder on the way compared with the index.
//! No name, link or folder that is swapped in can lead out of the root.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use cap_std::fs::{Dir, File, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use rustix::fs::RenameFlags;
use uuid::Uuid;

use crate::provider::{ProviderError, Result};
use crate::types::{EntryName, NodeKind, VaultId};

use super::error::{io_error, root_missing};
use super::index::Row;
use super::names::{MARKER, TEMPORARY_PREFIX};

/// An inode for life: a number that is used again comes with another birth time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Ident {
    /// Inode number.
    pub(super) ino: u64,
    /// Birth time in nanoseconds; 0 where the file system keeps none.
    pub(super) born: i64,
}

/// What `stat` says of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stat {
    /// Which inode.
    pub(super) ident: Ident,
    /// What it is.
    pub(super) kind: NodeKind,
    /// Bytes.
    pub(super) size: u64,
    /// Modification time in nanoseconds.
    pub(super) mtime: i64,
    /// Change time in nanoseconds.
    pub(super) ctime: i64,
}

impl Stat {
    /// From the metadata of an entry itself, never of what a link points to.
    pub(super) fn of(metadata: &Metadata) -> Self {
        let kind = if metadata.is_dir() {
            NodeKind::Folder
        } else if metadata.is_file() {
            NodeKind::File
        } else if metadata.is_symlink() {
            NodeKind::Symlink
        } else {
            NodeKind::Special
        };
        let born = metadata.created().map_or(0, |time| crate::types::Timestamp::from_system(time.into_std()).0);
        Self {
            ident: Ident { ino: metadata.ino(), born },
            kind,
            size: if kind == NodeKind::File { metadata.len() } else { 0 },
            mtime: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Of an open file.
    pub(super) fn of_file(file: &std::fs::File) -> io::Result<Self> {
        Metadata::from_file(file).map(|metadata| Self::of(&metadata))
    }

    /// Same inode, same bytes as far as `stat` can tell. The change time is not compared: a rename touches it.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        (self.ident, self.size, self.mtime) == (other.ident, other.size, other.mtime)
    }
}

fn nanoseconds(seconds: i64, nanos: i64) -> i64 {
    crate::types::Timestamp::from_parts(seconds, nanos).0
}

/// Why a place could not be reached.
#[derive(Debug)]
pub(super) enum Unreachable {
    /// What the index expects is not there (any more).
    Gone,
    /// It may be there, but cannot be read: never evidence that something was deleted.
    Unreadable(io::Error),
}

impl From<io::Error> for Unreachable {
    fn from(error: io::Error) -> Self {
        let gone = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            || error.raw_os_error() == Some(libc::ELOOP);
        if gone { Self::Gone } else { Self::Unreadable(error) }
    }
}

/// What the marker file says.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Marker {
    /// For people who find it.
    #[serde(default)]
    about: String,
    /// Whose root it is.
    pub(super) vault: VaultId,
    /// Which root: two roots of one vault are two disks.
    pub(super) root: Uuid,
}

/// The root folder, open.
pub(super) struct Root {
    dir: Dir,
    stat: Stat,
    dev: u64,
}

impl Root {
    /// Opens the folder at `path`: the only use of ambient authority.
    pub(super) fn open(path: &Path, operation: &'static str) -> Result<Self> {
        let missing = |error: io::Error| {
            root_missing(operation, format!("the vault's folder {} cannot be opened: {error}", path.display()))
                .caused_by(error)
        };
        let dir = Dir::open_ambient_dir(path, cap_std::ambient_authority()).map_err(missing)?;
        let metadata = dir.dir_metadata().map_err(missing)?;
        Ok(Self { stat: Stat::of(&metadata), dev: metadata.dev(), dir })
    }

    /// The folder itself.
    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Which folder it is.
    pub(super) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// True if it is still the same folder of the same file system.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        (self.stat.ident, self.dev) == (other.stat.ident, other.dev)
    }

    /// True for what is mounted over an entry from another file system: not part of this vault.
    pub(super) fn is_foreign(&self, metadata: &Metadata) -> bool {
        metadata.dev() != self.dev
    }

    /// Reads the marker; `None` if there is none.
    pub(super) fn marker(&self, operation: &'static str) -> Result<Option<Marker>> {
        let mut file = match open_file(&self.dir, MARKER) {
            Ok(file) => file.take(64 * 1024),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable_marker(operation, error)),
        };
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| unreadable_marker(operation, error))?;
        serde_json::from_str(&text).map(Some).map_err(|error| {
            root_missing(operation, format!("the marker {MARKER} is damaged: {error}")).caused_by(error)
        })
    }

    /// Touches the marker: a change that means nothing, to be seen in the notices.
    pub(super) fn touch_marker(&self) -> io::Result<()> {
        let options = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).clone();
        let now = std::time::SystemTime::now();
        let times = std::fs::FileTimes::new().set_accessed(now).set_modified(now);
        self.dir.open_with(MARKER, &options)?.into_std().set_times(times)
    }

    /// Writes a new marker, durably. Refuses to replace one.
    pub(super) fn write_marker(&self, vault: VaultId, operation: &'static str) -> Result<Marker> {
        let about = "vaultfs keeps a vault in this folder. Without this file it takes the disk for missing.".to_owned();
        let marker = Marker { about, vault, root: Uuid::new_v4() };
        let text = serde_json::to_string_pretty(&marker).map_err(|error| {
            ProviderError::new(crate::provider::ErrorKind::Invalid, operation, "marker").caused_by(error)
        })?;
        let temporary = format!("{TEMPORARY_PREFIX}{}", marker.root);
        let write = || -> io::Result<()> {
            let mut file = self.dir.open_with(&temporary, OpenOptions::new().write(true).create_new(true))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            rename_new(&self.dir, &temporary, &self.dir, MARKER)?;
            sync_dir(&self.dir)
        };
        write().map_err(|error| {
            if let Err(left) = self.dir.remove_file(&temporary) {
                tracing::debug!(error = %left, "no temporary marker to remove");
            }
            io_error(operation, MARKER, error)
        })?;
        Ok(marker)
    }

    /// Opens the folder at the end of `chain` (rows from below the root down to it), each the very folder that the index
    /// means.
    pub(super) fn open_folder(&self, chain: &[Row]) -> std::result::Result<Dir, Unreachable> {
        let mut dir = self.dir.try_clone()?;
        for row in chain {
            dir = open_child_folder(&dir, row.name.as_str())?;
            let metadata = dir.dir_metadata()?;
            if self.is_foreign(&metadata) {
                return Err(Unreachable::Unreadable(io::Error::other("another file system is mounted there")));
            }
            if Stat::of(&metadata).ident != row.stat.ident {
                return Err(Unreachable::Gone);
            }
        }
        Ok(dir)
    }
}

fn unreadable_marker(operation: &'static str, error: io::Error) -> ProviderError {
    root_missing(operation, format!("the marker {MARKER} cannot be read: {error}")).caused_by(error)
}

/// `stat` of one name; `None` if it is not there.
pub(super) fn stat_name(dir: &Dir, name: &EntryName) -> io::Result<Option<Stat>> {
    match dir.symlink_metadata(name.as_str()) {
        Ok(metadata) => Ok(Some(Stat::of(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a folder by one name; a link is refused.
fn open_child_folder(dir: &Dir, name: &str) -> io::Result<Dir> {
    let options =
        OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_NONBLOCK).clone();
    dir.open_with(name, &options).map(|file| Dir::from_std_file(file.into_std()))
}

/// Opens a file for reading by one name. A link is refused, and a pipe that was swapped in does not block.
pub(super) fn open_file(dir: &Dir, name: &str) -> io::Result<File> {
    dir.open_with(name, OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK))
}

/// Renames; fails with `AlreadyExists` if the target name is taken.
pub(super) fn rename_new(from: &Dir, name: &str, to: &Dir, new_name: &str) -> io::Result<()> {
    match rename_with(from, name, to, new_name, RenameFlags::NOREPLACE) {
        Err(error) if lacks_flags(&error) => match to.symlink_metadata(new_name) {
            // Another program can slip in between; file systems that lack the flag (some network ones) leave no better way.
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => from.rename(name, to, new_name),
            Err(error) => Err(error),
        },
        result => result,
    }
}

/// Exchanges two entries in one step. False if the file system cannot.
pub(super) fn exchange(from: &Dir, name: &str, to: &Dir, other: &str) -> io::Result<bool> {
    match rename_with(from, name, to, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(error) if lacks_flags(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn rename_with(from: &Dir, name: &str, to: &Dir, new_name: &str, flags: RenameFlags) -> io::Result<()> {
    rustix::fs::renameat_with(from, name, to, new_name, flags).map_err(io::Error::from)
}

/// The file system does not know this kind of call.
fn lacks_flags(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::ENOTSUP))
}

/// Makes the entries of a folder survive a power cut.
pub(super) fn sync_dir(dir: &Dir) -> io::Result<()> {
    // Opened again: a handle may be good for lookups only.
    match open_child_folder(dir, ".")?.into_std_file().sync_all() {
        Err(error) if lacks_flags(&error) => Ok(()), // file systems that have no such call for folders
        result => result,
    }
}
