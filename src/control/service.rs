//! What the server asks of the daemon. One method per address; the server only decodes, calls and encodes.

use std::path::Path;

use async_trait::async_trait;

use super::events::EventBus;
use super::protocol::{
    AccountFilter, AccountInfo, AccountList, AddVault, BeginSignIn, CaseList, ChangeVault, Changed, ChooseVault,
    CloudFolder, ConflictList, ConnectionReport, ContentChange, DaemonStatus, DecisionList, DisconnectReport,
    DoctorReport, FileStatus, FolderList, FolderQuery, HistoryEntry, HistoryList, ImportReport, ImportVaults,
    MakeFolder, MakeMusic, MountRequest, Mounted, MusicFolder, NetworkRequest, Problem, QueueChange, QueueList,
    RemoveVault, RenameVault, ResolveConflicts, Restored, RuleVerdict, RulesQuery, SettingsReport, SignInAttempt,
    SignInBegun, SignInCode, SignInProgress, SignInRedirect, StatusReport, StopReport, SyncReport, SyncRequest, Target,
    TestConnection, UnmountReport, UnmountRequest, VaultChanged, VaultDetails, VaultFilter, VaultList, VaultSummary,
    VerifyRequest, WaitReport, WaitRequest,
};

/// An answer, or why there is none.
pub type Reply<T> = Result<T, Problem>;

/// Bytes of a file that are streamed to a client, in pieces.
pub type ByteStream = std::pin::Pin<Box<dyn futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send>>;

/// What is done with the bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentVerb {
    /// Fetch them and keep them here.
    Pin,
    /// No longer keep them.
    Unpin,
    /// Drop them now.
    Evict,
}

/// The daemon, as clients see it.
///
/// Every method answers within a bound, or, for [`ControlService::wait`], within what was asked for.
#[async_trait]
pub trait ControlService: Send + Sync + 'static {
    /// Where events come from.
    fn events(&self) -> &EventBus;

    /// The folder whose vaults it serves.
    fn state_dir(&self) -> &Path;

    /// The daemon itself.
    async fn daemon(&self) -> Reply<DaemonStatus>;
    /// Unmounts everything and ends. Answers before it ends.
    async fn stop(&self) -> Reply<StopReport>;

    /// The registry.
    async fn vaults(&self) -> Reply<VaultList>;
    /// One vault, by name or id.
    async fn vault(&self, filter: VaultFilter) -> Reply<VaultDetails>;
    /// Adds a vault.
    async fn add_vault(&self, request: AddVault) -> Reply<VaultSummary>;
    /// Takes over the vaults of a Muze registry.
    async fn import_vaults(&self, request: ImportVaults) -> Reply<ImportReport>;
    /// Renames a vault; nothing else of it changes.
    async fn rename_vault(&self, request: RenameVault) -> Reply<VaultSummary>;
    /// Forgets a vault. Bytes at the provider stay; so do local bytes that were never sent.
    async fn remove_vault(&self, request: RemoveVault) -> Reply<VaultSummary>;
    /// Makes a vault the one that is meant when none is named.
    async fn set_default(&self, request: ChooseVault) -> Reply<VaultSummary>;
    /// Makes a vault the one that is shown first.
    async fn set_active(&self, request: ChooseVault) -> Reply<VaultSummary>;
    /// Makes a collection, project or mix.
    async fn make_music(&self, request: MakeMusic) -> Reply<MusicFolder>;
    /// Changes a setting of a vault.
    async fn change_vault(&self, request: ChangeVault) -> Reply<VaultChanged>;

    /// The accounts of clouds.
    async fn accounts(&self) -> Reply<AccountList>;
    /// One account.
    async fn account(&self, filter: AccountFilter) -> Reply<AccountInfo>;
    /// Begins a sign-in: says which address a browser has to open.
    async fn begin_sign_in(&self, request: BeginSignIn) -> Reply<SignInBegun>;
    /// Ends a sign-in with a code that a person has pasted.
    async fn enter_code(&self, request: SignInCode) -> Reply<AccountInfo>;
    /// Ends a sign-in with the address that a browser has followed.
    async fn take_redirect(&self, request: SignInRedirect) -> Reply<AccountInfo>;
    /// How a sign-in stands; answers when it is over, or when the hold time is.
    async fn sign_in_outcome(&self, question: SignInAttempt) -> Reply<SignInProgress>;
    /// Gives a sign-in up.
    async fn cancel_sign_in(&self, request: SignInAttempt) -> Reply<Changed>;
    /// Signs out. Vaults keep their files and what they have not sent.
    async fn disconnect(&self, filter: AccountFilter) -> Reply<DisconnectReport>;
    /// Looks whether an account works, from the key store to the server.
    async fn test_connection(&self, request: TestConnection) -> Reply<ConnectionReport>;

    /// Folders of a cloud, for choosing one.
    async fn folders(&self, query: FolderQuery) -> Reply<FolderList>;
    /// Makes a folder in a cloud.
    async fn make_folder(&self, request: MakeFolder) -> Reply<CloudFolder>;

    /// Mounts a vault, or all of them. Answers when the mount answers.
    async fn mount(&self, request: MountRequest) -> Reply<Mounted>;
    /// Unmounts; says what has not been sent.
    async fn unmount(&self, request: UnmountRequest) -> Reply<UnmountReport>;

    /// All vaults, or one.
    async fn status(&self, filter: VaultFilter) -> Reply<StatusReport>;
    /// One file or folder.
    async fn file_status(&self, target: Target) -> Reply<FileStatus>;
    /// The cases of one vault, or of all that have the layout.
    async fn cases(&self, filter: VaultFilter) -> Reply<CaseList>;

    /// What is left to do.
    async fn queue(&self, filter: VaultFilter) -> Reply<QueueList>;
    /// Pause, resume, retry, hold, release, discard, upload.
    async fn change_queue(&self, change: QueueChange) -> Reply<Changed>;
    /// One run, or its plan.
    async fn sync(&self, request: SyncRequest) -> Reply<SyncReport>;
    /// Pin, unpin, evict.
    async fn content(&self, verb: ContentVerb, target: Target) -> Reply<ContentChange>;
    /// Answers when it is safe in the cloud, or when the hold time is over.
    async fn wait(&self, request: WaitRequest) -> Reply<WaitReport>;

    /// Kept versions.
    async fn history(&self, filter: VaultFilter) -> Reply<HistoryList>;
    /// What people decided against the program.
    async fn decisions(&self, filter: VaultFilter) -> Reply<DecisionList>;
    /// Puts a kept version back into the tree, beside what is there.
    async fn restore(&self, entry: HistoryEntry) -> Reply<Restored>;
    /// Bytes of a kept version.
    async fn history_content(&self, entry: HistoryEntry) -> Reply<ByteStream>;
    /// Conflicts, resolved ones too.
    async fn conflicts(&self, filter: VaultFilter) -> Reply<ConflictList>;
    /// The user has decided: conflicts no longer count.
    async fn resolve_conflicts(&self, request: ResolveConflicts) -> Reply<Changed>;
    /// Bytes of a file of a vault, as the mount shows them.
    async fn file_content(&self, target: Target) -> Reply<ByteStream>;

    /// Why a name stays on this machine, or does not.
    async fn rules_why(&self, query: RulesQuery) -> Reply<RuleVerdict>;
    /// Every entry, one JSON line each.
    async fn manifest(&self, filter: VaultFilter) -> Reply<ByteStream>;
    /// Whether everything is as the manifest says: lines of [`super::protocol::VerifyLine`].
    async fn verify(&self, request: VerifyRequest) -> Reply<ByteStream>;
    /// Looks for trouble.
    async fn doctor(&self, filter: VaultFilter) -> Reply<DoctorReport>;
    /// Looks for trouble, and puts right what a program may put right.
    async fn repair(&self, filter: VaultFilter) -> Reply<DoctorReport>;
    /// The settings file was changed.
    async fn reload_settings(&self) -> Reply<SettingsReport>;
    /// Offline and back.
    async fn network(&self, request: NetworkRequest) -> Reply<Changed>;
    /// Prometheus text.
    async fn metrics(&self) -> Reply<String>;
}
