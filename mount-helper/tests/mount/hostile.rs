//! A user who means ill, and mount points that are not.

use std::os::unix::fs::{PermissionsExt, chown};

use crate::support::{ANN, BOB, Machine};

#[test]
fn nobody_but_root_mounts_for_others() {
    let Some(machine) = Machine::new("nobody_but_root_mounts_for_others") else { return };
    let place = machine.place();
    for owner in ["uid=ann".to_owned(), format!("uid={ANN}"), "uid=root".to_owned(), "uid=0".to_owned()] {
        let helper = ["/sbin/mount.vaultfs", "Work", &place, "-o", &owner];
        machine.as_user(BOB, &helper).refused(1, "only root mounts the vault of another user");
    }
    machine.as_user(BOB, &["/sbin/mount.vaultfs", "Work", &place]).refused(32, "does not belong to the owner");
    machine.nothing_was_called();
}

#[test]
fn what_is_no_folder_of_the_owner_is_no_mount_point() {
    let Some(machine) = Machine::new("what_is_no_folder_of_the_owner_is_no_mount_point") else { return };
    let place = machine.place();
    std::fs::write(machine.home(ANN).join("file"), "").unwrap();
    let file = machine.home(ANN).join("file").display().to_string();
    let uid = format!("uid={ANN}");
    for (folder, words) in [
        (machine.link("to-etc", "/etc"), "symbolic link"),
        (machine.link("to-place", &place), "symbolic link"),
        (machine.link("to-nothing", "/nonexistent"), "symbolic link"),
        (file, "not a folder"),
        ("/proc".into(), "does not belong"),
        ("/proc/1".into(), "does not belong"),
        ("/proc/self/fd".into(), "does not belong"),
        ("/dev".into(), "does not belong"),
        ("/etc/cron.d".into(), "does not belong"),
        (machine.home(BOB).join("Vault").display().to_string(), "does not belong"),
        (format!("{place}/../gone"), "No such file"),
        (format!("/{}", "x".repeat(5000)), "name too long"),
    ] {
        machine.mount(&["Work", &folder, "-o", &uid]).refused(32, words);
    }
    machine.nothing_was_called();
}

/// What is judged is judged as the owner: nothing is told of places where the owner may not look.
#[test]
fn root_looks_nowhere_for_a_user() {
    let Some(machine) = Machine::new("root_looks_nowhere_for_a_user") else { return };
    let closed = machine.path().join("closed");
    std::fs::create_dir_all(closed.join("inside")).unwrap();
    chown(closed.join("inside"), Some(ANN), Some(ANN)).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["inside", "nothing"] {
        let folder = closed.join(name).display().to_string();
        machine.mount(&["Work", &folder, "-o", "uid=ann"]).refused(32, "Permission denied");
    }
    machine.nothing_was_called();
}

#[test]
fn a_set_uid_installation_does_nothing() {
    let Some(machine) = Machine::new("a_set_uid_installation_does_nothing") else { return };
    for mode in [0o4755, 0o2755, 0o6755] {
        std::fs::set_permissions(machine.helper(), std::fs::Permissions::from_mode(mode)).unwrap();
        machine
            .as_user(ANN, &["/sbin/mount.vaultfs", "Work", &machine.place()])
            .refused(1, "must not be installed set-uid");
        machine.as_user(ANN, &["/sbin/mount.vaultfs", "--help"]).refused(1, "must not be installed set-uid");
    }
    machine.nothing_was_called();
}

/// It has no way to unmount anything: neither its own flags nor those of other helpers are known.
#[test]
fn nothing_can_be_unmounted_or_passed_on() {
    let Some(machine) = Machine::new("nothing_can_be_unmounted_or_passed_on") else { return };
    let place = machine.place();
    for arguments in [
        &["-u", &place][..],
        &["--unmount", &place],
        &["Work", &place, "-u"],
        &["Work", &place, "-z"],
        &["Work", &place, "-o", "remount"],
        &["Work", &place, "-o", "bind"],
        &["Work", &place, "-o", "fd=3"],
        &["Work", &place, "-o", "user_id=0"],
        &["Work", &place, "-o", "uid=ann,allow_other"],
        &["Work", &place, "-o", "rw\\,suid"],
        &["--version", &place],
        &["--help"],
        &["Wo\u{7f}rk", &place],
    ] {
        let outcome = machine.mount(arguments);
        assert_eq!((outcome.code, outcome.said.lines().count()), (Some(1), 1), "{arguments:?}: {}", outcome.said);
    }
    machine.nothing_was_called();
    // A name is a name, whatever it looks like.
    machine.mount(&["$(id) ; `id` --all", &place]).refused(32, "");
    assert!(machine.called(ANN).unwrap().contains("argument=mount\nargument=$(id) ; `id` --all\n"));
}
