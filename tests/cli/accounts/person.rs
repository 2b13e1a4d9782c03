//! Who sits in front of the browser: opens addresses, follows where they lead, reads codes off pages.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::harness::{Device, Said, eventually};

/// An answer of a web server.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: String,
}

/// One GET over plain HTTP.
pub(super) fn get(address: &str) -> Page {
    let rest = address.strip_prefix("http://").unwrap_or_else(|| panic!("not plain HTTP: {address}"));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then(|| value.to_owned())
    };
    Page { status, location: head.lines().find_map(header), body: body.to_owned() }
}

/// The code on the page that an address shows.
pub(super) fn code_on(address: &str) -> Option<String> {
    let page = get(address).body;
    let (_, rest) = page.split_once("id=\"code\">")?;
    Some(rest.split('<').next()?.to_owned())
}

/// Runs a sign-in by code: `paste` is given the address and gives what is pasted.
pub(super) fn by_code(device: &Device, command: &str, paste: impl FnOnce(&str) -> String) -> Said {
    let arguments = command.split(' ').chain(["--no-browser"]);
    let mut child = device
        .command()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        if lines.read_line(&mut line).unwrap() == 0 {
            break None;
        }
        told += &line;
        if let Some(address) = line.trim().strip_prefix("http").map(|rest| format!("http{rest}")) {
            break Some(address);
        }
    };
    if let Some(address) = address {
        let mut stdin = child.stdin.take().unwrap();
        // It may have ended already.
        drop(stdin.write_all(format!("{}\n", paste(&address)).as_bytes()));
    }
    lines.read_to_string(&mut told).unwrap();
    let output = child.wait_with_output().unwrap();
    Said { err: told, ..Said::of(&output) }
}

/// Puts a browser on the device that writes down what it is to open, and never shows anything.
pub(super) fn give_browser(device: &mut Device) {
    let (script, opened) = (device.path("browser"), device.path("opened"));
    let text = format!("#!/bin/sh\nprintf %s \"$1\" > {0}.new && mv {0}.new {0}\n", opened.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    device.set("BROWSER", script);
}

/// Runs a sign-in with the browser: `person` is given the address that was opened.
pub(super) fn by_browser(device: &Device, command: &str, person: impl FnOnce(&str)) -> Said {
    let opened = device.path("opened");
    drop(std::fs::remove_file(&opened));
    let child =
        device.command().args(command.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the browser is opened", || opened.exists());
    person(&std::fs::read_to_string(&opened).unwrap());
    Said::of(&child.wait_with_output().unwrap())
}

/// Ids of accounts as `<account>`.
pub(super) fn without_ids(text: &str) -> String {
    let mut parts = text.split("dropbox-");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_id = part.len() >= 8 && part.bytes().take(8).all(|byte| byte.is_ascii_hexdigit());
        clean += if is_id { "<account>" } else { "dropbox-" };
        clean += if is_id { &part[8..] } else { part };
    }
    clean
}
