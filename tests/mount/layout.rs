//! The music layout as a musician meets it: folders made, renamed and removed in a file manager are those of the recorder.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Device, eventually, tree};

fn manifest(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn folders_of_the_three_levels_get_manifests_that_follow_their_names() {
    let device = Device::new("layout");
    let remote = device.path("remote");
    let shown = remote.to_str().unwrap();
    device.ok(["vault", "add", "vault", "--provider", "local", "--path", shown, "--layout", "music"]);
    let mnt = device.mount();
    let levels = [("Tour", "collection.json"), ("Tour/Opener", "project.json"), ("Tour/Opener/First take", "mix.json")];
    for (folder, file) in levels {
        fs::create_dir(mnt.join(folder)).unwrap();
        let manifest = manifest(&mnt.join(folder).join(file));
        assert_eq!(manifest["name"], folder.rsplit('/').next().unwrap(), "{folder}: {manifest}");
        assert!(manifest["id"].is_string(), "{folder}: {manifest}");
    }
    assert!(mnt.join("Tour/Opener/First take/audio").is_dir());

    // Whoever renames the folder has read the manifest, and must not go on reading that from the memory of the kernel.
    let before = manifest(&mnt.join("Tour/collection.json"));
    fs::rename(mnt.join("Tour"), mnt.join("World Tour")).unwrap();
    let renamed = || fs::read_to_string(mnt.join("World Tour/collection.json")).unwrap();
    eventually("the manifest has the new name", || renamed().contains("\"World Tour\""));
    let after = manifest(&mnt.join("World Tour/collection.json"));
    assert_eq!((&after["name"], &after["id"]), (&"World Tour".into(), &before["id"]));

    // To whoever made them, folders that hold only this are empty.
    fs::create_dir(mnt.join("Mistake")).unwrap();
    fs::remove_dir(mnt.join("Mistake")).unwrap();
    device.wait_synced();
    eventually("both sides are alike", || tree(&mnt) == tree(&remote));
    assert_eq!(manifest(&remote.join("World Tour/collection.json")), after);
    assert!(remote.join("World Tour/Opener/First take/mix.json").exists() && !remote.join("Mistake").exists());
}
