//! What stays with a file when its bytes are replaced: permission bits, owner and group as far as this user may give them away, access
//! lists, and extended attributes. People share the folder of a local vault by them.
//!
//! A new version is another inode, and would otherwise be nobody's but this user's. What a write by any other program takes away goes here,
//! too: set-user-id and set-group-id.

use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use rustix::fs::{Gid, Uid, XattrFlags};

use super::platform::is_carried;

/// Bits that a new version may have: all but set-user-id and set-group-id.
const KEPT_BITS: u32 = 0o1777;

/// Gives `new` what `old` has, which it is about to replace.
pub(super) fn carry_over(old: &File, new: &File) -> io::Result<()> {
    let (before, made) = (old.metadata()?, new.metadata()?);
    let owner = (before.uid() != made.uid()).then(|| Uid::from_raw(before.uid()));
    let group = (before.gid() != made.gid()).then(|| Gid::from_raw(before.gid()));
    // Only root gives files away; a group can be given by its members.
    if owner.is_some()
        && let Err(error) = rustix::fs::fchown(new, owner, None)
    {
        tracing::debug!(%error, "a new version has another owner");
    }
    if group.is_some()
        && let Err(error) = rustix::fs::fchown(new, None, group)
    {
        tracing::debug!(%error, "a new version has another group");
    }
    // Before the bits, which a list of access rights may change.
    carry_attributes(old, new)?;
    new.set_permissions(Permissions::from_mode(before.mode() & KEPT_BITS))
}

fn carry_attributes(old: &File, new: &File) -> io::Result<()> {
    let mut list = match rustix::fs::flistxattr_query(old) {
        Ok(0) | Err(rustix::io::Errno::NOTSUP) => return Ok(()),
        Ok(length) => vec![0; length],
        Err(error) => return Err(error.into()),
    };
    let length = rustix::fs::flistxattr(old, &mut list[..])?;
    for name in list[..length].split(|byte| *byte == 0).filter(|name| is_carried(name)) {
        let name = CString::new(name)?;
        let mut value = vec![0; rustix::fs::fgetxattr_query(old, &name)?];
        let length = rustix::fs::fgetxattr(old, &name, &mut value[..])?;
        rustix::fs::fsetxattr(new, &name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}
