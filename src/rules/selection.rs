//! What of a vault takes part on this device: the local-only names and the filter together, exchangeable while the vault is open.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Filter, FilterSettings, RuleSettings, Rules, RulesError};
use crate::types::{EntryName, NodeKind};

/// Rules and filter of a vault. Immutable once built.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Names that stay on this machine.
    pub rules: Rules,
    /// Parts that are left out.
    pub filter: Filter,
    fingerprint: String,
}

impl Selection {
    /// Compiles the settings.
    pub fn new(rules: &RuleSettings, filter: &FilterSettings) -> Result<Self, RulesError> {
        let settings = serde_json::json!({ "rules": rules, "filter": filter });
        let mut digest = blake3::Hasher::new();
        digest.update(settings.to_string().as_bytes()).update(super::PACKS_TEXT.as_bytes());
        Ok(Self {
            rules: Rules::new(rules)?,
            filter: Filter::new(filter)?,
            fingerprint: digest.finalize().to_hex().to_string(),
        })
    }

    /// Equal for equal settings and packs: whether what is in a catalog was judged by this selection.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// True if an entry of this name never leaves this machine, wherever it is.
    pub fn keeps_here(&self, name: &EntryName) -> bool {
        self.rules.local_only(name).is_some()
    }

    /// True if the filter leaves out what is at this path.
    pub fn leaves_out(&self, path: &str, kind: NodeKind) -> bool {
        !self.filter.allows(path, kind)
    }
}

/// The selection of an open vault: read on every creation, exchanged when the settings change.
#[derive(Debug, Default)]
pub struct LiveSelection {
    current: RwLock<Arc<Selection>>,
}

impl LiveSelection {
    /// Begins with this one.
    pub fn new(selection: Selection) -> Self {
        Self { current: RwLock::new(Arc::new(selection)) }
    }

    /// The one in force.
    pub fn current(&self) -> Arc<Selection> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on this one.
    pub fn replace(&self, selection: Selection) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(selection);
    }
}
