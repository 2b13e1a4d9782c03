//! Metadata as it is sent. Serialised straight from what is stored: listings are long.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::clock::wire_time;
use crate::content::ContentHash;
use crate::dropbox::model::history::Revision;
use crate::dropbox::model::view::{Outer, Place, View};
use crate::dropbox::model::world::World;
use crate::dropbox::model::{Entry, FileNode, Lock, Node, NsId};

/// Whether the kind stands in `.tag`: it does where the type on the wire is `Metadata`, and not where it is a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tagged {
    Yes,
    No,
}

/// File, folder or deleted.
#[derive(Serialize)]
pub(crate) struct Metadata<'a> {
    #[serde(rename = ".tag", skip_serializing_if = "Option::is_none")]
    tag: Option<&'static str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_lower: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_display: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    file: Option<FileFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_folder_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sharing_info: Option<SharingInfo<'a>>,
}

#[derive(Serialize)]
struct FileFields<'a> {
    client_modified: String,
    server_modified: String,
    rev: &'a str,
    size: u64,
    is_downloadable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hash: Option<HashText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export_info: Option<ExportInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symlink_info: Option<SymlinkInfo<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_lock_info: Option<LockInfo<'a>>,
}

#[derive(Serialize)]
struct ExportInfo {
    export_as: &'static str,
}

#[derive(Serialize)]
struct SymlinkInfo<'a> {
    target: &'a str,
}

#[derive(Serialize)]
struct SharingInfo<'a> {
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_shared_folder_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_folder_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traverse_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_access: Option<bool>,
}

#[derive(Serialize)]
struct LockInfo<'a> {
    is_lockholder: bool,
    lockholder_name: &'a str,
    lockholder_account_id: &'a str,
    created: String,
}

struct HashText(ContentHash);

impl Serialize for HashText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Who looks, from where: what metadata depends on besides the entry.
pub(crate) struct Eye<'a> {
    pub(crate) world: &'a World,
    pub(crate) view: View,
    pub(crate) account: &'a str,
}

impl Eye<'_> {
    /// Metadata of an entry of a namespace; `outer` as the view has it, `None` where it is not mounted.
    pub(crate) fn entry<'a>(
        &'a self,
        ns: NsId,
        path: &'a str,
        entry: &'a Entry,
        outer: Option<&'a Outer>,
        tagged: Tagged,
    ) -> Metadata<'a> {
        let mut metadata = Metadata {
            tag: None,
            name: entry.name(),
            path_lower: outer.map(|outer| joined(&outer.lower, path)),
            path_display: outer.map(|outer| joined(&outer.display, &entry.display)),
            id: None,
            file: None,
            shared_folder_id: None,
            sharing_info: None,
        };
        let shared = self.world.ns(ns).shared;
        let kind = match &entry.node {
            Node::Deleted => "deleted",
            Node::Folder { id, mounted } => {
                metadata.id = Some(id);
                metadata.shared_folder_id = mounted.map(|ns| ns.to_string());
                if shared || mounted.is_some() {
                    metadata.sharing_info = Some(SharingInfo {
                        read_only: false,
                        parent_shared_folder_id: shared.then(|| ns.to_string()),
                        shared_folder_id: mounted.map(|ns| ns.to_string()),
                        modified_by: None,
                        traverse_only: Some(false),
                        no_access: Some(false),
                    });
                }
                "folder"
            }
            Node::File(file) => {
                metadata.id = Some(&file.id);
                metadata.file = Some(self.file_fields(file, self.world.ns(ns).locks.get(path)));
                if shared {
                    metadata.sharing_info = Some(SharingInfo {
                        read_only: false,
                        parent_shared_folder_id: Some(ns.to_string()),
                        shared_folder_id: None,
                        modified_by: Some(self.account),
                        traverse_only: None,
                        no_access: None,
                    });
                }
                "file"
            }
        };
        metadata.tag = (tagged == Tagged::Yes).then_some(kind);
        metadata
    }

    fn file_fields<'a>(&'a self, file: &'a FileNode, lock: Option<&'a Lock>) -> FileFields<'a> {
        let is_downloadable = file.traits.export_as.is_none();
        FileFields {
            client_modified: wire_time(file.client_modified),
            server_modified: wire_time(file.server_modified),
            rev: &file.rev,
            size: file.blob.length(),
            is_downloadable,
            content_hash: is_downloadable.then(|| HashText(file.blob.hash())),
            export_info: file.traits.export_as.map(|export_as| ExportInfo { export_as }),
            symlink_info: file.traits.symlink_target.as_deref().map(|target| SymlinkInfo { target }),
            file_lock_info: lock.map(|lock| LockInfo {
                is_lockholder: *lock.account == *self.account,
                lockholder_name: &lock.holder,
                lockholder_account_id: &lock.account,
                created: wire_time(lock.created),
            }),
        }
    }

    /// Metadata of a version of a file, where it was.
    pub(crate) fn revision(&self, revision: &Revision, tagged: Tagged) -> Value {
        let node = Node::File(revision.file.clone());
        let entry = Entry { display: revision.display.clone(), seq: 0, node };
        let outer = self.view.outer(self.world, revision.ns);
        to_value(&self.entry(revision.ns, &revision.path, &entry, outer.as_ref(), tagged))
    }

    /// Metadata of what stands at a place.
    pub(crate) fn place(&self, place: &Place, tagged: Tagged) -> Value {
        let outer = self.view.outer(self.world, place.ns);
        match self.world.ns(place.ns).entry(&place.path) {
            Some((path, entry)) => to_value(&self.entry(place.ns, path, entry, outer.as_ref(), tagged)),
            None => Value::Null,
        }
    }
}

fn joined<'a>(outer: &str, inner: &'a str) -> Cow<'a, str> {
    if outer.is_empty() { Cow::Borrowed(inner) } else { Cow::Owned(format!("{outer}{inner}")) }
}

pub(crate) fn to_value(metadata: &Metadata<'_>) -> Value {
    serde_json::to_value(metadata).unwrap_or_default()
}
