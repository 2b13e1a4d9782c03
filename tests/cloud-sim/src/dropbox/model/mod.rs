//! What the service stores: accounts, namespaces with their trees and journals, revisions. No wire format here.

pub(crate) mod history;
pub(crate) mod path;
pub(crate) mod relocate;
pub(crate) mod share;
pub(crate) mod tree;
pub(crate) mod view;
pub(crate) mod world;
pub(crate) mod write;

use std::fmt;
use std::sync::Arc;

use crate::content::Blob;

/// Number of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NsId(pub(crate) u64);

impl fmt::Display for NsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A version of a file.
#[derive(Clone, Debug)]
pub(crate) struct FileNode {
    pub(crate) id: Arc<str>,
    pub(crate) rev: Arc<str>,
    pub(crate) client_modified: i64,
    pub(crate) server_modified: i64,
    pub(crate) blob: Arc<Blob>,
    pub(crate) traits: Traits,
}

/// What is special about a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    /// A cloud document: listed, and exported only as this.
    pub(crate) export_as: Option<&'static str>,
    /// Blocked for legal reasons.
    pub(crate) restricted: bool,
    /// A symlink that a desktop client made.
    pub(crate) symlink_target: Option<Arc<str>>,
}

/// Who holds a file's lock.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) account: Arc<str>,
    pub(crate) holder: Arc<str>,
    pub(crate) created: i64,
}

/// What stands at a path.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(Arc<FileNode>),
    Folder {
        id: Arc<str>,
        /// The namespace that is mounted here.
        mounted: Option<NsId>,
    },
    /// Something was here.
    Deleted,
}

impl Node {
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self, Self::Deleted)
    }

    pub(crate) fn file(&self) -> Option<&Arc<FileNode>> {
        match self {
            Self::File(file) => Some(file),
            Self::Folder { .. } | Self::Deleted => None,
        }
    }
}

/// A path of a namespace and what stands, or stood, there.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The whole path with the case that its parts had when it was written.
    pub(crate) display: Arc<str>,
    /// When it last changed.
    pub(crate) seq: u64,
    pub(crate) node: Node,
}

impl Entry {
    pub(crate) fn name(&self) -> &str {
        path::name(&self.display)
    }

    /// The id of what stands here now.
    pub(crate) fn id(&self) -> Option<&str> {
        match &self.node {
            Node::File(file) => Some(&file.id),
            Node::Folder { id, .. } => Some(id),
            Node::Deleted => None,
        }
    }
}
