//! The system calls: the only module of this crate with unsafe code. Nothing here decides anything.
#![allow(unsafe_code, reason = "the one module that talks to the operating system directly")]

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::protocol::MAX_DESCRIPTORS;

/// Of `linux/capability.h`.
pub(crate) const CAP_SYS_ADMIN: u32 = 21;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// Of `linux/fuse.h`: `_IOW(229, 1, struct fuse_backing_map)` and `_IOW(229, 2, uint32_t)`.
const FUSE_DEV_IOC_BACKING_OPEN: libc::Ioctl = 0x4010_e501;
const FUSE_DEV_IOC_BACKING_CLOSE: libc::Ioctl = 0x4004_e502;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The user, and whether this process has other rights than that user's because its file is set-uid or set-gid.
pub(crate) fn user() -> (u32, bool) {
    // SAFETY: the calls have no arguments and cannot fail.
    unsafe { (libc::getuid(), libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid()) }
}

/// Nobody may trace this process or read its memory, and no program that it might run could gain a privilege.
pub(crate) fn seal_process() -> io::Result<()> {
    // SAFETY: both calls take numbers only and change a flag of this process.
    unsafe {
        check(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)).map(|_| ())
    }
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: libc::c_uint) -> io::Result<()> {
    // SAFETY: only called before this process has opened any descriptor above the standard three, so that no owner loses one.
    check(unsafe { libc::close_range(first, libc::c_uint::MAX, 0) }).map(|_| ())
}

/// Makes `target` another name of what `source` is.
pub(crate) fn replace(source: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
    // SAFETY: `source` is open; the targets are standard output and error, which have no owner in Rust.
    check(unsafe { libc::dup2(source.as_raw_fd(), target) }).map(|_| ())
}

/// New files get no permission that `mask` names.
pub(crate) fn set_file_mask(mask: libc::mode_t) {
    // SAFETY: takes a number and cannot fail.
    unsafe { libc::umask(mask) };
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityHalf {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up every capability (effective, permitted, inheritable and so ambient) but those of `kept` (a mask of the first 32) that this
/// process has. True if it has all of them.
pub(crate) fn keep_capabilities(kept: u32) -> io::Result<bool> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut halves = [CapabilityHalf::default(); 2];
    // SAFETY: version 3 reads one header and fills two halves, which both outlive the call.
    if unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let permitted = halves[0].permitted & kept;
    let halves = [CapabilityHalf { effective: permitted, permitted, inheritable: 0 }, CapabilityHalf::default()];
    // SAFETY: as above; the halves are only read.
    if unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(permitted == kept)
}

/// A user of this machine.
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) name: CString,
    pub(crate) home: OsString,
}

/// Looks a user up by name, or else by number, where the system is configured to. For a process of one thread.
pub(crate) fn account(name: Option<&CStr>, uid: u32) -> Option<Account> {
    // SAFETY: the name ends in NUL and outlives the call. What is found stays until the next call of the kind, which no other thread
    // makes; its strings end in NUL and are copied.
    unsafe {
        let found = name.map_or_else(|| libc::getpwuid(uid), |name| libc::getpwnam(name.as_ptr())).as_ref()?;
        let (name, home) = (CStr::from_ptr(found.pw_name).to_owned(), CStr::from_ptr(found.pw_dir).to_bytes().to_vec());
        Some(Account { uid: found.pw_uid, gid: found.pw_gid, name, home: OsString::from_vec(home) })
    }
}

/// Becomes a user with all groups of that user, for good.
pub(crate) fn become_user(account: &Account) -> io::Result<()> {
    let Account { uid, gid, ref name, .. } = *account;
    // SAFETY: the name ends in NUL and outlives the call; the other calls take numbers only.
    unsafe {
        check(libc::prctl(libc::PR_SET_KEEPCAPS, 0, 0, 0, 0))?;
        check(libc::initgroups(name.as_ptr(), gid))?;
        check(libc::setresgid(gid, gid, gid))?;
        check(libc::setresuid(uid, uid, uid))?;
    }
    Ok(())
}

/// The command will run in a session of its own: what runs as a user must not reach the terminal of root who started it.
pub(crate) fn without_terminal(command: &mut Command) {
    // SAFETY: between fork and exec the child only makes a system call that takes nothing; it leads no group, so that it succeeds.
    unsafe { command.pre_exec(|| check(libc::setsid()).map(|_| ())) };
}

/// A datagram.
pub(crate) struct Received {
    /// How many bytes of the buffer it fills.
    pub(crate) length: usize,
    /// What came beside it.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// False if something was cut off or is neither bytes nor descriptors.
    pub(crate) whole: bool,
}

/// Waits for a datagram. One without a byte means that the other side has gone.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = [0_u64; 16];
    const { assert!(16 + MAX_DESCRIPTORS * size_of::<RawFd>() <= 16 * size_of::<u64>()) };
    let mut bytes = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeros is a valid msghdr: no name, no buffers.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    (header.msg_iov, header.msg_iovlen) = (&raw mut bytes, 1);
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    let length = loop {
        // SAFETY: the header points to buffers of the lengths that it tells, which outlive the call.
        match unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) } {
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            length => break usize::try_from(length).map_err(|_| io::Error::last_os_error())?,
        }
    };
    let mut whole = header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) == 0;
    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled the control buffer, which is aligned for its headers, and told its length; the macros stay inside.
    // Every descriptor in it is new, open, and owned by nobody else. Its place may not be aligned, hence the unaligned read.
    unsafe {
        let mut part = libc::CMSG_FIRSTHDR(&raw const header);
        while !part.is_null() {
            if ((*part).cmsg_level, (*part).cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let data = libc::CMSG_DATA(part).cast::<RawFd>();
                let end = part.cast::<u8>().add((*part).cmsg_len).cast::<RawFd>();
                let count = usize::try_from(end.byte_offset_from(data)).unwrap_or(0) / size_of::<RawFd>();
                descriptors.extend((0..count).map(|at| OwnedFd::from_raw_fd(data.add(at).read_unaligned())));
            } else {
                whole = false;
            }
            part = libc::CMSG_NXTHDR(&raw const header, part);
        }
    }
    Ok(Received { length, descriptors, whole })
}

/// Sends a datagram. Does not wait: a daemon that asks more than it listens is answered by the end.
pub(crate) fn send(socket: BorrowedFd<'_>, message: &[u8]) -> io::Result<()> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the pointer and the length describe a buffer that outlives the call, which only reads it.
    let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), flags) };
    if sent == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// How a descriptor was opened (`F_GETFL`).
pub(crate) fn open_flags(file: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: the descriptor is open; the call touches no memory of ours.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) })
}

/// The kind of file system that an open file is on. Asks the file system itself.
pub(crate) fn file_system(file: BorrowedFd<'_>) -> io::Result<u32> {
    let mut found = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the descriptor is open and `found` outlives the call.
    check(unsafe { libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr()) })?;
    // SAFETY: it was zeros before the kernel filled it, and every bit pattern of it is valid.
    let found = unsafe { found.assume_init() };
    // 32 bits that the platform may have widened with their sign.
    u32::try_from(found.f_type & 0xffff_ffff).map_err(io::Error::other)
}

/// Registers a backing file on a FUSE connection.
pub(crate) fn backing_open(device: BorrowedFd<'_>, file: BorrowedFd<'_>) -> io::Result<u32> {
    #[repr(C)]
    struct BackingMap {
        fd: i32,
        flags: u32,
        padding: u64,
    }
    let map = BackingMap { fd: file.as_raw_fd(), flags: 0, padding: 0 };
    // SAFETY: both descriptors are open; the kernel reads one `fuse_backing_map`, which outlives the call.
    let id = check(unsafe { libc::ioctl(device.as_raw_fd(), FUSE_DEV_IOC_BACKING_OPEN, &raw const map) })?;
    u32::try_from(id).map_err(io::Error::other)
}

/// Ends a registration.
pub(crate) fn backing_close(device: BorrowedFd<'_>, id: u32) -> io::Result<()> {
    // SAFETY: the descriptor is open; the kernel reads one number, which outlives the call.
    check(unsafe { libc::ioctl(device.as_raw_fd(), FUSE_DEV_IOC_BACKING_CLOSE, &raw const id) }).map(|_| ())
}
