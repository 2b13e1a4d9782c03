//! How names compare on macOS (APFS and HFS+ as they are installed): case and normalisation do not matter. And which extended attributes a
//! file keeps.

use crate::types::NameRules;

/// Rules of the file system below.
pub(super) const FILE_SYSTEM: NameRules =
    NameRules { case_insensitive: true, normalization_insensitive: true, ..NameRules::EXACT };

/// True for extended attributes that stay with a file whose bytes are replaced: all but what says where the old bytes came from.
pub(super) fn is_carried(attribute: &[u8]) -> bool {
    !attribute.is_empty() && attribute != b"com.apple.quarantine"
}
