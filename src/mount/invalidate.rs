//! Tells the kernel what changed behind its caches, from threads of its own. A notice can wait for the slowest request in flight on
//! the same folder or inode, so it is never sent from a request handler or under a lock of ours (`reference/fuse.md` 2.5).
//!
//! Two threads: pages that a reader waits for cannot be dropped before its bytes have arrived, which may take as long as the provider
//! likes. So they are not dropped then (`VaultFs::pages_are_free`); and if a reader comes in between, names do not wait for it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use fuser::{INodeNo, Notifier};

use crate::types::{EntryName, InodeNo};
use crate::vfs::VaultFs;
use crate::vfs::ports::KernelNotices;

/// What is told without ever waiting for bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
enum NameNotice {
    Entry { parent: InodeNo, name: EntryName },
    Listing(InodeNo),
    Attributes(InodeNo),
}

/// The queues to the kernel. End with the last clone.
pub(super) struct Invalidator {
    names: Sender<NameNotice>,
    pages: Sender<InodeNo>,
}

impl Invalidator {
    /// Starts the threads for the mount of `vfs`. They end when the `Invalidator` is gone.
    pub(super) fn start(notifier: Notifier, vfs: Arc<VaultFs>) -> std::io::Result<(Self, [JoinHandle<()>; 2])> {
        let (names, name_notices) = channel();
        let (pages, page_notices) = channel();
        let tell_name = {
            let notifier = notifier.clone();
            move |notice: &NameNotice| match notice {
                NameNotice::Entry { parent, name } => {
                    notifier.inval_entry(INodeNo(parent.0), OsStr::new(name.as_str()))
                }
                // The kernel keeps a folder's listing in the pages of its inode.
                NameNotice::Listing(folder) => notifier.inval_inode(INodeNo(folder.0), 0, 0),
                NameNotice::Attributes(ino) => notifier.inval_inode(INodeNo(ino.0), -1, 0),
            }
        };
        let tell_pages = move |ino: &InodeNo| match vfs.pages_are_free(*ino) {
            true => notifier.inval_inode(INodeNo(ino.0), 0, 0),
            false => Ok(()),
        };
        let threads =
            [spawn("vaultfs-names", name_notices, tell_name)?, spawn("vaultfs-pages", page_notices, tell_pages)?];
        Ok((Self { names, pages }, threads))
    }
}

fn spawn<N: Clone + Eq + Hash + Send + 'static>(
    name: &str,
    notices: Receiver<N>,
    tell: impl Fn(&N) -> std::io::Result<()> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(move || deliver(&notices, tell))
}

fn deliver<N: Clone + Eq + Hash>(notices: &Receiver<N>, tell: impl Fn(&N) -> std::io::Result<()>) {
    while let Ok(first) = notices.recv() {
        // What piled up is told once. All of it is taken before any is told: what comes meanwhile is about a later change, which the
        // kernel may have missed when it asked again after the first notice.
        let piled_up: Vec<N> = std::iter::once(first).chain(notices.try_iter()).collect();
        let mut told = HashSet::new();
        for notice in piled_up {
            if told.insert(notice.clone())
                && let Err(error) = tell(&notice)
            {
                tracing::debug!(%error, "the kernel took no notice; the mount is probably ending");
            }
        }
    }
}

fn queue<N>(sender: &Sender<N>, notice: N) {
    if sender.send(notice).is_err() {
        tracing::debug!("a notice after the end of the mount");
    }
}

impl KernelNotices for Invalidator {
    fn entry(&self, parent: InodeNo, name: &EntryName) {
        queue(&self.names, NameNotice::Entry { parent, name: name.clone() });
        queue(&self.names, NameNotice::Listing(parent));
    }

    fn listing(&self, folder: InodeNo) {
        queue(&self.names, NameNotice::Listing(folder));
    }

    fn attributes(&self, ino: InodeNo) {
        queue(&self.names, NameNotice::Attributes(ino));
    }

    fn pages(&self, ino: InodeNo) {
        queue(&self.pages, ino);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn what_piled_up_is_told_once_and_what_comes_meanwhile_again() {
        let (sender, notices) = channel();
        for notice in ["a", "b", "a"] {
            sender.send(notice).unwrap();
        }
        let (told, sender) = (RefCell::new(Vec::new()), RefCell::new(Some(sender)));
        deliver(&notices, |notice| {
            // The file of `a` changes again while the kernel is being told of `b`.
            if *notice == "b"
                && let Some(sender) = sender.take()
            {
                sender.send("a").unwrap();
            }
            told.borrow_mut().push(*notice);
            Ok(())
        });
        assert_eq!(*told.borrow(), ["a", "b", "a"]);
    }
}
