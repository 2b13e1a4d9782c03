//! The demonstration: every check of it holds, and it leaves the user's own vaults and the machine as they were.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::harness::{Device, signal};

/// A device, and the simulator beside the program. A build of all tests of the workspace has built it; one of this package's alone has not.
fn device() -> Device {
    let program = Path::new(env!("CARGO_BIN_EXE_vaultfs"));
    if !program.with_file_name("cloud-sim").exists() {
        let target = program.parent().and_then(Path::parent).unwrap();
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "cloud-sim", "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(built.success(), "the simulator cannot be built");
    }
    Device::new()
}

/// What is left of the folders of a demonstration that keeps its small files in this one.
fn left(tmp: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(tmp).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The folder that it works in, from what it said.
fn folder(said: &str) -> PathBuf {
    let line = said.lines().find_map(|line| line.trim().strip_prefix("$ cd "));
    PathBuf::from(line.unwrap_or_else(|| panic!("no folder in {said}")))
}

#[test]
fn every_check_of_the_demonstration_holds_and_nothing_stays_behind() {
    let device = device();
    let said = device.ok("demo --fast");
    assert!(said.out.contains("13 of 13 checks held"), "{}", said.out);
    assert!(!said.out.contains("FAILED"), "{}", said.out);
    assert!(!folder(&said.out).exists(), "its folder is left");
    assert_eq!(device.daemon(), None, "no daemon of the user was started");
    assert!(!device.path("config").exists() && !device.path("state").exists(), "nothing of the user was touched");
}

#[test]
fn nothing_is_lost_in_bad_weather_with_a_daemon_killed() {
    let device = device();
    let said = device.ok("demo --fast --chaos --seed 3");
    assert!(said.out.contains("17 of 17 checks held") && said.out.contains("nothing was lost"), "{}", said.out);
    assert!(!folder(&said.out).exists(), "its folder is left");
}

#[test]
fn without_the_simulator_it_says_where_to_get_it() {
    let device = Device::new();
    let alone = device.path("vaultfs");
    std::fs::copy(env!("CARGO_BIN_EXE_vaultfs"), &alone).unwrap();
    let output = Command::new(alone).args(["demo", "--fast"]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("no `cloud-sim` beside this program") && err.contains("hint: run scripts/demo.sh"), "{err}");
}

#[test]
fn kept_is_what_was_asked_for_and_never_an_existing_folder() {
    let device = device();
    device.ok("demo --fast --keep @/kept");
    for part in ["originals/Studio/Tour/collection.json", "studio/state", "laptop/mnt", "laptop/settings/vaults.json"] {
        assert!(device.path("kept").join(part).exists(), "{part}");
    }
    let again = device.run("demo --fast --keep @/kept");
    assert_eq!(again.code, 1, "{again:#?}");
    assert!(again.err.contains("cannot make the new folder"), "{again:#?}");
}

#[test]
fn an_interrupted_demonstration_cleans_up() {
    let device = device();
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
