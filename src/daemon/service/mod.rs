//! The daemon as clients see it: each address of the control API is answered by a method in one of these files.

mod accounts;
mod cases;
pub(super) mod conflicts;
mod content;
mod doctor;
mod files;
mod folders;
mod history;
mod manifest;
mod mend;
mod mounting;
mod music;
mod queue;
mod rules;
mod state;
mod status;
mod target;
mod vault_settings;
mod vaults;
mod verify;
pub(super) mod walk;
pub(super) mod words;

pub(super) use status::count;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::Daemon;
use crate::control::events::EventBus;
use crate::control::protocol::{
    AccountFilter, AccountInfo, AccountList, AddVault, BeginSignIn, CaseList, ChangeVault, Changed, ChooseVault,
    CloudFolder, ConflictList, ConnectionReport, ContentChange, DaemonStatus, DecisionList, DisconnectReport,
    DoctorReport, FileStatus, FolderList, FolderQuery, HistoryEntry, HistoryList, ImportReport, ImportVaults,
    MakeFolder, MakeMusic, MountRequest, Mounted, MusicFolder, NetworkRequest, QueueChange, QueueList, RemoveVault,
    RenameVault, ResolveConflicts, Restored, RuleVerdict, RulesQuery, SettingsReport, SignInAttempt, SignInBegun,
    SignInCode, SignInProgress, SignInRedirect, StatusReport, StopReport, SyncReport, SyncRequest, Target,
    TestConnection, UnmountReport, UnmountRequest, VaultChanged, VaultDetails, VaultFilter, VaultList, VaultSummary,
    VerifyRequest, WaitReport, WaitRequest,
};
use crate::control::service::{ByteStream, ContentVerb, ControlService, Reply};

/// The daemon behind its socket.
pub(super) struct Front(pub(super) Arc<Daemon>);

#[async_trait]
impl ControlService for Front {
    fn events(&self) -> &EventBus {
        &self.0.events
    }
    fn state_dir(&self) -> &Path {
        self.0.paths.state()
    }
    async fn daemon(&self) -> Reply<DaemonStatus> {
        self.0.own_status().await
    }
    async fn stop(&self) -> Reply<StopReport> {
        self.0.ask_to_stop().await
    }
    async fn vaults(&self) -> Reply<VaultList> {
        self.0.list_vaults().await
    }
    async fn vault(&self, filter: VaultFilter) -> Reply<VaultDetails> {
        self.0.show_vault(filter).await
    }
    async fn add_vault(&self, request: AddVault) -> Reply<VaultSummary> {
        self.0.add(request).await
    }
    async fn import_vaults(&self, request: ImportVaults) -> Reply<ImportReport> {
        self.0.import(request).await
    }
    async fn rename_vault(&self, request: RenameVault) -> Reply<VaultSummary> {
        self.0.rename(request).await
    }
    async fn remove_vault(&self, request: RemoveVault) -> Reply<VaultSummary> {
        self.0.remove(request).await
    }
    async fn set_default(&self, request: ChooseVault) -> Reply<VaultSummary> {
        self.0.make_default(request).await
    }
    async fn set_active(&self, request: ChooseVault) -> Reply<VaultSummary> {
        self.0.make_active(request).await
    }
    async fn make_music(&self, request: MakeMusic) -> Reply<MusicFolder> {
        self.0.make_music(request).await
    }
    async fn change_vault(&self, request: ChangeVault) -> Reply<VaultChanged> {
        self.0.change_vault(request).await
    }
    async fn accounts(&self) -> Reply<AccountList> {
        self.0.list_accounts().await
    }
    async fn account(&self, filter: AccountFilter) -> Reply<AccountInfo> {
        self.0.show_account(filter).await
    }
    async fn begin_sign_in(&self, request: BeginSignIn) -> Reply<SignInBegun> {
        self.0.begin_sign_in(request).await
    }
    async fn enter_code(&self, request: SignInCode) -> Reply<AccountInfo> {
        self.0.enter_code(request).await
    }
    async fn take_redirect(&self, request: SignInRedirect) -> Reply<AccountInfo> {
        self.0.take_redirect(request).await
    }
    async fn sign_in_outcome(&self, question: SignInAttempt) -> Reply<SignInProgress> {
        self.0.sign_in_outcome(question).await
    }
    async fn cancel_sign_in(&self, request: SignInAttempt) -> Reply<Changed> {
        self.0.cancel_sign_in(&request)
    }
    async fn disconnect(&self, filter: AccountFilter) -> Reply<DisconnectReport> {
        self.0.disconnect(filter).await
    }
    async fn test_connection(&self, request: TestConnection) -> Reply<ConnectionReport> {
        self.0.test_connection(request).await
    }
    async fn folders(&self, query: FolderQuery) -> Reply<FolderList> {
        self.0.list_folders(query).await
    }
    async fn make_folder(&self, request: MakeFolder) -> Reply<CloudFolder> {
        self.0.make_folder(request).await
    }
    async fn mount(&self, request: MountRequest) -> Reply<Mounted> {
        self.0.make_mounts(request).await
    }
    async fn unmount(&self, request: UnmountRequest) -> Reply<UnmountReport> {
        self.0.take_mounts_away(request).await
    }
    async fn status(&self, filter: VaultFilter) -> Reply<StatusReport> {
        self.0.report_status(filter).await
    }
    async fn file_status(&self, target: Target) -> Reply<FileStatus> {
        self.0.report_file(target).await
    }
    async fn cases(&self, filter: VaultFilter) -> Reply<CaseList> {
        self.0.list_cases(filter).await
    }
    async fn queue(&self, filter: VaultFilter) -> Reply<QueueList> {
        self.0.list_queue(filter).await
    }
    async fn change_queue(&self, change: QueueChange) -> Reply<Changed> {
        self.0.act_on_queue(change).await
    }
    async fn sync(&self, request: SyncRequest) -> Reply<SyncReport> {
        self.0.run_sync(request).await
    }
    async fn content(&self, verb: ContentVerb, target: Target) -> Reply<ContentChange> {
        self.0.change_content(verb, target).await
    }
    async fn wait(&self, request: WaitRequest) -> Reply<WaitReport> {
        self.0.wait_until_safe(request).await
    }
    async fn history(&self, filter: VaultFilter) -> Reply<HistoryList> {
        self.0.list_history(filter).await
    }
    async fn decisions(&self, filter: VaultFilter) -> Reply<DecisionList> {
        self.0.list_decisions(filter).await
    }
    async fn restore(&self, entry: HistoryEntry) -> Reply<Restored> {
        self.0.restore_version(entry).await
    }
    async fn history_content(&self, entry: HistoryEntry) -> Reply<ByteStream> {
        self.0.stream_version(entry).await
    }
    async fn conflicts(&self, filter: VaultFilter) -> Reply<ConflictList> {
        self.0.list_conflicts(filter).await
    }
    async fn resolve_conflicts(&self, request: ResolveConflicts) -> Reply<Changed> {
        self.0.settle_conflicts(request).await
    }
    async fn file_content(&self, target: Target) -> Reply<ByteStream> {
        self.0.stream_file(target).await
    }
    async fn rules_why(&self, query: RulesQuery) -> Reply<RuleVerdict> {
        self.0.explain_name(query).await
    }
    async fn manifest(&self, filter: VaultFilter) -> Reply<ByteStream> {
        self.0.list_manifest(filter).await
    }
    async fn verify(&self, request: VerifyRequest) -> Reply<ByteStream> {
        self.0.verify(request).await
    }
    async fn doctor(&self, filter: VaultFilter) -> Reply<DoctorReport> {
        self.0.examine(filter.vault.as_deref(), false).await
    }
    async fn repair(&self, filter: VaultFilter) -> Reply<DoctorReport> {
        self.0.examine(filter.vault.as_deref(), true).await
    }
    async fn network(&self, request: NetworkRequest) -> Reply<Changed> {
        self.0.set_network(request).await
    }
    async fn reload_settings(&self) -> Reply<SettingsReport> {
        self.0.reload_settings().await
    }
    async fn metrics(&self) -> Reply<String> {
        self.0.numbers()
    }
}
