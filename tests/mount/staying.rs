//! What stays on this machine: names that never leave it, and what moves to such a name.

use std::fs;
use std::path::Path;

use crate::support::{Device, eventually};

fn drop_kernel_pages(path: &Path) {
    rustix::fs::fadvise(fs::File::open(path).unwrap(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

#[test]
fn a_file_that_leaves_the_provider_keeps_its_bytes_here() {
    let device = Device::new("staying");
    let remote = device.path("remote");
    for name in ["read.txt", "cold.txt", "trashed.txt", "half.txt"] {
        fs::write(remote.join(name), format!("bytes of {name}")).unwrap();
    }
    let mnt = device.mount_local(&remote);
    eventually("the files are shown", || mnt.join("half.txt").exists());
    fs::read(mnt.join("read.txt")).unwrap();
    let held = fs::File::open(mnt.join("cold.txt")).unwrap();
    fs::rename(mnt.join("read.txt"), mnt.join("read.part")).unwrap();
    fs::rename(mnt.join("cold.txt"), mnt.join("cold.part")).unwrap();
    // A file manager's way of deleting.
    fs::create_dir_all(mnt.join(".Trash-1000/files")).unwrap();
    fs::rename(mnt.join("trashed.txt"), mnt.join(".Trash-1000/files/trashed.txt")).unwrap();
    device.ok(["queue", "pause"]);
    std::os::unix::fs::FileExt::write_all_at(
        &fs::File::options().write(true).open(mnt.join("half.txt")).unwrap(),
        b"BYTES",
        0,
    )
    .unwrap();
    fs::rename(mnt.join("half.txt"), mnt.join("half.part")).unwrap();
    device.ok(["queue", "resume"]);
    device.wait_synced();
    assert_eq!(crate::support::tree(&remote).len(), 0, "the provider has none of them any more");
    assert_eq!(std::io::read_to_string(&held).unwrap(), "bytes of cold.txt", "a handle from before");
    drop(held);

    device.ok(["daemon", "stop"]);
    let mnt = device.mount();
    for (name, bytes) in [
        ("read.part", "bytes of read.txt"),
        ("cold.part", "bytes of cold.txt"),
        (".Trash-1000/files/trashed.txt", "bytes of trashed.txt"),
        ("half.part", "BYTES of half.txt"),
    ] {
        drop_kernel_pages(&mnt.join(name));
        assert_eq!(fs::read_to_string(mnt.join(name)).unwrap(), bytes, "{name}");
    }
    // Taken out of the trash it is synced again.
    fs::rename(mnt.join(".Trash-1000/files/trashed.txt"), mnt.join("trashed.txt")).unwrap();
    device.wait_synced();
    assert_eq!(fs::read_to_string(remote.join("trashed.txt")).unwrap(), "bytes of trashed.txt");
}

#[test]
fn what_somebody_put_into_a_folder_that_is_trashed_here_is_not_lost() {
    let device = Device::new("staying");
    let remote = device.path("remote");
    fs::create_dir(remote.join("Project")).unwrap();
    fs::write(remote.join("Project/old.txt"), "old").unwrap();
    let mnt = device.mount_local(&remote);
    eventually("the folder is shown", || mnt.join("Project/old.txt").exists());
    device.ok(["queue", "pause"]);
    fs::create_dir_all(mnt.join(".Trash-1000/files")).unwrap();
    fs::rename(mnt.join("Project"), mnt.join(".Trash-1000/files/Project")).unwrap();
    fs::write(remote.join("Project/theirs.txt"), "theirs").unwrap();
    device.ok(["queue", "resume"]);
    eventually("it is shown", || mnt.join("Project/theirs.txt").exists());
    device.wait_synced();
    for side in [&remote, &mnt] {
        assert_eq!(fs::read_to_string(side.join("Project/theirs.txt")).unwrap(), "theirs");
    }
}
