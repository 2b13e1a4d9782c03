//! The whole life of a vault with the log at its loudest: sign-in, mount, work, errors, kills, sign-out. Afterwards everything that was
//! written, shown or said is searched for every secret that the service has given out or been given.

use std::fs;
use std::path::Path;

use cloud_sim::faults::{Failure, Fault};

use crate::harness::Said;
use crate::person;
use crate::world::{Seat, World, connect};

/// What was found where.
#[derive(Default)]
struct Artefacts(Vec<(String, String)>);

impl Artefacts {
    fn add(&mut self, place: impl Into<String>, bytes: &[u8]) {
        self.0.push((place.into(), String::from_utf8_lossy(bytes).into_owned()));
    }

    fn said(&mut self, command: &str, said: &Said) {
        self.add(format!("what `{command}` says"), said.whole().as_bytes());
    }

    /// Runs a command, however it ends.
    fn run(&mut self, seat: &Seat<'_>, command: &str) {
        self.said(command, &seat.device.run(command));
    }

    /// Every file below a folder; not through mounts.
    fn files(&mut self, when: &str, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().map(|found| found.file_type());
            match kind {
                Ok(kind) if kind.is_dir() && !path.ends_with("mnt") => self.files(when, &path),
                Ok(kind) if kind.is_file() => self.add(format!("{} {when}", path.display()), &fs::read(&path).unwrap()),
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// What the system shows of the daemon, and of the process that watches over it, to others.
    fn processes(&mut self, when: &str, seat: &Seat<'_>) {
        let daemon = seat.device.daemon().unwrap();
        let status = fs::read_to_string(format!("/proc/{daemon}/status")).unwrap();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().to_owned();
        for process in [daemon.to_string(), parent] {
            for name in ["cmdline", "environ"] {
                let path = format!("/proc/{process}/{name}");
                self.add(format!("{path} {when}"), &fs::read(&path).unwrap());
            }
        }
    }

    /// Where any of these secrets is, whole, in part, or in another writing.
    fn leaks(&self, secrets: &[(&'static str, String)]) -> Vec<String> {
        let mut leaks = Vec::new();
        for (what, secret) in secrets {
            let (start, end) = (&secret[..24], &secret[secret.len() - 24..]);
            let hex: String = secret.bytes().take(16).map(|byte| format!("{byte:02x}")).collect();
            let base64 = &base64::Engine::encode(&base64::engine::general_purpose::STANDARD, secret)[..24];
            let list = format!("{:?}", &secret.as_bytes()[..12]);
            let list = list.trim_matches(['[', ']']);
            let places = self.0.iter().filter(|(_, text)| {
                [start, end, &hex, &hex.to_uppercase(), base64, list].iter().any(|writing| text.contains(*writing))
            });
            leaks.extend(places.map(|(place, _)| format!("{what} in {place}")));
        }
        leaks
    }
}

fn work(seat: &Seat<'_>, round: &str) {
    let mnt = seat.mnt();
    fs::create_dir(mnt.join(round)).unwrap();
    fs::write(mnt.join(round).join("mix.json"), "{}").unwrap();
    // Bytes of its own: what is there already would be copied instead of sent.
    fs::write(mnt.join(round).join("take.wav"), round.repeat(50_000)).unwrap();
    fs::rename(mnt.join(round).join("take.wav"), mnt.join(round).join("one.wav")).unwrap();
    fs::read_dir(&mnt).unwrap().for_each(drop);
}

#[test]
fn no_secret_is_anywhere_in_the_whole_life_of_a_vault() {
    let world = World::new();
    let mut found = Artefacts::default();
    let (mut device, door) = world.stranger("studio");
    device.set("VAULTFS_LOG", "trace");
    let sign_in = |device: &crate::harness::Device| {
        person::by_code(device, &connect(&door), |page| person::code_on(page).unwrap_or_default())
    };
    // A sign-in that fails has secrets, too.
    world.sim.faults().next("oauth2/token", Fault::status(500));
    found.said("connect", &sign_in(&device));
    found.said("connect", &sign_in(&device));
    found.said(
        "connect with a wrong code",
        &person::by_code(&device, &connect(&door), |page| format!("{}x", person::code_on(page).unwrap())),
    );
    let seat = world.seat(device, door.clone(), "link 1");
    work(&seat, "first");
    seat.wait_synced();
    found.processes("at work", &seat);

    // What goes wrong on the way, and is told in logs and messages.
    let faults = world.sim.faults();
    for fault in [
        Fault::Failure(Failure::TokenExpired),
        Fault::status(500),
        Fault::Failure(Failure::Html(502)),
        Fault::Failure(Failure::BadRequest("what is this?".to_owned())),
        Fault::too_many_requests(1),
        Fault::ResetAfter,
    ] {
        faults.next("files/upload", fault.clone());
        faults.next("files/list_folder/continue", fault);
    }
    work(&seat, "troubled");
    for command in ["status --json", "queue --json", "account show --json", "test-connection", "doctor", "conflicts"] {
        found.run(&seat, command);
    }
    world.sim.oauth().expire_tokens();
    faults.next("oauth2/token", Fault::status(503));
    work(&seat, "expired");
    found.run(&seat, "sync");
    seat.wait_synced();
    faults.clear();

    fs::write(seat.mnt().join("unsent.txt"), "unsent").unwrap();
    seat.kill();
    found.files("after a kill", &seat.device.path(""));
    seat.mount();
    seat.wait_synced();
    found.processes("after a kill", &seat);
    world.sim.first_account().unlink_all();
    work(&seat, "revoked");
    seat.until_state("auth-required");
    for command in ["status", "queue", "account", "test-connection --json", "doctor --json", "wait --timeout 1 @/mnt"] {
        found.run(&seat, command);
    }
    found.said("connect again", &sign_in(&seat.device));
    seat.wait_synced();
    seat.cut_off();
    seat.until_state("offline");
    for command in ["status", "test-connection", "verify", "manifest", "daemon status --json", "vault show --json"] {
        found.run(&seat, command);
    }
    seat.reconnect();
    for command in ["config show", "disconnect", "doctor", "daemon stop"] {
        found.run(&seat, command);
    }
    found.files("in the end", &seat.device.path(""));

    let secrets = world.sim.oauth().secrets();
    for kind in ["access token", "refresh token", "authorization code", "PKCE verifier"] {
        let count = secrets.iter().filter(|(what, _)| *what == kind).count();
        assert!(count >= 2, "{count} times {kind}");
    }
    let size = |name: &str| {
        found.0.iter().filter(|(place, _)| place.contains(name)).map(|(_, text)| text.len()).sum::<usize>()
    };
    for name in
        ["daemon.log", "catalog.db", "catalog.db-wal", "secrets.json", "secrets.key", "accounts.json", "environ"]
    {
        assert!(size(name) > 0, "{name} was searched");
    }
    assert!(size("daemon.log") > 50_000, "the log was at its loudest: {} bytes", size("daemon.log"));
    assert_eq!(found.leaks(&secrets), [] as [String; 0]);

    // The search finds what is there.
    for (_, secret) in &secrets {
        found.add("planted", format!("key=\"{secret}\"").as_bytes());
    }
    assert_eq!(found.leaks(&secrets).len(), secrets.len());
}
