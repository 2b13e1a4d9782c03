//! Full disks, really full: programs are told so, nothing that was acknowledged is lost, and everything goes on when there is space.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use crate::small_disk::{SmallDisk, on_small_disk, space_of};
use crate::support::{Device, eventually, tree};

const MIB: u64 = 1 << 20;
const TAKE: u64 = 4 * MIB;

/// Bytes that differ from file to file.
fn bytes(seed: u64, size: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Writes a file as a recorder does: piece by piece, and makes sure of it.
fn record(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    for piece in bytes.chunks(128 * 1024) {
        file.write_all(piece)?;
    }
    file.sync_all()
}

/// Records takes until one is refused; returns how many are there besides what there is of the refused one.
fn record_until_full(mnt: &Path, from: u64) -> u64 {
    for number in from.. {
        let path = mnt.join(format!("take {number}"));
        let Err(error) = record(&path, &bytes(number, TAKE)) else { continue };
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}");
        match fs::rename(path, mnt.join(format!("refused after {from}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
            Ok(()) | Err(_) => return number,
        }
    }
    unreachable!("a disk without an end")
}

fn assert_takes(mnt: &Path, takes: std::ops::Range<u64>) {
    for number in takes {
        assert!(fs::read(mnt.join(format!("take {number}"))).unwrap() == bytes(number, TAKE), "take {number}");
    }
}

fn vault_status(device: &Device) -> Value {
    let status: Value = serde_json::from_str(&device.ok(["status", "--json"])).unwrap();
    status["vaults"][0].clone()
}

/// The findings of `doctor` about the vault that need attention.
fn troubles(device: &Device) -> Vec<String> {
    let report: Value = serde_json::from_slice(&device.run(["doctor", "--json"]).stdout).unwrap();
    let of_vault = report["findings"].as_array().unwrap().iter().filter(|finding| finding["vault"] == "vault");
    let troubles = of_vault.filter(|finding| finding["ok"] == false);
    troubles.map(|finding| format!("{}: {}", finding["check"].as_str().unwrap(), finding["detail"])).collect()
}

fn assert_says_it_is_full(device: &Device) {
    let status = vault_status(device);
    assert_eq!(status["state"], "error", "{status}");
    let problem = &status["problems"][0];
    assert_eq!(problem["code"], "no-space", "{status}");
    assert!(problem["what"].is_string() && problem["cause"][0].is_string() && problem["hint"].is_string(), "{status}");
    assert!(troubles(device).iter().any(|trouble| trouble.starts_with("space: ")), "{:?}", troubles(device));
}

/// A device whose state and cache are on the disk, with a vault behind a link.
fn device_on(disk: &SmallDisk) -> Device {
    let device = Device::new("full");
    disk.take_in(&device, "state");
    disk.take_in(&device, "cache");
    device.ok(["config", "set", "staging.min_free_bytes", "8 MiB"]);
    device.ok(["config", "set", "cache.min_free_bytes", "24 MiB"]);
    let remote = device.path("remote");
    fs::write(remote.join("cold.wav"), bytes(1000, 30 * MIB)).unwrap();
    fs::write(remote.join("untouched.wav"), bytes(1001, MIB)).unwrap();
    let shown = remote.to_str().unwrap();
    device.ok(["vault", "add", "vault", "--provider", "local", "--path", shown, "--link-latency", "1"]);
    device
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else_until_there_is_space() {
    on_small_disk("full_disk::a_full_disk_refuses_writes_and_nothing_else_until_there_is_space", 128, |disk| {
        let device = device_on(disk);
        let mnt = device.mount();
        let pid = device.daemon_pid();
        assert!(fs::read(mnt.join("cold.wav")).unwrap() == bytes(1000, 30 * MIB));
        assert!(vault_status(&device)["cached_bytes"].as_u64().unwrap() >= 29 * MIB);

        // What is recorded pushes out what could be fetched again, and only then is refused.
        device.ok(["queue", "pause"]);
        let takes = record_until_full(&mnt, 0);
        assert!(disk.free() < 8 * MIB + TAKE, "{} bytes are left", disk.free());
        let cached = vault_status(&device)["cached_bytes"].as_u64().unwrap();
        assert!(cached <= MIB, "{cached} bytes of the cache have not given way to {takes} takes");
        assert_says_it_is_full(&device);
        assert!(space_of(&mnt).1 < TAKE, "{:?}", space_of(&mnt));

        // Everything else goes on: names, what is here, what is at the provider.
        fs::create_dir(mnt.join("Tour")).unwrap();
        fs::rename(mnt.join("take 0"), mnt.join("Tour/take 0")).unwrap();
        fs::rename(mnt.join("Tour/take 0"), mnt.join("take 0")).unwrap();
        File::create(mnt.join("empty")).unwrap();
        assert_takes(&mnt, 0..takes);
        for (name, seed, size) in [("untouched.wav", 1001, MIB), ("cold.wav", 1000, 30 * MIB)] {
            assert!(fs::read(mnt.join(name)).unwrap() == bytes(seed, size), "{name}");
        }
        assert_eq!(device.daemon_pid(), pid);

        device.kill_daemon();
        let mnt = device.mount();
        assert_takes(&mnt, 0..takes);
        assert_eq!(record_until_full(&mnt, takes), takes, "still full");
        assert_eq!(troubles(&device).len(), 1, "no more than the want of space: {:?}", troubles(&device));
        assert_says_it_is_full(&device);

        // Deleting makes room at once,
        fs::remove_file(mnt.join("take 0")).unwrap();
        fs::remove_file(mnt.join("take 1")).unwrap();
        record(&mnt.join("take 1"), &bytes(1, TAKE)).unwrap();
        assert_eq!(troubles(&device), [""; 0]);
        assert_ne!(vault_status(&device)["state"], "error");
        // and so does what was sent: it can be fetched again.
        assert!(record_until_full(&mnt, takes) <= takes + 1);
        device.ok(["queue", "resume"]);
        device.wait_synced();
        record(&mnt.join("one more"), &bytes(2000, 3 * TAKE)).unwrap();
        device.wait_synced();
        eventually("nothing is left", || device.ok(["status", "--short"]).trim() == "idle");
        assert!(tree(&mnt) == tree(&device.path("remote")), "mount and provider differ");
    });
}

#[test]
fn without_one_free_byte_nothing_breaks_and_things_can_be_deleted() {
    on_small_disk("full_disk::without_one_free_byte_nothing_breaks_and_things_can_be_deleted", 128, |disk| {
        let device = device_on(disk);
        let mnt = device.mount();
        device.ok(["queue", "pause"]);
        for number in 0..6 {
            record(&mnt.join(format!("take {number}")), &bytes(number, TAKE)).unwrap();
        }
        let filler = disk.fill_up();
        assert_eq!(disk.free(), 0);
        assert_eq!(record_until_full(&mnt, 6), 6);
        assert_says_it_is_full(&device);
        assert_eq!(space_of(&mnt).1, 0);
        assert_takes(&mnt, 0..6);
        assert!(fs::read(mnt.join("untouched.wav")).unwrap() == bytes(1001, MIB));
        // Over what is there can be written.
        let file = fs::OpenOptions::new().write(true).open(mnt.join("take 1")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes(1, TAKE)[..4096], 0).unwrap();
        if let Err(error) = file.sync_all() {
            assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}");
        }
        drop(file);
        fs::remove_file(mnt.join("take 0")).unwrap();
        // Not before the deletion is durable: a power cut must not bring back a name without its bytes.
        eventually("deleted bytes give their space back", || disk.free() >= TAKE / 2);
        disk.fill_up();

        // A daemon that dies now finds a disk on which it can hardly start: it says so, or it does.
        device.kill_daemon();
        let mounted = device.run(["mount", "vault", mnt.to_str().unwrap()]);
        if mounted.status.success() {
            assert_takes(&mnt, 1..6);
        } else {
            let said = String::from_utf8_lossy(&mounted.stderr).into_owned();
            assert!(said.contains("space"), "{said}");
        }
        fs::remove_file(&filler).unwrap();
        if !mounted.status.success() {
            device.mount();
        }
        assert_takes(&mnt, 1..6);
        assert!(!mnt.join("take 0").exists());
        assert_eq!(troubles(&device), [""; 0]);
        record(&mnt.join("take 6"), &bytes(6, TAKE)).unwrap();
        device.ok(["queue", "resume"]);
        device.wait_synced();
        assert_takes(&device.path("remote"), 1..7);
        assert!(tree(&mnt) == tree(&device.path("remote")), "mount and provider differ");
    });
}

#[test]
fn a_full_disk_at_the_provider_keeps_everything_here_and_is_tried_again() {
    on_small_disk("full_disk::a_full_disk_at_the_provider_keeps_everything_here_and_is_tried_again", 32, |disk| {
        let device = Device::new("full");
        disk.take_in(&device, "remote");
        let remote = disk.path().join("remote");
        let mnt = device.mount_local(&remote);
        record(&mnt.join("take 0"), &bytes(0, TAKE)).unwrap();
        device.wait_synced();
        let filler = disk.fill_up();
        record(&mnt.join("take 1"), &bytes(1, TAKE)).unwrap();
        fs::write(mnt.join("take 0"), "shorter, but not in place").unwrap();
        eventually("the queue says why", || {
            let queue: Value = serde_json::from_str(&device.ok(["queue", "--json"])).unwrap();
            let why =
                |item: &Value| item["problem"].as_str().is_some_and(|why| why.contains("disk") && why.contains("full"));
            queue["items"].as_array().unwrap().iter().any(|item| item["path"] == "take 1" && why(item))
        });
        let status = vault_status(&device);
        assert_eq!(status["problems"][0]["code"], "no-space", "{status}");
        assert!(status["problems"][0]["hint"].as_str().unwrap().contains("free some space"), "{status}");
        let leftovers: Vec<_> = fs::read_dir(&remote).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!leftovers.iter().any(|name| name == "take 1"), "half of a file at the provider: {leftovers:?}");
        // The mount is as good as ever, and so it is after the daemon died.
        device.kill_daemon();
        let mnt = device.mount();
        assert_takes(&mnt, 1..2);
        fs::remove_file(filler).unwrap();
        device.ok(["queue", "retry"]);
        device.wait_synced();
        assert_takes(&remote, 1..2);
        assert_eq!(fs::read_to_string(remote.join("take 0")).unwrap(), "shorter, but not in place");
        eventually("all is well", || device.ok(["status", "--short"]).trim() == "idle");
    });
}
