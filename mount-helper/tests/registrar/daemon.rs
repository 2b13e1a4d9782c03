//! The smallest file system with passthrough: `file` in its root is whatever backing file is set.
#![expect(unsafe_code, reason = "fuser takes ids of others only as a promise that they are valid")]

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyEmpty, ReplyEntry, ReplyOpen, Request,
    Session,
};

/// What an open of `file` gets: the id of a registration. The file system has no read and no write of its own.
type Backing = Arc<Mutex<Option<u32>>>;

struct Passthrough {
    negotiate: bool,
    backing: Backing,
    file: Arc<Mutex<Option<File>>>,
}

impl Passthrough {
    fn attributes(&self, ino: INodeNo) -> FileAttr {
        let root = ino == INodeNo::ROOT;
        let size = self.file.lock().unwrap().as_ref().map_or(0, |file| file.metadata().unwrap().len());
        let owner = rustix::fs::stat("/proc/self").unwrap();
        FileAttr {
            ino,
            size,
            blocks: 1,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if root { FileType::Directory } else { FileType::RegularFile },
            perm: if root { 0o755 } else { 0o600 },
            nlink: 1,
            uid: owner.st_uid,
            gid: owner.st_gid,
            rdev: 0,
            flags: 0,
            blksize: 512,
        }
    }
}

impl Filesystem for Passthrough {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        if self.negotiate {
            config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).map_err(|_| std::io::ErrorKind::Unsupported)?;
            config.set_max_stack_depth(1).map_err(|_| std::io::ErrorKind::Unsupported)?;
        }
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent == INodeNo::ROOT && name == "file" {
            reply.entry(&Duration::ZERO, &self.attributes(INodeNo(2)), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&Duration::ZERO, &self.attributes(ino));
    }

    fn open(&self, _request: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let Some(id) = *self.backing.lock().unwrap() else { return reply.error(Errno::ENXIO) };
        // SAFETY: the tests keep an id registered until its last open is closed.
        let backing = unsafe { reply.wrap_backing(id) };
        reply.opened_passthrough(FileHandle(0), FopenFlags::empty(), &backing);
        // Dropping it would close it, which is for the registrar to do.
        backing.into_raw();
    }

    fn release(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _handle: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }
}

/// A mounted one.
pub(crate) struct Mount {
    session: Option<BackgroundSession>,
    pub(crate) device: OwnedFd,
    backing: Backing,
    file: Arc<Mutex<Option<File>>>,
}

impl Mount {
    /// Mounts by this process.
    pub(crate) fn new(dir: &Path, negotiate: bool) -> Self {
        let (backing, file) = (Backing::default(), Arc::default());
        let system = Passthrough { negotiate, backing: Arc::clone(&backing), file: Arc::clone(&file) };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("helper-test".into()), MountOption::Subtype("vaultfs".into())];
        let session = Session::new(system, dir, &config).unwrap();
        let device = session.as_fd().try_clone_to_owned().unwrap();
        Self { session: Some(session.spawn().unwrap()), device, backing, file }
    }

    /// What the next opens get.
    pub(crate) fn show(&self, file: &File, id: u32) {
        *self.file.lock().unwrap() = Some(file.try_clone().unwrap());
        *self.backing.lock().unwrap() = Some(id);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            session.umount_and_join().unwrap();
        }
    }
}
