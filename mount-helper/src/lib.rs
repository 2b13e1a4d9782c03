//! The privileged part of vaultfs: one small program with two roles, and the words that it exchanges with the daemon.
//!
//! - Called `mount.vaultfs` it is what mount(8) runs for `mount -t vaultfs VAULT FOLDER -o uid=USER`: [`arguments`].
//! - Called with the one argument [`REGISTRAR`] it is the *registrar*: it registers backing files for FUSE passthrough, which the
//!   kernel permits to `CAP_SYS_ADMIN` only, for a daemon that has no privilege at all.
//!
//! # The registrar
//!
//! Installed with the file capability `cap_sys_admin=ep` (`packaging/install.sh`). The daemon starts one for each mount, with one end of a `SOCK_SEQPACKET`
//! socket pair (`AF_UNIX`) as standard input; nothing else is inherited, and it prints nothing. It ends when the daemon closes
//! its end. The daemon asks, the registrar answers, strictly one after the other ([`protocol`]): each message, either way, is one
//! datagram of two 32-bit numbers, big end first.
//!
//! | request | numbers | descriptors (`SCM_RIGHTS`) | answer |
//! | --- | --- | --- | --- |
//! | start | 1, [`protocol::VERSION`] | the FUSE device, then 1 to [`protocol::MAX_FOLDERS`] folders | 0 |
//! | register | 2, 0 | the backing file | its id |
//! | close | 3, id | none | 0 |
//!
//! An answer is (0, value) or (errno, 0). *Start* comes first and once; when it is refused the registrar ends: `EPERM` it lacks its
//! capability, `ENODEV` the first descriptor is no FUSE device, `ENOTDIR` not a folder, `EACCES` a folder of somebody else. *Register* is
//! refused without harm to what is registered: `EACCES` the file is not the user's own, not open for reading and writing, open for
//! appending only, or immutable; `EINVAL` it is no regular file; `EXDEV` it is not on the file system of one of the folders;
//! `EOPNOTSUPP` that file system is of no kind known to be safe, or the kernel's passthrough is off; `EMFILE` [`protocol::MAX_LIVE`] are
//! registered; `EPERM` the mount was not negotiated with passthrough; `ELOOP` the file is on a stacked file system; `ENOTTY` the kernel
//! knows no passthrough. *Close* answers `ENOENT` for an id that this registrar has not given out. Whatever else arrives ends the
//! registrar, with nothing done. The daemon then serves files itself: that is always right, and slower.
//!
//! Whoever gets an open of a registered file from the daemon reads and writes it as the registrar's user, without a look at permission
//! bits, for as long as that open lives; hence the rules above. They make sure that the user gains nothing that the user does not
//! hold. Closing an id does not disturb opens that were answered with it; all ids end with the mount.
//!
//! Exit codes: 0 the daemon has left, 1 arguments, 2 the start was refused or the system failed, 3 something else than a request came.
#![cfg(target_os = "linux")]

pub mod arguments;
mod mount;
pub mod protocol;
mod registrar;
mod system;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// The argument that makes it the registrar.
pub const REGISTRAR: &str = "registrar";

/// The name that makes it the program of mount(8).
const MOUNT: &str = "mount.vaultfs";

/// Runs the program with its name and arguments.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let name = arguments.next().unwrap_or_default();
    if Path::new(&name).file_name() == Some(OsStr::new(MOUNT)) {
        return match mount::run(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                say(&failure.line);
                ExitCode::from(failure.code)
            }
        };
    }
    if arguments.next().is_some_and(|role| role == REGISTRAR) && arguments.next().is_none() {
        return match registrar::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(registrar::Ending::Unfit) => ExitCode::from(2),
            Err(registrar::Ending::Nonsense) => ExitCode::from(3),
        };
    }
    // Nothing that the caller handed over is written to with a privilege.
    if system::keep_capabilities(0).is_ok() {
        say("vaultfs runs this program itself; administrators call it as mount.vaultfs VAULT FOLDER [-o OPTIONS]");
    }
    ExitCode::from(1)
}

/// One line for a person.
fn say(line: &str) {
    // There is nobody to tell that nobody could be told.
    let _told = writeln!(std::io::stderr(), "mount.vaultfs: {line}");
}
