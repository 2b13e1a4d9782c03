//! Requests and answers of the control API, version 1.
//!
//! Invariants: field names and words never change their meaning within a version; new fields are optional; times are
//! RFC 3339 in UTC; sizes are bytes; paths of files are relative to their vault, without a leading slash.

mod accounts;
mod cases;
mod problem;
mod records;
mod requests;
mod status;
mod vaults;
mod verify;

pub use accounts::{
    AccountFilter, AccountInfo, AccountList, AccountState, BeginSignIn, CloudFolder, ConnectionReport,
    DisconnectReport, FolderList, FolderQuery, MakeFolder, SignInAttempt, SignInBegun, SignInCode, SignInProgress,
    SignInRedirect, SignInWay, TestConnection,
};
pub use cases::{CaseList, CaseStatus, CaseTotals};
pub use problem::{ErrorBody, ErrorCode, Problem};
pub use records::{
    ConflictItem, ConflictList, Decision, DecisionList, DoctorReport, Event, Finding, HistoryItem, HistoryList,
    PlannedStep, QueueItem, QueueItemState, QueueList, Restored, RuleVerdict, SettingsReport, SyncMode, SyncReport,
    WaitReport,
};
pub use requests::{
    AddVault, EventsQuery, HistoryEntry, ImportVaults, KeepSide, Link, MountRequest, NetworkRequest, QueueAction,
    QueueChange, RemoveVault, RenameVault, ResolveConflicts, RulesQuery, SyncRequest, Target, UnmountRequest,
    VaultFilter, WaitRequest,
};
pub use status::{
    Changed, ContentChange, DaemonStatus, FileState, FileStatus, FolderTotals, MountInfo, Mounted, PinFailure,
    PinStatus, Presence, Progress, StateWord, StatusReport, StopReport, Transfer, UnmountReport, Unsent, VaultStatus,
};
pub use vaults::{
    ChangeVault, ChooseVault, Holds, ImportReport, MakeMusic, MountChoice, MusicFolder, MusicKind, VaultChanged,
    VaultDetails, VaultList, VaultSummary,
};
pub use verify::{ManifestItem, VerifiedVault, VerifyLine, VerifyMismatch, VerifyRequest};

/// Version in every address of the API.
pub const API_VERSION: u32 = 1;

/// Prefix of every address.
pub const API_ROOT: &str = "/api/v1";

/// Header by which a client may say whose daemon it expects: the state folder. A daemon of another one refuses, so that two
/// devices that share a socket by mistake do not work on each other's vaults.
pub const STATE_HEADER: &str = "x-vaultfs-state";

/// Largest request body.
pub const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// How long the daemon holds one `wait` request at most; clients ask again.
pub const LONGEST_HOLD: std::time::Duration = std::time::Duration::from_secs(30);
