//! The registrar: registers backing files of one mount for a daemon that may not.
//!
//! A registered file can be read *and written* by whoever gets an open of it from the daemon, with the registrar's user and without a
//! look at permission bits. So it registers only what the daemon's user owns and holds open for both, and refuses whatever it does not
//! recognise. It believes the kernel, never the daemon.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use crate::protocol::{Answer, MAX_LIVE, MESSAGE_BYTES, Request};
use crate::system;

/// File systems whose files may be registered, by `statfs(2)`: they keep files themselves and ask nobody. Not FUSE, where the kernel
/// could wait for the daemon that waits for it; not `/proc` and its kin, whose files are switches; not the network.
const FILE_SYSTEMS: &[u32] = &[
    0x0000_ef53, // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0xf2f5_2010, // f2fs
    0xca45_1a4e, // bcachefs
    0x2fc1_2fc1, // zfs
    0x0102_1994, // tmpfs
    0x794c_7630, // overlayfs
];

/// Why the registrar ends, other than by the daemon's leave.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It was not started as a registrar is, or the system refused.
    Unfit,
    /// Something arrived that no daemon of ours sends.
    Nonsense,
}

/// Serves the daemon at the other end of standard input until it leaves.
pub(crate) fn run() -> Result<(), Ending> {
    let may_register = harden().map_err(|_| Ending::Unfit)?;
    let input = io::stdin();
    serve(input.as_fd(), may_register)
}

/// Gives up everything but the one capability and the socket. True if the capability is there.
fn harden() -> io::Result<bool> {
    system::seal_process()?;
    let may_register = system::keep_capabilities(1 << system::CAP_SYS_ADMIN)?;
    system::close_from(3)?;
    // What was given for output could be a file that trusts the privilege of whoever writes.
    let nowhere = File::options().read(true).write(true).open("/dev/null")?;
    [1, 2].into_iter().try_for_each(|output| system::replace(nowhere.as_fd(), output))?;
    std::env::set_current_dir("/")?;
    let (_, set_id) = system::user();
    if set_id { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(may_register) }
}

fn serve(socket: BorrowedFd<'_>, may_register: bool) -> Result<(), Ending> {
    let mut mount: Option<Mount> = None;
    loop {
        // One byte more than a message has: a longer one is seen to be longer.
        let mut buffer = [0; MESSAGE_BYTES + 1];
        let received = system::receive(socket, &mut buffer).map_err(|_| Ending::Unfit)?;
        if received.length == 0 && received.descriptors.is_empty() && received.whole {
            return Ok(());
        }
        let message = buffer.get(..received.length).filter(|_| received.whole).ok_or(Ending::Nonsense)?;
        let mut descriptors: Vec<File> = received.descriptors.into_iter().map(File::from).collect();
        let request = Request::decode(message, descriptors.len()).ok_or(Ending::Nonsense)?;
        let outcome = match (request, &mut mount) {
            (Request::Start, None) => Mount::start(descriptors, may_register).map(|started| {
                mount = Some(started);
                0
            }),
            (Request::Register, Some(mount)) => match descriptors.pop() {
                Some(file) => mount.register(&file),
                None => return Err(Ending::Nonsense),
            },
            (Request::Close { id }, Some(mount)) => mount.close(id),
            (Request::Start, Some(_)) | (Request::Register | Request::Close { .. }, None) => {
                return Err(Ending::Nonsense);
            }
        };
        let answer = Answer(outcome.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO)));
        system::send(socket, &answer.encode()).map_err(|_| Ending::Unfit)?;
        if mount.is_none() {
            return Err(Ending::Unfit);
        }
    }
}

fn refusal(error: libc::c_int) -> io::Error {
    io::Error::from_raw_os_error(error)
}

/// The mount that this registrar serves, and what it has registered.
struct Mount {
    device: File,
    disks: BTreeSet<u64>,
    uid: u32,
    live: BTreeSet<u32>,
}

impl Mount {
    fn start(descriptors: Vec<File>, may_register: bool) -> io::Result<Self> {
        if !may_register {
            return Err(refusal(libc::EPERM));
        }
        let mut files = descriptors.into_iter();
        let device = files.next().ok_or_else(|| refusal(libc::EINVAL))?;
        let found = device.metadata()?;
        // Number 10:229 is /dev/fuse (Documentation/admin-guide/devices.txt).
        if !found.file_type().is_char_device() || found.rdev() != libc::makedev(10, 229) || !holds_both(&device)? {
            return Err(refusal(libc::ENODEV));
        }
        let (uid, _) = system::user();
        let mut disks = BTreeSet::new();
        for folder in files {
            let found = folder.metadata()?;
            if !found.is_dir() {
                return Err(refusal(libc::ENOTDIR));
            }
            if found.uid() != uid {
                return Err(refusal(libc::EACCES));
            }
            disks.insert(found.dev());
        }
        Ok(Self { device, disks, uid, live: BTreeSet::new() })
    }

    fn register(&mut self, file: &File) -> io::Result<u32> {
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(refusal(libc::EINVAL));
        }
        if found.uid() != self.uid || !holds_both(file)? {
            return Err(refusal(libc::EACCES));
        }
        if !self.disks.contains(&found.dev()) {
            return Err(refusal(libc::EXDEV));
        }
        if !FILE_SYSTEMS.contains(&system::file_system(file.as_fd())?) {
            return Err(refusal(libc::EOPNOTSUPP));
        }
        if self.live.len() >= MAX_LIVE {
            return Err(refusal(libc::EMFILE));
        }
        let id = system::backing_open(self.device.as_fd(), file.as_fd())?;
        self.live.insert(id);
        Ok(id)
    }

    fn close(&mut self, id: u32) -> io::Result<u32> {
        if !self.live.contains(&id) {
            return Err(refusal(libc::ENOENT));
        }
        system::backing_close(self.device.as_fd(), id)?;
        self.live.remove(&id);
        Ok(0)
    }
}

/// True if the file was really opened, for reading and for writing anywhere. The kernel opens a registered file anew each time, with
/// whatever the opener wants: without this a registration would give more than the daemon holds. (What `chattr +a` makes append-only
/// can only be opened for appending, and nobody can take that flag off the open file.)
fn holds_both(file: &File) -> io::Result<bool> {
    let flags = system::open_flags(file.as_fd())?;
    Ok(flags & (libc::O_PATH | libc::O_ACCMODE | libc::O_APPEND) == libc::O_RDWR)
}
