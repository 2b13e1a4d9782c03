//! The daemon's life: started on demand, one at a time, stopped by request and by signal.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use crate::golden;
use crate::harness::{Device, eventually, is_mounted, signal};

#[test]
fn it_is_absent_until_needed_and_after_a_stop() {
    let device = Device::new();
    let absent = device.run("daemon status");
    assert_eq!(absent.code, 3);
    golden::check("daemon-absent.txt", &absent.whole());
    assert_eq!(device.run("daemon stop").code, 3);
    device.ok("vault list");
    let pid = device.daemon().expect("a daemon was started");
    golden::check(
        "daemon-status.txt",
        &device.golden(&device.ok("daemon status").out).replace(env!("CARGO_PKG_VERSION"), "<version>"),
    );
    device.ok("vault list");
    assert_eq!(device.daemon(), Some(pid), "one daemon serves all commands");
    let stopped = device.ok("daemon stop");
    assert!(stopped.err.contains(&pid.to_string()), "{stopped:?}");
    assert_eq!(device.daemon(), None);
    assert!(!device.path("run/vaultfs/control.sock").exists());
}

#[test]
fn a_second_one_is_refused_by_name() {
    let device = Device::new();
    device.ok("vault list");
    let pid = device.daemon().unwrap();
    let refused = device.run("daemon run");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains(&format!("process {pid}")), "{refused:?}");
    golden::check("daemon-second.txt", &device.golden(&refused.err));
}

#[test]
fn many_commands_at_once_start_one_daemon() {
    let device = Device::new();
    let mut commands: Vec<_> = (0..6)
        .map(|_| device.command().args(["vault", "list"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for command in &mut commands {
        let mut err = String::new();
        command.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(command.wait().unwrap().success(), "{err}");
    }
}

#[test]
fn socket_and_folders_are_private() {
    let device = Device::new();
    device.vault("Work");
    device.ok("sync now");
    let mode = |path: &str| std::fs::metadata(device.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("run/vaultfs"), 0o700);
    assert_eq!(mode("run/vaultfs/control.sock"), 0o600);
    assert_eq!(mode("state/vaultfs"), 0o700);
    assert_eq!(mode("cache/vaultfs"), 0o700);
}

#[test]
fn it_ends_on_sigterm_and_unmounts() {
    let device = Device::new();
    let (_, mountpoint) = device.mounted("Work");
    let pid = device.daemon().unwrap();
    signal(pid, "TERM");
    eventually("the daemon ends", || device.daemon().is_none());
    eventually("the mount is gone", || !is_mounted(&mountpoint));
    device.ok("status");
    assert!(is_mounted(&mountpoint), "the session ended, the user did not unmount: the next daemon mounts it again");
}

#[test]
fn after_a_stop_by_request_nothing_is_mounted_again() {
    let device = Device::new();
    let (_, mountpoint) = device.mounted("Work");
    device.ok("daemon stop");
    assert!(!is_mounted(&mountpoint));
    device.ok("status");
    assert!(!is_mounted(&mountpoint));
}

#[test]
fn in_the_foreground_it_says_ready_and_ends_when_told_twice() {
    let device = Device::new();
    let mut daemon =
        device.command().args(["daemon", "run"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(daemon.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    assert_eq!(device.daemon(), Some(daemon.id()));
    signal(daemon.id(), "INT");
    signal(daemon.id(), "INT");
    daemon.wait().unwrap();
    assert_eq!(device.daemon(), None);
}

/// Sends bytes to the control socket and returns everything that comes back.
fn raw(device: &Device, request: &str) -> String {
    let mut stream = UnixStream::connect(device.path("run/vaultfs/control.sock")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn post(address: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /api/v1/{address} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn the_api_takes_json_only_and_refuses_what_is_too_large() {
    let device = Device::new();
    device.ok("vault list");
    let plain = raw(&device, &post("network", "text/plain", r#"{"offline":true}"#));
    assert!(plain.starts_with("HTTP/1.1 400") && plain.contains(r#""code":"invalid-request""#), "{plain}");
    let get = raw(&device, "GET /api/v1/network HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(get.starts_with("HTTP/1.1 404"), "{get}");
    let unknown = raw(&device, "GET /elsewhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(unknown.contains(r#""code":"unknown-address""#), "{unknown}");
    let large =
        raw(&device, &post("network", "application/json", &format!("{{\"vault\":\"{}\"}}", "x".repeat(1024 * 1024))));
    assert!(large.starts_with("HTTP/1.1 400"), "{}", &large[..100]);
    let metrics = raw(&device, "GET /api/v1/metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(metrics.contains("# TYPE vaultfs_mounted_vaults gauge"), "{metrics}");
}

#[test]
fn a_daemon_of_other_folders_refuses_to_answer() {
    let device = Device::new();
    device.vault("Work");
    let other = device.command().env("XDG_STATE_HOME", device.path("state2")).args(["vault", "list"]).output().unwrap();
    assert_eq!(other.status.code(), Some(3));
    golden::check("daemon-wrong.txt", &device.golden(&String::from_utf8(other.stderr).unwrap()));
}

#[test]
fn settings_that_are_wrong_keep_it_from_starting_and_are_named() {
    let device = Device::new();
    device.folder("config/vaultfs");
    std::fs::write(device.path("config/vaultfs/config.toml"), "[cache]\nmax_bytes = \"much\"\n").unwrap();
    let refused = device.run("vault list");
    assert_eq!(refused.code, 3);
    golden::check("daemon-settings.txt", &device.golden(&refused.err));
}

#[test]
fn more_clients_than_it_serves_are_told_so() {
    let device = Device::new();
    device.ok("vault list");
    let socket = device.path("run/vaultfs/control.sock");
    let mut idle: Vec<UnixStream> = (0..40).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    for stream in &mut idle {
        // A request that never ends keeps its place.
        stream.write_all(b"GET /api/v1/daemon HTTP/1.1\r\n").unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_millis(1))).unwrap();
    }
    // Once eight were turned away, the others have all the places.
    eventually("eight are turned away", || {
        idle.retain_mut(|stream| stream.read(&mut [0; 64]).is_err());
        idle.len() == 32
    });
    let refused = device.run("vault list");
    assert_eq!(refused.code, 1, "{refused:?}");
    golden::check("daemon-busy.txt", &refused.err);
    drop(idle);
    eventually("places are free again", || device.run("vault list").code == 0);
}
