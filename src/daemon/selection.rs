//! What of a vault takes part on this device: from the settings into the filesystem core and the engine, and again when they change.

use super::problems;
use super::vault::OpenVault;
use crate::config::Settings;
use crate::control::protocol::{ErrorCode, Problem};
use crate::rules::{LiveSelection, Selection};
use crate::sync::ports;
use crate::types::{EntryName, NodeKind};
use crate::vfs::ports::NamePolicy;

/// As the settings say.
pub(super) fn of(settings: &Settings) -> Result<Selection, Problem> {
    Selection::new(&settings.rules, &settings.filter).map_err(|error| problems::of(ErrorCode::InvalidRequest, &error))
}

impl OpenVault {
    /// Brings the catalog up to the selection. Waits for the disk.
    pub(super) fn judge_again(&self) -> Result<(), Problem> {
        let looked_at = self.engine.judge_again().map_err(|error| problems::of(ErrorCode::Io, &error))?;
        if looked_at > 0 {
            tracing::info!(vault = %self.id, looked_at, "what takes part in syncing has changed");
        }
        Ok(())
    }
}

/// The filesystem core asks the rule packs and the filter what stays here.
impl NamePolicy for LiveSelection {
    fn is_local_only(&self, name: &EntryName) -> bool {
        self.current().keeps_here(name)
    }

    fn is_filter(&self) -> bool {
        self.current().filter.is_active()
    }

    fn leaves_out(&self, path: &str, kind: NodeKind) -> bool {
        self.current().leaves_out(path, kind)
    }
}

/// So does the engine.
impl ports::Selection for LiveSelection {
    fn fingerprint(&self) -> String {
        self.current().fingerprint().to_owned()
    }

    fn keeps_here(&self, name: &EntryName) -> bool {
        self.current().keeps_here(name)
    }

    fn is_filter(&self) -> bool {
        self.current().filter.is_active()
    }

    fn leaves_out(&self, path: &str, kind: NodeKind) -> bool {
        self.current().leaves_out(path, kind)
    }
}
