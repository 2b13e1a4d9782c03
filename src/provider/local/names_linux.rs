//! How names compare on Linux file systems: as bytes. And which extended attributes a file keeps.

use crate::types::NameRules;

/// Rules of the file system below.
pub(super) const FILE_SYSTEM: NameRules = NameRules::EXACT;

/// True for extended attributes that stay with a file whose bytes are replaced: those of users, and lists of access rights. The others are the
/// system's own, and made anew.
pub(super) fn is_carried(attribute: &[u8]) -> bool {
    attribute.starts_with(b"user.") || attribute == b"system.posix_acl_access"
}
