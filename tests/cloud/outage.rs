//! A network that goes away is told within ten seconds, everywhere where a vault says how it is, though nobody does anything; when it is
//! back, changes of others come first, and then every change of ours goes once.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::harness::eventually;
use crate::seen;
use crate::world::{Seat, World, converged};

/// How long an outage may go unnoticed: the promise.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);

/// What the control API says of the vault.
fn told_by_api(seat: &Seat<'_>) -> serde_json::Value {
    let mut socket = UnixStream::connect(seat.device.path("run/vaultfs/control.sock")).unwrap();
    write!(socket, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let status: serde_json::Value = serde_json::from_str(body).unwrap();
    status["vaults"][0].clone()
}

/// What the mount says of the vault of a file.
fn told_by_mount(seat: &Seat<'_>) -> String {
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(seat.mnt().join("kept.txt"), "user.vaultfs.vault", &mut value[..]).unwrap();
    String::from_utf8(value[..length].to_vec()).unwrap()
}

fn told(seat: &Seat<'_>) -> [String; 3] {
    [seat.state(), told_by_api(seat)["state"].as_str().unwrap().to_owned(), told_by_mount(seat)]
}

#[test]
fn a_lost_network_is_told_within_ten_seconds_and_its_return_drains_the_queue_once() {
    let world = World::new();
    let (studio, stage) = world.two_devices();
    fs::write(studio.mnt().join("kept.txt"), "one").unwrap();
    fs::write(studio.mnt().join("other.txt"), "one").unwrap();
    converged(&world, &[&studio, &stage]);
    // Nobody does anything: a call that waits for news is the only one that can notice.
    eventually("the vault is at rest", || told(&studio) == ["idle"; 3]);

    studio.cut_off();
    let lost = Instant::now();
    while told(&studio) != ["offline"; 3] {
        assert!(lost.elapsed() < NOTICED_WITHIN, "after {:?}: {:?}", lost.elapsed(), told(&studio));
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let problem = &told_by_api(&studio)["problems"][0];
    assert_eq!(problem["code"], "offline", "{problem}");
    assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("nothing is lost")), "{problem}");
    assert_eq!(told(&stage), ["idle"; 3], "the other device has its network");

    // Everything works meanwhile.
    let since = seen::now(world.sim.log());
    let names = ["a.json", "b.txt", "c.txt"];
    names.iter().for_each(|name| fs::write(studio.mnt().join(name), format!("{name} offline")).unwrap());
    fs::create_dir(studio.mnt().join("Folder")).unwrap();
    fs::rename(studio.mnt().join("kept.txt"), studio.mnt().join("Folder/kept.txt")).unwrap();
    fs::rename(studio.mnt().join("Folder/kept.txt"), studio.mnt().join("kept.txt")).unwrap();
    fs::rename(studio.mnt().join("b.txt"), studio.mnt().join("Folder/b.txt")).unwrap();
    fs::write(stage.mnt().join("other.txt"), "two, from the stage").unwrap();
    stage.wait_synced();
    assert_eq!(told(&studio), ["offline"; 3]);
    assert_eq!(fs::read_to_string(studio.mnt().join("Folder/b.txt")).unwrap(), "b.txt offline");

    studio.reconnect();
    eventually("the return is told everywhere", || told(&studio) == ["idle"; 3]);
    converged(&world, &[&studio, &stage]);
    let records = seen::of_device(world.sim.log(), &studio.link, since);
    let pulled = records.iter().position(|record| record.route() == seen::CONTINUE && seen::worked(record)).unwrap();
    assert!(seen::changes(&records[..pulled]).is_empty(), "first what others did, then what we did");
    let stored = seen::stored(&records);
    assert_eq!((stored.len(), stored.values().max()), (3, Some(&1)), "each file once: {stored:?}");
    let changes = seen::changes(&records[pulled..]);
    let folders = changes.iter().filter(|(route, _)| route == "files/create_folder_v2").count();
    let others =
        changes.iter().filter(|(route, _)| route.starts_with("files/move") || route.starts_with("files/delete"));
    assert_eq!((folders, others.count()), (1, 0), "a folder, and nothing of what came to nothing: {changes:#?}");
}
