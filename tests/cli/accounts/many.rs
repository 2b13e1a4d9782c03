//! Many small files at once: few commits, by the service's request log, no error that a person sees, and nothing twice when the daemon is
//! killed on the way. `VAULTFS_SCALE_CLOUD_FILES` sets how many; `scripts/scale.sh cloud` runs it with 2,000.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cloud_sim::dropbox::Contention;

use super::World;
use super::vaults::{mounted, state};
use crate::harness::{eventually, signal};

const FINISH: &str = "files/upload_session/finish_batch_v2";
/// How long the files may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(600);

fn count() -> usize {
    std::env::var("VAULTFS_SCALE_CLOUD_FILES").map_or(200, |count| count.parse().unwrap())
}

fn path(at: usize) -> String {
    format!("Folder {}/{at}.json", at / 100)
}

fn text(at: usize) -> String {
    format!("{{\"take\": {at}, \"notes\": \"{}\"}}", "la ".repeat(1_000))
}

/// A vault that is at rest, in a service that is a little away and lets no two changes meet.
fn at_rest() -> World {
    let world = mounted();
    eventually("the vault is at rest", || state(&world) == "idle");
    world.sim.link().set_round_trip(Duration::from_millis(20));
    world.sim.set_contention(Some(Contention { hold: Duration::from_millis(2), patience: Duration::ZERO }));
    world.sim.log().clear();
    world
}

fn write_all(world: &World) {
    for at in 0..count() {
        let path = world.device.path(&format!("mnt/{}", path(at)));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text(at)).unwrap();
    }
}

/// Waits until all is sent; no problem is shown meanwhile, unless the daemon is away.
fn wait_for_all(world: &World) {
    let started = Instant::now();
    loop {
        let status = world.device.json("status");
        let vault = &status["vaults"][0];
        assert_eq!(vault["problems"].as_array().map_or(0, Vec::len), 0, "{vault}");
        if vault["state"] == "idle" && world.device.json("queue")["total"] == 0 {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{vault}");
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

fn check_all(world: &World) {
    let web = world.sim.first_account().web();
    let root = "/Apps/Muze/MyVault/";
    let files: BTreeMap<String, String> = web
        .tree()
        .into_keys()
        .filter(|path| path.starts_with(root))
        .filter_map(|path| Some((path[root.len()..].to_owned(), String::from_utf8(web.read(&path).ok()?).unwrap())))
        .collect();
    let expected: BTreeMap<String, String> = (0..count()).map(|at| (path(at), text(at))).collect();
    assert!(files == expected, "{} files instead of {}: {:?}", files.len(), expected.len(), files.keys());
}

#[test]
fn thousands_of_small_files_cost_few_commits_and_show_no_error() {
    let world = at_rest();
    let started = Instant::now();
    write_all(&world);
    wait_for_all(&world);
    check_all(&world);
    let log = world.sim.log();
    let sent = log.count("files/upload") + log.count("files/upload_session/start");
    let commits = log.count("files/upload") + log.count(FINISH);
    let calls = log.entries().iter().filter(|record| record.route() != "files/list_folder/longpoll").count();
    let folders = log.count("files/create_folder_v2");
    println!("{} small files: {:?}, {calls} calls, {sent} of bytes, {commits} commits", count(), started.elapsed());
    assert_eq!((sent, folders), (count(), count().div_ceil(100)), "nothing is sent or made twice");
    assert!(commits <= count() / 4, "{commits} commits of {} files", count());
    assert!(calls <= 2 * count(), "{calls} calls for {} files", count());
    assert!(log.entries().iter().all(|record| record.status() != 429), "changes have met");
}

#[test]
fn a_daemon_that_is_killed_among_them_sends_the_rest_and_nothing_twice() {
    let world = at_rest();
    write_all(&world);
    eventually("some batches are committed", || world.sim.log().count(FINISH) >= 2);
    signal(world.device.daemon().unwrap(), "KILL");
    // It is started again by itself.
    eventually("the daemon is back", || world.device.run("status").code == 0 && world.device.daemon().is_some());
    wait_for_all(&world);
    check_all(&world);
}
