//! What a person decides against the program: send over, give up, keep back, settle. What loses is in the history, and every decision is noted.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::golden;
use crate::harness::{Device, eventually};

fn idle(device: &Device) {
    eventually("idle", || device.ok("status --short").out == "idle\n");
}

/// A file that both sides have edited, while nothing is synced.
fn edited_on_both_sides(device: &Device) -> (PathBuf, PathBuf) {
    let (root, mountpoint) = device.mounted("Work");
    fs::write(mountpoint.join("brief.docx"), "draft").unwrap();
    device.ok("wait @/mnt");
    device.ok("queue pause");
    fs::write(mountpoint.join("brief.docx"), "ours").unwrap();
    fs::write(root.join("brief.docx"), "theirs, longer").unwrap();
    (root, mountpoint)
}

/// A conflict of which both versions were kept, beside each other.
fn conflict(device: &Device) -> (PathBuf, PathBuf, i64) {
    let (root, mountpoint) = edited_on_both_sides(device);
    device.ok("queue resume");
    eventually("the conflict is found", || open_conflicts(device).len() == 1);
    device.ok("wait @/mnt");
    let id = open_conflicts(device)[0]["id"].as_i64().unwrap();
    (root, mountpoint, id)
}

fn open_conflicts(device: &Device) -> Vec<Value> {
    let list = device.json("conflicts");
    list["items"].as_array().unwrap().iter().filter(|item| item["resolved_at"].is_null()).cloned().collect()
}

fn kept(device: &Device, reason: &str) -> Vec<String> {
    device.ok("history export @/kept");
    let list = device.json("history");
    let items = list["items"].as_array().unwrap().iter().filter(|item| item["reason"] == reason);
    let stamp = |item: &Value| format!(" {})", item["id"]);
    items
        .map(|item| {
            let file =
                files(&device.path("kept")).into_iter().find(|path| path.to_str().unwrap().contains(&stamp(item)));
            fs::read_to_string(file.unwrap()).unwrap()
        })
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] }).collect()
}

fn decisions(device: &Device) -> Vec<(String, String)> {
    let list = device.json("history decisions");
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    list["items"].as_array().unwrap().iter().map(|item| (text(item, "what"), text(item, "path"))).collect()
}

#[test]
fn an_edit_is_sent_over_whatever_the_provider_has() {
    let device = Device::new();
    let (root, mountpoint) = edited_on_both_sides(&device);
    // The provider's edit is known, and nothing is done about it yet.
    device.ok("queue hold @/mnt/brief.docx");
    device.ok("queue resume");
    device.ok("sync now");
    let unasked = device.run("queue upload @/mnt/brief.docx");
    assert_eq!(unasked.code, 4, "{unasked:?}");
    golden::check("upload-unasked.txt", &device.golden(&unasked.err));
    let said = device.ok("queue upload @/mnt/brief.docx --yes");
    assert!(said.err.contains("in the history"), "{said:?}");
    device.ok("wait @/mnt");
    idle(&device);
    assert_eq!(fs::read_to_string(root.join("brief.docx")).unwrap(), "ours");
    assert_eq!(fs::read_to_string(mountpoint.join("brief.docx")).unwrap(), "ours");
    assert_eq!(kept(&device, "overruled"), ["theirs, longer"]);
    assert_eq!(device.json("conflicts")["items"].as_array().unwrap().len(), 0);
    assert_eq!(fs::read_dir(&mountpoint).unwrap().count(), 1, "no conflict copy");
    let path = || "brief.docx".to_owned();
    assert_eq!(decisions(&device), [("upload".to_owned(), path()), ("hold".to_owned(), path())]);
    assert_eq!(device.run("queue upload @/mnt/brief.docx --yes").code, 1, "nothing waits any more");
    device.ok("daemon stop");
    assert_eq!(decisions(&device).len(), 2, "noted for good");
}

#[test]
fn an_edit_is_given_up_and_what_was_here_is_in_the_history() {
    let device = Device::new();
    let (root, mountpoint) = edited_on_both_sides(&device);
    device.ok("queue hold @/mnt/brief.docx");
    device.ok("queue resume");
    device.ok("sync now");
    device.ok("queue discard @/mnt/brief.docx --yes");
    device.ok("queue release");
    idle(&device);
    assert_eq!(fs::read_to_string(root.join("brief.docx")).unwrap(), "theirs, longer");
    assert_eq!(fs::read_to_string(mountpoint.join("brief.docx")).unwrap(), "theirs, longer");
    assert_eq!(kept(&device, "discarded"), ["ours"]);
    assert_eq!(decisions(&device)[0], ("discard".to_owned(), "brief.docx".to_owned()));
}

#[test]
fn of_a_conflict_ours_is_kept() {
    let device = Device::new();
    let (root, mountpoint, id) = conflict(&device);
    assert_eq!(fs::read_dir(&mountpoint).unwrap().count(), 2);
    assert_eq!(device.run(&format!("conflicts resolve {id} --keep ours")).code, 4, "not without a yes");
    device.ok(&format!("conflicts resolve {id} --keep ours --yes"));
    idle(&device);
    for side in [&root, &mountpoint] {
        assert_eq!(fs::read_to_string(side.join("brief.docx")).unwrap(), "ours");
        let names = fs::read_dir(side).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
        assert_eq!(names.filter(|name| !name.starts_with(".vaultfs")).count(), 1);
    }
    assert_eq!(kept(&device, "conflict-loser"), ["theirs, longer"]);
    assert!(open_conflicts(&device).is_empty());
}

#[test]
fn of_a_conflict_theirs_is_kept() {
    let device = Device::new();
    let (root, mountpoint, id) = conflict(&device);
    device.ok(&format!("conflicts resolve {id} --keep theirs --yes"));
    idle(&device);
    for side in [&root, &mountpoint] {
        assert_eq!(fs::read_to_string(side.join("brief.docx")).unwrap(), "theirs, longer");
        let names = fs::read_dir(side).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
        assert_eq!(names.filter(|name| !name.starts_with(".vaultfs")).count(), 1);
    }
    assert_eq!(kept(&device, "conflict-loser"), ["ours"]);
    assert_eq!(decisions(&device), [("resolve".to_owned(), "brief.docx".to_owned())]);
}

#[test]
fn the_history_of_a_conflict_tells_all_and_survives_a_restart() {
    let device = Device::named("anna");
    let (_, mountpoint, id) = conflict(&device);
    let both = |device: &Device| device.json("conflicts")["items"].as_array().unwrap().clone();
    let found = both(&device)[0].clone();
    assert_eq!((&found["path"], &found["device"]), (&"brief.docx".into(), &"anna".into()), "{found}");
    assert_eq!((&found["strategy"], &found["what"]), (&"keep both".into(), &"edited here and at the provider".into()));
    for content in ["ours", "theirs"] {
        assert!(found[content].as_str().is_some_and(|name| !name.is_empty()), "{content}: {found}");
    }
    assert_ne!(found["ours"], found["theirs"]);
    let copy = found["other_path"].as_str().unwrap();
    assert!(found["result"].as_str().unwrap().contains(copy) && mountpoint.join(copy).exists(), "{found}");
    assert!(found["found_at"].as_str().unwrap().ends_with('Z') && found["resolved_at"].is_null());
    device.ok("daemon stop");
    assert_eq!(both(&device)[0], found, "after a restart");
    device.ok(&format!("conflicts resolve {id}"));
    let settled = both(&device)[0].clone();
    assert!(settled["resolved_at"].is_string(), "{settled}");
    assert!(settled["result"].as_str().unwrap().ends_with("both versions were kept"), "{settled}");
    device.ok("daemon stop");
    assert_eq!(both(&device)[0], settled, "after another one");
    assert!(device.ok("conflicts").out.contains("both versions were kept"));
}
