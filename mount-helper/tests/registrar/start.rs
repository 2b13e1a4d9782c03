//! How a registrar comes to life: what it keeps, and with what it refuses to start.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use vaultfs_mount_helper::protocol::Request;

use crate::daemon::Mount;
use crate::files::World;
use crate::support::{Installed, Registrar, USER, folder, is_root, read_write};

/// `CAP_SYS_ADMIN`, as `/proc/PID/status` shows it.
const ONLY_SYS_ADMIN: &str = "0000000000200000";
const NONE: &str = "0000000000000000";

fn holds_one_capability_only(registrar: &Registrar) {
    for (field, expected) in [
        ("CapPrm", ONLY_SYS_ADMIN),
        ("CapEff", ONLY_SYS_ADMIN),
        ("CapInh", NONE),
        ("CapAmb", NONE),
        ("NoNewPrivs", "1"),
        ("Threads", "1"),
    ] {
        assert_eq!(registrar.status(field), expected, "{field}");
    }
}

#[test]
fn it_keeps_one_capability_and_its_socket() {
    if !is_root("it_keeps_one_capability_and_its_socket") {
        return;
    }
    let World { registrar, installed, mount, dir } = World::new();
    holds_one_capability_only(&registrar);
    assert_eq!(registrar.status("Uid").split_whitespace().next(), Some(USER.to_string().as_str()));
    let process = format!("/proc/{}", registrar.child.id());
    let mut open: Vec<String> = std::fs::read_dir(format!("{process}/fd"))
        .unwrap()
        .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .map(|target| target.split(':').next().unwrap().to_owned())
        .collect();
    open.sort();
    assert_eq!(open, ["/dev/fuse", "/dev/null", "/dev/null", "socket"]);
    assert_eq!(std::fs::read_link(format!("{process}/cwd")).unwrap(), std::path::Path::new("/"));
    // Not dumpable: what concerns its memory belongs to root, not to the user.
    let memory = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("{process}/mem")).unwrap());
    assert_eq!(memory, 0);
    drop((installed, mount, dir));
}

#[test]
fn root_may_hand_it_the_capability_instead() {
    if !is_root("root_may_hand_it_the_capability_instead") {
        return;
    }
    let installed = Installed::plain();
    let dir = tempfile::tempdir().unwrap();
    let mount = Mount::new(dir.path(), true);
    let home = folder(&installed.home());
    let mut command = Command::new("setpriv");
    let user = USER.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--no-new-privs"]);
    command.args(["--inh-caps", "-all,+sys_admin", "--ambient-caps", "-all,+sys_admin"]).arg(installed.program());
    command.arg("registrar");
    let handed = Registrar::start(command);
    assert_eq!(handed.begin(mount.device.as_fd(), &[&home]), Some(Ok(0)));
    holds_one_capability_only(&handed);
    assert!(handed.register(installed.file("song", "song")).is_ok());

    // Root itself: everything but the one is given up.
    let mut command = Command::new(installed.program());
    command.arg("registrar");
    let root = Registrar::start(command);
    assert_eq!(root.begin(mount.device.as_fd(), &[&folder(installed.path())]), Some(Ok(0)));
    holds_one_capability_only(&root);
    assert_eq!(root.register(installed.file("song", "song")), Err(libc::EACCES), "not root's own");
}

#[test]
fn without_the_capability_it_says_so_and_ends() {
    if !is_root("without_the_capability_it_says_so_and_ends") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mount = Mount::new(dir.path(), true);
    let (plain, capable) = (Installed::plain(), Installed::with_capability());
    let refused = |registrar: Registrar, installed: &Installed| {
        let home = folder(&installed.home());
        assert_eq!(registrar.begin(mount.device.as_fd(), &[&home]), Some(Err(libc::EPERM)));
        registrar.has_ended(2);
    };
    refused(plain.registrar(), &plain);

    // Under no_new_privs the capability of the file counts for nothing.
    let mut command = Command::new("setpriv");
    command.uid(USER).gid(USER).arg("--no-new-privs").arg(capable.program()).arg("registrar");
    refused(Registrar::start(command), &capable);
}

#[test]
fn a_mount_without_passthrough_registers_nothing() {
    if !is_root("a_mount_without_passthrough_registers_nothing") {
        return;
    }
    let installed = Installed::with_capability();
    let dir = tempfile::tempdir().unwrap();
    let mount = Mount::new(dir.path(), false);
    let registrar = installed.registrar();
    assert_eq!(registrar.begin(mount.device.as_fd(), &[&folder(&installed.home())]), Some(Ok(0)));
    assert_eq!(registrar.register(installed.file("song", "song")), Err(libc::EPERM));
    assert_eq!(registrar.register(installed.file("song", "song")), Err(libc::EPERM), "it goes on");
}

#[test]
fn a_start_with_anything_else_is_refused() {
    if !is_root("a_start_with_anything_else_is_refused") {
        return;
    }
    let World { installed, mount, .. } = World::new();
    let home = folder(&installed.home());
    let refused = |descriptors: &[BorrowedFd<'_>], error: i32| {
        let registrar = installed.registrar();
        assert_eq!(registrar.ask(Request::Start, descriptors), Some(Err(error)));
        registrar.has_ended(2);
    };
    let path_only = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open("/dev/fuse").unwrap();
    refused(&[path_only.as_fd(), home.as_fd()], libc::ENODEV);
    refused(&[File::open("/dev/fuse").unwrap().as_fd(), home.as_fd()], libc::ENODEV);
    refused(&[read_write("/dev/null".as_ref()).as_fd(), home.as_fd()], libc::ENODEV);
    refused(&[installed.file("song", "").as_fd(), home.as_fd()], libc::ENODEV);
    refused(&[home.as_fd(), mount.device.as_fd()], libc::ENODEV);
    refused(&[mount.device.as_fd(), installed.file("song", "").as_fd()], libc::ENOTDIR);
    refused(&[mount.device.as_fd(), home.as_fd(), folder(installed.path()).as_fd()], libc::EACCES);

    // A device that is no mount yet is a device: it just registers nothing.
    let registrar = installed.registrar();
    assert_eq!(registrar.begin(read_write("/dev/fuse".as_ref()).as_fd(), &[&home]), Some(Ok(0)));
    assert_eq!(registrar.register(installed.file("song", "")), Err(libc::EPERM));
}

/// As administrators install it: the registrar with the capability, the program of mount(8) without.
#[test]
fn the_install_script_gives_one_copy_the_capability() {
    if !is_root("the_install_script_gives_one_copy_the_capability") {
        return;
    }
    let installed = Installed::plain();
    let (built, root) = (installed.path().join("built"), installed.path().join("root"));
    std::fs::create_dir(&built).unwrap();
    std::fs::copy(installed.program(), built.join("vaultfs-mount-helper")).unwrap();
    let install = || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/install.sh");
        Command::new(script).arg("--from").arg(&built).arg("--root").arg(&root).output().unwrap()
    };
    let missing = install();
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("built/vaultfs is missing"));
    std::fs::copy(installed.program(), built.join("vaultfs")).unwrap();
    let outcome = install();
    assert!(outcome.status.success(), "{outcome:?}");

    let registrar_of = |program: &str| {
        let mut command = Command::new(root.join(program));
        command.uid(USER).gid(USER).arg("registrar");
        Registrar::start(command)
    };
    let (device, home) = (read_write("/dev/fuse".as_ref()), folder(&installed.home()));
    let registrar = registrar_of("usr/libexec/vaultfs/vaultfs-mount-helper");
    assert_eq!(registrar.begin(device.as_fd(), &[&home]), Some(Ok(0)));
    // Called by its name it is no registrar at all.
    registrar_of("usr/sbin/mount.vaultfs").has_ended(1);
    let capabilities = Command::new("getcap").arg("-r").arg(&root).output().unwrap();
    let capabilities = String::from_utf8(capabilities.stdout).unwrap();
    assert_eq!(capabilities.lines().count(), 1, "{capabilities}");
}
