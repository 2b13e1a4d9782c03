//! Help, usage errors, completions, man pages: no daemon.

use crate::golden;
use crate::harness::Device;

#[test]
fn help_of_every_command() {
    let device = Device::new();
    let mut all = String::new();
    for command in [
        "",
        "vault",
        "vault add",
        "mount",
        "unmount",
        "daemon",
        "status",
        "queue",
        "queue discard",
        "sync",
        "pin",
        "wait",
        "history",
        "conflicts",
        "rules why",
        "doctor",
        "config",
        "offline",
        "completions",
        "man",
    ] {
        let said = device.ok(format!("{command} --help").trim_start());
        assert!(said.err.is_empty(), "{command}: help belongs to standard output");
        all += &format!("$ vaultfs {command} --help\n{}\n", said.out);
    }
    golden::check("help.txt", &all);
    assert_eq!(device.daemon(), None, "help must not start a daemon");
}

#[test]
fn usage_errors_exit_with_2_and_go_to_standard_error() {
    let device = Device::new();
    let mut all = String::new();
    for line in [
        "frobnicate",
        "mount OnlyOne",
        "mount --all A B",
        "vault add X --provider ftp --path /",
        "wait",
        "sync --full --dry-run",
    ] {
        let said = device.run(line);
        assert_eq!(said.code, 2, "{line}");
        assert!(said.out.is_empty(), "{line}");
        all += &format!("$ vaultfs {line}\n{}\n", said.err);
    }
    golden::check("usage.txt", &all);
}

#[test]
fn completions_and_man_pages_name_every_command() {
    let device = Device::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = device.ok(&format!("completions {shell}")).out;
        assert!(["mount", "conflicts", "offline"].iter().all(|command| script.contains(command)), "{shell}");
    }
    device.ok("man @/man");
    for page in ["vaultfs.1", "vaultfs-mount.1", "vaultfs-vault-add.1"] {
        assert!(device.path("man").join(page).exists(), "{page}");
    }
}

#[test]
fn settings_are_shown_with_their_origin_and_set_in_the_file() {
    let device = Device::new();
    golden::check("config-show.txt", &device.golden(&device.ok("config show").out));
    device.ok("config set cache.max_bytes 1GiB");
    let shown = device.json("config show");
    let row = shown.as_array().unwrap().iter().find(|row| row["key"] == "cache.max_bytes").unwrap();
    assert_eq!(row["value"], "1 GiB");
    assert!(row["origin"].as_str().unwrap().contains("config.toml:"), "{row}");
    let refused = device.run("config set cache.max_byte 1GiB");
    assert_eq!(refused.code, 1);
    golden::check("config-unknown.txt", &device.golden(&refused.whole()));
    assert_eq!(device.daemon(), None, "settings need no daemon");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let device = Device::new();
    let program = env!("CARGO_BIN_EXE_vaultfs");
    let output = device
        .command()
        .args(["completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .map(|mut child| {
            drop(child.stdout.take());
            child.wait().unwrap()
        })
        .unwrap();
    assert!(output.success(), "{program}: {output}");
}
