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
        "connect",
        "disconnect",
        "account",
        "account show",
        "test-connection",
        "mount",
        "unmount",
        "daemon",
        "status",
        "cases",
        "queue",
        "queue discard",
        "sync",
        "pin",
        "wait",
        "history",
        "conflicts",
        "conflicts resolve",
        "rules why",
        "manifest",
        "verify",
        "doctor",
        "config",
        "config set",
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

#[test]
fn settings_of_one_vault_are_set_shown_followed_and_unset() {
    let device = Device::new();
    device.vault("Work");
    let mut told = String::new();
    let mut tell = |line: &str| {
        let said = device.run(line);
        told += &format!("$ vaultfs {line}\n{}\n", device.golden(&said.whole()));
    };
    tell("config set --vault Work sync.exclude *.bak,Archive");
    tell("config set --vault Work sync.pull_interval 1m");
    tell("config set --vault Work log.level debug");
    tell("config set --vault Nobody sync.exclude *.bak");
    tell("config set sync.exclude *");
    tell("config set rules.disabled_packs video");
    tell("rules why a.bak");
    tell("vault rename Work Office");
    tell("rules why Archive/x.pdf");
    tell("config unset --vault office sync.exclude");
    tell("config unset --vault Office sync.exclude");
    tell("rules why a.bak");
    std::fs::write(device.path("config/vaultfs/config.toml"), "[rules]\nlocal_only = [\"*.bak\"]\n").unwrap();
    tell("config reload");
    tell("config reload");
    tell("rules why a.bak");
    std::fs::write(device.path("config/vaultfs/config.toml"), "[rules\n").unwrap();
    tell("config reload");
    golden::check("config-vault.txt", &told);
    let rows = |line: &str| device.json(line).as_array().unwrap().clone();
    std::fs::write(device.path("config/vaultfs/config.toml"), "[vault.Office]\nsync.auto = false\n").unwrap();
    let shown = |rows: Vec<serde_json::Value>| {
        rows.into_iter().find(|row| row["key"] == "sync.auto").unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (shown(rows("config show")), shown(rows("config show --vault Office"))),
        ("true".into(), "false".into())
    );
}
