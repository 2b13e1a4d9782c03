//! How names compare on macOS (APFS and HFS+ as they are installed): case and normalisation do not matter.

use crate::types::NameRules;

/// Rules of the file system below.
pub(super) const FILE_SYSTEM: NameRules =
    NameRules { case_insensitive: true, normalization_insensitive: true, ..NameRules::EXACT };
