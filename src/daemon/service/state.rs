//! The state of entries, and of the vault, in a word: asked by the CLI, the API and the extended attributes alike.

use super::words;
use crate::catalog::LocalRow;
use crate::control::protocol::{ErrorCode, FileState, Problem, StateWord};
use crate::daemon::problems;
use crate::daemon::vault::OpenVault;
use crate::sync::Standings;
use crate::types::NodeId;

/// How every entry of a vault stands.
pub(super) struct States(Standings);

impl States {
    /// Of an entry that the mount shows.
    pub(super) fn of(&self, vault: &OpenVault, row: &LocalRow) -> Result<FileState, Problem> {
        let standing = vault.engine.standing(row, &self.0).map_err(|error| problems::of(ErrorCode::Io, &error))?;
        Ok(vault.as_readable(words::file_state(standing), row))
    }

    /// Of an entry that only the provider has: it is about to come, unless it is left out.
    pub(super) fn of_remote(&self, node: NodeId, is_left_out: bool) -> FileState {
        let state = words::file_state(self.0.of(node));
        if is_left_out {
            FileState::Filtered
        } else if matches!(state, FileState::Synced | FileState::Conflict) {
            FileState::Pending
        } else {
            state
        }
    }
}

impl OpenVault {
    /// How every entry stands now.
    pub(super) fn states(&self) -> Result<States, Problem> {
        self.engine.standings().map(States).map_err(|error| problems::of(ErrorCode::Io, &error))
    }

    /// How one entry of the mount stands.
    pub(in crate::daemon) fn state_of(&self, node: NodeId) -> Result<FileState, Problem> {
        let standing = self.engine.standing_of(node).map_err(|error| problems::of(ErrorCode::Io, &error))?;
        let state = words::file_state(standing);
        let row =
            self.catalog.read(|view| view.local(node)).map_err(|error| problems::catalog(&self.name(), &error))?;
        Ok(row.map_or(state, |row| self.as_readable(state, &row)))
    }

    /// What is the same on both sides may still be nothing that can be read here.
    fn as_readable(&self, state: FileState, row: &LocalRow) -> FileState {
        if state == FileState::Synced && self.is_unreadable(row) { FileState::Unreadable } else { state }
    }

    /// How the vault stands.
    pub(in crate::daemon) fn state(&self) -> Result<StateWord, Problem> {
        let status = self.engine.status().map_err(|error| problems::of(ErrorCode::Io, &error))?;
        Ok(words::vault_state(status.state, &self.troubles()))
    }
}
