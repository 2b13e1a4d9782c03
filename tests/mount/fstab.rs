//! A vault that mount(8) mounts: by root for its owner, and by its owner from fstab.
//!
//! In a mount namespace, with a user, a `/sbin/mount.vaultfs` and an `/etc/fstab` that only it has. That needs root; others are told that
//! the test was skipped.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use tempfile::TempDir;

/// The user.
const ANN: u32 = 54_341;

/// Installs everything, then prints what each step answered.
const STEPS: &str = r#"
cd "$1" || exit
set -e
mount --bind passwd /etc/passwd
mount --bind group /etc/group
mount --bind fstab /etc/fstab
mount -t tmpfs tmpfs /usr/local/bin
cp vaultfs /usr/local/bin/
mount -t tmpfs -o mode=1777 tmpfs /tmp
sbin=$(readlink -f /sbin)
mount -t overlay overlay -o lowerdir="$PWD/sbin:$sbin" "$sbin"
set +e
home=$PWD/home
cd /
ann() { setpriv --reuid 54341 --regid 54341 --init-groups env -i HOME="$home" PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin "$@"; }
trap 'ann vaultfs daemon stop >/dev/null 2>&1' EXIT
step() { echo "== $1"; shift; "$@" 2>&1; echo "-> $?"; }

step add ann vaultfs vault add Work --provider local --path "$home/source"
step root mount -t vaultfs Work "$home/Vault" -o uid=ann,_netdev,nofail
step read ann cat "$home/Vault/file"
step table grep -c "^.* $home/Vault rw,nosuid,nodev,.* - fuse.vaultfs vaultfs:Work .*user_id=54341," /proc/self/mountinfo
step closed cat "$home/Vault/file"
step all mount -a
step busy mount -t vaultfs Work "$home/Vault" -o uid=ann
step down umount "$home/Vault"
step again mount -a
step read-again ann cat "$home/Vault/file"
step down-again umount "$home/Vault"
step own ann mount "$home/Vault"
step read-own ann cat "$home/Vault/file"
step down-own ann umount "$home/Vault"
step unknown mount -t vaultfs Nowhere "$home/Vault" -o uid=ann
ann touch "$home/Vault/own"
step full mount -t vaultfs Work "$home/Vault" -o uid=ann
"#;

#[test]
fn mount_and_fstab_mount_a_vault_for_its_owner() {
    if !Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|outcome| outcome.status.success()) {
        eprintln!("SKIPPED mount_and_fstab_mount_a_vault_for_its_owner: needs root, for a mount namespace and a user");
        return;
    }
    let dir: TempDir = tempfile::Builder::new().prefix("vaultfs-fstab-").tempdir_in("/var/tmp").unwrap();
    let path = |name: &str| dir.path().join(name);
    let open_to_all = |name: &str| std::fs::set_permissions(path(name), Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(path("sbin")).unwrap();
    std::fs::create_dir_all(path("home/Vault")).unwrap();
    std::fs::create_dir_all(path("home/source")).unwrap();
    std::fs::write(path("home/source/file"), "bytes").unwrap();
    std::fs::copy(crate::registrar::helper(), path("sbin/mount.vaultfs")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_vaultfs"), path("vaultfs")).unwrap();
    ["", "sbin", "home", "sbin/mount.vaultfs", "vaultfs"].iter().for_each(|name| open_to_all(name));
    for name in ["home", "home/Vault", "home/source", "home/source/file"] {
        chown(path(name), Some(ANN), Some(ANN)).unwrap();
    }
    let home = path("home").display().to_string();
    let with = |file: &str, line: String| std::fs::read_to_string(file).unwrap() + &line + "\n";
    std::fs::write(path("passwd"), with("/etc/passwd", format!("ann:x:{ANN}:{ANN}::{home}:/bin/sh"))).unwrap();
    std::fs::write(path("group"), with("/etc/group", format!("ann:x:{ANN}:"))).unwrap();
    std::fs::write(path("fstab"), format!("vaultfs:Work {home}/Vault vaultfs user,_netdev,nofail,uid=ann 0 0\n"))
        .unwrap();

    let outcome = Command::new("unshare").args(["--mount", "sh", "-c", STEPS, "sh"]).arg(dir.path()).output().unwrap();
    let said = String::from_utf8(outcome.stdout).unwrap();
    let steps: Vec<&str> = said.split("== ").skip(1).collect();
    let of = |name: &str| {
        let step = steps.iter().find_map(|step| step.strip_prefix(name)?.strip_prefix('\n'));
        step.unwrap_or_else(|| panic!("no step {name} in {said}, {}", String::from_utf8_lossy(&outcome.stderr)))
    };
    for (name, expected) in [
        ("root", "-> 0\n"),
        ("read", "bytes-> 0\n"),
        ("table", "1\n-> 0\n"),
        ("all", "-> 0\n"),
        ("down", "-> 0\n"),
        ("again", "-> 0\n"),
        ("read-again", "bytes-> 0\n"),
        ("down-again", "-> 0\n"),
        ("own", "-> 0\n"),
        ("read-own", "bytes-> 0\n"),
        ("down-own", "-> 0\n"),
    ] {
        assert_eq!(of(name), expected, "{name} in {said}");
    }
    // Root has no access to what is Ann's alone, and what fails is told in a line with the exit code of a failed mount.
    assert!(of("closed").contains("Permission denied"), "{said}");
    for (name, words) in
        [("busy", "already mounted"), ("unknown", "there is no vault \"Nowhere\""), ("full", "is not empty")]
    {
        let told = of(name).strip_suffix("-> 32\n").unwrap_or_else(|| panic!("{name} in {said}"));
        assert_eq!(told.matches("mount.vaultfs: ").count(), 1, "{said}");
        assert!(told.contains(words), "{name} in {said}");
    }
}
