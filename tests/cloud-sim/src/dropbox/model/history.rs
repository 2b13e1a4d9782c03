//! Revisions: every version that a file ever had, by its rev, by path and by id.

use std::collections::HashMap;
use std::sync::Arc;

use super::{FileNode, NsId};

/// A version and where it was.
#[derive(Clone, Debug)]
pub(crate) struct Revision {
    pub(crate) file: Arc<FileNode>,
    pub(crate) ns: NsId,
    pub(crate) path: Arc<str>,
    pub(crate) display: Arc<str>,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    by_rev: HashMap<Arc<str>, Revision>,
    by_path: HashMap<(NsId, Arc<str>), Vec<Arc<str>>>,
    by_id: HashMap<Arc<str>, Vec<Arc<str>>>,
}

impl History {
    pub(crate) fn add(&mut self, revision: Revision) {
        let rev = revision.file.rev.clone();
        self.by_path.entry((revision.ns, revision.path.clone())).or_default().push(rev.clone());
        self.by_id.entry(revision.file.id.clone()).or_default().push(rev.clone());
        self.by_rev.insert(rev, revision);
    }

    pub(crate) fn rev(&self, rev: &str) -> Option<&Revision> {
        self.by_rev.get(rev)
    }
}
