//! How names compare on Linux file systems: as bytes.

use crate::types::NameRules;

/// Rules of the file system below.
pub(super) const FILE_SYSTEM: NameRules = NameRules::EXACT;
