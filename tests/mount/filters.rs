//! What the user leaves out: patterns, chosen folders, names of one's own. Changed while the vault is mounted, in both directions; nothing
//! is deleted anywhere, and nothing that was not sent is lost.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Device, eventually, tree};

/// A mounted vault over this tree.
fn mounted(device: &Device, files: &[&str]) -> (std::path::PathBuf, std::path::PathBuf) {
    let remote = device.path("remote");
    for file in files {
        let path = remote.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("bytes of {file}")).unwrap();
    }
    let mnt = device.mount_local(&remote);
    eventually("the provider's tree is shown", || tree(&mnt) == tree(&remote));
    (remote, mnt)
}

fn set(device: &Device, key: &str, value: &str) {
    device.ok(["config", "set", "--vault", "vault", key, value]);
}

fn unset(device: &Device, key: &str) {
    device.ok(["config", "unset", "--vault", "vault", key]);
}

/// What there is, folders with a slash; also while things come and go.
fn names(root: &Path) -> Vec<String> {
    fn collect(folder: &Path, prefix: &str, into: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if name.starts_with(".vaultfs-") {
                continue;
            }
            if entry.path().is_dir() {
                collect(&entry.path(), &format!("{name}/"), into);
                into.push(format!("{name}/"));
            } else {
                into.push(name);
            }
        }
    }
    let mut found = Vec::new();
    collect(root, "", &mut found);
    found.sort();
    found
}

fn state(device: &Device, path: &Path) -> String {
    device.ok(["status", "--short", path.to_str().unwrap()]).trim().to_owned()
}

fn idle(device: &Device) {
    eventually("idle", || device.ok(["status", "--short"]).trim() == "idle");
}

#[test]
fn excluded_files_go_from_the_mount_and_stay_at_the_provider_and_come_back() {
    let device = Device::new("filters");
    let all = ["Archive/1998/old.pdf", "Cases/brief.docx", "Cases/brief.bak", "notes.bak", "notes.txt"];
    let (remote, mnt) = mounted(&device, &all);
    let before = tree(&remote);
    set(&device, "sync.exclude", r#"["*.bak", "Archive"]"#);
    eventually("only what takes part is shown", || names(&mnt) == ["Cases/", "Cases/brief.docx", "notes.txt"]);
    idle(&device);
    assert_eq!(tree(&remote), before, "the provider keeps everything");
    let why = device.ok(["rules", "why", "--vault", "vault", "Archive/1998/old.pdf"]);
    assert!(why.contains("sync.exclude") && why.contains("left out"), "{why}");

    // News of what is left out changes nothing here, a new file of that kind is not shown either.
    fs::write(remote.join("notes.bak"), "newer").unwrap();
    fs::write(remote.join("more.bak"), "new").unwrap();
    fs::write(remote.join("more.txt"), "new").unwrap();
    eventually("what takes part arrives", || mnt.join("more.txt").exists());
    idle(&device);
    assert!(!mnt.join("more.bak").exists() && !mnt.join("notes.bak").exists());

    // The same after a restart, without another listing.
    device.ok(["daemon", "stop"]);
    let mnt = device.mount();
    assert_eq!(names(&mnt), ["Cases/", "Cases/brief.docx", "more.txt", "notes.txt"]);

    unset(&device, "sync.exclude");
    eventually("everything is back", || tree(&mnt) == tree(&remote));
    assert_eq!(fs::read_to_string(mnt.join("notes.bak")).unwrap(), "newer");
    idle(&device);
    // Dead mounts of other programs on this machine are no trouble of the vault.
    let doctor = String::from_utf8(device.run(["doctor"]).stdout).unwrap();
    assert!(!doctor.contains("TROUBLE vault"), "{doctor}");
}

#[test]
fn what_is_made_or_changed_under_a_filter_stays_here_and_is_sent_when_the_filter_goes() {
    let device = Device::new("filters");
    let (remote, mnt) = mounted(&device, &["edited.bak", "plain.txt"]);
    device.ok(["queue", "pause"]);
    fs::write(mnt.join("edited.bak"), "edited here, not sent").unwrap();
    fs::write(mnt.join("made-before.bak"), "made here, not sent").unwrap();
    set(&device, "sync.exclude", "*.bak");
    device.ok(["queue", "resume"]);
    fs::write(mnt.join("made-after.bak"), "made here under the filter").unwrap();
    fs::create_dir(mnt.join("folder.bak")).unwrap();
    fs::write(mnt.join("folder.bak/inside.txt"), "inside").unwrap();
    fs::write(mnt.join("plain.txt"), "takes part").unwrap();
    eventually("what takes part is sent", || fs::read_to_string(remote.join("plain.txt")).unwrap() == "takes part");
    idle(&device);
    assert_eq!(names(&remote), ["edited.bak", "plain.txt"]);
    assert_eq!(fs::read_to_string(remote.join("edited.bak")).unwrap(), "bytes of edited.bak");
    for name in ["edited.bak", "made-before.bak", "made-after.bak", "folder.bak", "folder.bak/inside.txt"] {
        assert_eq!(state(&device, &mnt.join(name)), "filtered", "{name}");
    }
    let status: Value = serde_json::from_str(&device.ok(["status", "--json"])).unwrap();
    assert_eq!(status["vaults"][0]["resting"], 1, "{status}");
    let wait = device.run(["wait", mnt.join("edited.bak").to_str().unwrap()]);
    assert_eq!(wait.status.code(), Some(4), "waiting for what rests needs the user");

    // Deleting what rests deletes nothing at the provider.
    fs::write(mnt.join("edited.bak"), "edited again").unwrap();
    device.kill_daemon();
    let mnt = device.mount();
    assert_eq!(fs::read_to_string(mnt.join("edited.bak")).unwrap(), "edited again");
    idle(&device);

    unset(&device, "sync.exclude");
    device.wait_synced();
    eventually("both sides are alike", || tree(&mnt) == tree(&remote));
    for (name, bytes) in [
        ("edited.bak", "edited again"),
        ("made-before.bak", "made here, not sent"),
        ("made-after.bak", "made here under the filter"),
        ("folder.bak/inside.txt", "inside"),
    ] {
        assert_eq!(fs::read_to_string(remote.join(name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn deleting_here_what_is_left_out_deletes_nothing_there() {
    let device = Device::new("filters");
    let (remote, mnt) = mounted(&device, &["Project/mix.bak", "Project/mix.json", "rests.bak", "unsent.bak"]);
    device.ok(["queue", "pause"]);
    fs::remove_file(mnt.join("unsent.bak")).unwrap();
    fs::write(mnt.join("rests.bak"), "edited").unwrap();
    set(&device, "sync.exclude", "*.bak");
    device.ok(["queue", "resume"]);
    eventually("the filter is at work", || !mnt.join("Project/mix.bak").exists());
    fs::remove_file(mnt.join("rests.bak")).unwrap();
    fs::remove_dir_all(mnt.join("Project")).unwrap();
    eventually("what takes part is deleted", || !remote.join("Project/mix.json").exists());
    eventually("its folder is needed there, and so here", || mnt.join("Project").is_dir());
    idle(&device);
    assert_eq!(names(&remote), ["Project/", "Project/mix.bak", "rests.bak", "unsent.bak"]);
    unset(&device, "sync.exclude");
    eventually("what the provider has is back", || tree(&mnt) == tree(&remote));
    idle(&device);
}

#[test]
fn only_chosen_folders_are_here_and_choosing_less_drops_their_bytes() {
    let device = Device::new("filters");
    let remote = device.path("remote");
    for case in ["24-0117", "24-0118", "24-0119"] {
        fs::create_dir_all(remote.join("Cases").join(case)).unwrap();
        fs::write(remote.join("Cases").join(case).join("brief.docx"), vec![7; 200_000]).unwrap();
    }
    fs::write(remote.join("README.txt"), "read me").unwrap();
    let shown = remote.to_str().unwrap();
    // Behind a link, so that bytes are cached and can be dropped.
    device.ok(["vault", "add", "vault", "--provider", "local", "--path", shown, "--link-latency", "1"]);
    let mnt = device.mount();
    eventually("the provider's tree is shown", || names(&mnt) == names(&remote));
    let cached = || {
        let status: Value = serde_json::from_str(&device.ok(["status", "--json"])).unwrap();
        status["vaults"][0]["cached_bytes"].as_u64().unwrap()
    };
    for case in ["24-0117", "24-0118"] {
        fs::read(mnt.join("Cases").join(case).join("brief.docx")).unwrap();
    }
    device.ok(["pin", mnt.join("Cases/24-0117").to_str().unwrap()]);
    let both = cached();
    assert!(both >= 400_000, "{both}");
    let before = tree(&remote);
    set(&device, "sync.folders", "Cases/24-0118, Cases/24-0119");
    let chosen = ["Cases/", "Cases/24-0118/", "Cases/24-0118/brief.docx", "Cases/24-0119/", "Cases/24-0119/brief.docx"];
    eventually("only the chosen ones are shown", || names(&mnt) == chosen);
    eventually("the bytes of the others are gone from here", || cached() <= both - 200_000);
    idle(&device);
    assert_eq!(tree(&remote), before, "and nothing is gone from there");

    // What takes part is synced in both directions, a new case elsewhere is not chosen.
    fs::write(mnt.join("Cases/24-0118/reply.txt"), "reply").unwrap();
    fs::create_dir(remote.join("Cases/24-0120")).unwrap();
    fs::write(remote.join("Cases/24-0119/note.txt"), "note").unwrap();
    eventually("news of a chosen one arrives", || mnt.join("Cases/24-0119/note.txt").exists());
    device.wait_synced();
    assert!(remote.join("Cases/24-0118/reply.txt").exists() && !mnt.join("Cases/24-0120").exists());

    set(&device, "sync.folders", "Cases/24-0117");
    eventually("the choice changes", || names(&mnt) == ["Cases/", "Cases/24-0117/", "Cases/24-0117/brief.docx"]);
    unset(&device, "sync.folders");
    eventually("everything is back", || names(&mnt) == names(&remote));
    idle(&device);
}

#[test]
fn moving_across_the_border_of_a_filter_loses_nothing() {
    let device = Device::new("filters");
    let (remote, mnt) = mounted(&device, &["Draft/take.wav", "Draft/mix.json", "song/mix.json", "report.doc"]);
    set(&device, "sync.exclude", r#"["/Final/*.wav", "*.bak", "Attic"]"#);
    idle(&device);

    // An editor's backup: the old file steps aside, the new one takes its place.
    fs::rename(mnt.join("report.doc"), mnt.join("report.doc.bak")).unwrap();
    fs::write(mnt.join("report.doc"), "the new report").unwrap();
    eventually("the new report is sent", || {
        fs::read_to_string(remote.join("report.doc")).is_ok_and(|text| text == "the new report")
    });
    idle(&device);
    assert!(!remote.join("report.doc.bak").exists());
    assert_eq!(fs::read_to_string(mnt.join("report.doc.bak")).unwrap(), "bytes of report.doc");

    // Into a folder that is left out: it leaves the provider, as a deletion would, and its bytes are here.
    fs::create_dir(mnt.join("Attic")).unwrap();
    fs::rename(mnt.join("song"), mnt.join("Attic/song")).unwrap();
    eventually("it left the provider", || !remote.join("song").exists());
    idle(&device);
    assert_eq!(fs::read_to_string(mnt.join("Attic/song/mix.json")).unwrap(), "bytes of song/mix.json");
    assert_eq!(state(&device, &mnt.join("Attic/song/mix.json")), "filtered");
    // And out of it again.
    fs::rename(mnt.join("Attic/song"), mnt.join("song")).unwrap();
    device.wait_synced();
    assert_eq!(fs::read_to_string(remote.join("song/mix.json")).unwrap(), "bytes of song/mix.json");

    // A folder whose new name brings a pattern to bear on what is in it.
    fs::rename(mnt.join("Draft"), mnt.join("Final")).unwrap();
    eventually("the folder is renamed there with all that it holds", || remote.join("Final/take.wav").exists());
    idle(&device);
    fs::rename(remote.join("Final"), remote.join("Draft")).unwrap();
    eventually("back under a name that no pattern means", || mnt.join("Draft/take.wav").exists());
    unset(&device, "sync.exclude");
    device.wait_synced();
    eventually("both sides are alike", || tree(&mnt) == tree(&remote));
    assert_eq!(fs::read_to_string(mnt.join("Draft/take.wav")).unwrap(), "bytes of Draft/take.wav");
}

#[test]
fn names_of_ones_own_stay_here_and_a_rule_younger_than_a_file_deletes_nothing() {
    let device = Device::new("filters");
    let (remote, mnt) = mounted(&device, &["old.cache"]);
    set(&device, "rules.local_only", "*.cache");
    fs::write(mnt.join("new.cache"), "stays").unwrap();
    fs::write(mnt.join("old.cache"), "still shared").unwrap();
    eventually("the older file goes on being synced", || {
        fs::read_to_string(remote.join("old.cache")).unwrap() == "still shared"
    });
    idle(&device);
    assert_eq!(state(&device, &mnt.join("new.cache")), "local-only");
    assert!(!remote.join("new.cache").exists());
    let why = device.ok(["rules", "why", mnt.join("new.cache").to_str().unwrap()]);
    assert!(why.contains("user") && why.contains("*.cache"), "{why}");
    let why = device.ok(["rules", "why", mnt.join("old.cache").to_str().unwrap()]);
    assert!(why.contains("is synced") && why.contains("before there was this rule"), "{why}");
    set(&device, "rules.always_sync", "new.*");
    eventually("the exception sends it", || remote.join("new.cache").exists());
    idle(&device);
}
