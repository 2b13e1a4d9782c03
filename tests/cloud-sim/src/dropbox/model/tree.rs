//! One namespace: its tree by lowered path, and its journal, in which every path stands once, at its last change.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::{Entry, Lock, Node, NsId, path};

#[derive(Debug, Default)]
pub(crate) struct Namespace {
    entries: BTreeMap<Arc<str>, Entry>,
    journal: BTreeMap<u64, Arc<str>>,
    pub(crate) mounts: BTreeMap<Arc<str>, NsId>,
    pub(crate) locks: BTreeMap<Arc<str>, Lock>,
    /// Whether locks exist here and several accounts may be members.
    pub(crate) shared: bool,
    /// Bytes of all live files.
    pub(crate) used: u64,
    /// Live files and folders.
    pub(crate) live: u64,
}

impl Namespace {
    /// What stands, or stood, at a lowered path.
    pub(crate) fn entry(&self, path: &str) -> Option<(&Arc<str>, &Entry)> {
        self.entries.get_key_value(path)
    }

    /// What stands there now.
    pub(crate) fn live(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path).filter(|entry| entry.node.is_live())
    }

    /// Puts something, or a tombstone, at a path.
    pub(crate) fn set(&mut self, path: Arc<str>, entry: Entry) {
        self.count(&entry, true);
        let seq = entry.seq;
        if let Some(old) = self.entries.insert(path.clone(), entry) {
            self.journal.remove(&old.seq);
            self.count(&old, false);
        }
        self.journal.insert(seq, path);
    }

    fn count(&mut self, entry: &Entry, added: bool) {
        let bytes = entry.node.file().map_or(0, |file| file.blob.length());
        let one = u64::from(entry.node.is_live());
        if added {
            self.used += bytes;
            self.live += one;
        } else {
            self.used -= bytes;
            self.live -= one;
        }
    }

    /// Everything below a folder, tombstones too, by path; after `after` where a listing goes on.
    pub(crate) fn below<'a>(
        &'a self,
        folder: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Entry)> + use<'a> {
        let end = format!("{folder}0");
        let start = match after {
            Some(after) => Bound::Excluded(after.to_owned()),
            None => Bound::Included(format!("{folder}/")),
        };
        let range: (Bound<String>, Bound<String>) = (start, Bound::Excluded(end));
        let range = (range.0.as_ref().map(String::as_str), range.1.as_ref().map(String::as_str));
        self.entries.range::<str, _>(range)
    }

    /// What stands, or stood, directly in a folder, by path; whole subtrees are skipped.
    pub(crate) fn children<'a>(
        &'a self,
        folder: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Entry)> + use<'a> {
        let prefix = folder.len() + 1;
        let folder = folder.to_owned();
        let mut walk = Box::new(self.below(&folder, after)) as Box<dyn Iterator<Item = _>>;
        std::iter::from_fn(move || {
            loop {
                let (path, entry): (&Arc<str>, &Entry) = walk.next()?;
                let Some(slash) = path[prefix..].find('/') else { return Some((path, entry)) };
                // Below a child: go on after everything that is.
                let past = format!("{}0", &path[..prefix + slash]);
                let end = format!("{folder}0");
                walk = Box::new(self.entries.range::<str, _>((Bound::Included(&*past), Bound::Excluded(&*end))));
            }
        })
    }

    /// Paths that changed after `seq`, in the order of their last change.
    pub(crate) fn changed_after(&self, seq: u64) -> impl DoubleEndedIterator<Item = (u64, &Arc<str>)> {
        self.journal.range((Bound::Excluded(seq), Bound::Unbounded)).map(|(seq, path)| (*seq, path))
    }

    /// The first file among the ancestors of a path.
    pub(crate) fn file_ancestor(&self, path: &str) -> bool {
        let mut at = path::parent(path);
        while !at.is_empty() {
            if self.live(at).is_some_and(|entry| matches!(entry.node, Node::File(_))) {
                return true;
            }
            at = path::parent(at);
        }
        false
    }
}
