//! The engine's words in those of the control API.

use crate::accounts::Trouble;
use crate::control::protocol::{ErrorCode, FileState, Problem, QueueItem, QueueItemState, StateWord};
use crate::daemon::problems;
use crate::daemon::vault::OpenVault;
use crate::sync::{Standing, VaultState};

/// The state of a vault.
pub(in crate::daemon) fn state(state: VaultState) -> StateWord {
    match state {
        VaultState::Idle => StateWord::Idle,
        VaultState::Syncing => StateWord::Syncing,
        VaultState::Paused => StateWord::Paused,
        VaultState::Offline => StateWord::Offline,
        VaultState::Conflict => StateWord::Conflict,
        VaultState::AuthRequired => StateWord::AuthRequired,
        VaultState::Error => StateWord::Error,
    }
}

/// The state of a vault with what keeps it from working at all.
pub(in crate::daemon) fn vault_state(state_alone: VaultState, troubles: &[Problem]) -> StateWord {
    if troubles.is_empty() { state(state_alone) } else { StateWord::Error }
}

impl OpenVault {
    /// The problem that it has in this state, with its next step.
    pub(super) fn vault_problem(&self, status: &crate::sync::VaultStatus) -> Option<Problem> {
        vault_problem(&self.name(), status, self.account_trouble().as_ref())
    }
}

fn vault_problem(vault: &str, status: &crate::sync::VaultStatus, account: Option<&Trouble>) -> Option<Problem> {
    let message = status.problem.clone();
    let told = |code, what: String, hint: &str| {
        let problem = Problem::new(code, what).hint(hint);
        Some(match &message {
            Some(message) => problem.cause(message.clone()),
            None => problem,
        })
    };
    match status.state {
        VaultState::AuthRequired => match account {
            // The account knows what stands in the way, and what to do.
            Some(account) => {
                let what = format!("vault {vault} has no access to its account; changes wait");
                Some(Problem { what, cause: vec![account.what.clone()], ..problems::trouble(account) })
            }
            None => told(
                ErrorCode::AuthRequired,
                format!("vault {vault} needs a sign-in"),
                "`vaultfs account` lists the accounts; `vaultfs connect` signs in",
            ),
        },
        VaultState::Offline if message.is_some() => told(
            ErrorCode::Offline,
            format!("the provider of vault {vault} cannot be reached"),
            "nothing is lost; changes are sent when it can be reached again",
        ),
        VaultState::Error if status.guarded > 0 => told(
            ErrorCode::NeedsUser,
            format!("vault {vault}: a mass deletion was stopped"),
            "look at `vaultfs queue`; `vaultfs queue release` lets it through",
        ),
        VaultState::Error if status.is_root_missing => told(
            ErrorCode::RootMissing,
            format!("the folder of vault {vault} is not there"),
            "bring it back to its place; nothing is deleted here, and changes wait until then",
        ),
        VaultState::Error => told(
            ErrorCode::Io,
            format!("vault {vault} cannot go on by itself"),
            "see `vaultfs queue` and `vaultfs doctor`",
        ),
        VaultState::Offline | VaultState::Idle | VaultState::Syncing | VaultState::Paused | VaultState::Conflict => {
            message.map(|message| {
                let what = format!("vault {vault}: {message}");
                if status.is_full {
                    return Problem::new(ErrorCode::NoSpace, what)
                        .hint("free some space there; nothing is lost, and it is tried again by itself");
                }
                Problem::new(ErrorCode::Io, what).hint("see `vaultfs queue`")
            })
        }
    }
}

/// An item of the queue of a vault in this state: while nothing is sent at all, nothing is next.
pub(super) fn queue_item(vault: &str, item: crate::sync::QueueItem, of_vault: VaultState) -> QueueItem {
    let stopped = matches!(of_vault, VaultState::Offline | VaultState::Paused | VaultState::AuthRequired);
    let item_state = if item.active {
        QueueItemState::Running
    } else if item.left_out {
        QueueItemState::Filtered
    } else if item.held {
        QueueItemState::Held
    } else if item.problem.is_some() {
        QueueItemState::Failing
    } else if item.action == "wait" || stopped {
        QueueItemState::Waiting
    } else {
        QueueItemState::Ready
    };
    let reason = if stopped { format!("{}; {}", item.reason, state(of_vault).as_str()) } else { item.reason };
    QueueItem {
        vault: vault.to_owned(),
        path: item.path,
        action: item.action.to_owned(),
        reason,
        state: item_state,
        size: item.size,
        done: item.sent,
        age_seconds: item.age_seconds,
        attempts: item.attempts,
        problem: item.problem,
    }
}

/// The state of one entry.
pub(super) fn file_state(standing: Standing) -> FileState {
    match standing {
        Standing::Synced => FileState::Synced,
        Standing::LocalOnly => FileState::LocalOnly,
        Standing::LeftOut => FileState::Filtered,
        Standing::Pending => FileState::Pending,
        Standing::Syncing => FileState::Syncing,
        Standing::Held => FileState::Held,
        Standing::Conflict => FileState::Conflict,
        Standing::Failing => FileState::Error,
    }
}
