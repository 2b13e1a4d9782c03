//! Vaults of an account: made from a folder that a person chooses, and what becomes of them when access ends and returns.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use super::World;
use crate::golden;
use crate::harness::{Said, eventually};

/// A world with a vault that is mounted at `@/mnt`.
pub(super) fn mounted() -> World {
    let world = World::new();
    world.connected();
    world.device.ok("vault add Songs --provider dropbox --folder /Apps/Muze/MyVault --layout plain");
    world.device.folder("mnt");
    world.device.ok("mount Songs @/mnt");
    world
}

pub(super) fn remote(world: &World, path: &str) -> Option<Vec<u8>> {
    world.sim.first_account().web().read(&format!("/Apps/Muze/MyVault/{path}")).ok()
}

pub(super) fn state(world: &World) -> serde_json::Value {
    world.device.json("status")["vaults"][0]["state"].clone()
}

/// Runs a command with a terminal, types these lines, and returns what was shown.
fn typed(world: &World, line: &str, input: &str) -> Said {
    let own = world.device.command();
    let whole: Vec<String> = [own.get_program().to_str().unwrap()]
        .into_iter()
        .chain(line.split(' '))
        .map(|word| format!("'{word}'"))
        .collect();
    let mut command = Command::new("script");
    command.args(["-qec", &whole.join(" "), "/dev/null"]).env_clear();
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Said::of(&child.wait_with_output().unwrap())
}

#[test]
fn a_vault_is_a_folder_that_is_made_and_the_registry_says_which() {
    let world = World::new();
    let account = world.connected();
    world.device.ok("vault add Songs --provider dropbox --folder /Apps/Muze/MyVault --layout music");
    assert!(world.sim.first_account().web().item("/Apps/Muze/MyVault").is_some());
    let registry = std::fs::read_to_string(world.device.path("config/vaultfs/vaults.json")).unwrap();
    let mut registry: serde_json::Value = serde_json::from_str(&registry).unwrap();
    let mut vault = registry["vaults"][0].take();
    vault["id"].take();
    assert_eq!(
        vault,
        json!({
            "id": null,
            "name": "Songs",
            "provider": "dropbox",
            "path": "",
            "is_default": true,
            "dropbox_config": { "folder_path": "/Apps/Muze/MyVault" },
            "vaultfs": {
                "layout": "music",
                "mount": { "auto": true, "read_only": false, "allow_other": false },
                "account": account["id"],
            },
        })
    );
    let mut told = String::new();
    for line in [
        "vault list",
        "vault add Again --provider dropbox --folder apps/muze/myvault/",
        "vault add Other --provider dropbox --folder /Apps/../x",
        "vault add Other --provider dropbox",
        "vault add Other --provider dropbox --folder /x --account bob@example.com",
        "account",
    ] {
        told += &format!("$ vaultfs {line}\n{}\n", world.golden(&world.device.run(line).whole()));
    }
    golden::check("vault-dropbox.txt", &told);
}

#[test]
fn a_person_looks_goes_in_makes_a_folder_and_takes_it() {
    let world = World::new();
    world.connected();
    let web = world.sim.first_account().web();
    for folder in ["/Apps", "/Apps/Muze", "/Music"] {
        web.create_folder(folder).unwrap();
    }
    web.write("/Apps/readme.txt", b"no folder").unwrap();
    // In, in, back, a number that is none, in again, a new folder, this one.
    let said = typed(&world, "vault add Songs --provider dropbox", "1\n1\n..\n7\n1\n+New Album\n.\n");
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.out.contains("there is no number 7") && !said.out.contains("readme.txt"), "{said:#?}");
    assert_eq!(world.device.json("vault show")["folder"], "/Apps/Muze/New Album");
    assert!(web.item("/Apps/Muze/New Album").is_some());
    let given_up = typed(&world, "vault add Other --provider dropbox", "2\nq\n");
    assert_eq!(given_up.code, 4, "{given_up:#?}");
    assert_eq!(world.device.json("vault list")["vaults"].as_array().unwrap().len(), 1);
}

#[test]
fn files_travel_and_nothing_outside_of_the_folder_is_touched() {
    let world = mounted();
    let web = world.sim.first_account().web();
    web.write("/Apps/Muze/other.txt", b"outside").unwrap();
    std::fs::write(world.device.path("mnt/take.txt"), "one").unwrap();
    world.device.ok("wait --timeout 30 @/mnt/take.txt");
    assert_eq!(remote(&world, "take.txt").unwrap(), b"one");
    web.write("/Apps/Muze/MyVault/remote.txt", b"from the web").unwrap();
    let here = world.device.path("mnt/remote.txt");
    eventually("the remote file is here", || std::fs::read(&here).is_ok_and(|bytes| bytes == b"from the web"));
    assert_eq!(std::fs::read_dir(world.device.path("mnt")).unwrap().count(), 2);
    assert_eq!(web.read("/Apps/Muze/other.txt").unwrap(), b"outside");
}

#[test]
fn tokens_that_expire_on_the_way_are_renewed_once_and_nobody_notices() {
    let world = mounted();
    world.sim.log().clear();
    world.sim.oauth().expire_tokens();
    for number in 0..20 {
        std::fs::write(world.device.path(&format!("mnt/{number}.txt")), format!("take {number}")).unwrap();
    }
    world.device.ok("wait --timeout 60 @/mnt");
    for number in 0..20 {
        assert_eq!(remote(&world, &format!("{number}.txt")).unwrap(), format!("take {number}").as_bytes());
    }
    let renewals = world.sim.log().entries().iter().filter(|record| record.route() == "oauth2/token").count();
    assert_eq!(renewals, 1);
    assert_eq!(world.device.json("queue")["total"], 0);
}

#[test]
fn revoked_access_keeps_the_queue_and_a_new_sign_in_sends_it() {
    let world = mounted();
    std::fs::write(world.device.path("mnt/take.txt"), "one").unwrap();
    world.device.ok("wait --timeout 30 @/mnt/take.txt");
    world.sim.first_account().unlink_all();
    std::fs::write(world.device.path("mnt/take.txt"), "two").unwrap();
    eventually("the vault says that it needs a sign-in", || state(&world) == "auth-required");
    assert_eq!(std::fs::read(world.device.path("mnt/take.txt")).unwrap(), b"two");
    assert_eq!(world.device.json("queue")["total"], 1);
    let problem = world.device.json("status")["vaults"][0]["problems"][0].clone();
    assert_eq!(problem["code"], "auth-required");
    let mend = format!("`vaultfs connect dropbox --base-url {}`", world.sim.base_url());
    assert!(problem["hint"].as_str().unwrap().contains(&mend), "{problem}");
    assert_eq!(world.device.run("wait --timeout 1 @/mnt/take.txt").code, 4);
    // Also after a restart, without asking anybody.
    world.device.ok("daemon stop");
    world.device.ok("mount Songs @/mnt");
    eventually("the vault says so again", || state(&world) == "auth-required");
    assert_eq!(world.device.json("queue")["total"], 1);
    world.connected();
    world.device.ok("wait --timeout 30 @/mnt/take.txt");
    assert_eq!(remote(&world, "take.txt").unwrap(), b"two");
    eventually("everything is as it should be", || state(&world) == "idle");
}

#[test]
fn a_disconnected_account_keeps_its_vaults_and_their_queues() {
    let world = mounted();
    golden::check("disconnect-vault.txt", &world.golden(&world.device.ok("disconnect").whole()));
    assert_eq!(world.session().entries(), []);
    std::fs::write(world.device.path("mnt/take.txt"), "offline").unwrap();
    eventually("the vault says that it needs a sign-in", || state(&world) == "auth-required");
    let shown = world.device.json("account show");
    assert_eq!((&shown["connected"], &shown["vaults"]), (&false.into(), &json!(["Songs"])));
    assert_eq!(world.device.json("queue")["total"], 1);
    world.connected();
    world.device.ok("wait --timeout 30 @/mnt/take.txt");
    assert_eq!(remote(&world, "take.txt").unwrap(), b"offline");
}

#[test]
fn a_key_store_that_is_locked_at_login_lets_the_vault_go_on_when_it_is_opened() {
    let mut world = mounted();
    world.device.ok("daemon stop");
    world.session().lock();
    world.device.ok("mount Songs @/mnt");
    std::fs::write(world.device.path("mnt/take.txt"), "one").unwrap();
    eventually("the vault says that it needs a person", || state(&world) == "auth-required");
    let problem = world.device.json("status")["vaults"][0]["problems"][0].clone();
    assert_eq!(problem["code"], "key-store");
    assert!(problem["hint"].as_str().unwrap().contains("unlock it"), "{problem}");
    world.session.as_mut().unwrap().unlock();
    world.device.ok("test-connection");
    eventually("the vault goes on by itself", || state(&world) == "idle");
    assert_eq!(remote(&world, "take.txt").unwrap(), b"one");
}

#[test]
fn cases_are_told_without_a_byte_of_them() {
    let world = World::new();
    world.connected();
    world.sim.first_account().web().write("/Apps/Office/2024-CV-01234/brief.pdf", b"a brief").unwrap();
    world.sim.first_account().web().write("/Apps/Office/Clients/Doe/.case", b"").unwrap();
    world.device.ok("vault add Office --provider dropbox --folder /Apps/Office --layout cases");
    let cases = || world.device.json("cases")["items"].clone();
    eventually("both are found", || cases().as_array().is_some_and(|cases| cases.len() == 2));
    // Nothing has changed since: nothing is read now either.
    for _ in 0..2 {
        let brief = cases()[0].clone();
        let told = [&brief["path"], &brief["documents"], &brief["bytes"], &brief["hydrated_bytes"]];
        assert_eq!(told, [&json!("2024-CV-01234"), &json!(1), &json!(7), &json!(0)], "{brief}");
    }
}
