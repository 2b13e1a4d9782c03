//! Between the kernel's vocabulary and the core's.

use std::time::SystemTime;

use fuser::{Errno, FileAttr, FileType, INodeNo, TimeOrNow};

use crate::types::{InodeNo, NodeKind, Timestamp};
use crate::vfs::{FsError, SetTime, Stat};

/// Size of blocks that applications should read and write in.
const PREFERRED_IO_BYTES: u32 = 64 * 1024;

/// File type bits of a mode, which POSIX systems agree on; libc gives them another integer type on each.
const TYPE_BITS: u32 = 0o170_000;
const PIPE: u32 = 0o010_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
const BLOCK_DEVICE: u32 = 0o060_000;
const REGULAR: u32 = 0o100_000;

pub(super) fn errno(error: &FsError) -> Errno {
    Errno::from_i32(error.errno())
}

pub(super) fn ino(ino: INodeNo) -> InodeNo {
    InodeNo(ino.0)
}

pub(super) fn file_type(kind: NodeKind, special: u32) -> FileType {
    match kind {
        NodeKind::File => FileType::RegularFile,
        NodeKind::Folder => FileType::Directory,
        NodeKind::Symlink => FileType::Symlink,
        NodeKind::Special => match special & TYPE_BITS {
            PIPE => FileType::NamedPipe,
            CHARACTER_DEVICE => FileType::CharDevice,
            BLOCK_DEVICE => FileType::BlockDevice,
            _ => FileType::Socket,
        },
    }
}

/// The type bits of a pipe, socket or device; `None` for an ordinary file, which may also have no bits at all.
pub(super) fn special(mode: u32) -> Option<u32> {
    match mode & TYPE_BITS {
        REGULAR | 0 => None,
        special => Some(special),
    }
}

pub(super) fn attr(stat: &Stat) -> FileAttr {
    let size = match stat.kind {
        NodeKind::Folder => 4096,
        NodeKind::File | NodeKind::Symlink | NodeKind::Special => stat.attr.size,
    };
    FileAttr {
        ino: INodeNo(stat.ino.0),
        size,
        blocks: stat.blocks,
        atime: stat.attr.atime.to_system(),
        mtime: stat.attr.mtime.to_system(),
        ctime: stat.attr.ctime.to_system(),
        crtime: stat.attr.btime.to_system(),
        kind: file_type(stat.kind, stat.attr.special),
        perm: u16::try_from(stat.attr.mode & 0o7777).unwrap_or(0),
        nlink: stat.nlink,
        uid: stat.attr.uid,
        gid: stat.attr.gid,
        rdev: stat.attr.rdev,
        blksize: PREFERRED_IO_BYTES,
        flags: 0,
    }
}

/// A cached "there is nothing of that name": inode 0 with a time to live.
pub(super) fn negative_attr() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: SystemTime::UNIX_EPOCH,
        mtime: SystemTime::UNIX_EPOCH,
        ctime: SystemTime::UNIX_EPOCH,
        crtime: SystemTime::UNIX_EPOCH,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 0,
        flags: 0,
    }
}

pub(super) fn set_time(time: TimeOrNow) -> SetTime {
    match time {
        TimeOrNow::SpecificTime(time) => SetTime::To(timestamp(time)),
        TimeOrNow::Now => SetTime::Now,
    }
}

/// What the kernel has sent. It counts nanoseconds forward from whole seconds; fuser 0.18 subtracts them from those before 1970.
fn timestamp(time: SystemTime) -> Timestamp {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(_) => Timestamp::from_system(time),
        Err(before) => {
            let (seconds, nanos) = (before.duration().as_secs(), before.duration().subsec_nanos());
            Timestamp::from_parts(i64::try_from(seconds).map_or(i64::MIN, |seconds| -seconds), i64::from(nanos))
        }
    }
}
