//! Whatever mount(8) is made to write: it is refused in one line, or names a vault and an absolute folder.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use libfuzzer_sys::fuzz_target;
use vaultfs_mount_helper::arguments::Arguments;

fuzz_target!(|words: Vec<Vec<u8>>| {
    match Arguments::parse(words.into_iter().map(OsString::from_vec)) {
        Ok(parsed) => {
            assert!(!parsed.vault.is_empty() && !parsed.vault.starts_with('-'));
            assert!(parsed.folder.is_absolute());
        }
        Err(line) => assert!(!line.is_empty() && !line.contains(char::is_control)),
    }
});
