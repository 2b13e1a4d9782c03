//! The account that both sides are mounted on, filled before anybody looks, and the link to it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cloud_sim::dropbox::{Consent, DropboxSim, Options, Web};

use crate::Settings;

/// The folder that is mounted.
pub(crate) const FOLDER: &str = "/Bench";
/// Folder of the many entries, below it.
pub(crate) const LARGE_FOLDER: &str = "entries";
/// What a player asks for first.
pub(crate) const FIRST_BYTES: usize = 64 * 1024;

/// A file for one measurement of a kind, cold for everybody.
pub(crate) fn cold(kind: &str, round: usize) -> String {
    format!("cold/{kind} {round}.wav")
}

/// The simulated account, and the folder of everything that lies on this disk.
pub(crate) struct World {
    pub(crate) sim: DropboxSim,
    pub(crate) dir: tempfile::TempDir,
    round_trip: Duration,
    bandwidth: u64,
}

impl World {
    /// Starts the simulator and fills the account.
    pub(crate) fn new(settings: &Settings) -> Self {
        let dir = tempfile::Builder::new().prefix("vaultfs-bench-").tempdir_in("/var/tmp").unwrap();
        // TLS for both, because rclone's hosts cannot be changed and it speaks nothing else to them.
        let options = Options { tls: true, data: Some(dir.path().to_owned()), ..Options::default() };
        let sim = DropboxSim::start(options).unwrap();
        sim.oauth().set_consent(Consent::Approve);
        sim.set_longpoll_jitter(Duration::ZERO);
        std::fs::write(dir.path().join("ca.pem"), sim.certificate().unwrap()).unwrap();
        let web = sim.first_account().web();
        for round in 0..settings.rounds {
            let file = |kind: &str, length: u64| {
                web.write_computed(&format!("{FOLDER}/{}", cold(kind, round)), length, round as u64).unwrap();
            };
            file("first", 8 << 20);
            file("sequential", settings.sequential);
            // Zeros take no time to hash, and nobody here looks at them.
            web.write_zeros(&format!("{FOLDER}/{}", cold("random", round)), settings.wav).unwrap();
        }
        web.write(&format!("{FOLDER}/edited.json"), b"before").unwrap();
        web.create_folder(&format!("{FOLDER}/{LARGE_FOLDER}")).unwrap();
        web.write_many(&format!("{FOLDER}/{LARGE_FOLDER}"), settings.entries).unwrap();
        sim.link().set_round_trip(settings.round_trip);
        Self { sim, dir, round_trip: settings.round_trip, bandwidth: settings.bandwidth }
    }

    /// The website of the account.
    pub(crate) fn web(&self) -> Web {
        self.sim.first_account().web()
    }

    /// The authority to trust.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The file of a path below the mounted folder, as the account has it.
    pub(crate) fn remote(path: &str) -> String {
        format!("{FOLDER}/{path}")
    }

    /// Runs something behind the slow link; at other times only the round trip is felt.
    pub(crate) fn behind_the_link<T>(&self, work: impl FnOnce() -> T) -> T {
        self.sim.link().set_bandwidth(self.bandwidth);
        let result = work();
        self.sim.link().set_bandwidth(0);
        result
    }

    /// How long so many bytes take over the link.
    pub(crate) fn link_time(&self, bytes: u64) -> Duration {
        self.round_trip + Duration::from_micros(bytes.saturating_mul(1_000_000) / self.bandwidth)
    }

    /// Requests since the log was cleared, without those that only wait.
    pub(crate) fn calls(&self) -> usize {
        let entries = self.sim.log().entries();
        entries.iter().filter(|record| record.route() != "files/list_folder/longpoll").count()
    }

    /// Bytes of contents that went over the link since the log was cleared.
    pub(crate) fn fetched(&self) -> u64 {
        self.sim.log().sent("files/download")
    }

    /// Time of one ranged request by curl, by its own clock.
    pub(crate) fn ranged_request(&self, path: &str) -> Duration {
        let argument = serde_json::json!({ "path": Self::remote(path) });
        let output = Command::new("curl")
            .args(["-sS", "--fail", "--noproxy", "*", "-o", "/dev/null", "-w", "%{time_total}", "-X", "POST"])
            .args(["-r", &format!("0-{}", FIRST_BYTES - 1)])
            .args(["-H", &format!("Authorization: Bearer {}", self.sim.token())])
            .args(["-H", &format!("Dropbox-API-Arg: {argument}")])
            .args(["--cacert".as_ref(), self.certificate().as_os_str()])
            .arg(format!("{}/2/files/download", self.sim.base_url()))
            .output()
            .expect("curl");
        let seconds = String::from_utf8_lossy(&output.stdout).parse();
        Duration::from_secs_f64(seconds.unwrap_or_else(|_| panic!("curl: {output:?}")))
    }

    /// What a browser shows at an address of the service.
    pub(crate) fn page(&self, address: &str) -> String {
        let output = Command::new("curl")
            .args(["-sS", "--fail", "--noproxy", "*", "--cacert"])
            .arg(self.certificate())
            .arg(address)
            .output()
            .expect("curl");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A new folder on this disk.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }
}

/// Bytes of memory of a process.
pub(crate) fn memory(process: u32) -> f64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}
