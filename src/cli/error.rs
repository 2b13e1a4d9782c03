//! How a command fails, and the exit code: 0 ok, 1 failed, 2 usage, 3 daemon absent, 4 needs the user.

use crate::control::protocol::{ErrorCode, Problem};

/// A command that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Told as `error:`, `cause:`, `hint:`.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The command line makes no sense; clap tells it.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// Nothing more to say than the answer that was printed (`doctor` found something, `wait` ran out of time).
    #[error("exit code {0}")]
    Quiet(u8),
    /// The reader of our output has left. That is success: `vaultfs queue | head -1`.
    #[error("nobody reads the output any more")]
    BrokenPipe,
}

/// Result of a command.
pub type Result<T = ()> = std::result::Result<T, CliError>;

impl CliError {
    /// Exit code of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Problem(problem) => problem.code.exit_code(),
            // `--help` and `--version` arrive as errors, too.
            Self::Usage(error) => u8::try_from(error.exit_code()).unwrap_or(2),
            Self::Quiet(code) => *code,
            Self::BrokenPipe => 0,
        }
    }

    /// A failure of reading or writing a local file.
    pub fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        Self::Problem(Problem::new(ErrorCode::Io, what).because(error))
    }
}
