//! A machine on which vaultfs is installed, for one test.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The owner of vaults, and somebody else.
pub(crate) const ANN: u32 = 54_331;
pub(crate) const BOB: u32 = 54_332;

/// Stands in for vaultfs: writes how it was called to the home of whoever it is, says and answers what it finds there.
const STAND_IN: &str = r#"#!/bin/sh
{
  printf 'argument=%s\n' "$@"
  printf 'uid=%s groups=%s umask=%s cwd=%s\n' "$(id -u)" "$(id -G)" "$(umask)" "$PWD"
  # Of the process: whether it leads a session, and its terminal.
  sed 's/.*) //' /proc/$$/stat | { read -r _ _ _ session terminal _; printf 'session=%s terminal=%s\n' "$((session == $$))" "$terminal"; }
  grep -E 'Cap(Prm|Eff|Inh|Amb)' /proc/self/status
  ls -l /proc/$$/fd | sed -n 's/.* \([0-9]*\) -> \([^:]*\).*/fd\1=\2/p'
  env
} > HOME_OF_UID/called.tmp
mv HOME_OF_UID/called.tmp HOME_OF_UID/called
cat HOME_OF_UID/say >&2 2>/dev/null
exit "$(cat HOME_OF_UID/code 2>/dev/null || echo 0)"
"#;

/// Binds everything into place and becomes the command that follows.
const ENTER: &str = r#"
set -e
cd "$1"; shift
mount --bind passwd /etc/passwd
mount --bind group /etc/group
mount --bind fstab /etc/fstab
mount -t tmpfs tmpfs /usr/local/bin
[ ! -e vaultfs ] || cp vaultfs /usr/local/bin/
sbin=$(readlink -f /sbin)
mount -t overlay overlay -o lowerdir="$PWD/sbin:$sbin" "$sbin"
cd /
exec "$@"
"#;

pub(crate) struct Machine {
    dir: TempDir,
}

impl Machine {
    /// `None`, and says so, if this user cannot have one.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let may =
            Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|outcome| outcome.status.success());
        if !may {
            eprintln!("SKIPPED {test}: needs root, for a mount namespace and two users");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("vaultfs-mount-").tempdir_in("/var/tmp").unwrap();
        let machine = Self { dir };
        open_to_all(machine.path());
        let mut passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let mut group = std::fs::read_to_string("/etc/group").unwrap();
        for (name, uid) in [("ann", ANN), ("bob", BOB)] {
            let home = machine.home(uid);
            std::fs::create_dir_all(home.join("Vault")).unwrap();
            for folder in [&home, &home.join("Vault")] {
                chown(folder, Some(uid), Some(uid)).unwrap();
            }
            passwd += &format!("{name}:x:{uid}:{uid}::{}:/bin/sh\n", home.display());
            group += &format!("{name}:x:{uid}:\n");
        }
        group += "studio:x:54339:ann\n";
        let stand_in = STAND_IN.replace("HOME_OF_UID", &format!("{}/home-$(id -u)", machine.path().display()));
        machine.write("passwd", &passwd);
        machine.write("group", &group);
        machine.write("fstab", "");
        machine.write("vaultfs", &stand_in);
        open_to_all(&machine.path().join("vaultfs"));
        std::fs::create_dir(machine.path().join("sbin")).unwrap();
        open_to_all(&machine.path().join("sbin"));
        std::fs::copy(env!("CARGO_BIN_EXE_vaultfs-mount-helper"), machine.helper()).unwrap();
        open_to_all(&machine.helper());
        Some(machine)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn helper(&self) -> PathBuf {
        self.path().join("sbin/mount.vaultfs")
    }

    pub(crate) fn home(&self, uid: u32) -> PathBuf {
        self.path().join(format!("home-{uid}"))
    }

    /// Ann's mount point.
    pub(crate) fn place(&self) -> String {
        self.home(ANN).join("Vault").display().to_string()
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    /// What the stand-in says and answers when `uid` calls it.
    pub(crate) fn answer(&self, uid: u32, say: &str, code: i32) {
        std::fs::write(self.home(uid).join("say"), say).unwrap();
        std::fs::write(self.home(uid).join("code"), code.to_string()).unwrap();
    }

    /// Runs a command on this machine.
    pub(crate) fn run(&self, prepare: impl FnOnce(&mut Command), words: &[&str]) -> Output {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", ENTER, "sh"]).arg(self.path()).args(words);
        prepare(&mut command);
        command.output().unwrap()
    }

    /// Runs `mount.vaultfs` as root.
    pub(crate) fn mount(&self, arguments: &[&str]) -> Outcome {
        let words: Vec<&str> = ["/sbin/mount.vaultfs"].iter().chain(arguments).copied().collect();
        Outcome::of(&self.run(|_| {}, &words))
    }

    /// Runs a command as a user.
    pub(crate) fn as_user(&self, uid: u32, words: &[&str]) -> Outcome {
        let uid = uid.to_string();
        let become_user = ["setpriv", "--reuid", &uid, "--regid", &uid, "--init-groups"];
        let words: Vec<&str> = become_user.iter().chain(words).copied().collect();
        Outcome::of(&self.run(|_| {}, &words))
    }

    /// How the stand-in was last called by `uid`; `None` if it was not.
    pub(crate) fn called(&self, uid: u32) -> Option<String> {
        std::fs::read_to_string(self.home(uid).join("called")).ok()
    }

    /// Nobody's vaultfs was called.
    pub(crate) fn nothing_was_called(&self) {
        for uid in [ANN, BOB] {
            assert_eq!(self.called(uid), None);
        }
    }

    pub(crate) fn link(&self, name: &str, target: &str) -> String {
        let link = self.home(ANN).join(name);
        symlink(target, &link).unwrap();
        link.display().to_string()
    }
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Exit code and what was said.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

impl Outcome {
    pub(crate) fn of(output: &Output) -> Self {
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        Self { code: output.status.code(), said: String::from_utf8(said).unwrap() }
    }

    /// It failed with this code and one line, in which the words are.
    pub(crate) fn refused(&self, code: i32, words: &str) {
        assert_eq!(self.code, Some(code), "{}", self.said);
        assert_eq!(self.said.lines().count(), 1, "{}", self.said);
        assert!(self.said.starts_with("mount.vaultfs: ") && self.said.contains(words), "{}", self.said);
    }
}
