//! What travels: arguments and answers of the routes that we call, with the fields that we use. Fields and tags that nobody has told us
//! of are skipped: the service adds some every year.

use serde::{Deserialize, Serialize};

fn yes() -> bool {
    true
}

/// Metadata of whatever is at a path.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = ".tag", rename_all = "snake_case")]
pub(super) enum Metadata {
    File(FileMetadata),
    Folder(FolderMetadata),
    Deleted(DeletedMetadata),
    #[serde(other)]
    Unknown,
}

/// A file.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct FileMetadata {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) rev: String,
    pub(super) size: u64,
    /// Absent where the file lies outside of what is mounted.
    pub(super) path_lower: Option<String>,
    pub(super) client_modified: Option<String>,
    pub(super) content_hash: Option<String>,
    #[serde(default = "yes")]
    pub(super) is_downloadable: bool,
}

/// A folder.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct FolderMetadata {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) path_lower: Option<String>,
}

/// Something that was at a path. Neither its id nor its kind is told.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct DeletedMetadata {
    pub(super) name: String,
    pub(super) path_lower: Option<String>,
}

/// Answers that wrap the metadata of what was changed.
#[derive(Debug, Deserialize)]
pub(super) struct Changed<T> {
    pub(super) metadata: T,
}

#[derive(Serialize)]
pub(super) struct GetMetadata<'a> {
    pub(super) path: &'a str,
}

#[derive(Serialize)]
pub(super) struct ListFolder<'a> {
    pub(super) path: &'a str,
    pub(super) recursive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct ContinueFrom<'a> {
    pub(super) cursor: &'a str,
}

/// A page of a listing.
#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    pub(super) entries: Vec<Metadata>,
    pub(super) cursor: String,
    pub(super) has_more: bool,
}

#[derive(Serialize)]
pub(super) struct Longpoll<'a> {
    pub(super) cursor: &'a str,
    pub(super) timeout: u64,
}

/// Whether a listing has grown.
#[derive(Debug, Deserialize)]
pub(super) struct LongpollAnswer {
    pub(super) changes: bool,
    pub(super) backoff: Option<u64>,
}

/// What a write must find at its target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = ".tag", rename_all = "snake_case")]
pub(super) enum WriteMode {
    /// Nothing.
    Add,
    /// This revision.
    Update { update: String },
}

/// How an upload becomes a file. Never with `autorename`: a name that is taken is for the engine to decide.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Commit {
    pub(super) path: String,
    pub(super) mode: WriteMode,
    pub(super) autorename: bool,
    pub(super) client_modified: String,
    /// No pop-up on the user's other devices for each file.
    pub(super) mute: bool,
    pub(super) strict_conflict: bool,
}

#[derive(Serialize)]
pub(super) struct UploadWhole<'a> {
    #[serde(flatten)]
    pub(super) commit: &'a Commit,
    pub(super) content_hash: &'a str,
}

#[derive(Serialize)]
pub(super) struct SessionStart<'a> {
    pub(super) close: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_hash: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SessionStarted {
    pub(super) session_id: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct SessionCursor {
    pub(super) session_id: String,
    pub(super) offset: u64,
}

#[derive(Serialize)]
pub(super) struct SessionAppend<'a> {
    pub(super) cursor: SessionCursor,
    pub(super) close: bool,
    pub(super) content_hash: &'a str,
}

/// An upload session that is complete and what it becomes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SessionFinish {
    pub(super) cursor: SessionCursor,
    pub(super) commit: Commit,
}

#[derive(Serialize)]
pub(super) struct FinishBatch<'a> {
    pub(super) entries: &'a [SessionFinish],
}

/// Outcomes of a batch in the order of its entries; each is looked at on its own.
#[derive(Debug, Deserialize)]
pub(super) struct BatchOutcomes {
    pub(super) entries: Vec<serde_json::Value>,
}

#[derive(Serialize)]
pub(super) struct CreateFolder<'a> {
    pub(super) path: &'a str,
    pub(super) autorename: bool,
}

#[derive(Serialize)]
pub(super) struct Relocate<'a> {
    pub(super) from_path: &'a str,
    pub(super) to_path: &'a str,
    pub(super) autorename: bool,
}

#[derive(Serialize)]
pub(super) struct Delete<'a> {
    pub(super) path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_rev: Option<&'a str>,
}

/// Whose Dropbox it is.
#[derive(Debug, Deserialize)]
pub(super) struct FullAccount {
    pub(super) account_id: String,
    pub(super) name: AccountName,
    pub(super) email: String,
    pub(super) root_info: RootInfo,
}

#[derive(Debug, Deserialize)]
pub(super) struct AccountName {
    pub(super) display_name: String,
}

/// Where the account's tree begins. In a team space the root is not the user's home.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct RootInfo {
    pub(super) root_namespace_id: String,
    pub(super) home_namespace_id: String,
    /// Where the home is in a team's space.
    pub(super) home_path: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SpaceUsage {
    pub(super) used: u64,
    pub(super) allocation: Allocation,
}

#[derive(Debug, Deserialize)]
#[serde(tag = ".tag", rename_all = "snake_case")]
pub(super) enum Allocation {
    Individual {
        allocated: u64,
    },
    Team {
        used: u64,
        allocated: u64,
        /// What this user may use; 0: no limit of its own.
        #[serde(default)]
        user_within_team_space_allocated: u64,
    },
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_with_unknown_fields_and_tags_is_read() {
        let entries = json!([
            {".tag": "file", "name": "a", "id": "id:1", "rev": "015f", "size": 9_007_199_254_740_993_u64, "path_lower": "/a",
             "client_modified": "2015-05-12T15:50:38Z", "content_hash": "e3b0", "is_downloadable": true, "new": {"x": [1]}},
            {".tag": "folder", "name": "b", "id": "id:2", "path_lower": "/b", "sharing_info": {"read_only": false}},
            {".tag": "deleted", "name": "c", "path_lower": "/c"},
            {".tag": "hologram", "name": "d", "depth": 3},
        ]);
        let page: Listing =
            serde_json::from_value(json!({"entries": entries, "cursor": "AA", "has_more": false, "hint": 1})).unwrap();
        assert!(matches!(&page.entries[0], Metadata::File(file) if file.size == 9_007_199_254_740_993));
        assert!(matches!(&page.entries[1], Metadata::Folder(folder) if folder.name == "b"));
        assert!(matches!(&page.entries[2], Metadata::Deleted(_)));
        assert!(matches!(&page.entries[3], Metadata::Unknown));
    }

    #[test]
    fn a_commit_is_flat_and_its_mode_tagged() {
        let commit = Commit {
            path: "/a".into(),
            mode: WriteMode::Update { update: "015f".into() },
            autorename: false,
            client_modified: "2015-05-12T15:50:38Z".into(),
            mute: true,
            strict_conflict: true,
        };
        let whole = UploadWhole { commit: &commit, content_hash: "00" };
        assert_eq!(
            serde_json::to_value(whole).unwrap(),
            json!({"path": "/a", "mode": {".tag": "update", "update": "015f"}, "autorename": false,
                "client_modified": "2015-05-12T15:50:38Z", "mute": true, "strict_conflict": true, "content_hash": "00"})
        );
        assert_eq!(serde_json::to_value(WriteMode::Add).unwrap(), json!({".tag": "add"}));
    }

    #[test]
    fn space_of_persons_and_teams_is_read() {
        let read = |value| serde_json::from_value::<SpaceUsage>(value).unwrap().allocation;
        assert!(matches!(
            read(json!({"used": 1, "allocation": {".tag": "individual", "allocated": 2}})),
            Allocation::Individual { allocated: 2 }
        ));
        let team = json!({"used": 1, "allocation": {".tag": "team", "used": 5, "allocated": 9,
            "user_within_team_space_allocated": 0, "user_within_team_space_limit_type": {".tag": "off"}}});
        assert!(matches!(read(team), Allocation::Team { used: 5, allocated: 9, user_within_team_space_allocated: 0 }));
        assert!(matches!(read(json!({"used": 1, "allocation": {".tag": "moon"}})), Allocation::Unknown));
    }
}
