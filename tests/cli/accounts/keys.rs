//! A desktop session as far as key stores go: a private D-Bus and a real GNOME Keyring, both gone when the test ends.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{eventually, signal};

const PASSWORD: &str = "open sesame";

/// A session bus, and on it perhaps a key store.
pub(super) struct Session {
    folder: PathBuf,
    bus: Child,
    keyring: Option<Child>,
}

impl Session {
    /// A session whose user has logged in: the key store is unlocked.
    pub(super) fn start(folder: &Path) -> Self {
        let mut session = Self::without_keys(folder, "");
        session.unlock();
        session
    }

    /// A session without a key store. `policy`: more rules for the bus.
    pub(super) fn without_keys(folder: &Path, policy: &str) -> Self {
        for below in ["data", "run"] {
            std::fs::create_dir_all(folder.join(below)).unwrap();
        }
        let (socket, config) = (folder.join("bus"), folder.join("bus.conf"));
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n\
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
             <busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\n\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\n\
             <allow own=\"*\"/>{policy}</policy></busconfig>\n",
            socket.display()
        );
        std::fs::write(&config, text).unwrap();
        let bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is needed (package dbus; `scripts/test.sh unit` installs it)");
        eventually("the bus listens", || socket.exists());
        Self { folder: folder.to_owned(), bus, keyring: None }
    }

    /// For DBUS_SESSION_BUS_ADDRESS.
    pub(super) fn address(&self) -> String {
        format!("unix:path={}", self.folder.join("bus").display())
    }

    /// A program of this session.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .env("XDG_DATA_HOME", self.folder.join("data"))
            .env("XDG_RUNTIME_DIR", self.folder.join("run"))
            .env("DBUS_SESSION_BUS_ADDRESS", self.address())
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// The user logs in: a key store that knows the password.
    pub(super) fn unlock(&mut self) {
        self.stop_keys();
        let mut keyring = self
            .command("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .arg(format!("--control-directory={}", self.folder.join("control").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("gnome-keyring-daemon is needed (package gnome-keyring; `scripts/test.sh unit` installs it)");
        keyring.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        self.keyring = Some(keyring);
        eventually("the key store is open", || !self.is_locked());
    }

    /// The key store is locked, as when the screen was locked for long.
    pub(super) fn lock(&self) {
        let collection = "array:objpath:/org/freedesktop/secrets/collection/login";
        self.ask(&["/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock", collection]);
        eventually("the key store is locked", || self.is_locked());
    }

    fn is_locked(&self) -> bool {
        let property = ["string:org.freedesktop.Secret.Collection", "string:Locked"];
        let path = "/org/freedesktop/secrets/collection/login";
        !self.ask(&[&[path, "org.freedesktop.DBus.Properties.Get"], &property[..]].concat()).contains("boolean false")
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let command = &mut self.command("dbus-send");
        command.args(["--session", "--print-reply", "--dest=org.freedesktop.secrets"]).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// The key store does nothing any more, and takes every question.
    pub(super) fn freeze(&self) {
        signal(self.keyring.as_ref().unwrap().id(), "STOP");
    }

    /// It goes on.
    pub(super) fn thaw(&self) {
        signal(self.keyring.as_ref().unwrap().id(), "CONT");
    }

    /// What somebody else's program finds in the key store: label and secret of every entry of ours.
    pub(super) fn entries(&self) -> Vec<(String, String)> {
        let output = self.command("secret-tool").args(["search", "--all", "service", "vaultfs"]).output();
        let output =
            output.expect("secret-tool is needed (package libsecret-tools; `scripts/test.sh unit` installs it)");
        let text = String::from_utf8(output.stdout).unwrap();
        let values = |name: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).map(str::to_owned).collect()
        };
        values("label").into_iter().zip(values("secret")).collect()
    }

    fn stop_keys(&mut self) {
        if let Some(mut keyring) = self.keyring.take() {
            signal(keyring.id(), "CONT");
            keyring.kill().unwrap();
            keyring.wait().unwrap();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop_keys();
        // Killed, it can only be gone.
        drop(self.bus.kill());
        drop(self.bus.wait());
    }
}
