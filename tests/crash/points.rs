//! A crash at every named point (`sys::failpoint`): the daemon dies there, at the first visit and at later ones, and is started again. What
//! was acknowledged is there, nobody has a conflict with himself, and the catalog is in order.
//!
//! `VAULTFS_VISITS` sets how many visits of each point, `VAULTFS_SEED` which ones after the first.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::day::Day;
use crate::evidence::Evidence;
use crate::setting;
use crate::support::Device;

/// A daemon that nobody starts again.
struct Armed(Child);

impl Armed {
    /// Starts one that dies at the visit of a point, perhaps while it starts.
    fn start(device: &Device, point: &str, visit: u64) -> Self {
        let mut command = device.command();
        command.args(["daemon", "run", "--detached"]).env("VAULTFS_FAILPOINT", format!("{point}:{visit}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // It is ready, or dead.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child)
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

/// What stands in the source below a folder between a prefix and a quote.
fn named_in(folder: &Path, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(named_in(&entry, prefix));
        } else if entry.extension() == Some("rs".as_ref()) {
            let text = fs::read_to_string(&entry).unwrap();
            let after = text.split(prefix).skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(after.map(ToOwned::to_owned));
        }
    }
    found
}

/// The points of these modules.
fn points(modules: &[&str]) -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    modules.iter().flat_map(|module| named_in(&source.join(module), "failpoint::reach(\"")).collect()
}

/// One day with a daemon that dies at this visit; false if it does not come to it.
fn crash_at(device: &Device, day: &mut Day, evidence: &mut Evidence<'_>, point: &str, visit: u64) -> bool {
    day.put_away(device);
    day.leave_work(device);
    evidence.end_run();
    let mut armed = Armed::start(device, point, visit);
    let mut goes_on = || armed.is_alive();
    // It has mounted what was mounted. If it dies now, this starts another one.
    if goes_on() {
        device.ok(["online", "vault"]);
    }
    day.work(&mut goes_on);
    if day.exchange(&mut goes_on) {
        day.tidy(&mut goes_on);
    }
    let has_died = !armed.is_alive();
    if !has_died {
        crate::support::kill(armed.0.id());
    }
    armed.0.wait().unwrap();
    let when = format!("after visit {visit} of {point}");
    remount(device);
    // What is not here can be read again.
    device.ok(["online", "vault"]);
    day.verify(&when);
    device.wait_synced();
    day.verify_agreement(&when);
    device.ok(["verify", "--deep"]);
    has_died
}

/// Mounts the vault, unless a daemon that was started meanwhile has.
fn remount(device: &Device) {
    let output = device.run(["mount".as_ref(), "vault".as_ref(), device.mnt().as_os_str()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("already mounted"), "{said}");
}

fn crash_everywhere(modules: &[&str], at_least: usize) {
    let (visits, seed) = (setting("VAULTFS_VISITS", 2), setting("VAULTFS_SEED", 1));
    let mut random = StdRng::seed_from_u64(seed ^ 0x706f_696e);
    let points = points(modules);
    assert!(points.len() >= at_least, "the source is read as it is written: {points:?}");
    let device = Device::new("pointed");
    let mut evidence = Evidence::gather(&device);
    let mut day = Day::new(&device);
    let mut missed = Vec::new();
    for point in &points {
        let mut visit = 1;
        for round in 0..visits {
            if !crash_at(&device, &mut day, &mut evidence, point, visit) {
                if round == 0 {
                    missed.push(point);
                }
                break;
            }
            println!("{point}: died at visit {visit}");
            visit += random.random_range(1..=visit.max(8));
        }
    }
    assert!(missed.is_empty(), "never reached: {missed:?}");
    println!("{} points, {} acknowledged operations, seed {seed}: nothing lost", points.len(), day.acknowledged());
}

#[test]
fn a_crash_at_any_point_of_the_content_store_loses_nothing() {
    crash_everywhere(&["content"], 11);
}

#[test]
fn a_crash_at_any_other_point_loses_nothing() {
    let all = points(&[""]);
    let known: BTreeSet<String> =
        points(&["content"]).union(&points(&["catalog", "sync", "provider"])).cloned().collect();
    assert_eq!(all, known, "a module with crash points that no test goes over");
    crash_everywhere(&["catalog", "sync", "provider"], 11);
}
