//! Tokens are in memory, on the wire and in the key store: nowhere else, whatever happens.

use std::os::unix::process::CommandExt;
use std::path::Path;

use super::{World, person};
use crate::harness::{Said, eventually, signal};

/// Where something was seen, and its bytes.
type Seen = Vec<(String, Vec<u8>)>;

/// Every file below a folder, with its bytes.
fn files(folder: &Path, found: &mut Seen) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            files(&path, found);
        } else if kind.is_file() {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

/// What the system shows of a process to others.
fn shown_of(process: u32) -> Seen {
    ["cmdline", "environ"]
        .iter()
        .map(|name| format!("/proc/{process}/{name}"))
        .map(|path| (path.clone(), std::fs::read(path).unwrap_or_default()))
        .collect()
}

/// Where a word is in these bytes, which may be the whole program.
fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    let first = word[0];
    let mut from = 0;
    while let Some(next) = bytes[from..].iter().position(|byte| *byte == first) {
        from += next;
        if bytes[from..].starts_with(word) {
            return Some(from);
        }
        from += 1;
    }
    None
}

/// What looks like one of the service's access tokens.
fn access_token(bytes: &[u8]) -> Option<usize> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let mut from = 0;
    while let Some(next) = find(&bytes[from..], b"sl.") {
        from += next;
        if bytes.get(from + 3..from + 30).is_some_and(|rest| rest.iter().all(is_letter)) {
            return Some(from);
        }
        from += 1;
    }
    None
}

#[test]
fn no_token_is_in_a_log_a_file_a_core_an_argument_or_a_message() {
    let mut world = World::new();
    world.device.set("VAULTFS_LOG", "trace");
    person::give_browser(&mut world.device);
    // Core files are allowed here, and written beside the device's other files.
    let root = world.device.path("");
    let ulimit = |command: &mut std::process::Command| {
        let program = command.get_program().to_owned();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh"]).arg(program).args(command.get_args());
        shell.env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        shell.current_dir(&root).process_group(0);
        shell
    };
    assert!(ulimit(world.device.command().args(["account", "list"])).status().unwrap().success());

    let mut seen = Seen::new();
    let told = |seen: &mut Seen, said: Said| seen.push(("output".to_owned(), said.whole().into_bytes()));
    told(
        &mut seen,
        person::by_browser(&world.device, &world.connect(), |address| {
            let back = person::get(address).location.unwrap();
            person::get(&back);
        }),
    );
    let refresh = world.session().entries()[0].1.clone();
    assert!(refresh.len() > 20);
    for line in ["account list --json", "account show", "test-connection", "doctor", "daemon status --json", "status"] {
        told(&mut seen, world.device.run(line));
    }
    world.sim.oauth().expire_tokens();
    told(&mut seen, world.device.run("test-connection --json"));
    let daemon = world.device.daemon().unwrap();
    seen.extend(shown_of(daemon));
    // A crash, with everything in memory.
    signal(daemon, "ABRT");
    eventually("the daemon is gone or another one", || world.device.daemon() != Some(daemon));
    told(&mut seen, world.device.run("test-connection"));
    world.sim.first_account().unlink_all();
    told(&mut seen, world.device.run("test-connection"));
    told(&mut seen, world.device.run("disconnect"));
    told(&mut seen, world.device.run("daemon stop"));

    files(&root, &mut seen);
    let log = seen.iter().filter(|(name, _)| name.contains("daemon.log")).map(|(_, bytes)| bytes.len()).sum::<usize>();
    assert!(log > 1000, "the log was read");
    assert!(!seen.iter().any(|(name, _)| name.contains("/core")), "a core file was written");
    for (name, bytes) in &seen {
        assert_eq!(find(bytes, refresh.as_bytes()), None, "the refresh token is in {name}");
        if let Some(at) = access_token(bytes) {
            panic!("an access token is in {name}: {}", String::from_utf8_lossy(&bytes[at.saturating_sub(60)..at + 8]));
        }
    }
}

#[test]
fn the_program_holds_no_secret_of_its_own() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_vaultfs")).unwrap();
    for word in ["client_secret", "app_secret", cloud_sim::dropbox::APP_SECRET] {
        assert_eq!(find(&program, word.as_bytes()), None, "{word}");
    }
}
