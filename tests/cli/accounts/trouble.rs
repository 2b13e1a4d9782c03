//! What goes wrong while signing in, or later: each has words, an exit code and a next step, and leaves nothing behind.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use cloud_sim::dropbox::Consent;

use super::{World, person};
use crate::golden;

fn nothing_is_left(world: &World) {
    assert_eq!(world.device.json("account list")["accounts"].as_array().unwrap().len(), 0);
    assert_eq!(world.session().entries(), []);
}

#[test]
fn who_says_no_is_not_connected() {
    let mut world = World::new();
    person::give_browser(&mut world.device);
    world.sim.oauth().set_consent(Consent::Deny);
    let said = person::by_browser(&world.device, &world.connect(), |address| {
        let back = person::get(address).location.unwrap();
        assert!(back.contains("error=access_denied"), "{back}");
        let page = person::get(&back);
        assert!(page.status == 200 && !page.body.contains("access_denied"), "{}", page.body);
    });
    assert_eq!(said.code, 4, "{said:#?}");
    assert!(said.err.contains("error: access was not granted\n") && said.err.contains("hint: "), "{said:#?}");
    nothing_is_left(&world);
}

#[test]
fn an_answer_with_another_state_is_refused_before_its_code_is_used() {
    let mut world = World::new();
    person::give_browser(&mut world.device);
    let said = person::by_browser(&world.device, &world.connect(), |address| {
        let back = person::get(address).location.unwrap();
        assert_eq!(person::get(&format!("{back}x")).status, 200);
    });
    assert_eq!(said.code, 4, "{said:#?}");
    assert!(said.err.contains("does not belong to this sign-in"), "{said:#?}");
    let exchanged = world.sim.log().entries().iter().filter(|record| record.route() == "oauth2/token").count();
    assert_eq!(exchanged, 0);
    nothing_is_left(&world);
}

#[test]
fn codes_that_are_wrong_or_used_or_old_are_refused() {
    let world = World::new();
    let mut used = String::new();
    let first = person::by_code(&world.device, &world.connect(), |address| {
        used = person::code_on(address).unwrap();
        used.clone()
    });
    assert_eq!(first.code, 0, "{first:#?}");
    world.device.ok("disconnect");
    let mut told = String::new();
    let mut paste = |what: &str, paste: &dyn Fn(&str) -> String| {
        let said = person::by_code(&world.device, &world.connect(), paste);
        let errors: Vec<&str> = said.err.lines().filter(|line| line.contains(": ") && !line.contains("http")).collect();
        told += &format!("{what}: exit {}\n{}\n\n", said.code, errors.join("\n"));
    };
    paste("wrong", &|_| "AAAAAAAAAAAAAAAA".to_owned());
    paste("used", &|_| used.clone());
    paste("of another sign-in", &|address| {
        let (before, after) = address.split_once("code_challenge=").unwrap();
        person::code_on(&format!("{before}code_challenge={}{}", "B".repeat(43), &after[43..])).unwrap()
    });
    paste("old", &|address| {
        let code = person::code_on(address).unwrap();
        world.sim.clock().advance(Duration::from_secs(11 * 60));
        code
    });
    paste("empty", &|_| String::new());
    paste("an address", &|_| "x://oauth?code=abc".to_owned());
    golden::check("connect-codes.txt", &world.golden(&told));
    nothing_is_left(&world);
}

#[test]
fn apps_and_servers_that_are_not_right_are_refused() {
    let world = World::new();
    let hotel = TcpListener::bind("127.0.0.1:0").unwrap();
    let portal = format!("http://{}", hotel.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = hotel.accept() {
            let mut head = [0; 4096];
            // Whatever is asked, the answer is the same.
            drop(stream.read(&mut head));
            let page = "<html>Welcome! Room number?</html>";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
            drop(write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len()));
        }
    });
    let mut told = String::new();
    for command in [
        format!("{} --app-key wrongkey", world.connect()),
        format!("connect dropbox --base-url {portal}"),
        "connect dropbox --base-url http://127.0.0.1:9".to_owned(),
        "connect dropbox --base-url http://dropbox.example.com".to_owned(),
        "connect dropbox --base-url dropbox".to_owned(),
        "connect dropbox --app-key ../key".to_owned(),
    ] {
        let said = person::by_code(&world.device, &command, |_| "AAAAAAAAAAAAAAAA".to_owned());
        let errors: Vec<&str> = said
            .err
            .lines()
            .filter(|line| ["error", "cause", "hint"].iter().any(|label| line.starts_with(&format!("{label}: "))))
            .collect();
        told += &format!("$ vaultfs {command}\nexit {}\n{}\n\n", said.code, errors.join("\n"));
    }
    golden::check("connect-refused.txt", &world.golden(&told).replace(&portal, "<portal>"));
    nothing_is_left(&world);
}

#[test]
fn without_an_app_key_it_is_said_where_to_get_one() {
    let mut world = World::new();
    world.device.set("VAULTFS_DROPBOX_APP_KEY", "");
    let said = world.device.run(&world.connect());
    // A program that was built with a key has one.
    if option_env!("VAULTFS_BUILD_DROPBOX_APP_KEY").is_none() {
        assert_eq!(said.code, 1, "{said:#?}");
        assert!(said.err.contains("dropbox.app_key") && said.err.contains("/developers/apps"), "{said:#?}");
    }
}

#[test]
fn access_that_was_revoked_is_a_state_until_somebody_signs_in_again() {
    let world = World::new();
    let account = world.connected();
    world.sim.first_account().unlink_all();
    let tested = world.device.run("test-connection");
    assert_eq!(tested.code, 4, "{tested:#?}");
    golden::check("account-revoked.txt", &world.golden(&tested.whole()));
    let is_signed_out = || {
        let shown = world.device.json("account show");
        assert_eq!((&shown["connected"], &shown["state"]), (&false.into(), &"auth-required".into()));
        assert!(shown["problem"]["hint"].as_str().unwrap().contains("`vaultfs connect dropbox --base-url "), "{shown}");
    };
    is_signed_out();
    // The next daemon knows it, too, and asks nobody.
    world.device.ok("daemon stop");
    world.sim.log().clear();
    is_signed_out();
    assert_eq!(world.sim.log().entries().len(), 0);
    let again = world.connected();
    assert_eq!((&again["id"], &again["connected"]), (&account["id"], &true.into()));
    world.device.ok("test-connection");
    assert_eq!(world.session().entries().len(), 1);
}

#[test]
fn a_network_that_is_away_is_no_reason_to_sign_in_again() {
    let world = World::new();
    world.connected();
    world.device.ok("daemon stop");
    let World { sim, device, session } = world;
    drop(sim);
    let tested = device.run("test-connection");
    assert_eq!(tested.code, 1, "{tested:#?}");
    assert!(tested.out.contains("cannot be reached") && tested.err.contains("check the network"), "{tested:#?}");
    let shown = device.json("account show");
    assert_eq!((&shown["connected"], &shown["state"]), (&true.into(), &"waiting".into()));
    drop((device, session));
}

#[test]
fn a_clock_that_is_off_is_noticed() {
    let world = World::new();
    world.connected();
    world.sim.set_date_off(jiff::SignedDuration::from_hours(3));
    let tested = world.device.run("test-connection");
    assert_eq!(tested.code, 1, "{tested:#?}");
    assert!(tested.out.contains("minutes behind the server's"), "{tested:#?}");
    assert!(tested.err.contains("set date and time"), "{tested:#?}");
    assert_eq!(world.device.json("account show")["state"], "connected");
}

#[test]
fn accounts_that_nobody_knows_are_named() {
    let world = World::new();
    let mut told = String::new();
    for line in ["account show", "disconnect carol@example.com", "test-connection dropbox", "account list"] {
        told += &format!("$ vaultfs {line}\n{}\n", world.device.run(line).whole());
    }
    world.connected();
    told += &format!("$ vaultfs account show carol\n{}\n", world.device.run("account show carol").whole());
    golden::check("account-unknown.txt", &world.golden(&told));
}
