//! The layers' errors in the words of the control API: a code, the cause chain, and one next step.

use crate::accounts::{AccountError, IssuerError, Trouble};
use crate::catalog::CatalogError;
use crate::config::{ConfigError, PathsError};
use crate::content::ContentError;
use crate::control::protocol::{ErrorCode, Problem};
use crate::mount::MountError;
use crate::provider::{ErrorKind, ProviderError};
use crate::sync::SyncError;
use crate::vaults::RegistryError;
use crate::vfs::FsError;

/// What was being done when the registry failed.
pub(super) fn registry(error: &RegistryError) -> Problem {
    let (code, hint) = match error {
        RegistryError::Unreadable { .. } | RegistryError::Unwritable { .. } => {
            (ErrorCode::Registry, Some("check the owner and the free space of that folder"))
        }
        RegistryError::NotJson { .. } | RegistryError::Shape { .. } | RegistryError::UnknownProvider { .. } => (
            ErrorCode::Registry,
            Some("correct the file, or move it away and add the vaults again; nothing was changed"),
        ),
        RegistryError::TooNew { .. } => (ErrorCode::Registry, Some("update vaultfs")),
        RegistryError::NoSuchVault { .. } => (ErrorCode::UnknownVault, Some("`vaultfs vault list` lists the vaults")),
        RegistryError::Ambiguous { .. } => (ErrorCode::AmbiguousVault, Some("name the vault by its id")),
        RegistryError::NameTaken { .. } | RegistryError::IdTaken { .. } => (ErrorCode::VaultExists, None),
        RegistryError::RootTaken { .. } => (ErrorCode::VaultExists, Some("mount that vault, or choose another folder")),
        RegistryError::NameRefused { .. } | RegistryError::ConfigRefused { .. } => (ErrorCode::InvalidRequest, None),
        RegistryError::RootRefused(_) => (ErrorCode::InvalidRequest, Some("name an existing folder by its whole path")),
        RegistryError::OnlyVault(_) => (ErrorCode::VaultInUse, None),
        RegistryError::ActiveVault(_) => {
            (ErrorCode::VaultInUse, Some("choose another one with `vaultfs vault switch NAME`"))
        }
        RegistryError::DefaultVault(_) => {
            (ErrorCode::VaultInUse, Some("choose another one with `vaultfs vault default NAME`"))
        }
    };
    let problem = of(code, error);
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Why a folder cannot be mounted on or unmounted.
pub(super) fn mount(error: &MountError) -> Problem {
    let (code, hint) = match error {
        MountError::Missing(dir) => {
            (ErrorCode::MountpointMissing, format!("make it with `mkdir -p {}`", dir.display()))
        }
        MountError::NotFolder(_) => (ErrorCode::MountpointMissing, "name an existing empty folder".to_owned()),
        MountError::NotEmpty(_) => {
            (ErrorCode::MountpointNotEmpty, "name an empty folder; a mount would hide what is in this one".to_owned())
        }
        MountError::Busy(dir) => (
            ErrorCode::MountpointBusy,
            format!("choose another folder, or unmount it with `vaultfs unmount {}` or `umount`", dir.display()),
        ),
        MountError::NoFuse(_) => (ErrorCode::MountFailed, "install FUSE (package fuse3) and try again".to_owned()),
        MountError::InUse(dir) => (
            ErrorCode::MountInUse,
            format!("close the programs that use it (`fuser -vm {}` lists them) and try again", dir.display()),
        ),
        MountError::System { .. } => (ErrorCode::MountFailed, "`vaultfs doctor` checks what mounting needs".to_owned()),
    };
    of(code, error).hint(hint)
}

/// Why a folder of ours cannot be had.
pub(super) fn paths(error: &PathsError) -> Problem {
    of(ErrorCode::Io, error)
}

/// Why the settings cannot be used.
pub(super) fn config(error: &ConfigError) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, "the settings are not valid")
        .because(error)
        .hint("correct the setting; `vaultfs config show` lists all of them")
}

/// Why a sign-in did not come to be, or an account cannot be had.
pub(super) fn account(error: &AccountError) -> Problem {
    let code = match error {
        AccountError::Denied
        | AccountError::WrongState
        | AccountError::WrongIssuer
        | AccountError::Unreadable
        | AccountError::NoAttempt
        | AccountError::TimedOut { .. }
        | AccountError::Replaced
        | AccountError::Cancelled
        | AccountError::CodeRefused { .. }
        | AccountError::TooNarrow { .. }
        | AccountError::NotRenewable => ErrorCode::SignInFailed,
        AccountError::NotACode { .. }
        | AccountError::NoAppKey { .. }
        | AccountError::NotAnAppKey { .. }
        | AccountError::BaseUrl(_) => ErrorCode::InvalidRequest,
        AccountError::Unknown { .. } | AccountError::Ambiguous { .. } => ErrorCode::UnknownAccount,
        AccountError::NoSignIn { .. } => ErrorCode::Unsupported,
        AccountError::Issuer(error) => code_of_issuer(error),
        AccountError::Secrets(error) if error.is_about_the_key_store() => ErrorCode::KeyStore,
        AccountError::Secrets(_) | AccountError::File(_) | AccountError::Http(_) | AccountError::NoPort { .. } => {
            ErrorCode::Io
        }
        AccountError::Crashed(_) => ErrorCode::Internal,
    };
    of(code, error).hint(error.next_step())
}

fn code_of_issuer(error: &IssuerError) -> ErrorCode {
    match error {
        IssuerError::Unreachable { .. } | IssuerError::BadCertificate { .. } | IssuerError::NotTheService { .. } => {
            ErrorCode::Offline
        }
        IssuerError::TimedOut { .. } => ErrorCode::TimedOut,
        IssuerError::Busy { .. } => ErrorCode::Busy,
        IssuerError::InvalidGrant { .. }
        | IssuerError::InvalidClient { .. }
        | IssuerError::Refused { .. }
        | IssuerError::TokenRefused { .. }
        | IssuerError::MissingScope { .. } => ErrorCode::SignInFailed,
    }
}

/// Why an account gives no access.
pub(super) fn trouble(trouble: &Trouble) -> Problem {
    let code = if trouble.is_key_store {
        ErrorCode::KeyStore
    } else if trouble.kind == ErrorKind::AuthRequired {
        ErrorCode::AuthRequired
    } else if trouble.kind == ErrorKind::Busy {
        ErrorCode::Busy
    } else {
        ErrorCode::Offline
    };
    Problem::new(code, trouble.what.clone()).hint(trouble.next_step.clone())
}

/// Why the catalog of a vault failed.
pub(super) fn catalog(vault: &str, error: &CatalogError) -> Problem {
    let problem = Problem::new(code_of_catalog(error), format!("the catalog of vault {vault} failed")).because(error);
    match error {
        CatalogError::TooNew { .. } => problem.hint("update vaultfs; nothing was changed"),
        CatalogError::NoSpace => problem.hint("free some space on the disk of the state folder"),
        CatalogError::WrongVault { .. }
        | CatalogError::Corrupt { .. }
        | CatalogError::Sqlite { .. }
        | CatalogError::Io { .. }
        | CatalogError::NotEmpty
        | CatalogError::NameTaken
        | CatalogError::NoSuchNode(_) => problem.hint("see `vaultfs doctor`"),
    }
}

/// Why the provider of a vault failed.
pub(super) fn provider(error: &ProviderError) -> Problem {
    let told = |code, hint: &str| of(code, error).hint(hint);
    match error.kind {
        ErrorKind::NoSpace => told(ErrorCode::NoSpace, "free some space there and try again; nothing is lost"),
        ErrorKind::RootMissing => {
            told(ErrorCode::RootMissing, "bring the folder or disk back; nothing is deleted meanwhile")
        }
        ErrorKind::AuthRequired => told(
            ErrorCode::AuthRequired,
            "`vaultfs account` says what is wrong with the sign-in; `vaultfs connect` mends it",
        ),
        ErrorKind::NotFound => told(ErrorCode::NotFound, "look at the provider whether it is there"),
        ErrorKind::Offline => told(ErrorCode::Offline, "bring the disk or network back; nothing is deleted meanwhile"),
        ErrorKind::Busy
        | ErrorKind::Ambiguous
        | ErrorKind::Exists
        | ErrorKind::RevisionMismatch
        | ErrorKind::RevisionGone
        | ErrorKind::NotEmpty
        | ErrorKind::CursorReset
        | ErrorKind::Corrupt
        | ErrorKind::Refused
        | ErrorKind::Forbidden
        | ErrorKind::Unsupported
        | ErrorKind::Invalid
        | ErrorKind::Protocol => told(ErrorCode::Io, "see `vaultfs doctor`"),
    }
}

/// Why the engine did not do what was asked.
pub(super) fn sync(vault: &str, error: &SyncError) -> Problem {
    if let SyncError::Superseded(_) = error {
        let what = format!("vault {vault}: the provider got yet another version meanwhile, and nothing was replaced");
        return Problem::new(ErrorCode::Io, what).hint("look at that version, then say it again");
    }
    let code = match error {
        SyncError::NoSuchNode(_) | SyncError::NothingPending(_) => ErrorCode::NotFound,
        SyncError::TimedOut => ErrorCode::TimedOut,
        SyncError::Provider(error) => provider(error).code,
        SyncError::Catalog(error) => code_of_catalog(error),
        SyncError::Content(error) => content(error).code,
        SyncError::Io { .. } | SyncError::ContentLost(_) | SyncError::Superseded(_) | SyncError::PlaceTaken(_) => {
            ErrorCode::Io
        }
        SyncError::Worker(_) => ErrorCode::Internal,
    };
    Problem::new(code, format!("vault {vault}: syncing failed")).because(error).hint("see `vaultfs queue`")
}

/// Why the bytes of a vault cannot be had or kept.
pub(super) fn content(error: &ContentError) -> Problem {
    match error {
        ContentError::NoSpace { .. } => of(ErrorCode::NoSpace, error).hint("free some space on that disk"),
        ContentError::StagedDamaged { .. }
        | ContentError::StagedMissing(_)
        | ContentError::Superseded(_)
        | ContentError::Io { .. } => of(ErrorCode::Io, error),
    }
}

fn code_of_catalog(error: &CatalogError) -> ErrorCode {
    match error {
        CatalogError::NoSpace => ErrorCode::NoSpace,
        CatalogError::NoSuchNode(_) => ErrorCode::NotFound,
        CatalogError::TooNew { .. }
        | CatalogError::WrongVault { .. }
        | CatalogError::NotEmpty
        | CatalogError::NameTaken
        | CatalogError::Corrupt { .. }
        | CatalogError::Sqlite { .. }
        | CatalogError::Io { .. } => ErrorCode::Io,
    }
}

/// Why a file of a vault cannot be read or written.
pub(super) fn file(what: String, error: &FsError) -> Problem {
    let code = match error.errno() {
        libc::ENOENT => ErrorCode::NotFound,
        libc::ENOSPC | libc::EDQUOT => ErrorCode::NoSpace,
        libc::ETIMEDOUT => ErrorCode::TimedOut,
        _ => ErrorCode::Io,
    };
    Problem::new(code, what).because(error)
}

/// An error whose own text says what failed.
pub(super) fn of(code: ErrorCode, error: &(dyn std::error::Error + 'static)) -> Problem {
    let problem = Problem::new(code, error.to_string());
    match error.source() {
        Some(cause) => problem.because(cause),
        None => problem,
    }
}

/// There is no entry at this path.
pub(super) fn no_entry(vault: &str, path: &str) -> Problem {
    Problem::new(ErrorCode::NotFound, format!("there is no `{path}` in vault {vault}"))
}

/// A thread that worked for a request has crashed.
pub(super) fn crashed(error: &tokio::task::JoinError) -> Problem {
    Problem::new(ErrorCode::Internal, "the daemon failed while it worked on this").because(error)
}
