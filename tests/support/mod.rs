//! A device: one set of XDG folders, the real binary, a real daemon and real mounts. Dropping it stops the daemon and takes the
//! mounts away.

pub(crate) mod api;

use std::cell::Cell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// One device of a person.
pub(crate) struct Device {
    dir: TempDir,
    name: String,
    is_kept: Cell<bool>,
}

/// How long any single command may take before the test fails.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

impl Device {
    /// A device that nobody has used yet.
    pub(crate) fn new(name: &str) -> Self {
        // Not in /tmp, which may be a tmpfs without the file system features of a disk.
        let dir = tempfile::Builder::new().prefix("vaultfs-test-").tempdir_in("/var/tmp").unwrap();
        for folder in ["config", "state", "cache", "run", "mnt", "remote"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let run = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(dir.path().join("run"), run).unwrap();
        let device = Self { dir, name: name.to_owned(), is_kept: Cell::new(false) };
        // A short quiet time, so that tests do not spend their time waiting for it.
        device.ok(["config", "set", "sync.quiet_ms", "100"]);
        device
    }

    /// A folder of this device.
    pub(crate) fn path(&self, folder: &str) -> PathBuf {
        self.dir.path().join(folder)
    }

    /// The state folder of the vault; there must be one vault.
    pub(crate) fn vault_state(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.path("state").join("vaultfs")).unwrap().map(|entry| entry.unwrap().path());
        let mut vaults = entries.filter(|path| path.join("catalog.db").exists());
        vaults.next().unwrap_or_else(|| panic!("no vault was opened"))
    }

    /// The usual mountpoint.
    pub(crate) fn mnt(&self) -> PathBuf {
        self.path("mnt")
    }

    /// The program with this device's folders, ready for arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaultfs"));
        command
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("VAULTFS_DEVICE_NAME", &self.name)
            .env("NO_COLOR", "1")
            .stdin(std::process::Stdio::null());
        command
    }

    /// Runs the program.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        let mut command = self.command();
        command.args(arguments);
        let started = Instant::now();
        let output = command.output().unwrap();
        assert!(started.elapsed() < COMMAND_LIMIT, "{command:?} took {:?}", started.elapsed());
        output
    }

    /// Runs the program, which must succeed; returns what it printed.
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let arguments: Vec<std::ffi::OsString> = arguments.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let output = self.run(&arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "vaultfs {arguments:?}: {}\n{out}{err}{}", output.status, self.log_tail());
        out.into_owned()
    }

    /// Adds a local vault named `vault` whose remote is `remote`, and mounts it at `mnt`.
    pub(crate) fn mount_local(&self, remote: &Path) -> PathBuf {
        self.ok([
            OsStr::new("vault"),
            "add".as_ref(),
            "vault".as_ref(),
            "--provider".as_ref(),
            "local".as_ref(),
            "--path".as_ref(),
            remote.as_os_str(),
        ]);
        self.mount()
    }

    /// Mounts the vault named `vault` at `mnt`.
    pub(crate) fn mount(&self) -> PathBuf {
        self.ok([OsStr::new("mount"), "vault".as_ref(), self.mnt().as_os_str()]);
        self.mnt()
    }

    /// Waits until everything below the mount is safe at the provider.
    pub(crate) fn wait_synced(&self) {
        self.ok([OsStr::new("wait"), "--timeout".as_ref(), "50".as_ref(), self.mnt().as_os_str()]);
    }

    /// The process id of the daemon.
    pub(crate) fn daemon_pid(&self) -> u32 {
        let status: serde_json::Value = serde_json::from_str(&self.ok(["daemon", "status", "--json"])).unwrap();
        status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or_else(|| panic!("no pid in {status}"))
    }

    /// The daemon's processes: the one that would start it again, then itself.
    pub(crate) fn daemon_processes(&self) -> [u32; 2] {
        let daemon = self.daemon_pid();
        let status = std::fs::read_to_string(format!("/proc/{daemon}/status")).unwrap();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap();
        [parent, daemon]
    }

    /// Kills the daemon for good.
    pub(crate) fn kill_daemon(&self) {
        self.daemon_processes().into_iter().for_each(kill);
        self.await_death();
    }

    /// Waits until a killed daemon is gone: its descriptors, the control socket among them, are closed a moment after the signal.
    pub(crate) fn await_death(&self) {
        const DAEMON_ABSENT: i32 = 3;
        while self.run(["daemon", "status"]).status.code() != Some(DAEMON_ABSENT) {
            std::thread::yield_now();
        }
    }

    /// Takes away the mount of a daemon that is gone, if there is one.
    pub(crate) fn clear_mount(&self) {
        drop(Command::new("fusermount3").args(["-u", "-z", "-q"]).arg(self.mnt()).output());
    }

    /// Where the daemon logs.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.path("state").join("vaultfs").join("daemon.log")
    }

    /// Leaves all folders for those who look for the cause of a failure.
    pub(crate) fn keep(&self) -> &Path {
        self.is_kept.set(true);
        self.dir.path()
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("\nlog of {}:\n{}", self.name, lines[lines.len().saturating_sub(30)..].join("\n"))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // A test that fails on purpose leaves a dead daemon or no mount: neither is an error here.
        drop(self.run(["daemon", "stop"]));
        self.dir.disable_cleanup(self.is_kept.get());
        self.clear_mount();
    }
}

/// `kill -9`.
pub(crate) fn kill(process: u32) {
    signal("KILL", process);
}

/// Sends the signal of this name.
pub(crate) fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap().success());
}

/// Waits until `check` holds; panics with `what` after ten seconds.
pub(crate) fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !check() {
        assert!(Instant::now() < deadline, "did not happen within 10 s: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Every file below a folder with its bytes, by path relative to it; folders end in `/`. What goes away during the look is left out:
/// a sync may be under way.
pub(crate) fn tree(root: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    fn still_there<T>(found: std::io::Result<T>) -> Option<T> {
        match found {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            found => Some(found.unwrap()),
        }
    }
    fn collect(root: &Path, folder: &Path, into: &mut std::collections::BTreeMap<String, Vec<u8>>) {
        for entry in still_there(std::fs::read_dir(folder)).into_iter().flatten() {
            let path = entry.unwrap().path();
            let shown = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let Some(kind) = still_there(path.symlink_metadata()).map(|found| found.file_type()) else { continue };
            if shown.starts_with(".vaultfs-") {
                continue;
            }
            if kind.is_dir() {
                into.insert(format!("{shown}/"), Vec::new());
                collect(root, &path, into);
            } else if kind.is_symlink() {
                let target =
                    still_there(std::fs::read_link(&path)).map(|target| target.into_os_string().into_encoded_bytes());
                into.extend(target.map(|target| (shown, target)));
            } else {
                into.extend(still_there(std::fs::read(&path)).map(|bytes| (shown, bytes)));
            }
        }
    }
    let mut found = std::collections::BTreeMap::new();
    collect(root, root, &mut found);
    found
}
