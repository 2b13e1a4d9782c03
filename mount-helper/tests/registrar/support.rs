//! An installed helper, a user for it, and the daemon's end of its socket.

use std::fs::{File, OpenOptions, Permissions};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    sendmsg, socketpair,
};
use tempfile::TempDir;
use vaultfs_mount_helper::protocol::{Answer, MESSAGE_BYTES, Request};

/// The user of the tests: no account, no group, no privilege.
pub(crate) const USER: u32 = 54_321;

/// Whether this test can be done; says so if not.
pub(crate) fn is_root(test: &str) -> bool {
    let root = rustix::fs::stat("/proc/self").unwrap().st_uid == 0;
    if !root {
        eprintln!("SKIPPED {test}: needs root, for a file capability and a user of its own");
    }
    root
}

/// A copy of the helper in a folder that everybody may look into, and a folder of the user.
pub(crate) struct Installed {
    dir: TempDir,
}

impl Installed {
    /// With the file capability.
    pub(crate) fn with_capability() -> Self {
        let installed = Self::plain();
        let set = Command::new("setcap").arg("cap_sys_admin=ep").arg(installed.program()).status().unwrap();
        assert!(set.success(), "setcap");
        installed
    }

    /// Without.
    pub(crate) fn plain() -> Self {
        let dir = tempfile::Builder::new().prefix("vaultfs-helper-").tempdir_in("/var/tmp").unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let installed = Self { dir };
        std::fs::copy(env!("CARGO_BIN_EXE_vaultfs-mount-helper"), installed.program()).unwrap();
        std::fs::set_permissions(installed.program(), Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(installed.home()).unwrap();
        chown(installed.home(), Some(USER), Some(USER)).unwrap();
        installed
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.dir.path().join("vaultfs-mount-helper")
    }

    /// A folder that nobody but root may write.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The user's folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The program, as the user.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        command.uid(USER).gid(USER);
        command
    }

    /// A registrar that runs.
    pub(crate) fn registrar(&self) -> Registrar {
        let mut command = self.command();
        command.arg("registrar");
        Registrar::start(command)
    }

    /// A file of the user, open for reading and writing.
    pub(crate) fn file(&self, name: &str, content: &str) -> File {
        let path = self.home().join(name);
        std::fs::write(&path, content).unwrap();
        chown(&path, Some(USER), Some(USER)).unwrap();
        read_write(&path)
    }
}

pub(crate) fn read_write(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

pub(crate) fn folder(path: &Path) -> File {
    File::open(path).unwrap()
}

/// A running registrar and the daemon's end of its socket.
pub(crate) struct Registrar {
    pub(crate) child: Child,
    socket: Option<OwnedFd>,
}

pub(crate) fn socket_pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

impl Registrar {
    pub(crate) fn start(mut command: Command) -> Self {
        let (ours, its) = socket_pair();
        let child = command.stdin(Stdio::from(its)).spawn().unwrap();
        // The command holds the other end until it is dropped.
        drop(command);
        Self { child, socket: Some(ours) }
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_ref().unwrap().as_fd()
    }

    pub(crate) fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> rustix::io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        sendmsg(self.socket(), &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL)
    }

    /// What it answers; `None` if it has ended.
    pub(crate) fn answer(&self) -> Option<Result<u32, i32>> {
        let mut message = [0; MESSAGE_BYTES + 1];
        match recv(self.socket(), &mut message[..], RecvFlags::empty()) {
            Ok((0, _)) | Err(rustix::io::Errno::CONNRESET) => None,
            Ok((length, _)) => Some(Answer::decode(&message[..length]).expect("an answer").0),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn ask(&self, request: Request, descriptors: &[BorrowedFd<'_>]) -> Option<Result<u32, i32>> {
        self.send(&request.encode(), descriptors).unwrap();
        self.answer()
    }

    /// Starts it for a mount, with folders whose disks it may use.
    pub(crate) fn begin(&self, device: BorrowedFd<'_>, folders: &[&File]) -> Option<Result<u32, i32>> {
        let descriptors: Vec<_> = [device].into_iter().chain(folders.iter().map(|folder| folder.as_fd())).collect();
        self.ask(Request::Start, &descriptors)
    }

    pub(crate) fn register(&self, file: impl AsFd) -> Result<u32, i32> {
        self.ask(Request::Register, &[file.as_fd()]).expect("it still runs")
    }

    pub(crate) fn close(&self, id: u32) -> Result<u32, i32> {
        self.ask(Request::Close { id }, &[]).expect("it still runs")
    }

    /// A line of its `/proc/PID/status`.
    pub(crate) fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.unwrap().trim().to_owned()
    }

    /// How it ends when the daemon leaves, or has ended already.
    pub(crate) fn end(mut self) -> ExitStatus {
        self.socket = None;
        self.child.wait().unwrap()
    }

    /// It must have ended by itself, with nothing said and this exit code.
    pub(crate) fn has_ended(mut self, code: i32) {
        assert_eq!(self.answer(), None, "it answers still");
        assert_eq!(self.child.wait().unwrap().code(), Some(code));
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.socket = None;
        // It ends by itself, unless it has ended.
        let _ended = self.child.wait();
    }
}
