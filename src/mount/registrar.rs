//! The daemon's end of the registrar: the helper that tells the kernel which files to read and write below a mount.
//!
//! What is said, and what may be registered, is in the documentation of `vaultfs_mount_helper`. One registrar serves one mount: it is
//! started with the mount's device and ends when this is dropped. A registrar that fails is not asked again; the daemon then serves
//! files itself, which is always right.
//!
//! For whoever opens files: one id per inode while it has handles, shared by them all; closed only after the last handle, and only
//! here, never by dropping fuser's `BackingId` (`into_raw` it), whose call the kernel refuses to a daemon without privileges.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    sendmsg, socketpair,
};
use vaultfs_mount_helper::REGISTRAR;
use vaultfs_mount_helper::protocol::{Answer, MAX_DESCRIPTORS, MESSAGE_BYTES, Request};

/// An answer takes some microseconds. One that takes so long does not come: somebody has stopped the registrar.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A running registrar of one mount.
#[derive(Debug)]
pub struct Registrar {
    child: Child,
    /// `None` once it has failed to answer as it should.
    socket: Mutex<Option<OwnedFd>>,
}

impl Registrar {
    /// Starts the helper for a mount. Files may be registered that are on the disks of these folders, which must be the user's own.
    ///
    /// [`io::ErrorKind::PermissionDenied`] says that the helper lacks its capability: [`super::passthrough::obstacle`] says why.
    pub fn start(program: &Path, device: BorrowedFd<'_>, folders: &[File]) -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&ours, Timeout::Recv, Some(ANSWER_TIMEOUT))?;
        let mut command = Command::new(program);
        // A group of its own: what a terminal sends to the daemon's group is for the daemon to answer.
        command.arg(REGISTRAR).env_clear().current_dir("/").process_group(0);
        let child = command.stdin(Stdio::from(its)).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // The command holds the other end, too; as long as it does, the end of the child would not be seen.
        drop(command);
        let registrar = Self { child, socket: Mutex::new(Some(ours)) };
        let descriptors: Vec<BorrowedFd<'_>> = [device].into_iter().chain(folders.iter().map(AsFd::as_fd)).collect();
        registrar.ask(Request::Start, &descriptors)?;
        Ok(registrar)
    }

    /// Registers a file that is open for reading and writing. The answer is the id for the reply to an open.
    pub fn register(&self, file: &File) -> io::Result<u32> {
        self.ask(Request::Register, &[file.as_fd()])
    }

    /// Ends a registration. Opens that were answered with it are not disturbed.
    pub fn close(&self, id: u32) -> io::Result<()> {
        self.ask(Request::Close { id }, &[]).map(|_| ())
    }

    fn ask(&self, request: Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<u32> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let open = socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let answer = exchange(open, request, descriptors);
        if answer.is_err() {
            // Its next answer could be that to this request.
            *socket = None;
        }
        answer?.0.map_err(io::Error::from_raw_os_error)
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // It ends at once, because nobody talks to it any more; only one that was stopped has to be ended.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::debug!(%error, "the registrar could not be waited for");
        }
    }
}

fn exchange(socket: &OwnedFd, request: Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<Answer> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(socket, &[IoSlice::new(&request.encode())], &mut control, SendFlags::NOSIGNAL)?;
    // One byte more than an answer has: a longer one is seen to be longer.
    let mut answer = [0; MESSAGE_BYTES + 1];
    let (length, _) = rustix::io::retry_on_intr(|| recv(socket, &mut answer[..], RecvFlags::empty()))?;
    Answer::decode(&answer[..length]).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
