//! Making bytes and names survive power loss.
//!
//! The standard library already does the right thing per platform: `File::sync_data` is `fdatasync` on Linux and
//! `F_FULLFSYNC` on macOS, where plain `fsync` leaves bytes in the drive's cache. What is missing is the folder.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes the content of a file, and the size that goes with it, durable.
pub fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// Makes content and all attributes of a file durable.
pub fn sync_all(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Makes the names in a folder durable: after a create, a rename or an unlink.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
