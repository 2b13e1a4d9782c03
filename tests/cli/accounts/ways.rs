//! The three ways to sign in.

use std::process::Command;

use cloud_sim::dropbox::RedirectRule;

use super::{World, person};
use crate::golden;
use crate::harness::Device;

#[test]
fn in_the_browser_and_back_to_a_port_of_this_machine() {
    let mut world = World::new();
    person::give_browser(&mut world.device);
    let said = person::by_browser(&world.device, &world.connect(), |address| {
        let consent = person::get(address);
        assert_eq!(consent.status, 302);
        let back = consent.location.unwrap();
        assert!(back.starts_with("http://127.0.0.1:") && back.contains("/oauth?code="), "{back}");
        let page = person::get(&back);
        assert_eq!(page.status, 200);
        assert!(page.body.contains("can be closed"), "{}", page.body);
    });
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.err.contains("connected to dropbox as stub.user@example.com"), "{said:#?}");
    let account = world.device.json("account show");
    assert_eq!((&account["connected"], &account["weak_storage"]), (&true.into(), &false.into()));
    assert_eq!(account["state"], "connected");
}

#[test]
fn by_a_code_that_a_person_copies() {
    let world = World::new();
    let said = world.by_code();
    let address = said.err.lines().find(|line| line.trim().starts_with("http")).unwrap().trim().to_owned();
    golden::check("connect-by-code.txt", &world.golden(&said.whole().replace(&address, "<address>")));
    let mut told = String::new();
    for line in ["account", "account show", "account list --json", "test-connection", "doctor"] {
        told += &format!("$ vaultfs {line}\n{}\n", world.golden(&world.device.run(line).whole()));
    }
    golden::check("account.txt", &told);
}

#[test]
fn without_a_screen_the_way_is_the_code() {
    let world = World::new();
    // No BROWSER, no DISPLAY: the command says so and reads the code, which nobody gives.
    let said = world.device.run(&world.connect());
    assert_eq!(said.code, 4, "{said:#?}");
    assert!(said.err.contains("signing in by code"), "{said:#?}");
    assert!(said.err.contains("no code was given"), "{said:#?}");
    assert_eq!(world.device.json("account list")["accounts"].as_array().unwrap().len(), 0);
}

/// Runs a tool of the desktop on a device.
fn tool(device: &Device, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(device.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said =
        command.output().expect("desktop-file-utils and xdg-utils are needed (`scripts/test.sh unit` installs them)");
    assert!(said.status.success(), "{program}: {said:?}");
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// A world with a desktop of its own.
fn with_a_desktop() -> World {
    let mut world = World::new();
    person::give_browser(&mut world.device);
    let data = world.device.folder("data");
    world.device.set("XDG_DATA_HOME", data);
    world
}

const KIND: &str = "x-scheme-handler/com.krondor.muze";

#[test]
fn by_the_address_scheme_that_is_registered_with_the_desktop() {
    let world = with_a_desktop();
    let command = format!("{} --redirect scheme", world.connect());
    // What the service has registered, letter by letter.
    world.sim.oauth().set_redirects(RedirectRule::Registered(vec!["com.krondor.muze://oauth".to_owned()]));
    let said = person::by_browser(&world.device, &command, |address| {
        let entry = world.device.path("data/applications/vaultfs-sign-in.desktop");
        tool(&world.device, "desktop-file-validate", &[entry.to_str().unwrap()]);
        assert_eq!(tool(&world.device, "xdg-mime", &["query", "default", KIND]), "vaultfs-sign-in.desktop");
        let text = std::fs::read_to_string(&entry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Exec=")).unwrap();
        let (program, handler) = line.split_once(' ').unwrap();
        assert_eq!(program, env!("CARGO_BIN_EXE_vaultfs"));
        let back = person::get(address).location.unwrap();
        assert!(back.starts_with("com.krondor.muze://oauth?code="), "{back}");
        let forged = format!("{}x", back);
        let refused = world.device.run(&handler.replace("%u", &forged));
        assert_eq!(refused.code, 4, "{refused:#?}");
        assert!(refused.err.contains("does not belong to this sign-in"), "{refused:#?}");
        let handled = world.device.run(&handler.replace("%u", &back));
        assert_eq!(handled.code, 0, "{handled:#?}");
        let again = world.device.run(&handler.replace("%u", &back));
        assert!(again.code == 4 && again.err.contains("no sign-in waits"), "{again:#?}");
    });
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.err.contains("addresses com.krondor.muze:// come to vaultfs now"), "{said:#?}");
    assert_eq!(world.device.json("account show")["state"], "connected");
}

#[test]
fn an_address_scheme_that_another_program_had_is_said_to_be_taken() {
    let world = with_a_desktop();
    let applications = world.device.folder("data/applications");
    let entry = format!("[Desktop Entry]\nType=Application\nName=Muze\nExec=sh %u\nMimeType={KIND};\n");
    std::fs::write(applications.join("muze.desktop"), entry).unwrap();
    world.device.folder("config");
    tool(&world.device, "xdg-mime", &["default", "muze.desktop", KIND]);
    assert_eq!(tool(&world.device, "xdg-mime", &["query", "default", KIND]), "muze.desktop");
    let command = format!("{} --redirect scheme", world.connect());
    let back = |address: &str| {
        let back = person::get(address).location.unwrap();
        world.device.ok(&format!("sign-in-redirect {back}"));
    };
    let said = person::by_browser(&world.device, &command, back);
    assert_eq!(said.code, 0, "{said:#?}");
    let told = format!("went to muze.desktop and come to vaultfs now; `xdg-mime default muze.desktop {KIND}`");
    assert!(said.err.contains(&told), "{said:#?}");
    // Once is enough.
    let again = person::by_browser(&world.device, &command, back);
    assert!(again.code == 0 && !again.err.contains("come to vaultfs now"), "{again:#?}");
}

#[test]
fn without_the_desktops_tool_the_address_scheme_is_not_waited_for() {
    let mut world = with_a_desktop();
    world.device.set("PATH", "/nonexistent");
    let said = world.device.run(&format!("{} --redirect scheme", world.connect()));
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains("xdg-mime") && said.err.contains("without --redirect scheme"), "{said:#?}");
    assert!(!world.device.path("opened").exists());
}

#[test]
fn the_answer_is_json_where_that_is_asked_for() {
    let world = World::new();
    let command = format!("{} --json", world.connect());
    let said = person::by_code(&world.device, &command, |address| person::code_on(address).unwrap());
    let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&answer["provider"], &answer["connected"]), (&"dropbox".into(), &true.into()));
    assert_eq!(answer, world.device.json("account show"));
}
