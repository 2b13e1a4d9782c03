//! `fuser::Filesystem`: decode, call, reply. No decision about files is made here.
//!
//! Handlers run on the session's threads. They do memory and local-disk work only; an operation that has to wait for bytes takes its
//! reply along and returns. Every guard is dropped before a reply is sent: after it the kernel may release the handle at once.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use fuser::{
    BackingId, BsdFileFlags, Errno, FileHandle, FopenFlags, INodeNo, InitFlags, KernelConfig, LockOwner, OpenAccMode,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};

use super::reply::{GENERATION, TTL, backing, backing_id, failed, reply_empty, reply_entry, reply_xattr};
use super::{convert, platform};
use crate::types::{ByteRange, HandleNo, ThreadNo};
use crate::vfs::ports::Backing;
use crate::vfs::{
    Allocation, DirEntry, FsError, NewEntry, OpenIntent, Opened, Owner, SetAttr, Stat, VaultFs, XattrMode,
};

/// Positions of `.` and `..` in a listing; entries follow at their node id plus this.
const DOTS: u64 = 2;
const MAX_WRITE_BYTES: u32 = 1024 * 1024;
/// Readahead, writeback and RELEASE share the background queue; the default of 16 starves them.
const MAX_BACKGROUND: u16 = 64;
const CONGESTION_THRESHOLD: u16 = 48;

/// Serves one vault to the kernel.
pub(super) struct Adapter {
    vfs: Arc<VaultFs>,
    /// Whether files may be lent to the kernel.
    lends: bool,
    /// What the kernel offers of [`platform::CAPABILITIES`].
    granted: InitFlags,
    /// What the kernel has open. An unmount drops the RELEASE requests that still wait (`fuse_abort_conn`, fs/fuse/dev.c).
    handles: Mutex<HashSet<HandleNo>>,
}

impl Adapter {
    pub(super) fn new(vfs: Arc<VaultFs>, lends: bool) -> Self {
        Self { vfs, lends, granted: InitFlags::empty(), handles: Mutex::default() }
    }

    /// Asks the kernel to read and write a file by itself.
    fn lend(&self, register: impl FnOnce() -> std::io::Result<BackingId>) -> Option<Backing> {
        self.lends.then(register).and_then(backing)
    }

    /// Notes a handle before the kernel learns of it.
    fn opened(&self, handle: HandleNo) -> FileHandle {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).insert(handle);
        FileHandle(handle.0)
    }

    fn closed(&self, handle: HandleNo) {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).remove(&handle);
        self.vfs.release(handle);
    }
}

fn intent(flags: OpenFlags) -> OpenIntent {
    match flags.acc_mode() {
        OpenAccMode::O_RDONLY => OpenIntent { read: true, write: false },
        OpenAccMode::O_WRONLY => OpenIntent { read: false, write: true },
        OpenAccMode::O_RDWR => OpenIntent { read: true, write: true },
    }
}

fn owner(request: &Request, mode: u32, umask: u32) -> Owner {
    Owner { uid: request.uid(), gid: request.gid(), mode: mode & !umask & 0o7777 }
}

fn handle(fh: FileHandle) -> HandleNo {
    HandleNo(fh.0)
}

/// Who asks; the kernel itself, and programs that this process cannot see, are nobody.
fn caller(request: &Request) -> Option<ThreadNo> {
    (request.pid() != 0).then(|| ThreadNo(request.pid()))
}

impl fuser::Filesystem for Adapter {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        for wanted in platform::CAPABILITIES {
            match config.add_capabilities(*wanted) {
                Ok(()) => self.granted |= *wanted,
                Err(missing) => tracing::debug!(?missing, "the kernel does not offer this; going on without it"),
            }
        }
        // Files below are on a disk, not on another file system that stands on one.
        let depth = config.set_max_stack_depth(1);
        // Each setter answers the nearest value that the kernel allows; any of them serves.
        let max_write = config.set_max_write(MAX_WRITE_BYTES);
        let background = config.set_max_background(MAX_BACKGROUND);
        let congestion = config.set_congestion_threshold(CONGESTION_THRESHOLD);
        tracing::debug!(?max_write, ?background, ?congestion, ?depth, "connected to the kernel");
        Ok(())
    }

    fn destroy(&mut self) {
        for handle in self.handles.get_mut().unwrap_or_else(PoisonError::into_inner).drain() {
            self.vfs.release(handle);
        }
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.vfs.lookup(convert::ino(parent), name) {
            Ok(Some(stat)) => reply.entry(&TTL, &convert::attr(&stat), GENERATION),
            Ok(None) => reply.entry(&TTL, &convert::negative_attr(), GENERATION),
            Err(error) => reply.error(failed("lookup", parent, &error)),
        }
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        match self.vfs.getattr(convert::ino(ino)) {
            Ok(stat) => reply.attr(&TTL, &convert::attr(&stat)),
            Err(error) => reply.error(failed("getattr", ino, &error)),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set =
            SetAttr { mode, uid, gid, size, atime: atime.map(convert::set_time), mtime: mtime.map(convert::set_time) };
        let done = Box::new(move |result: Result<Stat, FsError>| match result {
            Ok(stat) => reply.attr(&TTL, &convert::attr(&stat)),
            Err(error) => reply.error(failed("setattr", ino, &error)),
        });
        self.vfs.setattr(convert::ino(ino), fh.map(handle), set, caller(request), done);
    }

    fn readlink(&self, _request: &Request, ino: INodeNo, reply: ReplyData) {
        match self.vfs.readlink(convert::ino(ino)) {
            Ok(target) => reply.data(target.as_bytes()),
            Err(error) => reply.error(failed("readlink", ino, &error)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let owner = owner(request, mode, umask);
        let made = match convert::special(mode) {
            None => self.vfs.make_closed_file(convert::ino(parent), name, owner),
            Some(file_type) => self.vfs.make(convert::ino(parent), name, owner, NewEntry::Special { file_type, rdev }),
        };
        reply_entry("mknod", parent, made, reply);
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let made = self.vfs.make(convert::ino(parent), name, owner(request, mode, umask), NewEntry::Folder);
        reply_entry("mkdir", parent, made, reply);
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply_empty("unlink", parent, self.vfs.unlink(convert::ino(parent), name), reply);
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply_empty("rmdir", parent, self.vfs.rmdir(convert::ino(parent), name), reply);
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let made = match target.to_str() {
            Some(target) => {
                let owner = Owner { uid: request.uid(), gid: request.gid(), mode: 0o777 };
                self.vfs.make(convert::ino(parent), name, owner, NewEntry::Symlink(target.to_owned()))
            }
            None => Err(FsError::Name(crate::types::NameError::NotUtf8)),
        };
        reply_entry("symlink", parent, made, reply);
    }

    fn link(&self, _request: &Request, _ino: INodeNo, _newparent: INodeNo, _newname: &OsStr, reply: ReplyEntry) {
        // Two names with one content cannot be told to any provider; programs know EPERM and copy instead.
        reply.error(Errno::EPERM);
    }

    fn rename(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let Some(mode) = platform::rename_mode(flags) else {
            return reply.error(Errno::EINVAL);
        };
        let renamed = self.vfs.rename(convert::ino(parent), name, convert::ino(newparent), newname, mode);
        reply_empty("rename", parent, renamed, reply);
    }

    fn open(&self, _request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let opened = self.vfs.open(convert::ino(ino), intent(flags), &|file| self.lend(|| reply.open_backing(file)));
        match opened {
            Ok(Opened { handle, backing }) => match backing_id(backing) {
                Some(id) => reply.opened_passthrough(self.opened(handle), FopenFlags::empty(), &id),
                None => reply.opened(self.opened(handle), FopenFlags::FOPEN_KEEP_CACHE),
            },
            Err(error) => reply.error(failed("open", ino, &error)),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let created = self.vfs.create(
            convert::ino(parent),
            name,
            owner(request, mode, umask),
            intent(OpenFlags(flags)),
            &|file| self.lend(|| reply.open_backing(file)),
        );
        match created {
            Ok((stat, Opened { handle, backing })) => {
                let (attr, fh) = (convert::attr(&stat), self.opened(handle));
                match backing_id(backing) {
                    Some(id) => reply.created_passthrough(&TTL, &attr, GENERATION, fh, FopenFlags::empty(), &id),
                    None => reply.created(&TTL, &attr, GENERATION, fh, FopenFlags::FOPEN_KEEP_CACHE),
                }
            }
            Err(error) => reply.error(failed("create", parent, &error)),
        }
    }

    fn read(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let done = Box::new(move |result: Result<Vec<u8>, FsError>| match result {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(failed("read", ino, &error)),
        });
        self.vfs.read(handle(fh), offset, size, caller(request), done);
    }

    fn write(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let done = Box::new(move |result: Result<u32, FsError>| match result {
            Ok(written) => reply.written(written),
            Err(error) => reply.error(failed("write", ino, &error)),
        });
        self.vfs.write(handle(fh), offset, data, caller(request), done);
    }

    fn flush(&self, _request: &Request, ino: INodeNo, fh: FileHandle, _lock_owner: LockOwner, reply: ReplyEmpty) {
        reply_empty("flush", ino, self.vfs.flush(handle(fh)), reply);
    }

    fn release(
        &self,
        _request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.closed(handle(fh));
        reply.ok();
    }

    fn fsync(&self, _request: &Request, ino: INodeNo, fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        reply_empty("fsync", ino, self.vfs.fsync(handle(fh)), reply);
    }

    fn opendir(&self, _request: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // Folders need no handle: a kernel that takes this for an answer stops asking and caches listings by itself.
        if self.granted.contains(InitFlags::FUSE_NO_OPENDIR_SUPPORT) {
            reply.error(Errno::ENOSYS);
        } else {
            reply.opened(FileHandle(0), FopenFlags::empty());
        }
    }

    fn readdir(&self, _request: &Request, ino: INodeNo, _fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listed = self.list(ino, offset, false, |position, ino, entry| {
            let kind = convert::file_type(entry.kind, entry.special);
            reply.add(INodeNo(ino), position, kind, entry_name(&entry))
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(failed("readdir", ino, &error)),
        }
    }

    fn readdirplus(
        &self,
        _request: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let listed = self.list(ino, offset, true, |position, ino, entry| match &entry.stat {
            Some(stat) => reply.add(INodeNo(ino), position, entry_name(&entry), &TTL, &convert::attr(stat), GENERATION),
            None => false,
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(failed("readdirplus", ino, &error)),
        }
    }

    fn fsyncdir(&self, _request: &Request, ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        reply_empty("fsyncdir", ino, self.vfs.sync_names(), reply);
    }

    fn statfs(&self, _request: &Request, ino: INodeNo, reply: ReplyStatfs) {
        const UNIT: u64 = 4096;
        match self.vfs.space() {
            Ok(space) => {
                let (total, free) = (space.total / UNIT, space.free / UNIT);
                // Any number of entries fits: inodes are rows.
                let free_entries = u64::from(u32::MAX);
                reply.statfs(total, free, free, space.files + free_entries, free_entries, 4096, 255, 4096);
            }
            Err(error) => reply.error(failed("statfs", ino, &error)),
        }
    }

    fn setxattr(
        &self,
        _request: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        let mode = match flags {
            0 => XattrMode::Set,
            libc::XATTR_CREATE => XattrMode::Create,
            libc::XATTR_REPLACE => XattrMode::Replace,
            _ => return reply.error(Errno::EINVAL),
        };
        let set = self.vfs.set_xattr(convert::ino(ino), name.as_bytes(), value, mode);
        reply_empty("setxattr", ino, set, reply);
    }

    fn getxattr(&self, _request: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        reply_xattr("getxattr", ino, self.vfs.xattr(convert::ino(ino), name.as_bytes()), size, reply);
    }

    fn listxattr(&self, _request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let names = self
            .vfs
            .xattr_names(convert::ino(ino))
            .map(|names| names.into_iter().flat_map(|name| name.into_iter().chain(std::iter::once(0))).collect());
        reply_xattr("listxattr", ino, names, size, reply);
    }

    fn removexattr(&self, _request: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply_empty("removexattr", ino, self.vfs.remove_xattr(convert::ino(ino), name.as_bytes()), reply);
    }

    fn fallocate(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        const KEEP_SIZE: i32 = 1;
        const PUNCH_HOLE: i32 = 2;
        let how = match mode {
            0 => Allocation::Grow,
            KEEP_SIZE => Allocation::Reserve,
            mode if mode == KEEP_SIZE | PUNCH_HOLE => Allocation::Hole,
            _ => return reply.error(Errno::EOPNOTSUPP),
        };
        let done = Box::new(move |result| reply_empty("fallocate", ino, result, reply));
        self.vfs.allocate(handle(fh), ByteRange::at(offset, length), how, caller(request), done);
    }

    fn lseek(&self, _request: &Request, ino: INodeNo, fh: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        let Ok(offset) = u64::try_from(offset) else { return reply.error(Errno::ENXIO) };
        let found = self.vfs.seek(handle(fh), offset, whence == libc::SEEK_DATA);
        match found.map(i64::try_from) {
            Ok(Ok(found)) => reply.offset(found),
            Ok(Err(_)) => reply.error(Errno::EOVERFLOW),
            Err(error) => reply.error(failed("lseek", ino, &error)),
        }
    }
}

/// Name of an entry in a listing; `.` and `..` are told by their position.
fn entry_name(entry: &DirEntry) -> &OsStr {
    OsStr::new(match entry.position {
        1 => ".",
        2 => "..",
        _ => entry.name.as_str(),
    })
}

impl Adapter {
    /// Tells `.`, `..` and the entries of a folder after a kernel position until `tell` says that the reply is full.
    fn list(
        &self,
        folder: INodeNo,
        position: u64,
        with_stat: bool,
        mut tell: impl FnMut(u64, u64, DirEntry) -> bool,
    ) -> Result<(), FsError> {
        for dot in [1, DOTS] {
            if position < dot {
                let ino = if dot == 1 { convert::ino(folder) } else { self.vfs.parent_of(convert::ino(folder))? };
                let stat = if with_stat { Some(self.vfs.getattr(ino)?) } else { None };
                let name = crate::types::EntryName::new("dot").map_err(FsError::Name)?;
                let kind = crate::types::NodeKind::Folder;
                if tell(dot, ino.0, DirEntry { position: dot, name, ino, kind, special: 0, stat }) {
                    return Ok(());
                }
            }
        }
        self.vfs.list(convert::ino(folder), position.saturating_sub(DOTS), with_stat, |mut entry| {
            entry.position += DOTS;
            tell(entry.position, entry.ino.0, entry)
        })
    }
}
