//! The three ways to sign in.

use cloud_sim::dropbox::RedirectRule;

use super::{World, person};
use crate::golden;

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

#[test]
fn by_the_address_scheme_that_the_desktop_file_registers() {
    let mut world = World::new();
    person::give_browser(&mut world.device);
    let desktop = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/linux/vaultfs-sign-in.desktop");
    let applications = world.device.folder("applications");
    std::fs::copy(&desktop, applications.join("vaultfs-sign-in.desktop")).unwrap();
    let tool = |program: &str, argument: &std::path::Path| {
        let status = std::process::Command::new(program).arg(argument).status();
        assert!(status.expect("desktop-file-utils is needed (`scripts/test.sh unit` installs it)").success());
    };
    tool("desktop-file-validate", &desktop);
    tool("update-desktop-database", &applications);
    let registered = std::fs::read_to_string(applications.join("mimeinfo.cache")).unwrap();
    assert!(registered.contains("x-scheme-handler/com.krondor.muze=vaultfs-sign-in.desktop;"), "{registered}");
    let text = std::fs::read_to_string(&desktop).unwrap();
    let handler = text.lines().find_map(|line| line.strip_prefix("Exec=vaultfs ")).unwrap().to_owned();

    // What the service has registered, letter by letter.
    world.sim.oauth().set_redirects(RedirectRule::Registered(vec!["com.krondor.muze://oauth".to_owned()]));
    let command = format!("{} --redirect scheme", world.connect());
    let said = person::by_browser(&world.device, &command, |address| {
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
    assert_eq!(world.device.json("account show")["state"], "connected");
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
