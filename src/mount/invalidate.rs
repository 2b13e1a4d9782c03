//! Tells the kernel what changed behind its caches, from a thread of its own. A notice can wait for the slowest request in flight on
//! the same folder or inode, so it is never sent from a request handler or under a lock of ours (`reference/fuse.md` 2.5).

use std::collections::HashSet;
use std::ffi::OsStr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use fuser::{INodeNo, Notifier};

use crate::types::{EntryName, InodeNo};
use crate::vfs::ports::KernelNotices;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Notice {
    Entry { parent: InodeNo, name: EntryName },
    Attributes(InodeNo),
    Data(InodeNo),
}

/// The queue to the kernel. Ends with its last clone.
pub(super) struct Invalidator {
    queue: Sender<Notice>,
}

impl Invalidator {
    /// Starts the thread. It ends when every `Invalidator` is gone.
    pub(super) fn start(notifier: Notifier) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, notices) = channel();
        let thread = std::thread::Builder::new()
            .name("vaultfs-notices".into())
            .spawn(move || Self::deliver(&notifier, &notices))?;
        Ok((Self { queue }, thread))
    }

    fn deliver(notifier: &Notifier, notices: &Receiver<Notice>) {
        while let Ok(first) = notices.recv() {
            // What piled up while the last notice was on its way is told once.
            let mut told = HashSet::new();
            for notice in std::iter::once(first).chain(notices.try_iter()) {
                if told.insert(notice.clone()) {
                    Self::send(notifier, &notice);
                }
            }
        }
    }

    fn send(notifier: &Notifier, notice: &Notice) {
        let sent = match notice {
            Notice::Entry { parent, name } => notifier.inval_entry(INodeNo(parent.0), OsStr::new(name.as_str())),
            Notice::Attributes(ino) => notifier.inval_inode(INodeNo(ino.0), -1, 0),
            Notice::Data(ino) => notifier.inval_inode(INodeNo(ino.0), 0, 0),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "the kernel took no notice; the mount is probably ending");
        }
    }

    fn queue(&self, notice: Notice) {
        if self.queue.send(notice).is_err() {
            tracing::debug!("a notice after the end of the mount");
        }
    }
}

impl KernelNotices for Invalidator {
    fn entry(&self, parent: InodeNo, name: &EntryName) {
        self.queue(Notice::Entry { parent, name: name.clone() });
    }

    fn inode(&self, ino: InodeNo, data: bool) {
        self.queue(if data { Notice::Data(ino) } else { Notice::Attributes(ino) });
    }
}
