//! What becomes of files: status, queue, sync, offline, pins, history.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::golden;
use crate::harness::{Device, eventually};

#[test]
fn a_saved_file_is_safe_here_at_once_and_in_the_cloud_after_a_wait() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    device.ok("offline");
    fs::write(mountpoint.join("brief.txt"), "to the court").unwrap();
    let pending = device.json("status @/mnt/brief.txt");
    assert_eq!(
        (&pending["state"], &pending["safe_here"], &pending["safe_in_cloud"]),
        (&"pending".into(), &true.into(), &false.into())
    );
    assert_eq!(device.ok("status --short").out, "offline\n");
    let timed_out = device.run("wait @/mnt/brief.txt --timeout 0");
    assert_eq!(timed_out.code, 1);
    golden::check("wait-timeout.txt", &device.golden(&timed_out.err));
    device.ok("online Work");
    device.ok("wait @/mnt/brief.txt");
    assert_eq!(fs::read_to_string(root.join("brief.txt")).unwrap(), "to the court");
    golden::check("status-file.txt", &device.golden(&device.ok("status @/mnt/brief.txt").out));
    eventually("idle", || device.ok("status --short").out == "idle\n");
    golden::check("status.txt", &device.golden(&device.ok("status").out));
    golden::check("queue-empty.txt", &device.ok("queue").whole());
}

#[test]
fn paths_are_understood_in_every_form() {
    let device = Device::new();
    let (_, mountpoint) = device.mounted("Work");
    fs::create_dir(mountpoint.join("Cases")).unwrap();
    fs::write(mountpoint.join("Cases/a b.txt"), "x").unwrap();
    std::os::unix::fs::symlink(&mountpoint, device.path("link")).unwrap();
    let ask = |path: &str, more: &[&str]| {
        let output = device.command().args(["status", path, "--json"]).args(more).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        answer["path"].as_str().map(str::to_owned)
    };
    let expected = Some("Cases/a b.txt".to_owned());
    assert_eq!(ask(mountpoint.join("Cases/a b.txt").to_str().unwrap(), &[]), expected);
    assert_eq!(ask("mnt/Cases/a b.txt", &[]), expected);
    assert_eq!(ask("link/Cases/a b.txt", &[]), expected);
    assert_eq!(ask("Cases/a b.txt", &["--vault", "Work"]), expected);
    assert_eq!(ask("./Cases/", &["--vault", "Work"]), Some("Cases".to_owned()));
    assert_eq!(ask("mnt", &[]), Some(String::new()));
    let output =
        device.command().current_dir(mountpoint.join("Cases")).args(["status", ".", "--json"]).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["path"], "Cases");
    assert_eq!(answer["below"]["files"], 1);
}

#[test]
fn the_queue_is_paused_held_released_retried_and_discarded() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    device.ok("queue pause");
    assert_eq!(device.ok("status --short").out, "paused\n");
    for name in ["keep.txt", "hold.txt", "drop.txt"] {
        fs::write(mountpoint.join(name), name).unwrap();
    }
    assert_eq!(device.json("queue")["total"], 3);
    assert_eq!(device.run("sync now").code, 1, "a paused vault does not sync");
    device.ok("queue hold @/mnt/hold.txt");
    let unasked = device.run("queue discard @/mnt/drop.txt");
    assert_eq!(unasked.code, 4, "without a terminal nobody can say yes");
    golden::check("discard-unasked.txt", &device.golden(&unasked.err));
    device.ok("queue discard @/mnt/drop.txt --yes");
    assert!(!mountpoint.join("drop.txt").exists());
    device.ok("queue resume");
    device.ok("wait @/mnt/keep.txt");
    let held = device.run("wait @/mnt/hold.txt");
    assert_eq!(held.code, 4);
    assert!(!root.join("hold.txt").exists() && root.join("keep.txt").exists());
    device.ok("queue release @/mnt/hold.txt");
    device.ok("wait @/mnt/hold.txt");
    assert!(root.join("hold.txt").exists() && !root.join("drop.txt").exists());
    let nothing = device.run("queue retry @/mnt/hold.txt");
    assert_eq!(nothing.code, 1);
    assert_eq!(device.json("history")["items"][0]["reason"], "discarded");
}

#[test]
fn a_pause_survives_the_daemon() {
    let device = Device::new();
    device.mounted("Work");
    device.ok("queue pause");
    device.ok("daemon stop");
    assert_eq!(device.ok("status --short").out, "paused\n");
    device.ok("queue resume");
    device.ok("offline");
    device.ok("daemon stop");
    assert_eq!(device.ok("status --short").out, "offline\n");
}

#[test]
fn a_dry_run_says_what_a_run_then_does() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    device.ok("queue pause");
    fs::write(mountpoint.join("new.txt"), "text").unwrap();
    // The kernel tells of a close a moment after it returned; until then the file counts as open for writing.
    eventually("the upload is planned", || device.json("sync --dry-run")["plan"][0]["path"] == "new.txt");
    assert!(!root.join("new.txt").exists());
    device.ok("queue resume");
    device.ok("sync now");
    assert_eq!(fs::read_to_string(root.join("new.txt")).unwrap(), "text");
    let done = device.json("sync --full");
    assert_eq!((&done["failed"], &done["pending"]), (&0.into(), &0.into()), "{done}");
}

#[test]
fn a_dry_run_changes_nothing_and_tells_every_step() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    for name in ["goes.txt", "moves.txt", "edited.txt"] {
        fs::write(mountpoint.join(name), name).unwrap();
    }
    device.ok("wait @/mnt");
    device.ok("queue pause");
    fs::remove_file(mountpoint.join("goes.txt")).unwrap();
    fs::rename(mountpoint.join("moves.txt"), mountpoint.join("moved.txt")).unwrap();
    fs::write(mountpoint.join("edited.txt"), "edited").unwrap();
    fs::create_dir(mountpoint.join("made")).unwrap();
    let plan = || {
        let plan = device.json("sync --dry-run")["plan"].as_array().unwrap().clone();
        let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
        let mut steps: Vec<_> = plan.iter().map(|item| (text(item, "path"), text(item, "action"))).collect();
        steps.sort();
        steps
    };
    let owned = |path: &str, action: &str| (path.to_owned(), action.to_owned());
    let expected = [
        owned("edited.txt", "upload"),
        owned("goes.txt", "delete at the provider"),
        owned("made", "create folder"),
        owned("moved.txt", "move at the provider"),
    ];
    eventually("everything is planned", || plan() == expected);
    let everything = || {
        let kept = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            // Of a database that is read, the index of its log; what the daemon tells of itself.
            !name.ends_with("-shm") && !name.ends_with(".log")
        };
        let all = ["state", "cache", "Work"].map(|folder| super::verify::files(&device.path(folder)));
        let paths = all.into_iter().flatten().filter(kept);
        paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect::<BTreeMap<_, _>>()
    };
    // The daemon may still be storing what has just been done.
    eventually("a dry run changes no byte anywhere", || {
        let before = everything();
        plan() == expected && everything() == before
    });
    fs::write(root.join("theirs.txt"), "theirs").unwrap();
    device.ok("queue resume");
    let done = device.json("sync now");
    assert_eq!((&done["failed"], &done["pending"]), (&0.into(), &0.into()), "{done}");
    let mut names: Vec<String> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with(".vaultfs"));
    names.sort();
    assert_eq!(names, ["edited.txt", "made", "moved.txt", "theirs.txt"]);
    assert_eq!(fs::read_to_string(root.join("edited.txt")).unwrap(), "edited");
}

#[test]
fn bytes_come_when_they_are_read_and_go_when_they_are_evicted() {
    let device = Device::new();
    let root = device.folder("far");
    fs::write(root.join("take.wav"), vec![7; 3 << 20]).unwrap();
    device.ok("vault add Far --provider local --path @/far --link-latency 1");
    let mountpoint = device.folder("mnt");
    device.ok("mount Far @/mnt");
    eventually("names", || mountpoint.join("take.wav").exists());
    let hydrated = || device.json("status @/mnt/take.wav")["hydrated_bytes"].as_u64().unwrap();
    assert_eq!(hydrated(), 0, "listing fetches nothing");
    assert_eq!(device.json("status @/mnt/take.wav")["presence"], "online-only");
    assert_eq!(fs::read(mountpoint.join("take.wav")).unwrap().len(), 3 << 20);
    assert_eq!(hydrated(), 3 << 20);
    device.ok("evict @/mnt/take.wav");
    assert_eq!(hydrated(), 0);
    device.ok("pin @/mnt");
    eventually("pinned bytes arrive", || hydrated() == 3 << 20);
    assert_eq!(device.json("status @/mnt/take.wav")["pinned"], true);
    device.ok("evict @/mnt/take.wav");
    assert_eq!(hydrated(), 3 << 20, "what is pinned stays");
    device.ok("unpin @/mnt");
    device.ok("offline");
    assert_eq!(fs::read(mountpoint.join("take.wav")).unwrap().len(), 3 << 20, "offline, what is here is read");
}

#[test]
fn versions_that_were_replaced_are_listed_restored_and_exported() {
    let device = Device::new();
    let (_, mountpoint) = device.mounted("Work");
    device.ok("offline");
    fs::create_dir(mountpoint.join("Cases")).unwrap();
    fs::write(mountpoint.join("Cases/draft.txt"), "first thoughts").unwrap();
    device.ok("queue discard @/mnt/Cases/draft.txt --yes");
    let history = device.json("history");
    let entry = &history["items"][0];
    assert_eq!((&entry["path"], &entry["size"]), (&"Cases/draft.txt".into(), &14.into()), "{history}");
    golden::check("history.txt", &device.golden(&device.ok("history list").out));
    device.ok("history export @/out");
    let exported: Vec<_> =
        fs::read_dir(device.path("out/Work/Cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(fs::read_to_string(&exported[0]).unwrap(), "first thoughts");
    device.ok("history export @/out");
    assert_eq!(fs::read_dir(device.path("out/Work/Cases")).unwrap().count(), 1, "exporting again adds nothing");
    assert!(!mountpoint.join("Cases/draft.txt").exists(), "the kernel has looked, and remembers that nothing is there");
    let restored = device.json(&format!("history restore {}", entry["id"]));
    let path = mountpoint.join(restored["path"].as_str().unwrap());
    assert_eq!(fs::read_to_string(path).unwrap(), "first thoughts");
    let again = device.json(&format!("history restore {}", entry["id"]));
    assert_ne!(again["path"], restored["path"], "a restored version never replaces what is there");
}

#[test]
fn conflicts_are_listed_and_both_versions_exported() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    fs::write(mountpoint.join("brief.txt"), "agreed").unwrap();
    device.ok("wait @/mnt/brief.txt");
    device.ok("offline");
    fs::write(mountpoint.join("brief.txt"), "ours, longer").unwrap();
    fs::write(root.join("brief.txt"), "theirs").unwrap();
    device.ok("online");
    eventually("the conflict is found", || device.json("conflicts")["items"].as_array().unwrap().len() == 1);
    eventually("it says so", || device.ok("status --short").out == "conflict\n");
    device.ok("conflicts export @/out");
    let mut texts: Vec<String> = fs::read_dir(device.path("out/Work"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    texts.sort();
    assert_eq!(texts, ["ours, longer", "theirs"]);
    assert!(device.ok("conflicts").out.contains("brief.txt"));
    let item = device.json("conflicts")["items"][0].clone();
    fs::remove_file(mountpoint.join(item["other_path"].as_str().unwrap())).unwrap();
    eventually("who deletes one of the two has settled it", || device.ok("status --short").out == "idle\n");
    assert_eq!(device.run(&format!("conflicts resolve {}", item["id"])).code, 1, "it is settled already");
}

#[test]
fn a_mass_deletion_waits_for_a_yes() {
    let device = Device::new();
    let (root, mountpoint) = device.mounted("Work");
    for at in 0..300 {
        fs::write(mountpoint.join(format!("{at}.txt")), at.to_string()).unwrap();
    }
    device.ok("wait @/mnt --timeout 60");
    for at in 0..300 {
        fs::remove_file(mountpoint.join(format!("{at}.txt"))).unwrap();
    }
    let stopped = device.run("wait @/mnt --timeout 60");
    assert_eq!(stopped.code, 4, "{stopped:?}");
    assert!(
        stopped.err.contains("a mass deletion was stopped") && stopped.err.contains("queue release"),
        "{stopped:?}"
    );
    assert_eq!(device.ok("status --short").out, "error\n");
    assert!(root.join("299.txt").exists());
    device.ok("queue release");
    device.ok("wait @/mnt --timeout 60");
    assert!(!root.join("299.txt").exists());
}

#[test]
fn rules_say_why_a_name_stays_here() {
    let device = Device::new();
    golden::check("rules-local.txt", &device.ok("rules why a/b/.DS_Store").out);
    golden::check("rules-synced.txt", &device.ok("rules why brief.docx").out);
}

#[test]
fn doctor_finds_a_healthy_device_healthy() {
    let device = Device::new();
    device.mounted("Work");
    device.ok("sync now");
    // The exit code also speaks of dead mounts of other devices on this machine.
    let report: Value = serde_json::from_str(&device.run("doctor --json").out).unwrap();
    assert!(report["findings"].as_array().unwrap().iter().any(|finding| finding["vault"] == "Work"), "{report}");
}
