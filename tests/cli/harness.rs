//! A user of the program: folders of their own, the real binary, a real daemon that is gone when the test ends.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for something that another process does.
const PATIENCE: Duration = Duration::from_secs(30);

/// One device of one user.
pub(crate) struct Device {
    root: tempfile::TempDir,
    name: String,
    environment: Vec<(String, OsString)>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Device {
    /// A device with nothing on it.
    pub(crate) fn new() -> Self {
        Self::named("studio")
    }

    /// A device with this name.
    pub(crate) fn named(name: &str) -> Self {
        // Short: the path of the socket has to fit into 103 bytes.
        let root = tempfile::Builder::new().prefix("vf").tempdir_in("/tmp").unwrap();
        for folder in ["home", "run"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root, name: name.to_owned(), environment: Vec::new() }
    }

    /// Sets a variable of every command from now on.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.into()));
    }

    /// A path below the device's own folder.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// A folder that exists.
    pub(crate) fn folder(&self, below: &str) -> PathBuf {
        let path = self.path(below);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// The program with the device's environment and nothing of ours.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaultfs"));
        let own = |name: &str| OsString::from(self.path(name));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", own("home"))
            .env("XDG_CONFIG_HOME", own("config"))
            .env("XDG_STATE_HOME", own("state"))
            .env("XDG_CACHE_HOME", own("cache"))
            .env("XDG_RUNTIME_DIR", own("run"))
            .env("VAULTFS_DEVICE_NAME", &self.name)
            .env("VAULTFS_SYNC_QUIET_MS", "0")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.root.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command line, split at spaces; `@` stands for the device's folder.
    pub(crate) fn run(&self, line: &str) -> Said {
        let root = self.root.path().to_str().unwrap();
        let output = self.command().args(line.split(' ').map(|word| word.replace('@', root))).output().unwrap();
        Said::of(&output)
    }

    /// Runs a command line that must succeed.
    pub(crate) fn ok(&self, line: &str) -> Said {
        let said = self.run(line);
        assert_eq!(said.code, 0, "vaultfs {line}: {said:#?}");
        said
    }

    /// Runs a command line that must succeed, and reads its answer.
    pub(crate) fn json(&self, line: &str) -> serde_json::Value {
        let said = self.ok(&format!("{line} --json"));
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{line}: {error}: {}", said.out))
    }

    /// Adds a local vault `name` over the folder `@/name`.
    pub(crate) fn vault(&self, name: &str) -> PathBuf {
        let root = self.folder(name);
        self.ok(&format!("vault add {name} --provider local --path @/{name}"));
        root
    }

    /// Adds a vault and mounts it at `@/mnt`.
    pub(crate) fn mounted(&self, name: &str) -> (PathBuf, PathBuf) {
        let (root, mountpoint) = (self.vault(name), self.folder("mnt"));
        self.ok(&format!("mount {name} @/mnt"));
        (root, mountpoint)
    }

    /// Process of the daemon, while one runs.
    pub(crate) fn daemon(&self) -> Option<u32> {
        let status = self.run("daemon status --json");
        let answer: serde_json::Value = serde_json::from_str(&status.out).ok()?;
        u32::try_from(answer["pid"].as_u64()?).ok()
    }

    /// What a command said with everything that differs between two runs replaced.
    pub(crate) fn golden(&self, text: &str) -> String {
        let root = self.root.path().to_str().unwrap();
        let text = text.replace(root, "@");
        let text = replace_words(&text, is_time, "<time>");
        let text = replace_words(&text, |word| uuid::Uuid::parse_str(word).is_ok(), "<id>");
        match self.daemon() {
            Some(pid) => text.replace(&pid.to_string(), "<pid>"),
            None => text,
        }
    }

    /// The log of the daemon, for failures.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("state/vaultfs/daemon.log")).unwrap_or_default()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let pid = self.daemon();
        let stopped = self.run("daemon stop");
        if let (Some(pid), false) = (pid, stopped.code == 0) {
            signal(pid, "KILL");
        }
        for mount in mounts_below(self.root.path()) {
            // A test that failed may have left a dead mount; the folder cannot be removed with it.
            drop(Command::new("fusermount3").args(["-u", "-z", "-q"]).arg(mount).status());
        }
        if std::thread::panicking() {
            eprintln!("log of the daemon:\n{}", self.log());
        }
    }
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Both streams and the code, for golden files.
    pub(crate) fn whole(&self) -> String {
        format!("exit {}\n--- out\n{}--- err\n{}", self.code, self.out, self.err)
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap().success());
}

/// Waits until something is true; what another process does comes with no event to wait for.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "it did not come to be: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// True if something is mounted at this folder.
pub(crate) fn is_mounted(dir: &Path) -> bool {
    mounts_below(dir).iter().any(|mount| mount == dir)
}

fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = table.lines().filter_map(|line| line.split(' ').nth(4)).map(|place| place.replace("\\040", " "));
    places.map(PathBuf::from).filter(|place| place.starts_with(dir)).collect()
}

fn is_time(word: &str) -> bool {
    word.len() >= 20 && word.ends_with('Z') && word.as_bytes()[10] == b'T'
}

fn replace_words(text: &str, meant: impl Fn(&str) -> bool, with: &str) -> String {
    let mut replaced = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() || "-:.".contains(letter) {
            word.push(letter);
            continue;
        }
        let bare = word.trim_end_matches([':', '.']);
        if meant(bare) {
            replaced.push_str(with);
            replaced.push_str(&word[bare.len()..]);
        } else {
            replaced.push_str(&word);
        }
        word.clear();
        replaced.push(letter);
    }
    replaced.pop();
    replaced
}
