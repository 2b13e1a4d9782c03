//! What Dropbox refuses, or has and no file system can show: each has a state, words and a next step, and stands in nobody else's way.

use cloud_sim::faults::{Failure, Fault};
use serde_json::Value;

use super::World;
use super::vaults::{mounted, remote, state};
use crate::golden;
use crate::harness::eventually;

fn write(world: &World, name: &str, text: &str) -> std::io::Result<()> {
    std::fs::write(world.device.path(&format!("mnt/{name}")), text)
}

fn problem(world: &World) -> Value {
    world.device.json("status")["vaults"][0]["problems"][0].clone()
}

/// The words and the next step of the vault's problem. Which call met it first is left out of the cause.
fn words(world: &World, what: &str) -> String {
    let problem = problem(world);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let causes = problem["cause"].as_array().into_iter().flatten().map(|cause| {
        let cause = text(cause);
        format!("\n  cause: {}", cause.split_once(": ").map_or(cause.as_str(), |(_, what)| what))
    });
    let told = format!(
        "{what}: {}, {}\n  {}{}\n  hint: {}\n",
        text(&state(world)),
        text(&problem["code"]),
        text(&problem["what"]),
        causes.collect::<String>(),
        text(&problem["hint"])
    );
    world.golden(&told)
}

/// Another file gets through, and nothing is wrong any more.
fn goes_on(world: &World, name: &str) {
    write(world, name, "on we go").unwrap();
    eventually("the vault goes on", || remote(world, name).is_some_and(|bytes| bytes == b"on we go"));
}

#[test]
fn names_that_dropbox_refuses_stay_here_and_are_named() {
    let world = mounted();
    // The service took such names in some years and not in others.
    world.sim.set_emoji(false);
    let mut told = String::new();
    for refused in ["ends with a space ", "back\\slash", "line\nbreak"] {
        let error = write(&world, refused, "x").unwrap_err();
        told += &format!("{refused:?}: {error}\n");
    }
    for local in ["~$brief.docx", "desktop.ini", ".DS_Store"] {
        write(&world, local, "of this machine").unwrap();
    }
    write(&world, "\u{1f3b5} song.txt", "notes").unwrap();
    eventually("the vault says what is refused", || !problem(&world).is_null());
    told += &words(&world, "emoji");
    goes_on(&world, "plain.txt");
    for local in ["~$brief.docx", "desktop.ini", ".DS_Store"] {
        let shown = world.device.json(&format!("status @/mnt/{local}"));
        assert!(remote(&world, local).is_none(), "{local}");
        assert_eq!(shown["state"], "local-only", "{shown}");
    }
    let file = world.device.path("mnt/\u{1f3b5} song.txt");
    assert_eq!(std::fs::read(&file).unwrap(), b"notes");
    // Another name is a name like any other.
    std::fs::rename(&file, world.device.path("mnt/song.txt")).unwrap();
    eventually("it goes its way", || remote(&world, "song.txt").is_some_and(|bytes| bytes == b"notes"));
    eventually("nothing is left to be done", || state(&world) == "idle" && problem(&world).is_null());
    golden::check("dropbox-names.txt", &told);
}

#[test]
fn a_full_dropbox_keeps_the_queue_and_serves_what_it_has() {
    let world = mounted();
    let account = world.sim.first_account();
    account.web().write("/Apps/Muze/MyVault/there.txt", b"there").unwrap();
    account.set_quota(account.used() + 10);
    write(&world, "new.txt", "more than is left").unwrap();
    eventually("the vault says that there is no space", || problem(&world)["code"] == "no-space");
    let told = words(&world, "full");
    let there = world.device.path("mnt/there.txt");
    eventually("what is there is read", || std::fs::read(&there).is_ok_and(|bytes| bytes == b"there"));
    assert_eq!(world.device.json("queue")["total"], 1);
    account.set_quota(1 << 40);
    world.device.ok("queue retry");
    eventually("it is sent", || remote(&world, "new.txt").is_some());
    eventually("nothing is left to be done", || state(&world) == "idle" && problem(&world).is_null());
    golden::check("dropbox-full.txt", &told);
}

#[test]
fn a_vault_whose_folder_is_gone_deletes_nothing_and_goes_on_when_it_is_back() {
    let world = mounted();
    write(&world, "take.txt", "one").unwrap();
    world.device.ok("wait --timeout 30 @/mnt/take.txt");
    let web = world.sim.first_account().web();
    web.rename("/Apps/Muze/MyVault", "/elsewhere").unwrap();
    world.device.run("sync");
    eventually("the vault says that its folder is gone", || problem(&world)["code"] == "root-missing");
    let told = words(&world, "folder gone");
    assert!(told.contains("error, root-missing") && told.contains("the folder of vault Songs is not there"), "{told}");
    assert!(told.contains("bring it back to its place; nothing is deleted here"), "{told}");
    write(&world, "later.txt", "two").unwrap();
    assert_eq!(std::fs::read(world.device.path("mnt/take.txt")).unwrap(), b"one");
    web.rename("/elsewhere", "/Apps/Muze/MyVault").unwrap();
    eventually("the vault goes on", || remote(&world, "later.txt").is_some_and(|bytes| bytes == b"two"));
    eventually("nothing is wrong any more", || state(&world) == "idle");
    assert_eq!(std::fs::read(world.device.path("mnt/take.txt")).unwrap(), b"one");
}

#[test]
fn documents_of_dropbox_itself_are_shown_and_stand_in_nobodys_way() {
    let world = mounted();
    let web = world.sim.first_account().web();
    web.write_cloud_document("/Apps/Muze/MyVault/Plan.paper", b"# Plan", "markdown").unwrap();
    web.write_restricted("/Apps/Muze/MyVault/blocked.txt", b"blocked").unwrap();
    web.write("/Apps/Muze/MyVault/plain.txt", b"plain").unwrap();
    let plain = world.device.path("mnt/plain.txt");
    eventually("the others are here", || std::fs::read(&plain).is_ok_and(|bytes| bytes == b"plain"));
    for name in ["Plan.paper", "blocked.txt"] {
        assert!(world.device.path(&format!("mnt/{name}")).exists(), "{name} is not shown");
        assert!(std::fs::read(world.device.path(&format!("mnt/{name}"))).is_err(), "{name}");
    }
    eventually("the vault is at rest", || state(&world) == "idle");
    // Whoever got no more than an I/O error finds the rest here.
    let mut told = String::new();
    for line in ["status", "status @/mnt/Plan.paper", "status @/mnt/blocked.txt", "status --short @/mnt/Plan.paper"] {
        let said = world.golden(&world.device.run(line).whole());
        told += &format!("$ vaultfs {line}\n{said}\n");
    }
    golden::check("dropbox-documents.txt", &told);
    assert_eq!(world.device.json("status @/mnt")["below"]["states"]["unreadable"], 2);
    // It is renamed like everything else.
    std::fs::rename(world.device.path("mnt/Plan.paper"), world.device.path("mnt/Old-plan.paper")).unwrap();
    eventually("it is renamed there", || web.item("/Apps/Muze/MyVault/Old-plan.paper").is_some());
    // What nobody has tried to read is nobody's trouble, and a document says what it is before.
    std::fs::remove_file(world.device.path("mnt/blocked.txt")).unwrap();
    world.device.ok("daemon stop");
    world.device.ok("mount Songs @/mnt");
    eventually("nothing is wrong", || state(&world) == "idle" && problem(&world).is_null());
    let document = world.device.json("status @/mnt/Old-plan.paper");
    assert_eq!((&document["state"], &document["problem"]["code"]), (&"unreadable".into(), &"unsupported".into()));
    goes_on(&world, "new.txt");
}

#[test]
fn names_that_are_too_long_for_a_file_system_are_shown_shortened() {
    let world = mounted();
    let web = world.sim.first_account().web();
    let long = |last: &str| format!("{}{last}", "Протокол судебного заседания ".repeat(8));
    let there = |path: &str| web.read(&format!("/Apps/Muze/MyVault/{path}")).ok();
    web.write(&format!("/Apps/Muze/MyVault/Case/{}", long("1.docx")), b"one").unwrap();
    web.write(&format!("/Apps/Muze/MyVault/Case/{}", long("2.docx")), b"two").unwrap();
    let case = world.device.path("mnt/Case");
    let shown = || {
        let names = std::fs::read_dir(&case).into_iter().flatten().flatten();
        let mut names: Vec<_> = names.map(|entry| entry.path()).collect();
        names.sort_by_key(|path| std::fs::read(path).unwrap_or_default());
        names
    };
    eventually("both are shown", || shown().len() == 2);
    let [one, two] = &shown()[..] else { panic!("{:?}", shown()) };
    assert_eq!((std::fs::read(one).unwrap(), std::fs::read(two).unwrap()), (b"one".to_vec(), b"two".to_vec()));
    // Edited in place, and as editors save; moved; and the folder can be removed.
    std::fs::write(one, "one more").unwrap();
    std::fs::write(case.join("draft"), "two more").unwrap();
    std::fs::rename(case.join("draft"), two).unwrap();
    eventually("edits arrive under the long names", || {
        there(&format!("Case/{}", long("1.docx"))).is_some_and(|bytes| bytes == b"one more")
            && there(&format!("Case/{}", long("2.docx"))).is_some_and(|bytes| bytes == b"two more")
    });
    std::fs::rename(one, world.device.path("mnt").join(one.file_name().unwrap())).unwrap();
    eventually("a move keeps the long name", || there(&long("1.docx")).is_some_and(|bytes| bytes == b"one more"));
    std::fs::remove_dir_all(&case).unwrap();
    eventually("the folder is gone", || web.item("/Apps/Muze/MyVault/Case").is_none());
    eventually("nothing is wrong", || state(&world) == "idle" && problem(&world).is_null());
}

#[test]
fn a_sign_in_page_in_between_is_being_offline_and_a_lost_permission_needs_a_person() {
    let world = mounted();
    let faults = world.sim.faults();
    faults.always("files/*", Fault::Failure(Failure::Html(200)));
    write(&world, "hotel.txt", "one").unwrap();
    eventually("the vault is offline", || state(&world) == "offline");
    let told = words(&world, "a page instead of an answer");
    assert!(told.contains("offline, offline") && told.contains("a sign-in page of this network, or a proxy"), "{told}");
    assert!(told.contains("nothing is lost; changes are sent when it can be reached again"), "{told}");
    assert_eq!(std::fs::read(world.device.path("mnt/hotel.txt")).unwrap(), b"one");
    faults.clear();
    eventually("it is sent", || remote(&world, "hotel.txt").is_some());
    faults.always("files/*", Fault::Failure(Failure::MissingScope("files.content.write".to_owned())));
    write(&world, "scope.txt", "two").unwrap();
    eventually("the vault needs a sign-in", || state(&world) == "auth-required");
    let told = words(&world, "a permission is missing");
    assert!(told.contains("auth-required, auth-required") && told.contains("files.content.write"), "{told}");
    assert!(told.contains("`vaultfs connect dropbox`"), "{told}");
    assert_eq!(world.device.json("queue")["total"], 1);
    faults.clear();
    world.connected();
    eventually("it is sent", || remote(&world, "scope.txt").is_some());
    // The clock of this machine is hours off: that alone is no reason to stop.
    world.sim.set_date_off(jiff::SignedDuration::from_hours(5));
    goes_on(&world, "clock.txt");
}
