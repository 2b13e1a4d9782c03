//! The layout without meaning: folders are folders.

use super::{FolderKind, Layout, NewFile};
use crate::types::{EntryName, Timestamp};

/// Nothing special.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Layout for Plain {
    fn manifest_for_new_folder(&self, _: &EntryName, _: &[FolderKind], _: Timestamp) -> Option<NewFile> {
        None
    }

    fn folder_kind(&self, _: &dyn Fn(&str) -> bool, _: &dyn Fn(&str) -> Option<Vec<u8>>) -> FolderKind {
        FolderKind::Unknown
    }

    fn manifest_after_rename(&self, _: FolderKind, _: &EntryName, _: &[u8], _: Timestamp) -> Option<Vec<u8>> {
        None
    }

    fn manifest_name(&self, _: FolderKind) -> Option<&'static str> {
        None
    }
}
