//! What is to be kept on this machine: all of it, also when it changes at the provider, and with a word for each file that could not be.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::api::Counts;
use crate::support::{Device, eventually};

/// A vault behind a link, with `files` in the folder `Session`.
fn far(device: &Device, files: &[(String, Vec<u8>)]) -> PathBuf {
    let remote = device.path("remote");
    fs::create_dir(remote.join("Session")).unwrap();
    for (name, bytes) in files {
        fs::write(remote.join("Session").join(name), bytes).unwrap();
    }
    let shown = remote.to_str().unwrap();
    device.ok(["vault", "add", "vault", "--provider", "local", "--path", shown, "--link-latency", "1"]);
    device.mount()
}

fn status(device: &Device, path: &Path) -> Value {
    serde_json::from_str(&device.ok(["status", path.to_str().unwrap(), "--json"])).unwrap()
}

fn pins(device: &Device) -> Value {
    let status: Value = serde_json::from_str(&device.ok(["status", "--json"])).unwrap();
    status["vaults"][0]["pins"].clone()
}

fn all_are_here(device: &Device, files: u64) -> bool {
    let pins = pins(device);
    pins["files"] == files && pins["missing"] == 0
}

#[test]
fn a_pinned_folder_follows_the_provider() {
    let device = Device::new("pins");
    let mnt = far(&device, &[("a.wav".to_owned(), vec![1; 300_000]), ("b.wav".to_owned(), vec![2; 300_000])]);
    let (session, remote) = (mnt.join("Session"), device.path("remote/Session"));
    eventually("names", || session.join("b.wav").exists());
    device.ok(["pin", session.to_str().unwrap()]);
    eventually("both are here", || all_are_here(&device, 2));

    // A newer version, a new file, one that was moved in, one that is made here.
    fs::write(remote.join("a.wav"), vec![3; 400_000]).unwrap();
    fs::write(remote.join("c.wav"), vec![4; 500_000]).unwrap();
    fs::write(device.path("remote/elsewhere.wav"), vec![5; 100_000]).unwrap();
    eventually("it is shown", || mnt.join("elsewhere.wav").exists());
    fs::rename(mnt.join("elsewhere.wav"), session.join("moved.wav")).unwrap();
    fs::write(session.join("own.wav"), vec![6; 100_000]).unwrap();
    device.wait_synced();
    eventually("all five are here", || all_are_here(&device, 5));
    assert_eq!(status(&device, &session)["presence"], "here");

    // All of it is protected, after a restart, too.
    device.kill_daemon();
    let mnt = device.mount();
    let session = mnt.join("Session");
    eventually("known again", || all_are_here(&device, 5));
    device.ok(["evict", session.to_str().unwrap()]);
    assert_eq!(status(&device, &session)["presence"], "here", "what is pinned stays");
    device.ok(["offline"]);
    assert_eq!(fs::read(session.join("a.wav")).unwrap(), vec![3; 400_000]);
    assert_eq!(fs::read(session.join("c.wav")).unwrap(), vec![4; 500_000]);
    assert_eq!(fs::read(session.join("moved.wav")).unwrap(), vec![5; 100_000]);
    device.ok(["online"]);

    // A file of a pinned folder stays when it alone is let go, and goes with the folder.
    let one = session.join("a.wav");
    let said = device.run(["unpin", one.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("a folder above is pinned"), "{said:?}");
    device.ok(["evict", one.to_str().unwrap()]);
    assert_eq!(status(&device, &one)["presence"], "here");
    device.ok(["unpin", session.to_str().unwrap()]);
    device.ok(["evict", one.to_str().unwrap()]);
    assert_eq!(status(&device, &one)["presence"], "online-only");
    assert_eq!(pins(&device), Value::Null);
}

#[test]
fn a_pinned_folder_of_five_hundred_files_is_all_here() {
    let device = Device::new("pins");
    let name = |number: usize| format!("take {number:03}.wav");
    let files: Vec<(String, Vec<u8>)> =
        (0..500).map(|number| (name(number), vec![u8::try_from(number % 251).unwrap(); 2000 + number])).collect();
    let mnt = far(&device, &files);
    let session = mnt.join("Session");
    eventually("names", || fs::read_dir(&session).is_ok_and(|names| names.count() == 500));
    let said = device.run(["pin", session.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("500 files will be kept here"), "{said:?}");
    eventually("all are here", || all_are_here(&device, 500));
    assert!(device.ok(["status"]).contains("500 files are kept here"));
    device.ok(["offline"]);
    for (name, bytes) in &files {
        assert!(fs::read(session.join(name)).unwrap() == *bytes, "{name}");
    }
}

#[test]
fn a_download_that_a_crash_cut_goes_on_where_it_was() {
    const SIZE: u64 = 48 << 20;
    let device = Device::new("pins");
    let bytes: Vec<u8> = (0..SIZE / 8).flat_map(|word| (word ^ 0x7a5c).to_le_bytes()).collect();
    fs::write(device.path("remote/take.wav"), &bytes).unwrap();
    let remote = device.path("remote");
    let link = ["--link-latency", "1", "--link-rate", "16 MiB"];
    let add = ["vault", "add", "vault", "--provider", "local", "--path", remote.to_str().unwrap()];
    device.ok(add.into_iter().chain(link));
    let mnt = device.mount();
    let take = mnt.join("take.wav");
    eventually("names", || take.exists());
    device.ok(["pin", take.to_str().unwrap()]);
    let hydrated = || status(&device, &take)["hydrated_bytes"].as_u64().unwrap();
    eventually("a part of it is here", || hydrated() > SIZE / 3);
    let before = hydrated();
    device.kill_daemon();
    let mnt = device.mount();
    let take = mnt.join("take.wav");
    // The pin goes on by itself.
    eventually("all of it is here", || status(&device, &take)["presence"] == "here");
    let fetched = Counts::of(&device).get("vaultfs_fetch_bytes_total");
    assert!(fetched <= SIZE - before, "{fetched} bytes fetched though {before} of {SIZE} were here");
    assert!(fs::read(&take).unwrap() == bytes, "wrong bytes");
}
