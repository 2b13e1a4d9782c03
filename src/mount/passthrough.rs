//! Why files are not read and written below the mount on this machine, and the command that mends it.

use std::fmt;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

/// Where the helper may be; the first that is there is used. The second place is beside this program, as in a build folder.
const INSTALLED: &str = "/usr/libexec/vaultfs/vaultfs-mount-helper";

/// The first kernel that has passthrough.
const FIRST_KERNEL: (u32, u32) = (6, 9);

/// `CAP_SYS_ADMIN` in the first word of a file's capabilities, and the flag that makes them effective (`linux/capability.h`).
const SYS_ADMIN: u32 = 1 << 21;
const EFFECTIVE: u32 = 1;

/// What is in the way of passthrough.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// The kernel knows no passthrough.
    Kernel {
        /// What it calls itself.
        release: String,
    },
    /// The helper is not there.
    Missing,
    /// The file system of the helper runs no programs.
    NoExec {
        /// The helper.
        program: PathBuf,
    },
    /// The file system of the helper gives programs no privileges.
    NoSuid {
        /// The helper.
        program: PathBuf,
    },
    /// The helper has not got its capability.
    NoCapability {
        /// The helper.
        program: PathBuf,
    },
    /// The daemon may not start programs that have privileges.
    NoNewPrivileges,
    /// The daemon is in a user namespace, where no privilege of the kind counts.
    UserNamespace,
}

impl Obstacle {
    /// What to do about it.
    pub fn mend(&self) -> String {
        match self {
            Self::Kernel { .. } => {
                let (major, minor) = FIRST_KERNEL;
                format!("start a kernel of version {major}.{minor} or later")
            }
            Self::Missing => "as root, in the sources of vaultfs: `packaging/install.sh`".to_owned(),
            Self::NoExec { program } => format!("as root: `mount -o remount,exec \"$(stat -c %m {})\"`", quoted(program)),
            Self::NoSuid { program } => format!("as root: `mount -o remount,suid \"$(stat -c %m {})\"`", quoted(program)),
            Self::NoCapability { program } => format!("as root: `setcap cap_sys_admin=ep {}`", quoted(program)),
            Self::NoNewPrivileges => {
                "take what sets it from the daemon's unit (`systemctl --user edit vaultfs`), such as NoNewPrivileges= or \
                 SystemCallFilter="
                    .to_owned()
            }
            Self::UserNamespace => "run the daemon outside of the container".to_owned(),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel { release } => write!(out, "Linux {release} has no FUSE passthrough"),
            Self::Missing => write!(out, "the mount helper is not installed ({INSTALLED})"),
            Self::NoExec { program } => write!(out, "{} is on a file system that is mounted noexec", program.display()),
            Self::NoSuid { program } => write!(out, "{} is on a file system that is mounted nosuid", program.display()),
            Self::NoCapability { program } => write!(out, "{} has not got its capability", program.display()),
            Self::NoNewPrivileges => {
                write!(out, "the daemon runs under no_new_privs, so that its mount helper has no privilege")
            }
            Self::UserNamespace => {
                write!(out, "the daemon runs in a user namespace, where the kernel allows no passthrough")
            }
        }
    }
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

/// The helper of this machine, if there is one.
pub fn helper() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name("vaultfs-mount-helper"));
    [Some(INSTALLED.into()), beside].into_iter().flatten().find(|program| program.exists())
}

/// What is in the way of passthrough with this helper, as far as can be told without trying.
pub fn obstacle(helper: Option<&Path>) -> Option<Obstacle> {
    obstacle_for(helper, crate::sys::process::effective_uid() == 0)
}

/// Root has the privilege without a capability of the file.
fn obstacle_for(helper: Option<&Path>, root: bool) -> Option<Obstacle> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let release = read("/proc/sys/kernel/osrelease").trim().to_owned();
    if version(&release).is_some_and(|version| version < FIRST_KERNEL) {
        return Some(Obstacle::Kernel { release });
    }
    if !maps_everybody(&read("/proc/self/uid_map")) {
        return Some(Obstacle::UserNamespace);
    }
    let Some(program) = helper else { return Some(Obstacle::Missing) };
    let flags = rustix::fs::statvfs(program).map_or(StatVfsMountFlags::empty(), |found| found.f_flag);
    let named = || program.to_owned();
    if flags.contains(StatVfsMountFlags::NOEXEC) {
        return Some(Obstacle::NoExec { program: named() });
    }
    if root {
        return None;
    }
    if flags.contains(StatVfsMountFlags::NOSUID) {
        return Some(Obstacle::NoSuid { program: named() });
    }
    if !has_capability(program) {
        return Some(Obstacle::NoCapability { program: named() });
    }
    let status = read("/proc/self/status");
    status.lines().any(|line| line == "NoNewPrivs:\t1").then_some(Obstacle::NoNewPrivileges)
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// True for the map of users outside of all user namespaces.
fn maps_everybody(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether the file's capabilities (`security.capability`) make its program hold the one that it needs.
fn has_capability(program: &Path) -> bool {
    let mut stored = [0; 64];
    let Ok(length) = rustix::fs::getxattr(program, "security.capability", &mut stored[..]) else { return false };
    grants(&stored[..length.min(stored.len())])
}

fn grants(stored: &[u8]) -> bool {
    let word = |at: usize| stored.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let (Some(magic), Some(permitted)) = (word(0), word(4)) else { return false };
    magic & EFFECTIVE != 0 && permitted & SYS_ADMIN != 0
}

#[cfg(test)]
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_apart() {
        for (release, expected) in
            [("6.18.44-fc-v445", (6, 18)), ("6.9.0", (6, 9)), ("6.1.0-28-amd64", (6, 1)), ("7.0-rc1", (7, 0))]
        {
            assert_eq!(version(release), Some(expected));
        }
        assert_eq!(version("unknown"), None);
        assert!((6, 8) < FIRST_KERNEL && (6, 18) > FIRST_KERNEL);
    }

    #[test]
    fn namespaces_and_capabilities_are_told_apart() {
        assert!(maps_everybody("         0          0 4294967295\n"));
        assert!(!maps_everybody("         0       1000          1\n"));
        // As `setcap cap_sys_admin=ep` stores it; then without `e`, for another capability, for a namespace, cut off.
        let stored = |magic: u32, permitted: u32| [magic, permitted, 0, 0, 0].map(u32::to_le_bytes).concat();
        assert!(grants(&stored(0x0200_0001, SYS_ADMIN)));
        assert!(!grants(&stored(0x0200_0000, SYS_ADMIN)));
        assert!(!grants(&stored(0x0200_0001, 1)));
        assert!(!grants(&stored(0x0200_0001, SYS_ADMIN)[..7]));
    }

    #[test]
    fn every_obstacle_says_what_is_so_and_what_to_do() {
        let program = PathBuf::from("/opt/it's/helper");
        for obstacle in [
            Obstacle::Kernel { release: "6.1.0".into() },
            Obstacle::Missing,
            Obstacle::NoExec { program: program.clone() },
            Obstacle::NoSuid { program: program.clone() },
            Obstacle::NoCapability { program },
            Obstacle::NoNewPrivileges,
            Obstacle::UserNamespace,
        ] {
            let (what, mend) = (obstacle.to_string(), obstacle.mend());
            assert!(
                !what.contains('\n') && !mend.contains('\n') && what.len() > 20 && mend.len() > 20,
                "{what}: {mend}"
            );
        }
        let mend = Obstacle::NoCapability { program: "/opt/it's/helper".into() }.mend();
        assert_eq!(mend, r"as root: `setcap cap_sys_admin=ep '/opt/it'\''s/helper'`");
    }
    /// On real file systems, which takes root; others are told that it was skipped.
    #[test]
    fn what_is_in_the_way_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let outcome = std::process::Command::new(program).args(arguments).arg(dir.path()).output();
            outcome.is_ok_and(|outcome| outcome.status.success())
        };
        assert_eq!(obstacle_for(None, false), Some(Obstacle::Missing));
        if !run("mount", &["-t", "tmpfs", "-o", "nosuid", "tmpfs"]) {
            eprintln!("SKIPPED what_is_in_the_way_is_found: needs root, to mount");
            return;
        }
        let program = dir.path().join("helper");
        std::fs::copy("/bin/true", &program).unwrap();
        let found = |root| obstacle_for(Some(&program), root);
        let program = || program.clone();
        assert_eq!(found(false), Some(Obstacle::NoSuid { program: program() }));
        assert!(run("mount", &["-o", "remount,suid"]));
        assert_eq!(found(false), Some(Obstacle::NoCapability { program: program() }));
        let set = std::process::Command::new("setcap").arg("cap_sys_admin=ep").arg(program()).status();
        assert!(set.is_ok_and(|status| status.success()));
        assert_eq!(found(false), None);
        assert!(run("mount", &["-o", "remount,suid,noexec"]));
        assert_eq!((found(false), found(true)), {
            let noexec = Some(Obstacle::NoExec { program: program() });
            (noexec.clone(), noexec)
        });
        assert!(run("umount", &[]));
    }
}
