//! A small file system of its own for the folders of a device, so that a disk can really be full.
//!
//! As root it is ext4 on a loop device. Others run the test again inside a namespace of their own, where they may mount a tmpfs.
//! Where neither is permitted the test says that it was skipped.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::Device;

/// Set inside of the namespace.
const INSIDE: &str = "VAULTFS_TEST_INSIDE_NAMESPACE";

/// A mounted small disk; unmounted when it is dropped.
pub(crate) struct SmallDisk {
    dir: TempDir,
}

/// Runs `test`, whose full name is `name`, with a disk of so many MiB.
pub(crate) fn on_small_disk(name: &str, mib: u64, test: impl FnOnce(&SmallDisk)) {
    let inside = std::env::var_os(INSIDE).is_some();
    if let Some(disk) = if inside { SmallDisk::tmpfs(mib) } else { SmallDisk::ext4(mib) } {
        return test(&disk);
    }
    let namespace = ["--user", "--map-root-user", "--mount", "--"];
    if inside || !run(Command::new("unshare").args(namespace).arg("true")) {
        eprintln!("SKIPPED {name}: this user may mount neither a loop device nor a tmpfs in a namespace");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let mut again = Command::new("unshare");
    again.args(namespace).arg(program).args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
    assert!(again.status().unwrap().success(), "{name} failed inside of a namespace");
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

impl SmallDisk {
    fn ext4(mib: u64) -> Option<Self> {
        let disk = Self::folder();
        let image = disk.dir.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
        // Nothing is set aside for root, who would otherwise meet another limit than everybody else.
        let made = run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))
            && run(Command::new("mount").args(["-o", "loop"]).args([image.as_os_str(), disk.path().as_os_str()]));
        made.then_some(disk)
    }

    fn tmpfs(mib: u64) -> Option<Self> {
        let disk = Self::folder();
        let size = format!("size={mib}m");
        let what = [OsStr::new("-t"), "tmpfs".as_ref(), "-o".as_ref(), size.as_ref(), "tmpfs".as_ref()];
        run(Command::new("mount").args(what).arg(disk.path())).then_some(disk)
    }

    fn folder() -> Self {
        let dir = tempfile::Builder::new().prefix("vaultfs-disk-").tempdir_in("/var/tmp").unwrap();
        std::fs::create_dir(dir.path().join("disk")).unwrap();
        Self { dir }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// Puts a folder of a device that has not been used yet onto the disk.
    pub(crate) fn take_in(&self, device: &Device, folder: &str) {
        let (place, on_disk) = (device.path(folder), self.path().join(folder));
        std::fs::remove_dir(&place).unwrap();
        std::fs::create_dir(&on_disk).unwrap();
        std::os::unix::fs::symlink(on_disk, place).unwrap();
    }

    /// Writes a file that leaves not one byte free.
    pub(crate) fn fill_up(&self) -> PathBuf {
        let filler = self.path().join("filler");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&filler).unwrap();
        for piece in [1 << 20, 4096, 1] {
            while std::io::Write::write_all(&mut file, &vec![1; piece]).is_ok() {}
        }
        filler
    }

    /// Bytes that are free.
    pub(crate) fn free(&self) -> u64 {
        space_of(&self.path()).1
    }
}

/// Bytes in all and free, as `df` shows them.
pub(crate) fn space_of(folder: &Path) -> (u64, u64) {
    let space = rustix::fs::statvfs(folder).unwrap();
    (space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize)
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Not mounted if making it failed.
        drop(Command::new("umount").args(["-l", "-q"]).arg(self.path()).output());
    }
}
