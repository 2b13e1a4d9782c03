//! What administrators and users do.

use crate::support::{ANN, BOB, Machine};

/// The stand-in mounts nothing: this is as far as a call gets that is right in every other way.
const CALLED: &str = "though vaultfs said so";

#[test]
fn root_mounts_as_the_owner_of_the_vault_and_with_nothing_of_its_own() {
    let Some(machine) = Machine::new("root_mounts_as_the_owner") else { return };
    let place = machine.place();
    let outcome = machine.run(
        |command| {
            command.env("VAULTFS_STATE_DIR", "/root").env("LD_LIBRARY_PATH", "/root").env("XDG_CONFIG_HOME", "/root");
            command.env("HOME", "/root").env("SECRET", "1");
        },
        &[
            "sh",
            "-c",
            r#"umask 077; PATH=/nowhere exec /sbin/mount.vaultfs "$@" 7</etc/shadow"#,
            "sh",
            "My Vault",
            &place,
        ],
    );
    assert_eq!(outcome.status.code(), Some(32));
    assert!(String::from_utf8(outcome.stderr).unwrap().contains(CALLED));
    let called = machine.called(ANN).unwrap();
    let home = machine.home(ANN).display().to_string();
    for line in [
        &format!("argument=mount\nargument=My Vault\nargument={place}\n"),
        &format!("uid={ANN} groups={ANN} 54339 umask=0022 cwd=/\n"),
        "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n",
        &format!("\nHOME={home}\n"),
        "\nsession=1 terminal=0\n",
        "\nUSER=ann\n",
        "\nLOGNAME=ann\n",
    ] {
        assert!(called.contains(line), "{line:?} is missing in\n{called}");
    }
    for word in ["VAULTFS_", "LD_LIBRARY", "XDG_", "SECRET", "/root", "shadow", "nowhere"] {
        assert!(!called.contains(word), "{word} is in\n{called}");
    }
    assert_eq!(machine.called(BOB), None);
}

#[test]
fn the_owner_is_named_or_owns_the_folder() {
    let Some(machine) = Machine::new("the_owner_is_named_or_owns_the_folder") else { return };
    let place = machine.place();
    machine.mount(&["Work", &place, "-o", "rw,uid=ann"]).refused(32, CALLED);
    machine.mount(&["Work", &place, "-o", &format!("uid={ANN},_netdev,nofail")]).refused(32, CALLED);
    machine.mount(&["Work", &place, "-o", "uid=nobody-of-here"]).refused(1, "not a user of this machine");
    machine.mount(&["Work", &place, "-o", "uid=4000000001"]).refused(1, "not a user of this machine");
    machine.mount(&["Work", &place, "-o", "uid=-1"]).refused(1, "not a user of this machine");
    machine.mount(&["Work", &place, "-o", "uid=bob"]).refused(32, "does not belong to the owner of the vault");
    machine.mount(&["Work", "/mnt"]).refused(1, "belongs to root: say whose vault it is");
    machine.mount(&["Work", "/mnt", "-o", "uid=ann"]).refused(32, "does not belong to the owner of the vault");
}

#[test]
fn a_failure_is_one_line_and_an_exit_code() {
    let Some(machine) = Machine::new("a_failure_is_one_line_and_an_exit_code") else { return };
    let place = machine.place();
    machine.answer(ANN, "error: there is no vault Work\nhint: `vaultfs vault list`\n\u{1b}[31mred\n", 4);
    machine.mount(&["Work", &place]).refused(32, "Work: there is no vault Work; hint: `vaultfs vault list`; [31mred");
    machine.answer(ANN, "", 1);
    machine.mount(&["Work", &place]).refused(32, "vaultfs failed and said nothing");
    machine.mount(&["Work", &place, "-o", "suid"]).refused(1, "suid");
    machine.mount(&["Work"]).refused(1, "usage");
    std::fs::remove_file(machine.path().join("vaultfs")).unwrap();
    machine.mount(&["Work", &place]).refused(2, "cannot run vaultfs");
}

#[test]
fn a_fake_mount_calls_nobody() {
    let Some(machine) = Machine::new("a_fake_mount_calls_nobody") else { return };
    let outcome = machine.mount(&["Work", &machine.place(), "-f", "-n", "-v", "-o", "uid=ann"]);
    assert_eq!((outcome.code, outcome.said.as_str()), (Some(0), ""));
    machine.mount(&["Work", "/nowhere", "-f", "-o", "uid=ann"]).refused(32, "No such file");
    machine.nothing_was_called();
}

#[test]
fn mount_and_fstab_find_it() {
    let Some(machine) = Machine::new("mount_and_fstab_find_it") else { return };
    let place = machine.place();
    let options = "uid=ann,_netdev,nofail,noauto,x-systemd.requires=network.target,comment=mine";
    let outcome = machine.run(|_| {}, &["mount", "-t", "vaultfs", "-o", options, "My Vault", &place]);
    assert_eq!(outcome.status.code(), Some(32));
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert_eq!(
        said.lines().filter(|line| line.starts_with("mount.vaultfs: ") && line.contains(CALLED)).count(),
        1,
        "{said}"
    );
    assert!(machine.called(ANN).unwrap().contains("argument=My Vault\n"));

    // fstab, by root and by an ordinary user (through mount(8), which is set-uid and gives that up first).
    machine.write("fstab", &format!("vaultfs:My\\040Vault {place} vaultfs noauto,user,_netdev 0 0\n"));
    for uid in [0, ANN] {
        std::fs::remove_file(machine.home(ANN).join("called")).unwrap();
        let outcome = machine.as_user(uid, &["mount", &place]);
        assert_eq!(outcome.code, Some(32), "{}", outcome.said);
        let called = machine.called(ANN).unwrap();
        let home = machine.home(ANN).display().to_string();
        assert!(called.contains(&format!("argument=My Vault\nargument={place}\nuid={ANN} ")), "{called}");
        assert!(called.contains(&format!("\nHOME={home}\n")), "{called}");
    }
}

#[test]
fn a_user_mounts_with_the_environment_that_the_user_has() {
    let Some(machine) = Machine::new("a_user_mounts_with_the_environment_that_the_user_has") else { return };
    let place = machine.place();
    let words = ["env", "XDG_CONFIG_HOME=/elsewhere", "HOME=/mine", "/sbin/mount.vaultfs", "Work", &place];
    machine.as_user(ANN, &words).refused(32, CALLED);
    assert!(machine.called(ANN).unwrap().contains("\nXDG_CONFIG_HOME=/elsewhere\n"));
    assert!(machine.called(ANN).unwrap().contains("\nHOME=/mine\n"));
    machine.as_user(ANN, &["/sbin/mount.vaultfs", "Work", &place, "-o", "uid=ann"]).refused(32, CALLED);
}
