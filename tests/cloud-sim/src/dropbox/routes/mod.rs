//! The routes: how each is called, what it needs, and who answers it.

pub(crate) mod batches;
pub(crate) mod delete;
pub(crate) mod download;
pub(crate) mod extras;
pub(crate) mod folders;
pub(crate) mod list;
pub(crate) mod locks;
pub(crate) mod longpoll;
pub(crate) mod lookup;
pub(crate) mod metadata;
pub(crate) mod relocate;
pub(crate) mod revisions;
pub(crate) mod search;
pub(crate) mod sessions;
pub(crate) mod upload;
pub(crate) mod users;

use serde::Serialize;
use serde_json::Value;

use super::received::Received;
use super::service::Call;
use super::wire::{Args, Refusal};
use crate::content::Blob;
use std::sync::Arc;

/// What a route gives back when it works.
pub(crate) enum Reply {
    /// The JSON of the result.
    Json(Vec<u8>),
    /// A file's metadata and its bytes.
    Content { metadata: Value, rev: String, blob: Arc<Blob>, content_type: &'static str },
}

impl Reply {
    pub(crate) fn json(value: &impl Serialize) -> Self {
        Self::Json(serde_json::to_vec(value).unwrap_or_default())
    }

    pub(crate) fn null() -> Self {
        Self::Json(b"null".to_vec())
    }
}

pub(crate) type Answer = Result<Reply, Refusal>;

/// How a route is called.
#[derive(Clone, Copy)]
pub(crate) enum Style {
    /// JSON in the body.
    Rpc(fn(&Call<'_>, Args) -> Answer),
    /// The same without an argument.
    Void(fn(&Call<'_>) -> Answer),
    /// The argument in a header, bytes in the body.
    Upload(fn(&Call<'_>, Args, Received) -> Answer),
    /// The argument in a header, the answer's bytes in its body.
    Download(fn(&Call<'_>, Args) -> Answer),
    /// Waits; carries no token.
    Longpoll,
}

/// Whether a call counts as a write in its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    /// Takes the namespace's lock.
    Commits,
}

pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) scope: &'static str,
    pub(crate) style: Style,
    pub(crate) effect: Effect,
}

const fn reads(name: &'static str, scope: &'static str, style: Style) -> Route {
    Route { name, scope, style, effect: Effect::Reads }
}

const fn commits(name: &'static str, style: Style) -> Route {
    Route { name, scope: WRITE, style, effect: Effect::Commits }
}

const ACCOUNT: &str = "account_info.read";
const METADATA: &str = "files.metadata.read";
const READ: &str = "files.content.read";
const WRITE: &str = "files.content.write";

/// Every scope that an application can have here.
pub(crate) const SCOPES: &[&str] =
    &[ACCOUNT, METADATA, READ, WRITE, "files.metadata.write", "sharing.read", "sharing.write"];

pub(crate) static ROUTES: &[Route] = &[
    reads("files/list_folder", METADATA, Style::Rpc(list::list_folder)),
    reads("files/list_folder/continue", METADATA, Style::Rpc(list::list_continue)),
    reads("files/list_folder/get_latest_cursor", METADATA, Style::Rpc(list::latest_cursor)),
    reads("files/list_folder/longpoll", "", Style::Longpoll),
    reads("files/get_metadata", METADATA, Style::Rpc(metadata::get_metadata)),
    reads("files/download", READ, Style::Download(download::download)),
    commits("files/upload", Style::Upload(upload::upload)),
    reads("files/upload_session/start", WRITE, Style::Upload(sessions::start)),
    reads("files/upload_session/start_batch", WRITE, Style::Rpc(sessions::start_batch)),
    reads("files/upload_session/append", WRITE, Style::Upload(sessions::append_v1)),
    reads("files/upload_session/append_v2", WRITE, Style::Upload(sessions::append)),
    reads("files/upload_session/append_batch", WRITE, Style::Upload(sessions::append_batch)),
    commits("files/upload_session/finish", Style::Upload(sessions::finish)),
    commits("files/upload_session/finish_batch_v2", Style::Rpc(sessions::finish_batch)),
    commits("files/upload_session/finish_batch", Style::Rpc(batches::finish)),
    reads("files/upload_session/finish_batch/check", WRITE, Style::Rpc(batches::check_finish)),
    reads("files/list_revisions", METADATA, Style::Rpc(revisions::list)),
    commits("files/restore", Style::Rpc(revisions::restore)),
    commits("files/create_folder", Style::Rpc(folders::create_v1)),
    commits("files/create_folder_v2", Style::Rpc(folders::create)),
    commits("files/delete", Style::Rpc(delete::delete_v1)),
    commits("files/delete_v2", Style::Rpc(delete::delete)),
    commits("files/move", Style::Rpc(relocate::move_v1)),
    commits("files/move_v2", Style::Rpc(relocate::move_v2)),
    commits("files/copy", Style::Rpc(relocate::copy_v1)),
    commits("files/copy_v2", Style::Rpc(relocate::copy_v2)),
    commits("files/create_folder_batch", Style::Rpc(batches::create_folders)),
    reads("files/create_folder_batch/check", WRITE, Style::Rpc(batches::check_create_folders)),
    commits("files/delete_batch", Style::Rpc(batches::delete)),
    reads("files/delete_batch/check", WRITE, Style::Rpc(batches::check_delete)),
    commits("files/move_batch", Style::Rpc(batches::move_v1)),
    reads("files/move_batch/check", WRITE, Style::Rpc(batches::check_move_v1)),
    commits("files/move_batch_v2", Style::Rpc(batches::move_v2)),
    reads("files/move_batch/check_v2", WRITE, Style::Rpc(batches::check_move_v2)),
    commits("files/copy_batch", Style::Rpc(batches::copy_v1)),
    reads("files/copy_batch/check", WRITE, Style::Rpc(batches::check_copy_v1)),
    commits("files/copy_batch_v2", Style::Rpc(batches::copy_v2)),
    reads("files/copy_batch/check_v2", WRITE, Style::Rpc(batches::check_copy_v2)),
    reads("files/lock_file_batch", WRITE, Style::Rpc(locks::lock)),
    reads("files/unlock_file_batch", WRITE, Style::Rpc(locks::unlock)),
    reads("files/get_file_lock_batch", READ, Style::Rpc(locks::get)),
    reads("files/search_v2", METADATA, Style::Rpc(search::search)),
    reads("files/search/continue_v2", METADATA, Style::Rpc(search::search_continue)),
    reads("files/get_temporary_link", READ, Style::Rpc(extras::temporary_link)),
    reads("files/export", READ, Style::Download(extras::export)),
    reads("files/get_preview", READ, Style::Download(extras::preview)),
    reads("files/get_thumbnail", READ, Style::Download(extras::thumbnail)),
    reads("files/get_thumbnail_v2", READ, Style::Download(extras::thumbnail_v2)),
    reads("files/get_thumbnail_batch", READ, Style::Rpc(extras::thumbnail_batch)),
    reads("users/get_account", "sharing.read", Style::Rpc(users::account)),
    reads("users/features/get_values", ACCOUNT, Style::Rpc(users::features)),
    reads("users/get_current_account", ACCOUNT, Style::Void(users::current_account)),
    reads("users/get_space_usage", ACCOUNT, Style::Void(users::space_usage)),
    reads("auth/token/revoke", "", Style::Void(users::revoke)),
    reads("check/user", ACCOUNT, Style::Rpc(users::check)),
];

pub(crate) fn find(name: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.name == name)
}
