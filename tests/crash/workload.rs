//! What an application does, and what it may then rely on: after each acknowledged operation the model knows the only state that a
//! crash may leave; while an operation is under way, the state before it or after it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Files by path relative to the mount. Folders end in `/` and hold nothing.
type State = BTreeMap<String, Vec<u8>>;

pub(crate) struct Workload {
    root: PathBuf,
    random: StdRng,
    /// What was acknowledged.
    state: State,
    /// States that a crash in the operation under way may leave.
    allowed: Vec<State>,
    acknowledged: u64,
    /// The operation under way, for messages.
    under_way: String,
    /// What was done, and when, for messages.
    journal: Vec<String>,
}

/// Operations that a message shows.
const SHOWN: usize = 40;

impl Workload {
    pub(crate) fn new(root: PathBuf, seed: u64) -> Self {
        Self {
            root,
            random: StdRng::seed_from_u64(seed),
            state: State::new(),
            allowed: Vec::new(),
            acknowledged: 0,
            under_way: String::new(),
            journal: Vec::new(),
        }
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Works until an operation fails because the daemon is dead; returns how many succeeded.
    pub(crate) fn run_until_the_mount_dies(&mut self) -> u64 {
        let before = self.acknowledged;
        loop {
            let done = self.step();
            self.note(&format!("{}: {done:?}", self.under_way));
            match done {
                Ok(()) => self.acknowledged += 1,
                Err(error) => {
                    let expected = [libc::ENOTCONN, libc::ECONNABORTED, libc::EIO, libc::EINTR, libc::ENODEV];
                    assert!(
                        error.raw_os_error().is_some_and(|errno| expected.contains(&errno)),
                        "{} failed with {error} while the daemon was alive\n{}",
                        self.under_way,
                        self.story()
                    );
                    return self.acknowledged - before;
                }
            }
        }
    }

    fn note(&mut self, line: &str) {
        self.journal.push(format!("{} {line}", jiff::Timestamp::now()));
    }

    fn story(&self) -> String {
        self.journal[self.journal.len().saturating_sub(SHOWN)..].join("\n")
    }

    fn names(&self, folders: bool) -> Vec<String> {
        self.state.keys().filter(|name| name.ends_with('/') == folders).cloned().collect()
    }

    fn pick(&mut self, from: &[String]) -> String {
        from[self.random.random_range(0..from.len())].clone()
    }

    fn new_name(&mut self) -> String {
        let folders = self.names(true);
        let folder =
            if folders.is_empty() || self.random.random_bool(0.5) { String::new() } else { self.pick(&folders) };
        format!("{folder}file {}", self.random.random_range(0..30_u32))
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = [0, 1, 4096, 65_535, 65_536, 65_537, 200_000][self.random.random_range(0..7_usize)];
        let first = self.random.random::<u8>();
        (0..len).map(|at: usize| first.wrapping_add(u8::try_from(at % 251).unwrap())).collect()
    }

    /// Runs one operation whose acknowledged outcome is `after`.
    fn acknowledge(&mut self, after: State, operation: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.allowed = vec![self.state.clone(), after.clone()];
        operation()?;
        self.state = after;
        self.allowed.clear();
        Ok(())
    }

    fn step(&mut self) -> io::Result<()> {
        let files = self.names(false);
        "nothing".clone_into(&mut self.under_way);
        match self.random.random_range(0..10_u32) {
            _ if files.is_empty() => self.write_new(),
            0..3 => self.write_new(),
            3 => self.append(&files),
            4 | 5 => self.save_atomically(&files),
            6 => self.rename(&files),
            7 => self.delete(&files),
            8 => self.make_folder(),
            _ => self.rename_folder(),
        }
    }

    /// Create, write, close. Between create and close the file may be there with any prefix of the new bytes.
    fn write_new(&mut self) -> io::Result<()> {
        let (name, bytes) = (self.new_name(), self.bytes());
        let path = self.root.join(&name);
        self.under_way = format!("write {name}");
        let mut after = self.state.clone();
        after.insert(name.clone(), bytes.clone());
        // Cutting an existing file is acknowledged before the write: states in between are allowed until close returns.
        let mut between = self.state.clone();
        between.insert(name, Vec::new());
        self.allowed = vec![self.state.clone(), between, after.clone()];
        let mut file = File::create(&path)?;
        file.write_all(&bytes)?;
        close(file)?;
        self.state = after;
        self.allowed.clear();
        Ok(())
    }

    fn append(&mut self, files: &[String]) -> io::Result<()> {
        let (name, bytes) = (self.pick(files), self.bytes());
        let path = self.root.join(&name);
        self.under_way = format!("append to {name}");
        let mut after = self.state.clone();
        after.get_mut(&name).unwrap().extend_from_slice(&bytes);
        self.acknowledge(after, move || {
            let mut file = OpenOptions::new().append(true).open(path)?;
            file.write_all(&bytes)?;
            close(file)
        })
    }

    /// Write beside, fsync, rename over: never anything but the old or the new bytes under the name.
    fn save_atomically(&mut self, files: &[String]) -> io::Result<()> {
        let (name, bytes) = (self.pick(files), self.bytes());
        let (path, beside_name) = (self.root.join(&name), format!("{name} being saved"));
        let beside = self.root.join(&beside_name);
        self.under_way = format!("save {name}");
        let mut written = self.state.clone();
        written.insert(beside_name.clone(), bytes.clone());
        let mut empty = self.state.clone();
        empty.insert(beside_name.clone(), Vec::new());
        let mut after = self.state.clone();
        // One that an earlier crash left there is written over.
        after.remove(&beside_name);
        after.insert(name, bytes.clone());
        self.allowed = vec![self.state.clone(), empty, written.clone(), after.clone()];
        let mut file = File::create(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        close(file)?;
        self.state = written;
        self.acknowledge(after, move || fs::rename(&beside, &path))
    }

    fn rename(&mut self, files: &[String]) -> io::Result<()> {
        let (from, to) = (self.pick(files), self.new_name());
        let (old, new) = (self.root.join(&from), self.root.join(&to));
        self.under_way = format!("rename {from} to {to}");
        let mut after = self.state.clone();
        let bytes = after.remove(&from).unwrap();
        after.insert(to, bytes);
        self.acknowledge(after, move || fs::rename(old, new))
    }

    fn delete(&mut self, files: &[String]) -> io::Result<()> {
        let name = self.pick(files);
        let path = self.root.join(&name);
        self.under_way = format!("delete {name}");
        let mut after = self.state.clone();
        after.remove(&name);
        self.acknowledge(after, move || fs::remove_file(path))
    }

    fn make_folder(&mut self) -> io::Result<()> {
        let name = format!("folder {}/", self.random.random_range(0..4_u32));
        if self.state.contains_key(&name) {
            return Ok(());
        }
        let path = self.root.join(&name);
        self.under_way = format!("make {name}");
        let mut after = self.state.clone();
        after.insert(name, Vec::new());
        self.acknowledge(after, move || fs::create_dir(path))
    }

    fn rename_folder(&mut self) -> io::Result<()> {
        let folders = self.names(true);
        let to = format!("folder {}/", self.random.random_range(0..4_u32));
        if folders.is_empty() || self.state.contains_key(&to) {
            return Ok(());
        }
        let from = self.pick(&folders);
        let (old, new) = (self.root.join(&from), self.root.join(&to));
        self.under_way = format!("rename {from} to {to}");
        let after = self
            .state
            .iter()
            .map(|(name, bytes)| match name.strip_prefix(&from) {
                Some(rest) => (format!("{to}{rest}"), bytes.clone()),
                None => (name.clone(), bytes.clone()),
            })
            .collect();
        self.acknowledge(after, move || fs::rename(old, new))
    }

    /// Compares the mount with what was acknowledged, and takes over what it found where a crash left a choice.
    pub(crate) fn verify(&mut self, when: &str) {
        let found = crate::support::tree(&self.root);
        if self.allowed.is_empty() {
            self.allowed.push(self.state.clone());
        }
        let matches = |allowed: &State| {
            let same_names = allowed.keys().eq(found.keys());
            same_names
                && allowed.iter().all(|(name, bytes)| found[name] == *bytes || self.may_be_partial(name, &found[name]))
        };
        assert!(self.allowed.iter().any(matches), "{when}:\n{}\n{}", self.difference(&found), self.story());
        self.note(&format!("found as it should be {when}"));
        self.state = found;
        self.allowed.clear();
    }

    /// A file that was being written when the daemon died holds a prefix of what was being written, or a continuation of what was
    /// there.
    fn may_be_partial(&self, name: &str, found: &[u8]) -> bool {
        let versions: Vec<&Vec<u8>> = self.allowed.iter().filter_map(|state| state.get(name)).collect();
        let under_way = self.allowed.len() > 1 && versions.windows(2).any(|pair| pair[0] != pair[1]) || {
            self.allowed.len() > 1 && versions.len() < self.allowed.len()
        };
        under_way && versions.iter().any(|version| version.starts_with(found))
    }

    fn difference(&self, found: &State) -> String {
        let expected = &self.state;
        let mut lines = Vec::new();
        for name in expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name))) {
            match (expected.get(name), found.get(name)) {
                (Some(_), None) => lines.push(format!("lost: {name}")),
                (None, Some(bytes)) => lines.push(format!("appeared: {name} ({} bytes)", bytes.len())),
                (Some(old), Some(new)) if old != new => {
                    lines.push(format!("changed: {name} ({} bytes, acknowledged {})", new.len(), old.len()));
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        for (at, allowed) in self.allowed.iter().enumerate() {
            for name in allowed.keys().chain(found.keys()).collect::<std::collections::BTreeSet<_>>() {
                let (wanted, got) = (allowed.get(name), found.get(name));
                if wanted != got {
                    let len = |bytes: Option<&Vec<u8>>| {
                        bytes.map_or("absent".to_owned(), |bytes| format!("{} bytes", bytes.len()))
                    };
                    let first = wanted.zip(got).map(|(wanted, got)| wanted.iter().zip(got).position(|(a, b)| a != b));
                    lines.push(format!(
                        "allowed state {at}: {name}: {}, found {}, first difference {first:?}",
                        len(wanted),
                        len(got)
                    ));
                }
            }
        }
        lines.join("\n")
    }
}

/// Closes a file and tells what `close` answered, which dropping would swallow.
pub(crate) fn close(file: File) -> io::Result<()> {
    use std::os::fd::IntoRawFd;
    let fd = file.into_raw_fd();
    // SAFETY: the descriptor was just taken out of its owner and is used nowhere else.
    #[expect(unsafe_code, reason = "the standard library has no close that reports errors")]
    let closed = unsafe { libc::close(fd) };
    if closed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
