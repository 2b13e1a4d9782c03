//! A disk that forgets: a FUSE file system in memory that keeps what was written apart from what was made durable, and can be robbed of
//! its power. Then every name comes from a moment no older than what was asked to be durable, in the order in which names changed (as
//! a journal keeps them), and every page of a file is the synced one or a later one, each by itself. It can also refuse what changes it:
//! see `faults`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::faults::{Faults, sort_of};

/// What is written as a whole or not at all.
const PAGE: usize = 4096;
const TTL: Duration = Duration::from_secs(1);
const ROOT: u64 = 1;

type Names = BTreeMap<(u64, OsString), u64>;

#[derive(Clone)]
struct Inode {
    folder: bool,
    perm: u16,
    modified: SystemTime,
    /// As programs see it.
    data: Vec<u8>,
    /// As it was at the last sync.
    synced: Vec<u8>,
}

/// A change of names, as a whole.
struct NameChange {
    folders: Vec<u64>,
    /// What is there afterwards.
    names: Names,
}

#[derive(Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    names: Names,
    /// Names as they are certain to be, and every change since.
    certain: Names,
    changes: Vec<NameChange>,
    last: u64,
}

impl State {
    fn add(&mut self, folder: bool, perm: u16) -> u64 {
        self.last += 1;
        let inode = Inode { folder, perm, modified: SystemTime::now(), data: Vec::new(), synced: Vec::new() };
        self.inodes.insert(self.last, inode);
        self.last
    }

    fn find(&self, parent: u64, name: &OsStr) -> Option<u64> {
        self.names.get(&(parent, name.to_owned())).copied()
    }

    fn is_empty(&self, folder: u64) -> bool {
        !self.names.keys().any(|(parent, _)| *parent == folder)
    }

    /// A change of names has happened in these folders.
    fn changed(&mut self, folders: Vec<u64>) {
        self.changes.push(NameChange { folders, names: self.names.clone() });
    }

    /// All names in a folder are durable, and with them every change that came before.
    fn sync_names(&mut self, folder: u64) {
        if let Some(at) = self.changes.iter().rposition(|change| change.folders.contains(&folder)) {
            let change = self.changes.drain(..=at).next_back();
            self.certain = change.map(|change| change.names).unwrap_or_default();
        }
    }

    /// A sync has failed: pages that were not durable are not there any more, and a later sync that succeeds proves nothing. Databases keep
    /// theirs: it is what nobody has been promised yet, and with it would go names that the model counts on.
    fn drop_unsynced(&mut self, ino: u64) {
        let is_database = self.sort(ino) == "database";
        if let Some(inode) = self.inodes.get_mut(&ino).filter(|_| !is_database) {
            let size = inode.data.len();
            inode.data.clone_from(&inode.synced);
            inode.data.resize(size, 0);
        }
    }

    /// The sort of a file, for faults. One without a name is a file like any other.
    fn sort(&self, ino: u64) -> &'static str {
        self.names.iter().find(|(_, linked)| **linked == ino).map_or("file", |((_, name), _)| sort_of(name))
    }

    fn attr(&self, ino: u64) -> Option<FileAttr> {
        let inode = self.inodes.get(&ino)?;
        let links = self.names.values().filter(|linked| **linked == ino).count();
        let owner = std::fs::metadata("/proc/self").ok()?;
        Some(FileAttr {
            ino: INodeNo(ino),
            size: inode.data.len() as u64,
            blocks: inode.data.len().div_ceil(512) as u64,
            atime: inode.modified,
            mtime: inode.modified,
            ctime: inode.modified,
            crtime: inode.modified,
            kind: if inode.folder { FileType::Directory } else { FileType::RegularFile },
            perm: inode.perm,
            nlink: u32::try_from(links.max(1)).unwrap(),
            uid: std::os::unix::fs::MetadataExt::uid(&owner),
            gid: std::os::unix::fs::MetadataExt::gid(&owner),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    /// What is there when the power is back.
    fn after_power_cut(&mut self, random: &mut StdRng) {
        let kept = random.random_range(0..=self.changes.len());
        self.names = match kept.checked_sub(1) {
            Some(last) => self.changes.swap_remove(last).names,
            None => self.certain.clone(),
        };
        self.changes.clear();
        self.certain = self.names.clone();
        let alive: Vec<u64> = self.names.values().copied().chain([ROOT]).collect();
        self.inodes.retain(|ino, _| alive.contains(ino));
        for inode in self.inodes.values_mut() {
            inode.data = survivor(&inode.synced, &inode.data, random);
            inode.synced = inode.data.clone();
        }
    }
}

/// Pages of what was synced and of what came later, each by itself.
fn survivor(synced: &[u8], later: &[u8], random: &mut StdRng) -> Vec<u8> {
    let keeps = [0.0, 0.5, 1.0][random.random_range(0..3_usize)];
    let mut survivor = if random.random_bool(keeps) { later.to_vec() } else { synced.to_vec() };
    for (index, page) in survivor.chunks_mut(PAGE).enumerate() {
        let source = if random.random_bool(keeps) { later } else { synced };
        let start = index * PAGE;
        for (at, byte) in page.iter_mut().enumerate() {
            *byte = source.get(start + at).copied().unwrap_or(0);
        }
    }
    survivor
}

/// The disk and its mount.
pub(crate) struct Disk {
    dir: PathBuf,
    state: Arc<Mutex<State>>,
    faults: Arc<Faults>,
    session: Option<BackgroundSession>,
}

impl Disk {
    /// An empty disk.
    pub(crate) fn mount(dir: &Path) -> Self {
        Self::failing(dir, Arc::default())
    }

    /// An empty disk that refuses what these faults say.
    pub(crate) fn failing(dir: &Path, faults: Arc<Faults>) -> Self {
        let mut state = State::default();
        assert_eq!(state.add(true, 0o755), ROOT);
        let mut disk = Self { dir: dir.to_owned(), state: Arc::new(Mutex::new(state)), faults, session: None };
        disk.plug_in();
        disk
    }

    fn plug_in(&mut self) {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("forgetful".into()), MountOption::DefaultPermissions];
        config.n_threads = Some(2);
        let volume = Volume { state: Arc::clone(&self.state), faults: Arc::clone(&self.faults) };
        self.session = Some(fuser::spawn_mount(volume, &self.dir, &config).unwrap());
    }

    /// Nobody uses the disk any more; its power goes, and comes back.
    pub(crate) fn cut_power(&mut self, random: &mut StdRng) {
        // The kernel may still be closing what the dead had open.
        while !Command::new("fusermount3").args(["-u", "-q"]).arg(&self.dir).status().unwrap().success() {
            std::thread::yield_now();
        }
        self.session.take().unwrap().join().unwrap();
        self.state.lock().unwrap().after_power_cut(random);
        self.plug_in();
    }
}

struct Volume {
    state: Arc<Mutex<State>>,
    faults: Arc<Faults>,
}

impl Volume {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn made(&self, parent: u64, name: &OsStr, folder: bool, mode: u32) -> Result<FileAttr, Errno> {
        let mut state = self.state();
        if state.find(parent, name).is_some() {
            return Err(Errno::EEXIST);
        }
        self.faults.refuse("create", sort_of(name))?;
        let ino = state.add(folder, u16::try_from(mode & 0o777).unwrap());
        state.names.insert((parent, name.to_owned()), ino);
        state.changed(vec![parent]);
        Ok(state.attr(ino).unwrap())
    }

    fn removed(&self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        let mut state = self.state();
        let ino = state.find(parent, name).ok_or(Errno::ENOENT)?;
        if state.inodes[&ino].folder && !state.is_empty(ino) {
            return Err(Errno::ENOTEMPTY);
        }
        self.faults.refuse("remove", sort_of(name))?;
        state.names.remove(&(parent, name.to_owned()));
        state.changed(vec![parent]);
        Ok(())
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn resize(data: &mut Vec<u8>, size: u64) {
    data.resize(usize::try_from(size).unwrap(), 0);
}

impl Filesystem for Volume {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let state = self.state();
        match state.find(parent.0, name).and_then(|ino| state.attr(ino)) {
            Some(attr) => reply.entry(&TTL, &attr, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.state().attr(ino.0) {
            Some(attr) => reply.attr(&TTL, &attr),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut state = self.state();
        let sort = state.sort(ino.0);
        let Some(inode) = state.inodes.get_mut(&ino.0) else { return reply.error(Errno::ENOENT) };
        if let Some(mode) = mode {
            inode.perm = u16::try_from(mode & 0o777).unwrap();
        }
        if let Some(size) = size {
            if let Err(error) = self.faults.refuse("resize", sort) {
                return reply.error(error);
            }
            resize(&mut inode.data, size);
        }
        if let Some(TimeOrNow::SpecificTime(time)) = mtime {
            inode.modified = time;
        }
        reply.attr(&TTL, &state.attr(ino.0).unwrap());
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        match self.made(parent.0, name, true, mode & !umask) {
            Ok(attr) => reply.entry(&TTL, &attr, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match self.made(parent.0, name, false, mode & !umask) {
            Ok(attr) => reply.created(&TTL, &attr, Generation(0), FileHandle(0), FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.removed(parent.0, name));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.removed(parent.0, name));
    }

    fn link(&self, _: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut state = self.state();
        if state.find(parent.0, name).is_some() {
            return reply.error(Errno::EEXIST);
        }
        if let Err(error) = self.faults.refuse("link", sort_of(name)) {
            return reply.error(error);
        }
        state.names.insert((parent.0, name.to_owned()), ino.0);
        state.changed(vec![parent.0]);
        reply.entry(&TTL, &state.attr(ino.0).unwrap(), Generation(0));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let mut state = self.state();
        let (from, to) = ((parent.0, name.to_owned()), (new_parent.0, new_name.to_owned()));
        let Some(ino) = state.names.get(&from).copied() else { return reply.error(Errno::ENOENT) };
        let target = state.names.get(&to).copied();
        if let Err(error) = self.faults.refuse("rename", sort_of(name)) {
            return reply.error(error);
        }
        if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            let Some(target) = target else { return reply.error(Errno::ENOENT) };
            state.names.insert(from, target);
        } else {
            if flags.contains(RenameFlags::RENAME_NOREPLACE) && target.is_some() {
                return reply.error(Errno::EEXIST);
            }
            if target.is_some_and(|target| state.inodes[&target].folder && !state.is_empty(target)) {
                return reply.error(Errno::ENOTEMPTY);
            }
            state.names.remove(&from);
        }
        state.names.insert(to, ino);
        state.changed(vec![parent.0, new_parent.0]);
        reply.ok();
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let state = self.state();
        let Some(inode) = state.inodes.get(&ino.0) else { return reply.error(Errno::ENOENT) };
        let start = usize::try_from(offset).unwrap().min(inode.data.len());
        let end = (start + usize::try_from(size).unwrap()).min(inode.data.len());
        reply.data(&inode.data[start..end]);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        flags: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut state = self.state();
        let sort = state.sort(ino.0);
        let Some(inode) = state.inodes.get_mut(&ino.0) else { return reply.error(Errno::ENOENT) };
        let start = usize::try_from(offset).unwrap();
        // Nobody is told of what happens to pages that were written through a memory map.
        let taken = if flags.contains(WriteFlags::FUSE_WRITE_CACHE) {
            Ok(data.len())
        } else {
            self.faults.take(data.len(), sort)
        };
        let data = match taken {
            Ok(taken) => &data[..taken],
            Err(error) => return reply.error(error),
        };
        if inode.data.len() < start + data.len() {
            inode.data.resize(start + data.len(), 0);
        }
        inode.data[start..start + data.len()].copy_from_slice(data);
        inode.modified = SystemTime::now();
        reply.written(u32::try_from(data.len()).unwrap());
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut state = self.state();
        if let Err(error) = self.faults.refuse("sync", state.sort(ino.0)) {
            state.drop_unsynced(ino.0);
            return reply.error(error);
        }
        if let Some(inode) = state.inodes.get_mut(&ino.0) {
            inode.synced = inode.data.clone();
        }
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        if let Err(error) = self.faults.refuse("sync names", "folder") {
            return reply.error(error);
        }
        self.state().sync_names(ino.0);
        reply.ok();
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let state = self.state();
        let inside = state.names.iter().filter(|((parent, _), _)| *parent == ino.0);
        let entries = inside.map(|((_, name), ino)| (*ino, name.clone()));
        let all = [(ino.0, OsString::from(".")), (ROOT, OsString::from(".."))].into_iter().chain(entries);
        for (at, (ino, name)) in all.enumerate().skip(usize::try_from(offset).unwrap()) {
            let kind = if state.inodes[&ino].folder { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(ino), at as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    /// Pages of zeros were never written: a sparse file.
    fn lseek(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        let state = self.state();
        let Some(inode) = state.inodes.get(&ino.0) else { return reply.error(Errno::ENOENT) };
        let start = usize::try_from(offset).unwrap();
        if start >= inode.data.len() {
            return reply.error(Errno::ENXIO);
        }
        let wants_hole = whence == libc::SEEK_HOLE;
        let is_hole = |page: &[u8]| page.iter().all(|byte| *byte == 0);
        let mut pages = inode.data.chunks(PAGE).enumerate().skip(start / PAGE);
        match pages.find(|(_, page)| is_hole(page) == wants_hole) {
            Some((index, _)) => reply.offset(i64::try_from(start.max(index * PAGE)).unwrap()),
            None if wants_hole => reply.offset(i64::try_from(inode.data.len()).unwrap()),
            None => reply.error(Errno::ENXIO),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(1 << 28, 1 << 27, 1 << 27, 1 << 20, 1 << 20, 4096, 255, 4096);
    }
}
