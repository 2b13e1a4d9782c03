//! Disk space in words: why a vault takes no new bytes and what to do about it, and how things stand.

use super::problems;
use super::vault::OpenVault;
use crate::content::Shortage;
use crate::control::protocol::{ErrorCode, Problem};
use crate::types::units::readable_size;

impl OpenVault {
    /// Why programs cannot write to this vault, while they cannot.
    pub(super) fn space_problem(&self) -> Option<Problem> {
        match self.content.shortage() {
            Ok(shortage) => shortage.map(|why| words(&self.name(), why)),
            Err(error) => Some(problems::content(&error)),
        }
    }

    /// How much space there is, in one line.
    pub(super) fn space_summary(&self) -> Result<String, Problem> {
        if let Some(problem) = self.space_problem() {
            return Err(problem);
        }
        let room = self.content.room().map_err(|error| problems::content(&error))?;
        Ok(format!(
            "{} for new bytes; {} wait for upload, {} cached",
            readable_size(room.free),
            readable_size(self.content.staging_usage()),
            readable_size(self.content.cache_usage())
        ))
    }
}

fn words(vault: &str, why: Shortage) -> Problem {
    const FREE: &str = "free some space on that disk; what is here can be read and is sent meanwhile";
    let (cause, hint) = match why {
        Shortage::StagingLimit { used, limit } => (
            format!(
                "changes that wait for upload use {} of the {} that staging.max_bytes allows",
                readable_size(used),
                readable_size(limit)
            ),
            "let them be sent (`vaultfs queue` lists them), or raise it: `vaultfs config set staging.max_bytes SIZE`",
        ),
        Shortage::DiskFloor { available, floor } => (
            format!(
                "the disk of its state folder has {} left, and staging.min_free_bytes keeps {} free",
                readable_size(available),
                readable_size(floor)
            ),
            FREE,
        ),
        Shortage::Disk => ("the disk of its state folder is full".to_owned(), FREE),
        Shortage::CacheLimit { limit } => (
            format!("the cache holds {} at most", readable_size(limit)),
            "raise it: `vaultfs config set cache.max_bytes SIZE`",
        ),
    };
    Problem::new(ErrorCode::NoSpace, format!("vault {vault} takes no new bytes")).cause(cause).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shortage_says_what_is_full_and_what_to_do() {
        for why in [
            Shortage::StagingLimit { used: 3 << 20, limit: 2 << 20 },
            Shortage::DiskFloor { available: 1 << 20, floor: 64 << 20 },
            Shortage::Disk,
            Shortage::CacheLimit { limit: 1 << 20 },
        ] {
            let problem = words("Work", why);
            assert_eq!(problem.code, ErrorCode::NoSpace);
            assert!(problem.what.contains("Work") && problem.cause.len() == 1 && problem.hint.is_some(), "{problem}");
        }
        let limit = words("Work", Shortage::StagingLimit { used: 3 << 20, limit: 2 << 20 });
        assert!(limit.cause[0].contains("3 MiB of the 2 MiB"), "{limit}");
    }
}
