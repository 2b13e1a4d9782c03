//! `manifest`, `verify`, `doctor --repair`: a healthy vault has nothing to tell; each kind of damage is found, and mended where nothing can be
//! lost by it.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Device, eventually};

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] }).collect()
}

fn with_extension(folder: &Path, extension: &str) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// Changes one byte in the middle, as a disk does.
fn rot(path: &Path) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let (mut byte, at) = ([0], file.metadata().unwrap().len() / 2);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

/// A vault behind a link, so that bytes are cached here.
fn far(device: &Device) -> (PathBuf, PathBuf) {
    let (root, mountpoint) = (device.folder("Work"), device.folder("mnt"));
    device.ok("vault add Work --provider local --path @/Work --link-latency 1");
    device.ok("mount Work @/mnt");
    (root, mountpoint)
}

fn manifest(device: &Device) -> Vec<Value> {
    let said = device.ok("manifest --json");
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn database(device: &Device) -> rusqlite::Connection {
    let found = files(&device.path("state")).into_iter().find(|path| path.ends_with("catalog.db")).unwrap();
    let connection = rusqlite::Connection::open(found).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    connection
}

fn idle(device: &Device) {
    eventually("idle", || device.ok("status --short").out == "idle\n");
}

#[test]
fn the_manifest_has_every_entry_and_a_healthy_vault_has_no_mismatch() {
    let device = Device::new();
    let (root, mountpoint) = far(&device);
    fs::create_dir(mountpoint.join("Cases")).unwrap();
    fs::write(mountpoint.join("Cases/brief.docx"), "to the court").unwrap();
    fs::write(mountpoint.join(".DS_Store"), "junk").unwrap();
    fs::write(root.join("theirs.txt"), "made elsewhere").unwrap();
    fs::write(root.join("theirs.bak"), "left out").unwrap();
    device.ok("config set --vault Work sync.exclude *.bak");
    device.ok("wait @/mnt");
    device.ok("sync now");
    eventually("what was made elsewhere arrives", || mountpoint.join("theirs.txt").exists());
    idle(&device);
    device.ok("queue pause");
    fs::write(mountpoint.join("unsent.txt"), "unsent").unwrap();

    let items = manifest(&device);
    let told: Vec<(&str, &str, u64)> = items
        .iter()
        .map(|item| {
            let text = |key: &str| item[key].as_str().unwrap();
            (text("path"), text("state"), item["size"].as_u64().unwrap())
        })
        .collect();
    let mut expected = vec![
        (".DS_Store", "local-only", 4),
        ("Cases", "synced", 0),
        ("theirs.bak", "filtered", 8),
        ("theirs.txt", "synced", 14),
        ("unsent.txt", "pending", 6),
        ("Cases/brief.docx", "synced", 12),
    ];
    expected.sort_unstable();
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    let brief = items.iter().find(|item| item["path"] == "Cases/brief.docx").unwrap();
    assert!(brief["id"].is_string() && brief["revision"].is_string(), "{brief}");
    assert!(brief["hash"].as_str().unwrap().starts_with("blake3:"), "{brief}");
    let unsent = items.iter().find(|item| item["path"] == "unsent.txt").unwrap();
    assert!(unsent["id"].is_null(), "{unsent}");
    assert_eq!(device.ok("manifest --vault Work").out.lines().count(), 6);

    device.ok("queue resume");
    idle(&device);
    for line in ["verify", "verify --deep"] {
        let verified = device.json(line);
        assert_eq!(verified["vaults"][0]["mismatches"], 0, "{line}: {verified}");
        assert_eq!(verified["vaults"][0]["entries"], 5, "{line}: {verified}");
    }
    assert_eq!(device.run("verify --vault Nobody").code, 1);
}

#[test]
fn a_rotten_cached_block_is_found_and_healed() {
    let device = Device::new();
    let (root, mountpoint) = far(&device);
    let bytes: Vec<u8> = (0..300_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    fs::write(root.join("take.wav"), &bytes).unwrap();
    device.ok("sync now");
    eventually("the file is shown", || mountpoint.join("take.wav").exists());
    assert!(fs::read(mountpoint.join("take.wav")).unwrap() == bytes);
    let data = with_extension(&device.path("cache"), "data");
    assert_eq!(data.len(), 1, "{data:?}");
    rot(&data[0]);
    assert_eq!(device.json("verify")["vaults"][0]["mismatches"], 0, "what is not read is not found");
    let deep = device.json("verify --deep");
    assert_eq!((&deep["vaults"][0]["mismatches"], &deep["vaults"][0]["healed"]), (&1.into(), &1.into()), "{deep}");
    assert_eq!(deep["mismatches"][0]["path"], "take.wav");
    assert_eq!(device.json("verify --deep")["vaults"][0]["mismatches"], 0, "it was healed");
    rustix::fs::fadvise(fs::File::open(mountpoint.join("take.wav")).unwrap(), 0, None, rustix::fs::Advice::DontNeed)
        .unwrap();
    assert!(fs::read(mountpoint.join("take.wav")).unwrap() == bytes);
}

#[test]
fn rotten_bytes_that_only_this_machine_has_are_told_and_left_as_they_are() {
    let device = Device::new();
    let (_, mountpoint) = far(&device);
    fs::write(mountpoint.join("take.wav"), vec![7; 200_000]).unwrap();
    device.ok("wait @/mnt");
    // Under such a name it leaves the provider, and its bytes with their hash are here alone.
    fs::rename(mountpoint.join("take.wav"), mountpoint.join("take.part")).unwrap();
    idle(&device);
    let staged: Vec<PathBuf> = files(&device.path("state"))
        .into_iter()
        .filter(|path| path.parent().unwrap().ends_with("staging") && path.extension().is_none())
        .collect();
    assert_eq!(staged.len(), 1, "{staged:?}");
    assert_eq!(device.json("verify --deep")["vaults"][0]["mismatches"], 0);
    rot(&staged[0]);
    let rotten = fs::read(&staged[0]).unwrap();
    let said = device.run("verify --deep");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("TROUBLE Work/take.part: ") && said.out.contains("0 healed"), "{said:?}");
    assert!(fs::read(&staged[0]).unwrap() == rotten, "never touched");
}

#[test]
fn a_provider_that_differs_from_the_catalog_is_found_and_read_again() {
    let device = Device::new();
    let (root, mountpoint) = far(&device);
    for name in ["a.txt", "b.txt"] {
        fs::write(mountpoint.join(name), name).unwrap();
    }
    device.ok("wait @/mnt");
    idle(&device);
    device.ok("daemon stop");
    // As if a page of the feed had been lost: the catalog believes in another version of one, and in a file that nobody has.
    database(&device).execute("UPDATE remote SET revision = 'stale' WHERE name = 'a.txt'", []).unwrap();
    device.ok("mount Work @/mnt");
    let deep = device.run("verify --deep");
    assert_eq!(deep.code, 0, "healed: {deep:?}");
    assert!(deep.out.contains("healed  Work/a.txt: "), "{deep:?}");
    assert_eq!(device.json("verify --deep")["vaults"][0]["mismatches"], 0);
    assert_eq!(fs::read_to_string(mountpoint.join("a.txt")).unwrap(), "a.txt");
    assert_eq!(fs::read_to_string(root.join("a.txt")).unwrap(), "a.txt");
}

#[test]
fn a_full_sync_repairs_a_damaged_index_and_transfers_only_what_differs() {
    let device = Device::new();
    let (root, mountpoint) = far(&device);
    for name in ["a.txt", "b.txt", "c.txt"] {
        fs::write(mountpoint.join(name), name).unwrap();
    }
    device.ok("wait @/mnt");
    idle(&device);
    device.ok("daemon stop");
    let damage = database(&device);
    damage.execute("UPDATE remote SET revision = 'stale' WHERE name = 'a.txt'", []).unwrap();
    damage.execute("DELETE FROM remote WHERE name = 'b.txt'", []).unwrap();
    drop(damage);
    let stamp = |name: &str| {
        let found = fs::metadata(root.join(name)).unwrap();
        (std::os::unix::fs::MetadataExt::ino(&found), found.modified().unwrap())
    };
    let before = ["a.txt", "b.txt"].map(stamp);
    fs::write(root.join("c.txt"), "edited elsewhere").unwrap();
    device.ok("mount Work @/mnt");
    let done = device.json("sync --full");
    assert_eq!((&done["failed"], &done["pending"]), (&0.into(), &0.into()), "{done}");
    idle(&device);
    assert_eq!(device.json("verify --deep")["vaults"][0]["mismatches"], 0);
    assert_eq!(["a.txt", "b.txt"].map(stamp), before, "what did not differ was not written again");
    for (name, bytes) in [("a.txt", "a.txt"), ("b.txt", "b.txt"), ("c.txt", "edited elsewhere")] {
        assert_eq!(fs::read_to_string(mountpoint.join(name)).unwrap(), bytes);
        assert_eq!(fs::read_to_string(root.join(name)).unwrap(), bytes);
    }
    assert_eq!(fs::read_dir(&mountpoint).unwrap().count(), 3);
    assert_eq!(device.json("conflicts")["items"].as_array().unwrap().len(), 0);
}

/// What `doctor` finds wrong with the vault. Dead mounts of other programs on this machine, which it tells too, are none of it.
fn troubles(device: &Device) -> Vec<String> {
    let said = device.run("doctor");
    said.out.lines().filter(|line| line.starts_with("TROUBLE Work")).map(str::to_owned).collect()
}

/// What `doctor` says of a check, before and after the repair; the vault is idle and healthy in the end.
fn mended(device: &Device, check: &str) -> String {
    let found = device.run("doctor");
    let trouble = format!("TROUBLE Work: {check}: ");
    assert!(found.code == 1 && found.out.contains(&trouble), "{found:?}");
    assert!(found.out.contains("doctor --repair --vault Work"), "{found:?}");
    let repaired = device.run("doctor --repair");
    assert!(repaired.out.contains(&format!("mended  Work: {check}: ")), "{repaired:?}");
    idle(device);
    assert_eq!(troubles(device), Vec::<String>::new());
    assert_eq!(device.json("verify --deep")["vaults"][0]["mismatches"], 0);
    found.out
}

#[test]
fn a_damaged_index_is_found_and_repaired_without_a_loss() {
    let device = Device::new();
    let (root, mountpoint) = far(&device);
    for name in ["a.txt", "b.txt", "c.txt", "d.txt"] {
        fs::write(mountpoint.join(name), name).unwrap();
    }
    device.ok("wait @/mnt");
    idle(&device);
    device.ok("daemon stop");
    let damage = database(&device);
    // A file that the mount forgot, one that was believed to be new, a key that does not follow from its name.
    damage.execute("DELETE FROM local WHERE name = 'a.txt'", []).unwrap();
    damage.execute("DELETE FROM remote WHERE name = 'b.txt'", []).unwrap();
    damage.execute("UPDATE remote SET key = 'X' WHERE name = 'c.txt'", []).unwrap();
    drop(damage);
    device.ok("mount Work @/mnt");
    mended(&device, "catalog");
    for name in ["a.txt", "b.txt", "c.txt", "d.txt"] {
        assert_eq!(fs::read_to_string(mountpoint.join(name)).unwrap(), name);
        assert_eq!(fs::read_to_string(root.join(name)).unwrap(), name);
    }
    assert_eq!(fs::read_dir(&mountpoint).unwrap().count(), 4);
}

#[test]
fn cached_files_of_nothing_are_found_and_removed() {
    let device = Device::new();
    let (root, mountpoint) = far(&device);
    fs::write(root.join("take.wav"), vec![1; 100_000]).unwrap();
    device.ok("sync now");
    eventually("the file is shown", || mountpoint.join("take.wav").exists());
    fs::read(mountpoint.join("take.wav")).unwrap();
    let data = with_extension(&device.path("cache"), "data").remove(0);
    // The older version of a file that has another one by now, and data without an index.
    fs::write(root.join("take.wav"), vec![2; 100_000]).unwrap();
    device.ok("sync now");
    eventually("the new version is shown", || fs::read(mountpoint.join("take.wav")).unwrap().first() == Some(&2));
    let stray = data.with_file_name(format!("{}.data", "0".repeat(32)));
    fs::write(&stray, "nobody's").unwrap();
    let found = mended(&device, "cache");
    assert!(found.contains("1 cached files belong to nothing, 1 versions are used by nobody"), "{found}");
    assert!(!stray.exists() && !data.exists());
    assert_eq!(fs::read(mountpoint.join("take.wav")).unwrap(), vec![2; 100_000]);
}

#[test]
fn an_upload_that_hangs_is_found_and_begins_anew() {
    let device = Device::new();
    let (root, mountpoint) = far(&device);
    device.ok("queue pause");
    fs::write(mountpoint.join("take.wav"), vec![3; 100_000]).unwrap();
    device.ok("daemon stop");
    // An upload session that the provider has long forgotten, and a node that was given up because of it.
    let damage = database(&device);
    damage.execute("UPDATE staged SET session_id = 'forgotten', session_offset = 4096", []).unwrap();
    let parked =
        "INSERT INTO sync_state SELECT node, 8, 9000000000000000000, 'parked', 'no such session', 0, 0 FROM staged";
    damage.execute(parked, []).unwrap();
    drop(damage);
    device.ok("mount Work @/mnt");
    device.ok("queue resume");
    let found = mended(&device, "uploads");
    assert!(found.contains("1 uploads hang: take.wav"), "{found}");
    assert_eq!(fs::read(root.join("take.wav")).unwrap(), vec![3; 100_000]);
}

#[test]
fn a_call_whose_outcome_was_lost_is_found_and_looked_up() {
    let device = Device::new();
    let (root, mountpoint) = far(&device);
    fs::create_dir(mountpoint.join("before")).unwrap();
    device.ok("wait @/mnt");
    idle(&device);
    device.ok("queue pause");
    fs::create_dir(mountpoint.join("made")).unwrap();
    device.ok("daemon stop");
    // The folder was made at the provider, and the daemon died before it could record that.
    fs::create_dir(root.join("made")).unwrap();
    let damage = database(&device);
    let root_rid: String = damage.query_row("SELECT rid FROM remote WHERE node = 1", [], |row| row.get(0)).unwrap();
    let node: i64 = damage.query_row("SELECT node FROM local WHERE name = 'made'", [], |row| row.get(0)).unwrap();
    let attempt = serde_json::json!({"node": node, "over": null, "parent": root_rid, "name": "made", "made": "folder"});
    damage.execute("INSERT INTO attempt (node, what) VALUES (?1, ?2)", (node, attempt.to_string())).unwrap();
    drop(damage);
    device.ok("mount Work @/mnt");
    let found = device.run("doctor");
    assert!(
        found.out.contains("TROUBLE Work: calls: 1 calls have an outcome that was never recorded: made"),
        "{found:?}"
    );
    device.ok("queue resume");
    device.run("doctor --repair");
    idle(&device);
    assert_eq!(troubles(&device), Vec::<String>::new());
    assert_eq!(fs::read_dir(&mountpoint).unwrap().count(), 2, "no second folder was made");
    assert_eq!(device.json("conflicts")["items"].as_array().unwrap().len(), 0);
}
