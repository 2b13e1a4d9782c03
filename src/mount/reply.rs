//! Answers to the kernel that several requests share.

use std::sync::Arc;
use std::time::Duration;

use fuser::{BackingId, Errno, Generation, INodeNo, ReplyEmpty, ReplyEntry, ReplyXattr};

use super::convert;
use crate::telemetry::metrics::metrics;
use crate::vfs::ports::Backing;
use crate::vfs::{FsError, Stat};

/// How long the kernel keeps entries and attributes: for good. Whatever changes them tells the kernel.
pub(super) const TTL: Duration = Duration::from_secs(365 * 24 * 3600);
pub(super) const GENERATION: Generation = Generation(0);

/// One line in the log for every refusal, loud only if something is wrong.
pub(super) fn failed(operation: &'static str, ino: INodeNo, error: &FsError) -> Errno {
    if error.is_problem() {
        tracing::warn!(operation, ino = ino.0, %error, source = std::error::Error::source(error), "failed");
    } else {
        tracing::trace!(operation, ino = ino.0, %error, "refused");
    }
    convert::errno(error)
}

pub(super) fn reply_entry(operation: &'static str, ino: INodeNo, result: Result<Stat, FsError>, reply: ReplyEntry) {
    match result {
        Ok(stat) => reply.entry(&TTL, &convert::attr(&stat), GENERATION),
        Err(error) => reply.error(failed(operation, ino, &error)),
    }
}

pub(super) fn reply_empty(operation: &'static str, ino: INodeNo, result: Result<(), FsError>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(failed(operation, ino, &error)),
    }
}

pub(super) fn reply_xattr(
    operation: &'static str,
    ino: INodeNo,
    result: Result<Vec<u8>, FsError>,
    size: u32,
    reply: ReplyXattr,
) {
    match result {
        Ok(value) => match u32::try_from(value.len()) {
            Ok(len) if size == 0 => reply.size(len),
            Ok(len) if len <= size => reply.data(&value),
            Ok(_) | Err(_) => reply.error(failed(operation, ino, &FsError::BufferTooSmall)),
        },
        Err(error) => reply.error(failed(operation, ino, &error)),
    }
}

/// A file that the kernel was asked to read and write by itself. It refuses where it is too old or we lack the right.
pub(super) fn backing(registered: std::io::Result<BackingId>) -> Option<Backing> {
    match registered {
        Ok(id) => {
            metrics().lent.add(1);
            Some(Arc::new(id))
        }
        Err(error) => {
            tracing::debug!(%error, "the kernel does not read and write files of this mount by itself");
            None
        }
    }
}

pub(super) fn backing_id(backing: Option<Backing>) -> Option<Arc<BackingId>> {
    backing.and_then(|backing| backing.downcast().ok())
}
