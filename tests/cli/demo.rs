//! The demonstration: every check of it holds, and it leaves the user's own vaults and the machine as they were.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use super::harness::{Device, signal};

/// What is left of the folders of a demonstration that keeps its small files in this one.
fn left(tmp: &std::path::Path) -> Vec<PathBuf> {
    std::fs::read_dir(tmp).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The folder that it works in, from what it said.
fn folder(said: &str) -> PathBuf {
    let line = said.lines().find_map(|line| line.trim().strip_prefix("$ cd "));
    PathBuf::from(line.unwrap_or_else(|| panic!("no folder in {said}")))
}

#[test]
fn every_check_of_the_demonstration_holds_and_nothing_stays_behind() {
    let device = Device::new();
    let said = device.ok("demo --fast");
    assert!(said.out.contains("10 of 10 checks held"), "{}", said.out);
    assert!(!said.out.contains("FAILED"), "{}", said.out);
    assert!(!folder(&said.out).exists(), "its folder is left");
    assert_eq!(device.daemon(), None, "no daemon of the user was started");
    assert!(!device.path("config").exists() && !device.path("state").exists(), "nothing of the user was touched");
}

#[test]
fn kept_is_what_was_asked_for_and_never_an_existing_folder() {
    let device = Device::new();
    device.ok("demo --fast --keep @/kept");
    for part in ["provider/Studio/Tour/collection.json", "state", "mnt", "settings/vaults.json"] {
        assert!(device.path("kept").join(part).exists(), "{part}");
    }
    let again = device.run("demo --fast --keep @/kept");
    assert_eq!(again.code, 1, "{again:#?}");
    assert!(again.err.contains("cannot make the new folder"), "{again:#?}");
}

#[test]
fn an_interrupted_demonstration_cleans_up() {
    let device = Device::new();
    let tmp = device.folder("tmp");
    let mut demo = device.command().arg("demo").env("TMPDIR", &tmp).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(demo.stdout.take().unwrap());
    // Mounted and in the middle of something.
    while !said.contains("\n3. ") {
        assert_ne!(lines.read_line(&mut said).unwrap(), 0, "it ended early: {said}");
    }
    signal(demo.id(), "INT");
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    assert!(!folder(&said).exists(), "its folder is left");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(folder(&said).to_str().unwrap()), "{mounts}");
    assert_eq!(left(&tmp), Vec::<PathBuf>::new());
}
