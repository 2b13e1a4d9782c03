//! What a failure leaves behind for those who look for its cause: the device's folders, and what the daemon logged in each of its
//! last lives.

use std::fs;
use std::path::PathBuf;

use crate::support::Device;

/// Lives whose logs are kept.
const KEPT: u64 = 3;
/// Lines of each that are shown.
const SHOWN: usize = 150;

pub(crate) struct Evidence<'d> {
    device: &'d Device,
    /// How often the daemon has died.
    ends: u64,
}

impl<'d> Evidence<'d> {
    /// Makes the daemon log what its engine and provider do.
    pub(crate) fn gather(device: &'d Device) -> Self {
        device.ok(["config", "set", "log.level", "info,vaultfs::sync=debug,vaultfs::provider=debug"]);
        Self { device, ends: 0 }
    }

    fn log(&self, end: u64) -> PathBuf {
        self.device.path(&format!("life-{end}.log"))
    }

    /// The daemon is dead: what it logged is put aside.
    pub(crate) fn end_run(&mut self) {
        self.ends += 1;
        fs::copy(self.device.log_file(), self.log(self.ends)).unwrap();
        fs::remove_file(self.device.log_file()).unwrap();
        if let Some(old) = self.ends.checked_sub(KEPT).filter(|old| *old > 0) {
            fs::remove_file(self.log(old)).unwrap();
        }
    }
}

impl Drop for Evidence<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        println!("kept: {}", self.device.keep().display());
        for log in [self.log(self.ends), self.device.log_file()] {
            let text = fs::read_to_string(&log).unwrap_or_else(|error| error.to_string());
            let lines: Vec<&str> = text.lines().collect();
            println!("---- {}\n{}", log.display(), lines[lines.len().saturating_sub(SHOWN)..].join("\n"));
        }
    }
}
