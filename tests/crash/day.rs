//! A day's work: an application does a bit of everything that reaches the disk, on a vault behind a link, and another person changes a file
//! at the provider. After each step the model knows every state that a stop or a failing disk may leave.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{Device, tree};
use crate::workload::close;

/// Files by path relative to the mount. Folders end in `/` and hold nothing.
pub(crate) type State = BTreeMap<String, Vec<u8>>;

/// What another person writes to.
const THEIRS: &str = "theirs.txt";
/// How long something that nobody disturbs may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(20);

pub(crate) struct Day {
    root: PathBuf,
    remote: PathBuf,
    /// Every state that the files of a group may be in, by group; see [`group`].
    allowed: BTreeMap<String, Vec<State>>,
    /// Files that an operation which failed was writing to: each byte is that of one of these versions.
    torn: BTreeMap<String, Vec<Vec<u8>>>,
    theirs: Vec<u8>,
    /// Makes the bytes of each round different.
    round: u8,
    acknowledged: u64,
    journal: Vec<String>,
}

impl Day {
    /// Before the first day: what is at the provider is in the mount, and its bytes are not here.
    pub(crate) fn new(device: &Device) -> Self {
        let remote = device.path("remote");
        for name in ["cold.bin", "read.bin"] {
            fs::write(remote.join(name), pattern(0, 300_000)).unwrap();
        }
        fs::write(remote.join(THEIRS), "theirs").unwrap();
        let shown = remote.to_str().unwrap();
        device.ok(["vault", "add", "vault", "--provider", "local", "--path", shown, "--link-latency", "1"]);
        device.mount();
        device.wait_synced();
        let mut day = Self {
            root: device.mnt(),
            remote,
            allowed: BTreeMap::new(),
            torn: BTreeMap::new(),
            theirs: b"theirs".to_vec(),
            round: 0,
            acknowledged: 0,
            journal: Vec::new(),
        };
        day.begin_anew();
        day
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// In the evening before: bytes that were not sent, some of them nobody's any more, for the recovery to find.
    pub(crate) fn leave_work(&mut self, device: &Device) {
        self.round = self.round.wrapping_add(1);
        device.ok(["offline", "vault"]);
        for name in ["unsent.bin", "unwanted.bin"] {
            self.write(name, 90_000, true).unwrap();
        }
        self.append("unsent.bin").unwrap();
        let held = File::open(self.root.join("unwanted.bin")).unwrap();
        self.remove("unwanted.bin").unwrap();
        device.kill_daemon();
        drop(held);
    }

    /// Puts away what the day will want to fetch. The daemon runs and everything is synced.
    pub(crate) fn put_away(&self, device: &Device) {
        for name in ["cold.bin", "read.bin"] {
            device.ok(["evict".as_ref(), self.root.join(name).as_os_str()]);
        }
    }

    /// All steps, whatever becomes of each, while `goes_on`; the errors that the application got.
    pub(crate) fn work(&mut self, goes_on: &mut dyn FnMut() -> bool) -> Vec<String> {
        let steps: [fn(&mut Self) -> io::Result<()>; 9] = [
            Self::record_a_take,
            Self::edit_a_document,
            Self::save_a_manifest,
            Self::cut_a_file,
            Self::change_ones_mind,
            Self::move_things,
            Self::splice_a_cold_file,
            Self::read_a_cold_file,
            Self::replace_a_file,
        ];
        let mut errors = Vec::new();
        for step in steps {
            if !goes_on() {
                return errors;
            }
            if let Err(error) = step(self) {
                errors.push(format!("{}: {error}", self.journal.last().map_or("", String::as_str)));
            }
        }
        errors
    }

    /// Sends the day's work, and receives the other person's. What is waited for comes from the folders themselves, so that nobody
    /// starts another daemon. False if `goes_on` said so.
    pub(crate) fn exchange(&mut self, goes_on: &mut dyn FnMut() -> bool) -> bool {
        let theirs = format!("theirs, in round {}", self.round).into_bytes();
        self.theirs.clone_from(&theirs);
        fs::write(self.remote.join(THEIRS), &theirs).unwrap();
        let mnt = self.root.join(THEIRS);
        wait(goes_on, "the other person's edit", || fs::read(&mnt).is_ok_and(|found| found == theirs))
            && self.is_sent(goes_on)
    }

    /// Waits until the provider has everything.
    fn is_sent(&self, goes_on: &mut dyn FnMut() -> bool) -> bool {
        if self.allowed.values().any(|states| states.len() > 1) {
            return goes_on();
        }
        let expected: State =
            self.allowed.values().flatten().flatten().map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        wait(goes_on, "the upload of the day's work", || without_theirs(tree(&self.remote)) == expected)
    }

    /// Tidying up what was sent: changes of names at the provider.
    pub(crate) fn tidy(&mut self, goes_on: &mut dyn FnMut() -> bool) -> Vec<String> {
        let mut errors = Vec::new();
        for step in [Self::rename_the_folder, Self::delete_what_was_sent] {
            if goes_on()
                && let Err(error) = step(self)
            {
                errors.push(error.to_string());
            }
            // What is deleted at once is never moved.
            self.is_sent(goes_on);
        }
        errors
    }

    fn record_a_take(&mut self) -> io::Result<()> {
        self.make_folder("Takes/")?;
        self.write("Takes/one.wav", 200_000, false)?;
        self.append("Takes/one.wav")
    }

    fn edit_a_document(&mut self) -> io::Result<()> {
        self.write("letter.txt", 5_000, true)?;
        self.splice("letter.txt", 2_000)?;
        self.append("letter.txt")
    }

    /// Write beside, sync, rename over; twice.
    fn save_a_manifest(&mut self) -> io::Result<()> {
        for _ in 0..2 {
            self.write("mix.json.new", 900, true)?;
            self.rename("mix.json.new", "mix.json")?;
        }
        Ok(())
    }

    fn cut_a_file(&mut self) -> io::Result<()> {
        self.write("cut.bin", 150_000, false)?;
        let path = self.root.join("cut.bin");
        let cut = |state: &mut State| state.get_mut("cut.bin").unwrap().truncate(70_001);
        self.does("cut cut.bin", "cut.bin", Some("cut.bin"), cut, || {
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len(70_001)?;
            file.sync_all()?;
            close(file)
        })
    }

    /// A file is synced to the disk and deleted before it was sent.
    fn change_ones_mind(&mut self) -> io::Result<()> {
        self.write("mistake.txt", 70_000, true)?;
        self.remove("mistake.txt")
    }

    fn move_things(&mut self) -> io::Result<()> {
        self.write("here.bin", 66_000, true)?;
        self.rename("here.bin", "there.bin")?;
        self.write("here.bin", 10, true)
    }

    /// Only the blocks around the splice are fetched.
    fn splice_a_cold_file(&mut self) -> io::Result<()> {
        self.splice("cold.bin", 100_000)
    }

    fn read_a_cold_file(&mut self) -> io::Result<()> {
        let mut found = Vec::new();
        self.journal.push("read read.bin".to_owned());
        File::open(self.root.join("read.bin"))?.read_to_end(&mut found)?;
        assert!(found == self.allowed["read.bin"][0]["read.bin"], "wrong bytes were read\n{}", self.story());
        Ok(())
    }

    /// Opening cuts it to nothing: the old bytes are not wanted.
    fn replace_a_file(&mut self) -> io::Result<()> {
        self.write("replaced.txt", 4_000, true)?;
        self.write("replaced.txt", 3_000, true)
    }

    fn rename_the_folder(&mut self) -> io::Result<()> {
        let (from, to) = (self.root.join("Takes"), self.root.join("Best takes"));
        if !from.exists() || to.exists() {
            return Ok(());
        }
        let rename = |state: &mut State| {
            let renamed = |name: &String| name.strip_prefix("Takes/").map(|rest| format!("Best takes/{rest}"));
            *state = state.iter().map(|(name, bytes)| (renamed(name).unwrap_or(name.clone()), bytes.clone())).collect();
        };
        self.does("rename Takes", "Takes/", None, rename, || fs::rename(from, to))
    }

    fn delete_what_was_sent(&mut self) -> io::Result<()> {
        for name in ["Best takes/one.wav", "here.bin"] {
            if self.root.join(name).exists() {
                self.remove(name)?;
            }
        }
        let folder = self.root.join("Best takes");
        if !folder.exists() {
            return Ok(());
        }
        let gone = |state: &mut State| drop(state.remove("Best takes/"));
        self.does("remove Best takes", "Best takes/", None, gone, || fs::remove_dir(folder))
    }

    fn make_folder(&mut self, name: &str) -> io::Result<()> {
        let path = self.root.join(name);
        if path.exists() {
            return Ok(());
        }
        let made = |state: &mut State| drop(state.insert(name.to_owned(), Vec::new()));
        self.does(&format!("make {name}"), name, None, made, || fs::create_dir(path))
    }

    fn write(&mut self, name: &str, size: usize, is_synced: bool) -> io::Result<()> {
        self.acknowledged += 1;
        let salt = self.round.wrapping_mul(31).wrapping_add(u8::try_from(self.acknowledged % 251).unwrap());
        let (path, bytes) = (self.root.join(name), pattern(salt, size));
        let whole = |state: &mut State| drop(state.insert(name.to_owned(), bytes.clone()));
        // Cutting it to nothing, or making it, is acknowledged before the write.
        let empty = |state: &mut State| drop(state.insert(name.to_owned(), Vec::new()));
        let states = self.states_of(name);
        let also: Vec<State> = states.iter().cloned().map(|state| with(state, empty)).collect();
        states.extend(also);
        self.does(&format!("write {size} bytes to {name}, synced: {is_synced}"), name, Some(name), whole, || {
            let mut file = File::create(path)?;
            file.write_all(&bytes)?;
            if is_synced {
                file.sync_all()?;
            }
            close(file)
        })?;
        self.torn.remove(name);
        Ok(())
    }

    fn append(&mut self, name: &str) -> io::Result<()> {
        let (path, tail) = (self.root.join(name), pattern(self.round, 33_333));
        let longer = |state: &mut State| state.get_mut(name).unwrap().extend_from_slice(&tail);
        self.does(&format!("append to {name}"), name, Some(name), longer, || {
            let mut file = OpenOptions::new().append(true).open(path)?;
            file.write_all(&tail)?;
            file.sync_data()?;
            close(file)
        })
    }

    fn splice(&mut self, name: &str, at: usize) -> io::Result<()> {
        let (path, part) = (self.root.join(name), [self.round | 1; 100]);
        let spliced = |state: &mut State| state.get_mut(name).unwrap()[at..at + 100].copy_from_slice(&part);
        self.does(&format!("splice {name}"), name, Some(name), spliced, || {
            let file = OpenOptions::new().write(true).open(path)?;
            file.write_all_at(&part, u64::try_from(at).unwrap())?;
            file.sync_all()?;
            close(file)
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let (old, new) = (self.root.join(from), self.root.join(to));
        let renamed = |state: &mut State| {
            let bytes = state.remove(from).unwrap();
            state.insert(to.to_owned(), bytes);
        };
        self.does(&format!("rename {from} to {to}"), from, None, renamed, || fs::rename(old, new))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let path = self.root.join(name);
        let gone = |state: &mut State| drop(state.remove(name));
        self.does(&format!("remove {name}"), name, None, gone, || fs::remove_file(path))
    }

    /// Every state that the group of a file may be in.
    fn states_of(&mut self, name: &str) -> &mut Vec<State> {
        self.allowed.entry(group(name).to_owned()).or_insert_with(|| vec![State::new()])
    }

    /// Does one thing with files of one group. Acknowledged, it has happened; failed, it may have, and a file that it was writing to may
    /// be torn.
    fn does(
        &mut self,
        what: &str,
        name: &str,
        writes: Option<&str>,
        change: impl Fn(&mut State),
        operation: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        self.journal.push(what.to_owned());
        let states = self.states_of(name);
        let after = states.iter().cloned().map(|state| with(state, &change));
        let after: BTreeSet<State> = after.collect();
        match operation() {
            Ok(()) => {
                *states = after.into_iter().collect();
                self.acknowledged += 1;
                Ok(())
            }
            Err(error) => {
                states.extend(after);
                if let Some(name) = writes {
                    let versions: BTreeSet<Vec<u8>> =
                        states.iter().filter_map(|state| state.get(name).cloned()).collect();
                    self.torn.entry(name.to_owned()).or_default().extend(versions);
                }
                self.journal.push(format!("{what} failed: {error}"));
                Err(error)
            }
        }
    }

    /// Nothing acknowledged is lost, and nothing else has appeared. What is there is where the next day begins.
    pub(crate) fn verify(&mut self, when: &str) {
        let found = grouped(without_theirs(tree(&self.root)));
        let (nothing, only_nothing) = (State::new(), vec![State::new()]);
        for name in self.allowed.keys().chain(found.keys()) {
            let (found, allowed) =
                (found.get(name).unwrap_or(&nothing), self.allowed.get(name).unwrap_or(&only_nothing));
            let is_allowed = |state: &State| {
                state.keys().eq(found.keys())
                    && state.iter().all(|(name, bytes)| self.may_hold(name, bytes, &found[name]))
            };
            assert!(
                allowed.iter().any(is_allowed),
                "{when}: found {}\nallowed {}\n{}",
                shown(found),
                allowed.iter().map(shown).collect::<Vec<_>>().join("\n    or "),
                self.story()
            );
        }
        self.begin_anew();
    }

    fn may_hold(&self, name: &str, wanted: &[u8], found: &[u8]) -> bool {
        found == wanted || self.torn.get(name).is_some_and(|versions| is_mixed(versions, found))
    }

    /// Both sides are the same, and nobody had a conflict with himself.
    pub(crate) fn verify_agreement(&self, when: &str) {
        let both = || (tree(&self.root), tree(&self.remote));
        wait(&mut || true, "one tree on both sides", || {
            let (here, there) = both();
            here == there
        });
        let (here, _) = both();
        assert!(here[THEIRS] == self.theirs, "{when}: the other person's edit is lost");
        let conflicts: Vec<_> = here.keys().filter(|name| name.contains("(conflict")).collect();
        assert!(conflicts.is_empty(), "{when}: a conflict with nobody: {conflicts:?}\n{}", self.story());
    }

    fn begin_anew(&mut self) {
        let found = grouped(without_theirs(tree(&self.root)));
        self.allowed = found.into_iter().map(|(group, state)| (group, vec![state])).collect();
        self.torn.clear();
        self.journal.clear();
    }

    pub(crate) fn story(&self) -> String {
        self.journal.join("\n")
    }
}

/// What one step works on, by itself: the states of two groups never depend on each other.
fn group(name: &str) -> &str {
    let together = [
        ("Takes/", "takes"),
        ("Best takes/", "takes"),
        ("mix.json", "mix"),
        ("here.bin", "moved"),
        ("there.bin", "moved"),
    ];
    together.into_iter().find_map(|(prefix, group)| name.starts_with(prefix).then_some(group)).unwrap_or(name)
}

fn grouped(state: State) -> BTreeMap<String, State> {
    let mut groups: BTreeMap<String, State> = BTreeMap::new();
    for (name, bytes) in state {
        groups.entry(group(&name).to_owned()).or_default().insert(name, bytes);
    }
    groups
}

fn with(mut state: State, change: impl Fn(&mut State)) -> State {
    change(&mut state);
    state
}

fn without_theirs(mut state: State) -> State {
    state.remove(THEIRS);
    state
}

/// Every byte is that of a version, or one that was not written yet.
fn is_mixed(versions: &[Vec<u8>], found: &[u8]) -> bool {
    versions.iter().any(|version| version.len() >= found.len())
        && found.iter().enumerate().all(|(at, byte)| {
            versions.iter().any(|version| version.get(at).is_none_or(|known| known == byte || *byte == 0))
        })
}

fn shown(state: &State) -> String {
    let files = state.iter().map(|(name, bytes)| {
        format!("{name} ({} bytes, {})", bytes.len(), &blake3::hash(bytes).to_hex().as_str()[..6])
    });
    files.collect::<Vec<_>>().join(", ")
}

fn pattern(salt: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| salt.wrapping_add(u8::try_from(at % 241).unwrap()).max(1)).collect()
}

/// Waits until something has come about; false if `goes_on` said no before.
fn wait(goes_on: &mut dyn FnMut() -> bool, what: &str, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + ARRIVAL;
    loop {
        if !goes_on() {
            return false;
        }
        if done() {
            return true;
        }
        assert!(Instant::now() < deadline, "did not happen within {ARRIVAL:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
