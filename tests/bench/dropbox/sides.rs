//! The two mounts. Each has folders of its own and a program of its own, and ends with the benchmark.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cloud_sim::dropbox::{APP_KEY, APP_SECRET};

use crate::proxy::Proxy;
use crate::world::{FOLDER, World, memory};

/// How long anything may take before it is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1800);

/// A mount under measurement.
pub(crate) trait Side {
    /// Where it is mounted.
    fn mnt(&self) -> &Path;
    /// Ends its program and mounts again, with what it keeps on disk.
    fn restart(&mut self);
    /// Bytes of memory of its program.
    fn memory(&self) -> f64;
}

/// Waits for something that comes with no event.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < PATIENCE, "it did not come to be: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// vaultfs, signed in to the account.
pub(crate) struct Vaultfs {
    program: PathBuf,
    dir: PathBuf,
    mnt: PathBuf,
    certificate: PathBuf,
}

impl Vaultfs {
    /// Signs in; nothing is mounted yet.
    pub(crate) fn new(world: &World, program: &Path) -> Self {
        let dir = world.folder("vaultfs");
        for folder in ["settings", "state", "cache", "run", "mnt"] {
            fs::create_dir(dir.join(folder)).unwrap();
        }
        let side = Self { program: program.to_owned(), mnt: dir.join("mnt"), dir, certificate: world.certificate() };
        let url = world.sim.base_url();
        let mut child = side
            .command(&["connect", "dropbox", "--base-url", &url, "--app-key", APP_KEY, "--no-browser"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = told.find(|line| line.trim().starts_with("https://")).expect("an address to sign in at");
        let page = world.page(address.trim());
        let code = page.split_once("id=\"code\">").and_then(|(_, rest)| rest.split('<').next()).unwrap();
        writeln!(child.stdin.take().unwrap(), "{code}").unwrap();
        let told: Vec<_> = told.collect();
        assert!(child.wait().unwrap().success(), "signing in failed: {told:?}");
        side.ok(&["vault", "add", "bench", "--provider", "dropbox", "--folder", FOLDER, "--layout", "plain"]);
        side
    }

    /// Mounts; names come when they come.
    pub(crate) fn mount(&self) {
        self.ok(&["mount", "bench", self.mnt.to_str().unwrap()]);
    }

    /// Waits until nothing is left to sync.
    pub(crate) fn settle(&self) {
        self.ok(&["wait", "--timeout", "1800", self.mnt.to_str().unwrap()]);
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, folder) in [("CONFIG", "settings"), ("STATE", "state"), ("CACHE", "cache"), ("RUNTIME", "run")] {
            command.env(format!("VAULTFS_{name}_DIR"), self.dir.join(folder));
        }
        command
            .env("VAULTFS_SECRETS_STORE", "file")
            .env("SSL_CERT_FILE", &self.certificate)
            .stdin(Stdio::null())
            .args(words);
        command
    }

    fn ok(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "vaultfs {words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Side for Vaultfs {
    fn mnt(&self) -> &Path {
        &self.mnt
    }

    fn restart(&mut self) {
        self.ok(&["daemon", "stop"]);
        self.mount();
    }

    fn memory(&self) -> f64 {
        let status: serde_json::Value = serde_json::from_str(&self.ok(&["daemon", "status", "--json"])).unwrap();
        memory(u32::try_from(status["pid"].as_u64().unwrap()).unwrap())
    }
}

impl Drop for Vaultfs {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.command(&["daemon", "stop"]).output());
    }
}

/// rclone's mount of the same folder, with its full cache.
pub(crate) struct Rclone {
    program: PathBuf,
    dir: PathBuf,
    mnt: PathBuf,
    certificate: PathBuf,
    proxy: Proxy,
    process: Option<Child>,
}

impl Rclone {
    /// Signed in by the token; nothing is mounted yet.
    pub(crate) fn new(world: &World, program: &Path) -> Self {
        let dir = world.folder("rclone");
        let mnt = dir.join("mnt");
        fs::create_dir(&mnt).unwrap();
        let token = serde_json::json!({
            "access_token": world.sim.token(), "token_type": "bearer", "expiry": "2099-01-01T00:00:00Z",
        });
        let config =
            format!("[sim]\ntype = dropbox\nclient_id = {APP_KEY}\nclient_secret = {APP_SECRET}\ntoken = {token}\n");
        fs::write(dir.join("rclone.conf"), config).unwrap();
        let proxy = Proxy::start(world.sim.address());
        let certificate = world.certificate();
        Self { program: program.to_owned(), dir, mnt, certificate, proxy, process: None }
    }

    /// Mounts, and returns when it is.
    pub(crate) fn mount(&mut self) {
        let child = Command::new(&self.program)
            .arg("mount")
            .arg(format!("sim:{}", FOLDER.trim_start_matches('/')))
            .arg(&self.mnt)
            .args(["--vfs-cache-mode", "full", "--vfs-write-back", "1s", "--log-level", "ERROR"])
            // The shortest that it takes for this service, so that it is not its default that is measured.
            .args(["--poll-interval", "10s"])
            .args(["--cache-dir".as_ref(), self.dir.join("cache").as_os_str()])
            .args(["--config".as_ref(), self.dir.join("rclone.conf").as_os_str()])
            .args(["--ca-cert".as_ref(), self.certificate.as_os_str()])
            .env("HTTPS_PROXY", self.proxy.address())
            .env("SSL_CERT_FILE", &self.certificate)
            .spawn()
            .unwrap();
        self.process = Some(child);
        eventually("rclone has mounted", || {
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
            mounts.contains(&format!(" {} ", self.mnt.display()))
        });
    }

    fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let unmounted = Command::new("fusermount3").arg("-u").arg(&self.mnt).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            drop(Command::new("fusermount3").args(["-u", "-z"]).arg(&self.mnt).status());
            drop(process.kill());
        }
        process.wait().unwrap();
    }
}

impl Side for Rclone {
    fn mnt(&self) -> &Path {
        &self.mnt
    }

    fn restart(&mut self) {
        self.stop();
        self.mount();
    }

    fn memory(&self) -> f64 {
        memory(self.process.as_ref().unwrap().id())
    }
}

impl Drop for Rclone {
    fn drop(&mut self) {
        self.stop();
    }
}
