//! An account whose owner joins a team gets a space around the home that it had, and loses it again when the owner leaves: vaults stay
//! what they are, also for a daemon that was not there when it happened.

use super::World;
use super::vaults::{mounted, remote, state};
use crate::harness::{Said, eventually};

fn write(world: &World, name: &str, text: &str) {
    std::fs::write(world.device.path(&format!("mnt/{name}")), text).unwrap();
}

fn is_at_rest(world: &World) -> bool {
    state(world) == "idle" && world.device.json("status")["vaults"][0]["problems"].as_array().unwrap().is_empty()
}

/// The edit arrives, what was there is there, and nothing is wrong.
fn goes_on(world: &World, edit: &str) {
    write(world, "take.txt", edit);
    eventually("the edit arrives", || remote(world, "take.txt").is_some_and(|bytes| bytes == edit.as_bytes()));
    let from_web = format!("/Apps/Muze/MyVault/web {edit}.txt");
    world.sim.first_account().web().write(&from_web, edit.as_bytes()).unwrap();
    let here = world.device.path(&format!("mnt/web {edit}.txt"));
    eventually("the other's edit is here", || std::fs::read(&here).is_ok_and(|bytes| bytes == edit.as_bytes()));
    eventually("nothing is wrong", || is_at_rest(world));
}

fn restarted(world: &World) {
    world.device.ok("daemon stop");
    world.device.ok("mount Songs @/mnt");
}

#[test]
fn a_vault_in_the_home_stays_whatever_team_its_owner_joins_or_leaves() {
    let world = mounted();
    let account = world.sim.first_account();
    goes_on(&world, "one");
    world.sim.join_team(&account);
    goes_on(&world, "in a team");
    restarted(&world);
    goes_on(&world, "in a team, restarted");
    world.sim.leave_team(&account);
    goes_on(&world, "alone again");
    restarted(&world);
    goes_on(&world, "alone again, restarted");
}

#[test]
fn a_vault_of_everything_stays_the_same_vault() {
    let world = World::new();
    world.connected();
    world.device.ok("vault add Songs --provider dropbox --folder / --layout plain");
    world.device.folder("mnt");
    world.device.ok("mount Songs @/mnt");
    let account = world.sim.first_account();
    write(&world, "one.txt", "one");
    world.device.ok("wait --timeout 30 @/mnt/one.txt");
    world.sim.join_team(&account);
    restarted(&world);
    write(&world, "two.txt", "two");
    eventually("the edit arrives", || account.web().read("/two.txt").is_ok_and(|bytes| bytes == b"two"));
    eventually("nothing is wrong", || is_at_rest(&world));
    assert_eq!(std::fs::read_dir(world.device.path("mnt")).unwrap().count(), 2);
}

#[test]
fn in_a_team_a_vault_is_in_its_space_or_in_the_home() {
    let world = World::new();
    let account = world.sim.first_account();
    world.sim.join_team(&account);
    world.connected();
    let space = account.web().of_space();
    space.create_folder("/Cases").unwrap();
    space.write("/Cases/24-0117/brief.txt", b"brief").unwrap();
    // As the website shows them, and from the home.
    for (name, folder) in
        [("Case", "/Cases/24-0117"), ("Own", "/Stub User/Own"), ("Home", "/Apps/Muze"), ("Whole", "/Stub User")]
    {
        let mut command = world.device.command();
        command.args(["vault", "add", name, "--provider", "dropbox", "--layout", "plain", "--folder", folder]);
        let said = Said::of(&command.output().unwrap());
        assert_eq!(said.code, 0, "{said:#?}");
    }
    let folder = |vault: &str| world.device.json(&format!("vault show {vault}"))["folder"].as_str().unwrap().to_owned();
    assert!(folder("Case").starts_with("ns:") && folder("Case").ends_with("/Cases/24-0117"), "{}", folder("Case"));
    assert_eq!((folder("Own"), folder("Home"), folder("Whole")), ("/Own".into(), "/Apps/Muze".into(), "/".into()));
    assert!(account.web().item("/Own").is_some() && account.web().item("/Apps/Muze").is_some());
    world.device.folder("mnt");
    world.device.ok("mount Case @/mnt");
    let brief = world.device.path("mnt/brief.txt");
    eventually("the case is here", || std::fs::read(&brief).is_ok_and(|bytes| bytes == b"brief"));
    std::fs::write(&brief, "longer brief").unwrap();
    eventually("the edit arrives", || space.read("/Cases/24-0117/brief.txt").is_ok_and(|at| at == b"longer brief"));
    // Whoever leaves keeps what is here, and is told.
    world.sim.leave_team(&account);
    world.device.run("sync");
    let problem = || world.device.json("status --vault Case")["vaults"][0]["problems"][0].clone();
    eventually("it says that the space is out of reach", || problem()["code"] == "root-missing");
    assert!(problem()["cause"].to_string().contains("still part of that team"), "{}", problem());
    assert_eq!(std::fs::read(&brief).unwrap(), b"longer brief");
}
