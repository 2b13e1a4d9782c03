//! `mount.vaultfs`: what mount(8) runs for `mount -t vaultfs`, and with it fstab, systemd and autofs.
//!
//! It becomes the owner of the vault, for good, and asks the owner's own vaultfs for the mount. So nothing of the vault is ever read,
//! and no mount point judged, with more rights than its owner has. Returns when the mount answers.

use std::ffi::{CString, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::arguments::Arguments;
use crate::system::{self, Account};

/// Where programs are looked for, whatever path the caller has. (That of mount(8) is shorter.)
const PROGRAMS: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// Of `linux/magic.h`.
const FUSE_SUPER_MAGIC: u32 = 0x6573_5546;
const AUTOFS_SUPER_MAGIC: u32 = 0x187;

/// How it ended badly: the exit code that mount(8) passes on, and the line that it prints.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) line: String,
}

impl Failure {
    fn usage(line: impl Into<String>) -> Self {
        Self { code: 1, line: line.into() }
    }

    fn system(what: &str, error: &io::Error) -> Self {
        Self { code: 2, line: format!("{what}: {error}") }
    }

    fn mount(line: impl Into<String>) -> Self {
        Self { code: 32, line: line.into() }
    }
}

/// Mounts as the arguments say.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let (user, set_id) = system::user();
    if set_id {
        return Err(Failure::usage("this program must not be installed set-uid or set-gid"));
    }
    if user != 0 {
        // Before anything is read: an administrator may have given the file a capability by mistake.
        give_up_capabilities()?;
    }
    system::close_from(3).map_err(|error| Failure::system("cannot close what was left open", &error))?;
    let arguments = Arguments::parse(arguments).map_err(Failure::usage)?;
    std::env::set_current_dir("/").map_err(|error| Failure::system("cannot leave this folder", &error))?;
    let mut vaultfs = Command::new("vaultfs");
    let account = owner(&arguments, user)?;
    // mount(8) leaves an ordinary user next to nothing of the environment.
    let home = std::env::var_os("HOME").filter(|_| user != 0).unwrap_or_else(|| account.home.clone());
    if user == 0 {
        system::set_file_mask(0o022);
        system::become_user(&account).map_err(|error| Failure::system("cannot become the vault's owner", &error))?;
        if account.uid != 0 {
            give_up_capabilities()?;
        }
        vaultfs.env_clear();
    } else if account.uid != user {
        return Err(Failure::usage("only root mounts the vault of another user"));
    }
    let name = account.name.to_string_lossy().into_owned();
    vaultfs.env("HOME", home).env("USER", &name).env("LOGNAME", name).env("PATH", PROGRAMS);
    system::without_terminal(&mut vaultfs);
    check_folder(&arguments.folder)?;
    if arguments.fake {
        return Ok(());
    }
    // Neither can be taken for an option: see `Arguments::parse`.
    let outcome = vaultfs
        .args(["mount", &arguments.vault])
        .arg(&arguments.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(|error| Failure::system("cannot run vaultfs", &error))?;
    if !outcome.status.success() {
        return Err(Failure::mount(format!("{}: {}", arguments.vault, in_one_line(&outcome.stderr))));
    }
    let folder = arguments.folder.display();
    match file_system(&arguments.folder) {
        Ok(FUSE_SUPER_MAGIC) => Ok(()),
        Ok(_) => Err(Failure::mount(format!("{folder} has nothing mounted on it, though vaultfs said so"))),
        Err(error) => Err(Failure::mount(format!("{folder} is mounted and does not answer: {error}"))),
    }
}

fn give_up_capabilities() -> Result<(), Failure> {
    let given_up = system::keep_capabilities(0).map(|_| ());
    given_up.map_err(|error| Failure::system("cannot give up capabilities", &error))
}

/// The user that `uid=` names; else, for root, the owner of the folder, and for others themselves.
fn owner(arguments: &Arguments, user: u32) -> Result<Account, Failure> {
    let folder = arguments.folder.display();
    let found = match arguments.owner.as_deref() {
        Some(owner) => match owner.parse() {
            Ok(uid) => system::account(None, uid),
            Err(_) => CString::new(owner).ok().and_then(|name| system::account(Some(&name), 0)),
        },
        None if user != 0 => system::account(None, user),
        None => match std::fs::symlink_metadata(&arguments.folder) {
            Ok(found) if found.uid() != 0 => system::account(None, found.uid()),
            Ok(_) => {
                let line = format!("{folder} belongs to root: say whose vault it is with the option uid=USER");
                return Err(Failure::usage(line));
            }
            Err(error) => return Err(Failure::mount(format!("{folder}: {error}"))),
        },
    };
    let who = arguments.owner.as_deref().unwrap_or("whose vault it is");
    found.ok_or_else(|| Failure::usage(format!("{who} is not a user of this machine")))
}

/// The kernel and `fusermount3` decide what may be a mount point; this says it better, for the usual mistakes.
fn check_folder(folder: &Path) -> Result<(), Failure> {
    let shown = folder.display();
    let refuse = |why: &str| Err(Failure::mount(format!("{shown} {why}")));
    let unfit = |error: io::Error| Failure::mount(format!("{shown}: {error}"));
    let found = std::fs::symlink_metadata(folder).map_err(unfit)?;
    let (uid, _) = system::user();
    if found.is_symlink() {
        refuse("is a symbolic link: name the folder itself")
    } else if !found.is_dir() {
        refuse("is not a folder")
    } else if file_system(folder).map_err(unfit)? == AUTOFS_SUPER_MAGIC {
        refuse(
            "is mounted on demand, which vaultfs does not offer: leave out x-systemd.automount (vaults are read on demand anyway)",
        )
    } else if uid != 0 && found.uid() != uid {
        refuse(&format!("does not belong to the owner of the vault, who has uid {uid}: give it to them with chown"))
    } else {
        Ok(())
    }
}

/// The kind of file system at a folder. The one that is mounted there is asked, which the kernel cannot do for it.
fn file_system(folder: &Path) -> io::Result<u32> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_DIRECTORY;
    system::file_system(OpenOptions::new().read(true).custom_flags(flags).open(folder)?.as_fd())
}

/// What vaultfs said, on one line.
fn in_one_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines = said.lines().map(|line| line.trim().trim_start_matches("error: ")).filter(|line| !line.is_empty());
    let line: String = lines.collect::<Vec<_>>().join("; ").chars().filter(|c| !c.is_control()).collect();
    if line.is_empty() { "vaultfs failed and said nothing".to_owned() } else { line }
}
