//! Conflict copies that other programs have put into a vault's folder: found by their names, listed, settled.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Device, eventually};

const BRIEF: &str = "brief (Anna's conflicted copy 2024-01-02).txt";
const NOTES: &str = "notes.sync-conflict-20240102-123456-ABCDEF7.txt";
const SEAFILE: &str = "plan (SFConflict anna 2024-01-02-12-34-56).txt";

fn conflicts(device: &Device, open: bool) -> Vec<Value> {
    let list = device.json("conflicts");
    let items = list["items"].as_array().unwrap().iter();
    items.filter(|item| item["resolved_at"].is_null() == open).cloned().collect()
}

/// The open conflicts: the version that has the name, and the other one.
fn open(device: &Device) -> Vec<(String, Option<String>)> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let mut open: Vec<_> = conflicts(device, true)
        .iter()
        .map(|item| {
            assert_eq!(item["by_name"], true, "{item}");
            (word(&item["path"]).unwrap(), word(&item["other_path"]))
        })
        .collect();
    open.sort();
    open
}

fn pair(named: &str, copy: &str) -> (String, Option<String>) {
    (named.to_owned(), Some(copy.to_owned()))
}

fn id_of(device: &Device, path: &str) -> i64 {
    let item = conflicts(device, true).into_iter().find(|item| item["path"] == path);
    item.unwrap_or_else(|| panic!("no conflict of {path}"))["id"].as_i64().unwrap()
}

fn put(folder: &Path, files: &[&str]) {
    for name in files {
        fs::write(folder.join(name), format!("this is {name}")).unwrap();
    }
}

#[test]
fn copies_that_others_made_are_conflicts() {
    let device = Device::new();
    let root = device.folder("Work");
    put(
        &root,
        &["brief.txt", BRIEF, "notes.txt", NOTES, "Contract (1).pdf", "Exhibit.pdf", "Exhibit 1.pdf", "Exhibit 2.pdf"],
    );
    let (_, mountpoint) = device.mounted("Work");
    eventually("those of the folder are found", || {
        open(&device) == [pair("brief.txt", BRIEF), pair("notes.txt", NOTES)]
    });
    assert_eq!(device.ok("status --short").out, "conflict\n");
    let said = device.ok("conflicts").out;
    assert!(said.contains("conflict copy by Dropbox (Anna)") && said.contains(NOTES), "{said}");

    // Copies that arrive, from one who counts, too; a name that the user chooses in the mount is no copy of anything.
    put(&mountpoint, &["mine.txt", "mine (1).txt"]);
    put(&root, &["plan.txt", SEAFILE, "Contract.pdf", "Lease.pdf", "Lease (1).pdf"]);
    eventually("those that arrive are found", || open(&device).len() == 4);
    let expected = [
        pair("Lease.pdf", "Lease (1).pdf"),
        pair("brief.txt", BRIEF),
        pair("notes.txt", NOTES),
        pair("plan.txt", SEAFILE),
    ];
    assert_eq!(open(&device), expected);

    // Of these nobody knows whose is whose.
    let brief = id_of(&device, "brief.txt");
    let refused = device.run(&format!("conflicts resolve {brief} --keep ours --yes"));
    assert!(refused.code != 0 && refused.err.contains("--keep named"), "{refused:?}");
    device.ok(&format!("conflicts resolve {brief} --keep copy --yes"));
    device.ok(&format!("conflicts resolve {} --keep named --yes", id_of(&device, "notes.txt")));
    fs::remove_file(mountpoint.join(SEAFILE)).unwrap();
    eventually("it is settled there, too", || ![BRIEF, NOTES, SEAFILE].iter().any(|name| root.join(name).exists()));
    assert_eq!(fs::read_to_string(root.join("brief.txt")).unwrap(), format!("this is {BRIEF}"));
    assert_eq!(fs::read_to_string(root.join("notes.txt")).unwrap(), "this is notes.txt");
    eventually("one is open", || open(&device) == [pair("Lease.pdf", "Lease (1).pdf")]);
    let results: String = conflicts(&device, false).iter().map(|item| item["result"].to_string()).collect();
    assert!(
        results.contains("the copy was kept") && results.contains("the version that has the name was kept"),
        "{results}"
    );
    device.ok("conflicts export @/out");
    assert_eq!(fs::read_to_string(device.path("out/Work/Lease (1).pdf")).unwrap(), "this is Lease (1).pdf");
    assert_eq!(fs::read_to_string(device.path("out/Work/Lease.pdf")).unwrap(), "this is Lease.pdf");

    // What is settled is not asked again.
    device.ok("conflicts resolve");
    device.ok("daemon stop");
    device.ok("mount Work @/mnt");
    eventually("idle", || device.ok("status --short").out == "idle\n");
    assert_eq!((open(&device), conflicts(&device, false).len()), (Vec::new(), 4));
}

#[test]
fn a_copy_without_the_other_version_waits_for_it() {
    let device = Device::new();
    let root = device.folder("Work");
    put(&root, &[BRIEF]);
    device.mounted("Work");
    eventually("the copy is found", || open(&device) == [(BRIEF.to_owned(), None)]);
    assert!(device.ok("conflicts").out.contains("not here"));
    let id = id_of(&device, BRIEF);
    put(&root, &["brief.txt"]);
    eventually("its other version is found", || open(&device) == [pair("brief.txt", BRIEF)]);
    assert_eq!(id_of(&device, "brief.txt"), id);
    fs::remove_file(root.join("brief.txt")).unwrap();
    eventually("the choice is seen", || open(&device).is_empty());
    assert!(conflicts(&device, false)[0]["result"].as_str().unwrap().ends_with("the copy was kept"));
}

#[test]
fn a_vault_of_before_is_looked_at_when_it_is_opened() {
    let device = Device::new();
    let root = device.folder("Work");
    put(&root, &["brief.txt", BRIEF]);
    device.mounted("Work");
    eventually("the copy is found", || open(&device).len() == 1);
    let state = device.json("vault show Work")["state_dir"].as_str().unwrap().to_owned();
    device.ok("daemon stop");
    {
        let catalog = rusqlite::Connection::open(Path::new(&state).join("catalog.db")).unwrap();
        let forgotten = "DELETE FROM conflict; DELETE FROM meta WHERE key = 'sync.copies_looked_at'";
        catalog.execute_batch(forgotten).unwrap();
    }
    device.ok("mount Work @/mnt");
    eventually("it is found again", || open(&device) == [pair("brief.txt", BRIEF)]);
}
