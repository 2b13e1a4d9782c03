//! The program `cloud-sim`: what it says to whoever starts it.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

fn program(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloud-sim"));
    command.arg("dropbox").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The next line, without what it starts with.
fn line(from: &mut impl BufRead, start: &str) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim_end().strip_prefix(start).unwrap_or_else(|| panic!("{line:?} does not start with {start:?}")).to_owned()
}

#[test]
fn encrypted_it_says_whom_to_trust_and_leaves_nothing_behind() {
    let mut child = program(&["--tls"]);
    let mut told = BufReader::new(child.stdout.take().unwrap());
    assert!(line(&mut told, "listening on ").starts_with("https://127.0.0.1:"));
    let authority = PathBuf::from(line(&mut told, "trust "));
    assert!(std::fs::read_to_string(&authority).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let ended = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(ended.success() && child.wait().unwrap().success());
    assert!(!authority.parent().unwrap().exists());
}

#[test]
fn a_folder_of_ones_own_stays() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut child = program(&["--tls", "--data", data.to_str().unwrap()]);
    let mut told = BufReader::new(child.stdout.take().unwrap());
    line(&mut told, "listening on ");
    assert_eq!(line(&mut told, "trust "), data.join("ca.pem").to_str().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(data.join("ca.pem").exists());
}

#[test]
fn what_goes_wrong_is_no_answer() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = program(&["--listen", &taken.local_addr().unwrap().to_string()]);
    assert!(!child.wait().unwrap().success());
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(out.is_empty() && err.starts_with("error: the simulator cannot listen"), "{out:?} {err:?}");
}
