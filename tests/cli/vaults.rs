//! The registry: add, list, show, rename, remove, default.

use crate::golden;
use crate::harness::Device;

#[test]
fn vaults_are_added_listed_shown_renamed_and_removed() {
    let device = Device::new();
    let mut told = String::new();
    let mut tell = |line: &str| {
        let said = device.run(line);
        told += &format!("$ vaultfs {line}\n{}\n", device.golden(&said.whole()));
    };
    std::fs::create_dir(device.path("work")).unwrap();
    std::fs::create_dir(device.path("songs")).unwrap();
    tell("vault list");
    tell("vault add Work --provider local --path work");
    tell("vault add Songs --provider local --path @/songs --layout music");
    tell("vault list");
    tell("vault list --json");
    tell("vault default");
    tell("vault default songs");
    tell("vault rename Work Office");
    tell("vault rename Office Songs");
    tell("vault remove Songs");
    tell("vault remove Office");
    tell("vault switch songs");
    tell("vault remove Office");
    tell("vault remove Songs");
    tell("vault list");
    golden::check("vaults.txt", &told);
}

#[test]
fn a_vault_is_shown_with_where_its_files_are() {
    let device = Device::new();
    device.vault("Work");
    device.ok("sync now");
    let shown = device.json("vault show");
    assert_eq!(shown["name"], "Work");
    assert_eq!(shown["provider"], "local");
    assert_eq!(shown["is_default"], true);
    let state = shown["state_dir"].as_str().unwrap();
    assert!(state.starts_with(device.path("state").to_str().unwrap()), "{state}");
    assert!(device.ok("vault show Work").out.contains("state folder"));
}

#[test]
fn a_folder_that_is_a_vault_already_keeps_its_id() {
    let (one, two) = (Device::named("one"), Device::named("two"));
    let shared = one.vault("shared");
    one.ok("sync now");
    two.ok(&format!("vault add shared --provider local --path {}", shared.display()));
    assert_eq!(one.json("vault show")["id"], two.json("vault show")["id"]);
    two.ok("sync now");
}

#[test]
fn refused_vaults_are_explained() {
    let device = Device::new();
    device.vault("Work");
    std::fs::write(device.path("file"), "").unwrap();
    let mut told = String::new();
    for line in [
        "vault add Other --provider local --path @/nowhere",
        "vault add Other --provider local --path @/file",
        "vault add Other --provider local --path @/Work",
        "vault add Other --provider local --path @/state/vaultfs",
        "vault add work --provider local --path @/home",
        "vault add .hidden --provider local --path @/home",
        "vault show Wrok",
        "vault remove Work",
    ] {
        let said = device.run(line);
        assert_eq!(said.code, 1, "{line}: {said:?}");
        told += &format!("$ vaultfs {line}\n{}\n", device.golden(&said.err));
    }
    golden::check("vaults-refused.txt", &told);
}

#[test]
fn a_registry_that_does_not_parse_is_never_overwritten() {
    let device = Device::new();
    device.vault("Work");
    let registry = device.path("config/vaultfs/vaults.json");
    std::fs::write(&registry, "{ \"vaults\": [").unwrap();
    let said = device.run("vault list");
    assert_eq!(said.code, 1);
    golden::check("registry-damaged.txt", &device.golden(&said.err));
    assert_eq!(device.run("vault add Other --provider local --path @/home").code, 1);
    assert_eq!(std::fs::read_to_string(&registry).unwrap(), "{ \"vaults\": [");
    assert_eq!(device.run("doctor").code, 1);
}

#[test]
fn the_vaults_of_muze_are_taken_over_and_what_cannot_be_opened_disturbs_nobody() {
    let device = Device::new();
    let music = device.folder("music");
    std::fs::write(music.join("take.wav"), "RIFF").unwrap();
    let fixture = std::fs::read_to_string("tests/fixtures/muze/vaults.json").unwrap();
    let fixture = fixture.replace("/home/anna/Music/Muze\"", &format!("{}\"", music.display()));
    device.folder("config/com.krondor.muze");
    std::fs::write(device.path("config/com.krondor.muze/vaults.json"), fixture).unwrap();
    golden::check("import.txt", &device.golden(&device.ok("vault import").whole()));
    golden::check("import-again.txt", &device.golden(&device.ok("vault import").whole()));
    device.folder("all");
    let mounted = device.run("mount --all @/all");
    assert_eq!(mounted.code, 1, "two of the three lie in clouds that this version cannot open");
    golden::check("mount-all-partly.txt", &device.golden(&mounted.err));
    assert_eq!(std::fs::read_to_string(device.path("all/Local/take.wav")).unwrap(), "RIFF");
    let status = device.json("status");
    let states: Vec<_> = status["vaults"].as_array().unwrap().iter().map(|vault| vault["state"].clone()).collect();
    assert_eq!(states[1..], ["error", "error"]);
}
