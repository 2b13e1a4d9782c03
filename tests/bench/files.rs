//! The folders that workloads run on.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

/// Bytes of a mebibyte.
pub(crate) const MIB: usize = 1024 * 1024;

/// A file of pseudo-random bytes, `big`, on the disk and in the caches.
pub(crate) fn big_file(dir: &Path, mib: usize) {
    // Incompressible enough, and touched before the clock starts: first-touched memory costs ten times the copy on virtual machines.
    let block: Vec<u8> =
        (0..MIB).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) >> 7 & 0xff).unwrap_or(0)).collect();
    let mut file = File::create(dir.join("big")).unwrap();
    for _ in 0..mib {
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
    drop(file);
    black_box(fs::read(dir.join("big")).unwrap().len());
}

/// A folder `small` of files of 4 KiB.
pub(crate) fn small_files(dir: &Path, count: usize) {
    let folder = dir.join("small");
    fs::create_dir_all(&folder).unwrap();
    for at in 0..count {
        fs::write(folder.join(format!("file {at}")), [b'x'; 4096]).unwrap();
    }
}

/// A folder `tree`, three levels deep, ten files to a folder.
pub(crate) fn tree(dir: &Path, folders: usize) {
    for at in 0..folders {
        let folder = dir.join(format!("tree/{}/{}", at % 20, at));
        fs::create_dir_all(&folder).unwrap();
        for file in 0..10 {
            fs::write(folder.join(format!("{file}")), "x").unwrap();
        }
    }
}

/// Looks at everything below a folder; returns the bytes of its files.
pub(crate) fn walk(folder: &Path) -> u64 {
    let mut size = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        size += if metadata.is_dir() { walk(&entry.path()) } else { metadata.len() };
    }
    size
}

/// Removes a file or folder, if it is there.
pub(crate) fn remove(dir: &Path, name: &str) {
    let path = dir.join(name);
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        fs::remove_file(path).unwrap();
    }
}
