//! An ordinary user's daemon, from its mount by `fusermount3` to bytes that never pass through it.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::process::Command;

use crate::daemon::Mount;
use crate::support::{Installed, Registrar, USER, folder, is_root, read_write};

/// Tells the test below, run by itself, to be the daemon: the folder of its user.
const HOME: &str = "VAULTFS_HELPER_TEST_HOME";

#[test]
fn an_ordinary_user_reads_and_writes_below_the_mount() {
    if let Some(home) = std::env::var_os(HOME) {
        return by_the_user(home.as_ref());
    }
    if !is_root("an_ordinary_user_reads_and_writes_below_the_mount") {
        return;
    }
    let installed = Installed::with_capability();
    // This program may lie where the user may not look.
    let copy = installed.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let place = installed.home().join("mount");
    std::fs::create_dir(&place).unwrap();
    chown(&place, Some(USER), Some(USER)).unwrap();
    // fusermount3 wants the user to have a name: in a mount namespace of its own the user has one.
    let mut accounts = std::fs::read_to_string("/etc/passwd").unwrap();
    accounts += &format!("helpertest:x:{USER}:{USER}::{}:/bin/sh\n", installed.home().display());
    let passwd = installed.path().join("passwd");
    std::fs::write(&passwd, accounts).unwrap();
    let become_user = format!(
        r#"mount --bind '{}' /etc/passwd && exec setpriv --reuid {USER} --regid {USER} --clear-groups "$0" "$@""#,
        passwd.display()
    );
    let mut daemon = Command::new("unshare");
    daemon.args(["--mount", "sh", "-c", &become_user]).arg(copy);
    daemon.args(["--exact", "whole::an_ordinary_user_reads_and_writes_below_the_mount", "--nocapture"]);
    let outcome = daemon.current_dir("/").env(HOME, installed.home()).output().unwrap();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    assert_eq!(std::fs::read_to_string(installed.home().join("done")).unwrap(), "done");
}

fn by_the_user(home: &std::path::Path) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    assert!(status.lines().any(|line| line == "CapEff:\t0000000000000000"), "{status}");
    let program = home.parent().unwrap().join("vaultfs-mount-helper");
    std::fs::write(home.join("song"), "as it was").unwrap();
    let file = read_write(&home.join("song"));
    let mount = Mount::new(&home.join("mount"), true);
    let mut command = Command::new(program);
    command.arg("registrar");
    let registrar = Registrar::start(command);
    assert_eq!(registrar.begin(mount.device.as_fd(), &[&folder(home)]), Some(Ok(0)));
    mount.show(&file, registrar.register(&file).unwrap());

    let mut through = read_write(&home.join("mount/file"));
    let mut text = String::new();
    through.read_to_string(&mut text).unwrap();
    through.write_all(b", and more").unwrap();
    let mut below = [0; 19];
    file.read_exact_at(&mut below, 0).unwrap();
    assert_eq!((text.as_str(), &below), ("as it was", b"as it was, and more"));
    drop(through);

    // A file of root's that the user may look at: neither the path nor what can be opened of it is enough.
    let passwd = rustix::fs::open("/etc/passwd", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    assert_eq!(registrar.register(&passwd), Err(libc::EACCES));
    assert!(registrar.end().success());
    std::fs::write(home.join("done"), "done").unwrap();
}
