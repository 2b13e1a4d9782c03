//! Failures as people and scripts read them: a code to branch on, what failed, why, and the next step.

use serde::{Deserialize, Serialize};

/// Body of every answer that is not a success.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The failure.
    pub error: Problem,
}

/// A failure, or a state that a person should know of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// What programs branch on.
    pub code: ErrorCode,
    /// What failed, naming the thing.
    pub what: String,
    /// Why, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cause: Vec<String>,
    /// One thing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A failure without cause and hint.
    pub fn new(code: ErrorCode, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), cause: Vec::new(), hint: None }
    }

    /// Adds an error and everything below it as causes. An error that only repeats the one above is left out.
    #[must_use]
    pub fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if self.cause.last().is_none_or(|above| !above.ends_with(&text)) {
                self.cause.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds a cause in words.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause.push(cause.into());
        self
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        self.cause.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for Problem {}

/// What programs branch on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request makes no sense.
    InvalidRequest,
    /// The address does not exist.
    UnknownAddress,
    /// No vault has this name or id.
    UnknownVault,
    /// Several vaults could be meant.
    AmbiguousVault,
    /// The name of a vault is taken.
    VaultExists,
    /// The vault is mounted or is the only one.
    VaultInUse,
    /// The registry cannot be read or written.
    Registry,
    /// The path is in no mounted vault.
    OutsideVault,
    /// Nothing is there.
    NotFound,
    /// The folder to mount on does not exist or is no folder.
    MountpointMissing,
    /// The folder to mount on has something mounted already.
    MountpointBusy,
    /// The folder to mount on holds entries.
    MountpointNotEmpty,
    /// Nothing of ours is mounted there.
    NotMounted,
    /// Programs still use the mount.
    MountInUse,
    /// The kernel or its helper refused.
    MountFailed,
    /// The provider cannot be reached.
    Offline,
    /// Sign-in is needed.
    AuthRequired,
    /// The key store is locked, missing, or does not answer.
    KeyStore,
    /// A sign-in did not come to be.
    SignInFailed,
    /// No account is meant by this, or several could be.
    UnknownAccount,
    /// The vault's root is gone or is another one.
    RootMissing,
    /// Only the user can decide this.
    NeedsUser,
    /// It took longer than was allowed.
    TimedOut,
    /// The disk or the account is full.
    NoSpace,
    /// Not possible with this vault.
    Unsupported,
    /// Another daemon runs.
    AlreadyRunning,
    /// The daemon cannot be reached or started.
    DaemonAbsent,
    /// The daemon behind the socket serves another set of folders.
    WrongDaemon,
    /// The daemon is stopping.
    Stopping,
    /// Too many connections.
    Busy,
    /// Reading or writing failed.
    Io,
    /// A bug of vaultfs.
    Internal,
    /// A code of a newer version.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// Status of the HTTP answer.
    pub fn http_status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::UnknownAddress
            | Self::UnknownVault
            | Self::UnknownAccount
            | Self::NotFound
            | Self::NotMounted
            | Self::OutsideVault => 404,
            Self::AmbiguousVault
            | Self::VaultExists
            | Self::VaultInUse
            | Self::MountpointMissing
            | Self::MountpointBusy
            | Self::MountpointNotEmpty
            | Self::MountInUse
            | Self::NeedsUser
            | Self::SignInFailed
            | Self::AlreadyRunning
            | Self::WrongDaemon => 409,
            Self::Unsupported => 422,
            Self::AuthRequired | Self::KeyStore => 424,
            Self::TimedOut => 504,
            Self::NoSpace => 507,
            Self::Offline | Self::RootMissing | Self::DaemonAbsent | Self::Stopping | Self::Busy => 503,
            Self::Registry | Self::MountFailed | Self::Io | Self::Internal | Self::Unknown => 500,
        }
    }

    /// Exit code of a command that ends with this failure.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::DaemonAbsent | Self::WrongDaemon => 3,
            Self::AuthRequired | Self::KeyStore | Self::SignInFailed | Self::NeedsUser => 4,
            Self::InvalidRequest
            | Self::UnknownAddress
            | Self::UnknownVault
            | Self::UnknownAccount
            | Self::AmbiguousVault
            | Self::VaultExists
            | Self::VaultInUse
            | Self::Registry
            | Self::OutsideVault
            | Self::NotFound
            | Self::MountpointMissing
            | Self::MountpointBusy
            | Self::MountpointNotEmpty
            | Self::NotMounted
            | Self::MountInUse
            | Self::MountFailed
            | Self::Offline
            | Self::RootMissing
            | Self::TimedOut
            | Self::NoSpace
            | Self::Unsupported
            | Self::AlreadyRunning
            | Self::Stopping
            | Self::Busy
            | Self::Io
            | Self::Internal
            | Self::Unknown => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_keep_their_shape_on_the_wire() {
        let problem =
            Problem::new(ErrorCode::UnknownVault, "there is no vault `Wrok`").hint("see `vaultfs vault list`");
        let json = serde_json::to_string(&ErrorBody { error: problem.clone() }).unwrap();
        assert_eq!(
            json,
            r#"{"error":{"code":"unknown-vault","what":"there is no vault `Wrok`","hint":"see `vaultfs vault list`"}}"#
        );
        assert_eq!(serde_json::from_str::<ErrorBody>(&json).unwrap().error, problem);
    }

    #[test]
    fn codes_of_newer_versions_are_understood_as_unknown() {
        let newer = r#"{"code":"moon-phase","what":"full"}"#;
        assert_eq!(serde_json::from_str::<Problem>(newer).unwrap().code, ErrorCode::Unknown);
    }

    #[test]
    fn a_cause_that_the_line_above_already_told_is_left_out() {
        #[derive(Debug, thiserror::Error)]
        #[error("reading the registry: {0}")]
        struct Outer(#[source] std::io::Error);
        let outer = Outer(std::io::Error::other("disk on fire"));
        assert_eq!(Problem::new(ErrorCode::Io, "x").because(&outer).cause, ["reading the registry: disk on fire"]);
    }
}
