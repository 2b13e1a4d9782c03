//! Several vaults at once: what holds one of them up is its own affair.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Device, eventually, is_mounted, signal};

/// A process that does not go on until this is dropped.
struct Halted(u32);

impl Halted {
    fn new(pid: u32) -> Self {
        signal(pid, "STOP");
        Self(pid)
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        signal(self.0, "CONT");
    }
}

/// Everything that a user does with a vault, from saving to safe in the cloud.
fn works(device: &Device, vault: &str, round: &str) {
    let mountpoint = device.path(&format!("mnt{vault}"));
    let file = format!("{round}.txt");
    fs::create_dir(mountpoint.join(round)).unwrap();
    fs::write(mountpoint.join(round).join(&file), vault).unwrap();
    assert!(fs::read_dir(&mountpoint).unwrap().count() > 0);
    device.ok(&format!("wait @/mnt{vault}/{round}/{file}"));
    assert_eq!(fs::read_to_string(device.path(vault).join(round).join(&file)).unwrap(), vault);
    fs::rename(mountpoint.join(round), mountpoint.join(format!("{round} kept"))).unwrap();
    let status = device.json(&format!("status --vault {vault}"));
    assert_ne!(status["vaults"][0]["state"], "error", "{status}");
}

fn mount(device: &Device, vault: &str) {
    device.folder(&format!("mnt{vault}"));
    device.ok(&format!("mount {vault} @/mnt{vault}"));
}

fn status_of(device: &Device, vault: &str) -> Value {
    let status = device.json("status");
    status["vaults"].as_array().unwrap().iter().find(|status| status["vault"] == vault).unwrap().clone()
}

#[test]
fn while_one_vault_stalls_the_others_go_on() {
    let device = Device::new();
    let far = device.folder("Far");
    fs::write(far.join("take.wav"), vec![7; 1 << 20]).unwrap();
    device.ok("vault add Far --provider local --path @/Far --link-latency 1 --link-rate 1KiB");
    for vault in ["One", "Two"] {
        device.vault(vault);
    }
    for vault in ["Far", "One", "Two"] {
        mount(&device, vault);
    }
    let stalled = device.path("mntFar/take.wav");
    let mut reader = Command::new("cat").arg(&stalled).stdout(Stdio::null()).spawn().unwrap();
    eventually("the read has begun", || {
        status_of(&device, "Far")["transfers"].as_array().is_some_and(|transfers| !transfers.is_empty())
    });
    // And its edits wait in a queue that does not move.
    fs::write(device.path("mntFar/mine.wav"), vec![7; 1 << 20]).unwrap();
    for round in ["a", "b", "c"] {
        works(&device, "One", round);
        works(&device, "Two", round);
    }
    assert!(reader.try_wait().unwrap().is_none(), "it has waited all the time");
    assert!(!far.join("mine.wav").exists());
    reader.kill().unwrap();
    reader.wait().unwrap();
}

#[test]
fn a_vault_whose_disk_does_not_answer_holds_up_nobody_else() {
    // The disk is a mount of another device's: one vault keeps its cache there.
    let server = Device::named("server");
    let (_, disk) = server.mounted("Disk");
    let device = Device::new();
    for vault in ["Hung", "One", "Two"] {
        device.vault(vault);
    }
    fs::write(device.path("Hung/file.txt"), "x").unwrap();
    let registry = device.path("config/vaultfs/vaults.json");
    let read = || -> Value { serde_json::from_slice(&fs::read(&registry).unwrap()).unwrap() };
    let mut document = read();
    document["vaults"][0]["vaultfs"]["cache_dir"] = disk.join("cache").to_str().unwrap().into();
    fs::write(&registry, document.to_string()).unwrap();
    for vault in ["Hung", "One", "Two"] {
        mount(&device, vault);
    }
    device.ok("wait @/mntHung");
    signal(device.daemon().unwrap(), "TERM");
    eventually("the session has ended", || !is_mounted(&device.path("mntHung")) && device.daemon().is_none());

    // A mount that nobody has looked into yet: the kernel knows nothing of it.
    server.ok("unmount @/mnt");
    server.ok("mount Disk @/mnt");
    let halted = Halted::new(server.daemon().unwrap());
    for vault in ["One", "Two"] {
        device.ok(&format!("status --vault {vault}"));
        assert!(is_mounted(&device.path(&format!("mnt{vault}"))), "as before");
        works(&device, vault, "meanwhile");
    }
    assert!(!is_mounted(&device.path("mntHung")));
    let hung = status_of(&device, "Hung");
    assert_eq!((&hung["state"], &hung["problems"][0]["code"]), (&"error".into(), &"timed-out".into()), "{hung}");
    assert!(hung["problems"][0]["hint"].as_str().unwrap().contains("the other vaults work"), "{hung}");
    assert_eq!(read()["vaults"][0]["sync_status"], "error");
    // Another mount is made, and one is taken away, as if nothing were.
    device.ok("unmount @/mntOne");
    device.ok("mount One @/mntOne");

    drop(halted);
    eventually("it is mounted again by itself", || is_mounted(&device.path("mntHung")));
    assert_eq!(fs::read_to_string(device.path("mntHung/file.txt")).unwrap(), "x");
    eventually("all is well", || device.ok("status --short").out == "idle\n");
}
