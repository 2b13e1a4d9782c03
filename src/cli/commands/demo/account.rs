//! The simulated Dropbox account: the program `cloud-sim` that stands beside this one, and its own routes, by which the demonstration
//! fills the account, looks into it, and makes the network and the service bad.
//!
//! It is another process, so that nothing of the simulator is in the program that people install (decision 24).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::error::{CliError, Result};
use crate::control::protocol::{ErrorCode, Problem};

/// Name of the program.
const PROGRAM: &str = "cloud-sim";
/// Key of the app that it knows.
pub(super) const APP_KEY: &str = "testkey";
/// What it says when it is ready.
const READY: &str = "listening on http://";
/// How long one of its own routes may take.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);

/// A running simulator.
pub(super) struct Account {
    process: Mutex<Child>,
    /// `127.0.0.1:PORT`
    address: String,
    /// Where files are looked at.
    folder: PathBuf,
}

impl Account {
    /// Starts it; contents lie in `folder`.
    pub(super) fn start(beside: &Path, folder: &Path, seed: u64) -> Result<Self> {
        let program = beside.with_file_name(PROGRAM);
        if !program.is_file() {
            let problem = Problem::new(ErrorCode::NotFound, format!("there is no `{PROGRAM}` beside this program"))
                .cause(format!("the demonstration simulates a Dropbox account by {}", program.display()))
                .hint("run scripts/demo.sh in the source of vaultfs: it builds both");
            return Err(problem.into());
        }
        let failed = |error| CliError::io(format!("cannot run {}", program.display()), &error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut process = Command::new(&program)
            .args(["dropbox", "--listen", "127.0.0.1:0", "--auto-approve", "--seed", &seed.to_string(), "--data"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        let said = process.stdout.take().map_or(Ok(0), |out| BufReader::new(out).read_line(&mut line));
        let address = line.trim().strip_prefix(READY).unwrap_or_default().to_owned();
        // From here on it ends with this, whatever it said.
        let account = Self { process: Mutex::new(process), address, folder: folder.to_owned() };
        said.map_err(failed)?;
        if account.address.is_empty() { Err(no_answer(&line)) } else { Ok(account) }
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The network: time of a round trip, and bytes a second (0: no limit).
    pub(super) fn set_link(&self, round_trip: Duration, bytes_per_second: u64) -> Result {
        let round_trip_ms = u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX);
        self.control("link", &json!({ "round_trip_ms": round_trip_ms, "bytes_per_second": bytes_per_second }))
    }

    /// Faults by chance from now on, as the simulator's own option `--faults` has them.
    pub(super) fn set_faults(&self, faults: &str) -> Result {
        self.control("faults/chances", &json!({ "faults": faults }))
    }

    /// No more faults. Returns how many requests met one.
    pub(super) fn clear_faults(&self) -> Result<usize> {
        self.control("faults/clear", &json!({}))?;
        let log: Vec<Value> = serde_json::from_str(&self.request("GET", "/_sim/log", "")?)
            .map_err(|error| no_answer(&error.to_string()))?;
        Ok(log.iter().filter(|record| !record["fault"].is_null()).count())
    }

    /// Puts a folder of this machine into the account.
    pub(super) fn import(&self, from: &Path, path: &str) -> Result {
        self.control("web/import", &json!({ "from": from, "path": path }))
    }

    /// Writes what the account holds below a path into a folder of this machine, which must not exist.
    pub(super) fn export(&self, path: &str, to: &Path) -> Result {
        self.control("web/export", &json!({ "path": path, "to": to }))
    }

    /// The bytes of a file; `None` if there is none.
    pub(super) fn file(&self, path: &str) -> Option<Vec<u8>> {
        let to = self.folder.join("looked-at");
        let bytes = self.export(path, &to).ok().and_then(|()| std::fs::read(&to).ok());
        // It may not have come to be.
        drop(std::fs::remove_file(&to));
        bytes
    }

    /// The code that a page of the service shows to whoever signs in there.
    pub(super) fn code(&self, address: &str) -> Result<String> {
        let page = self.request("GET", address.strip_prefix(&self.url()).unwrap_or(address), "")?;
        let code = page.split_once("id=\"code\">").and_then(|(_, rest)| rest.split('<').next());
        code.map(str::to_owned).ok_or_else(|| no_answer("it shows no code"))
    }

    /// Ends it.
    pub(super) fn stop(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have ended with an interruption already.
        drop(process.kill());
        drop(process.wait());
    }

    fn control(&self, what: &str, fields: &Value) -> Result {
        self.request("POST", &format!("/_sim/{what}"), &fields.to_string()).map(drop)
    }

    /// One request; the body of the answer.
    fn request(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let answer = self.exchange(method, path, body).map_err(|error| no_answer(&error.to_string()))?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
            Some(_) | None => Err(no_answer(&answer)),
        }
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(LONGEST_ANSWER))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.stop();
    }
}

fn no_answer(cause: &str) -> CliError {
    Problem::new(ErrorCode::Internal, format!("`{PROGRAM}` does not do what it was asked for"))
        .cause(cause.trim())
        .into()
}
