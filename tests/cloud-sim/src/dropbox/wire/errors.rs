//! Error unions as JSON.

use serde_json::{Value, json};

use crate::dropbox::model::path::BadPath;
use crate::dropbox::model::relocate::RelocationError;
use crate::dropbox::model::write::{Conflict, WriteError};

/// A union's member without a value.
pub(crate) fn tag(name: &str) -> Value {
    json!({ ".tag": name })
}

/// A union's member with a value that stands under the member's name.
pub(crate) fn nest(name: &str, inner: Value) -> Value {
    json!({ ".tag": name, name: inner })
}

/// `LookupError` of a path that cannot be.
pub(crate) fn bad_lookup(bad: BadPath) -> Value {
    match bad {
        BadPath::Malformed => tag("malformed_path"),
        BadPath::Disallowed => tag("not_found"),
    }
}

pub(crate) fn write_error(error: WriteError) -> Value {
    match error {
        WriteError::Malformed => tag("malformed_path"),
        WriteError::Disallowed => tag("disallowed_name"),
        WriteError::Conflict(conflict) => nest(
            "conflict",
            tag(match conflict {
                Conflict::File => "file",
                Conflict::Folder => "folder",
                Conflict::FileAncestor => "file_ancestor",
            }),
        ),
        WriteError::NoPermission => tag("no_write_permission"),
        WriteError::InsufficientSpace => tag("insufficient_space"),
    }
}

pub(crate) fn relocation_error(error: RelocationError) -> Value {
    match error {
        RelocationError::FromNotFound => nest("from_lookup", tag("not_found")),
        RelocationError::FromMalformed => nest("from_lookup", tag("malformed_path")),
        RelocationError::From(error) => nest("from_write", write_error(error)),
        RelocationError::To(WriteError::InsufficientSpace) => tag("insufficient_quota"),
        RelocationError::To(error) => nest("to", write_error(error)),
        RelocationError::IntoItself => tag("cant_move_folder_into_itself"),
        RelocationError::TooManyFiles => tag("too_many_files"),
        RelocationError::SamePath => tag("duplicated_or_nested_paths"),
        RelocationError::CopyOfShared => tag("cant_copy_shared_folder"),
        RelocationError::NestedShares => tag("cant_nest_shared_folder"),
    }
}
