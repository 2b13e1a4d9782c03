//! The layout `cases`: cases are found, added up and told, in a mounted vault and without reading a file.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Device, eventually};

/// A folder of a firm.
fn firm(root: &Path) {
    for (path, text) in [
        ("2024-CV-01234/brief.docx", "brief"),
        ("2024-CV-01234/Exhibits 2024-CV-01234/scan.pdf", "a scan"),
        ("2024-CV-01234/Exhibits 2024-CV-01234/hearing.mp4", "a film"),
        ("2024-CV-01234/Appeal/.case", ""),
        ("2024-CV-01234/Appeal/notice.pdf", "notice"),
        ("Clients/Doe/case.json", "{}"),
        ("Clients/Doe/letter.txt", "letter"),
        ("Clients/Roe/letter.txt", "letter"),
        ("Templates/will.dotx", "template"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn office() -> Device {
    let device = Device::new();
    let root = device.folder("Office");
    firm(&root);
    device.ok("vault add Office --provider local --path @/Office --layout cases");
    device.folder("mnt");
    device.ok("mount Office @/mnt");
    device.ok("wait @/mnt");
    device
}

/// Path, state, documents, other files, bytes.
fn cases(device: &Device) -> Vec<(String, String, u64, u64, u64)> {
    let list = device.json("cases");
    let text = |case: &Value, key: &str| case[key].as_str().unwrap().to_owned();
    let number = |case: &Value, key: &str| case[key].as_u64().unwrap();
    let told = |case: &Value| {
        let files = (number(case, "documents"), number(case, "other_files"));
        (text(case, "path"), text(case, "state"), files.0, files.1, number(case, "bytes"))
    };
    list["items"].as_array().unwrap().iter().map(told).collect()
}

fn case(path: &str, state: &str, documents: u64, others: u64, bytes: u64) -> (String, String, u64, u64, u64) {
    (path.to_owned(), state.to_owned(), documents, others, bytes)
}

#[test]
fn cases_are_found_and_added_up() {
    let device = office();
    let at_rest = [
        case("2024-CV-01234", "synced", 2, 1, 17),
        case("2024-CV-01234/Appeal", "synced", 2, 0, 6),
        case("Clients/Doe", "synced", 2, 0, 8),
    ];
    eventually("every case is synced", || cases(&device) == at_rest);
    for (path, state, ..) in cases(&device) {
        assert_eq!(device.json(&format!("status @/mnt/{path}"))["state"], *state, "{path}");
    }
    let totals = |device: &Device| device.json("status")["vaults"][0]["cases"].clone();
    assert_eq!(totals(&device), json!({ "cases": 3, "states": { "synced": 3 }, "documents": 6, "other_files": 1 }));
    let said = device.ok("status").out;
    assert!(said.contains("3 cases (3 synced): 6 documents, 1 other file; see `vaultfs cases`"), "{said}");
    assert!(device.ok("cases --vault Office").out.contains("Clients/Doe"));

    // What happens in a case shows in its case, and in no other; a name makes a case, and another one ends it.
    let mountpoint = device.path("mnt");
    device.ok("queue pause");
    fs::write(mountpoint.join("Clients/Doe/reply.odt"), "a reply").unwrap();
    fs::rename(mountpoint.join("Clients/Roe"), mountpoint.join("Clients/Case 17")).unwrap();
    fs::remove_file(mountpoint.join("2024-CV-01234/Appeal/.case")).unwrap();
    let states: Vec<_> = cases(&device).into_iter().map(|(path, state, ..)| (path, state)).collect();
    let expected = [("2024-CV-01234", "synced"), ("Clients/Case 17", "pending"), ("Clients/Doe", "pending")];
    assert_eq!(states, expected.map(|(path, state)| (path.to_owned(), state.to_owned())));
    device.ok("queue resume");
    eventually("all are synced", || totals(&device)["states"] == json!({ "synced": 3 }));
}

#[test]
fn other_layouts_have_no_cases() {
    let device = Device::new();
    device.vault("Songs");
    let refused = device.run("cases --vault Songs");
    assert!(refused.code != 0 && refused.err.contains("layout `plain`"), "{refused:?}");
    assert_eq!(device.json("cases"), json!({ "items": [] }));
    assert!(device.json("status")["vaults"][0]["cases"].is_null());
}

#[test]
fn only_documents_take_part_if_that_is_wished() {
    let device = office();
    device.ok("config set --vault Office sync.documents_only true");
    let film = device.path("mnt/2024-CV-01234/Exhibits 2024-CV-01234/hearing.mp4");
    eventually("the film is left out", || !film.exists());
    fs::write(device.path("mnt/Clients/Doe/call.mp4"), "a call").unwrap();
    fs::write(device.path("mnt/Clients/Doe/note.md"), "a note").unwrap();
    eventually("the note is sent", || device.path("Office/Clients/Doe/note.md").exists());
    assert_eq!(device.ok("status --short @/mnt/Clients/Doe/call.mp4").out, "filtered\n");
    assert!(!device.path("Office/Clients/Doe/call.mp4").exists());
    assert!(device.ok("rules why Clients/Doe/call.mp4 --vault Office").out.contains("sync.documents_only"));
    device.ok("config unset --vault Office sync.documents_only");
    eventually("all are back", || film.exists() && device.path("Office/Clients/Doe/call.mp4").exists());
}
