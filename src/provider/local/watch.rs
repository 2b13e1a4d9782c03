//! What may have changed since the last scan. Owner of: the set of places to look at again, filled by the operating
//! system's notices, by our own timers, and by calls that found the disk different from the index.
//!
//! A place is a folder by its path below the root, with the names in it that were mentioned. Paths are hints only: the
//! scan resolves them against the index and looks at the deepest folder that it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::time::Instant;

use super::names;

/// Notices that arrive this close together are answered by one scan.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// A folder that has just appeared is looked at once more: what was put into it before it was watched was not announced.
const SETTLE: Duration = Duration::from_secs(2);
/// Without notices, scanning takes at most one part in this many of the time.
const POLL_SHARE: u32 = 20;
/// How long to wait until everything that has happened so far was told.
const BARRIER: Duration = Duration::from_millis(500);
/// More names than this in one folder are answered by listing it.
const MOST_NAMES: usize = 64;

/// What to look at in one folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Names {
    /// Everything.
    All,
    /// These names.
    Some(BTreeSet<String>),
}

/// What a scan has to look at.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Work {
    /// The whole tree.
    Everything,
    /// These folders, by path below the root.
    Places(BTreeMap<PathBuf, Names>),
}

/// How changes are noticed at present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Watching {
    /// The operating system tells.
    Notified,
    /// By scanning again and again, for this reason.
    Polled(String),
}

struct State {
    everything: bool,
    places: BTreeMap<PathBuf, Names>,
    settling: Vec<(Instant, PathBuf)>,
    /// How often the marker was seen to be touched.
    touches: u64,
    /// How long the last full scan took.
    scan_time: Duration,
    watching: Watching,
    next_full: Instant,
}

impl State {
    fn mark(&mut self, path: &Path) {
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => (folder.to_owned(), name.to_str()),
            _ => (PathBuf::new(), None),
        };
        let names = self.places.entry(folder).or_insert_with(|| Names::Some(BTreeSet::new()));
        match (&mut *names, name) {
            (Names::Some(known), Some(name)) if known.len() < MOST_NAMES && !names::are_folded() => {
                known.insert(name.to_owned());
            }
            _ => *names = Names::All,
        }
    }

    /// Moves what has waited long enough to the places.
    fn gather(&mut self, now: Instant) {
        let (due, later) = std::mem::take(&mut self.settling).into_iter().partition(|(when, _)| *when <= now);
        self.settling = later;
        for (_, folder) in due {
            self.places.insert(folder, Names::All);
        }
    }

    fn next(&self) -> Instant {
        self.settling.iter().map(|(when, _)| *when).min().map_or(self.next_full, |when| self.next_full.min(when))
    }
}

/// The set of places to look at again.
pub(super) struct Dirty {
    state: Mutex<State>,
    woken: tokio::sync::Notify,
    touched: Condvar,
    barrier: Mutex<()>,
    poll_every: Duration,
    rescan_every: Duration,
}

impl Dirty {
    /// Everything is unknown at first.
    pub(super) fn new(poll_every: Duration, rescan_every: Duration) -> Self {
        let state = State {
            everything: true,
            places: BTreeMap::new(),
            settling: Vec::new(),
            touches: 0,
            scan_time: Duration::ZERO,
            watching: Watching::Polled("not started".to_owned()),
            next_full: Instant::now() + rescan_every,
        };
        Self {
            state: Mutex::new(state),
            woken: tokio::sync::Notify::new(),
            touched: Condvar::new(),
            barrier: Mutex::new(()),
            poll_every,
            rescan_every,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is known any more.
    pub(super) fn mark_everything(&self) {
        self.lock().everything = true;
        self.woken.notify_waiters();
    }

    /// Something happened to `path` below the root.
    pub(super) fn mark(&self, path: &Path) {
        self.lock().mark(path);
        self.woken.notify_waiters();
    }

    /// A folder has just appeared: look at it again when its watch is surely in place.
    pub(super) fn settle(&self, folder: PathBuf) {
        let mut state = self.lock();
        if state.watching == Watching::Notified {
            state.settling.push((Instant::now() + SETTLE, folder));
        }
    }

    /// Puts back what could not be looked at.
    pub(super) fn put_back(&self, work: Work) {
        let mut state = self.lock();
        match work {
            Work::Everything => state.everything = true,
            Work::Places(places) => {
                for (folder, _) in places {
                    state.places.insert(folder, Names::All);
                }
            }
        }
    }

    /// Takes all work that is due; `None` if nothing is.
    pub(super) fn take(&self) -> Option<Work> {
        let now = Instant::now();
        let mut state = self.lock();
        let polled = matches!(state.watching, Watching::Polled(_));
        if state.everything || polled || state.next_full <= now {
            state.everything = false;
            state.places.clear();
            state.settling.clear();
            state.next_full = now + self.rescan_every;
            return Some(Work::Everything);
        }
        state.gather(now);
        let places = std::mem::take(&mut state.places);
        (!places.is_empty()).then_some(Work::Places(places))
    }

    /// Returns when there is work, after a pause in which more of it gathers, or after `timeout`.
    pub(super) async fn wait(&self, timeout: Duration) {
        let end = Instant::now() + timeout;
        loop {
            let woken = self.woken.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let next = {
                let state = self.lock();
                if state.everything || !state.places.is_empty() {
                    break;
                }
                match &state.watching {
                    Watching::Notified => state.next(),
                    Watching::Polled(_) => Instant::now() + self.poll_every.max(state.scan_time * POLL_SHARE),
                }
            };
            tokio::select! {
                () = &mut woken => {}
                () = tokio::time::sleep_until(next.min(end)) => return,
            }
        }
        tokio::time::sleep(DEBOUNCE.min(timeout)).await;
    }

    /// A full scan took this long.
    pub(super) fn scanned(&self, took: Duration) {
        self.lock().scan_time = took;
    }

    /// Takes the places that have come in during a scan.
    pub(super) fn take_places(&self) -> BTreeMap<PathBuf, Names> {
        std::mem::take(&mut self.lock().places)
    }

    /// Returns when everything that has happened so far was told: notices come in order, so `touch`, which touches the root
    /// marker, is told last. Without notices, and after a while, returns all the same.
    pub(super) fn catch_notices(&self, touch: impl FnOnce() -> io::Result<()>) {
        let _turn = self.barrier.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &*self.lock() {
            State { watching: Watching::Notified, touches, .. } => *touches,
            State { watching: Watching::Polled(_), .. } => return,
        };
        if let Err(error) = touch() {
            tracing::debug!(%error, "the marker cannot be touched");
            return;
        }
        let waited = self.touched.wait_timeout_while(self.lock(), BARRIER, |state| state.touches == before);
        if waited.is_ok_and(|(_, waited)| waited.timed_out()) {
            tracing::debug!("notices are late");
        }
    }

    /// How changes are noticed at present.
    pub(super) fn watching(&self) -> Watching {
        self.lock().watching.clone()
    }

    fn set_watching(&self, watching: Watching) {
        if let Watching::Polled(reason) = &watching {
            tracing::warn!(%reason, "changes of the local vault are found by scanning");
        }
        self.lock().watching = watching;
        self.woken.notify_waiters();
    }

    fn noticed(&self, root: &Path, notice: notify::Result<notify::Event>) {
        let event = match notice {
            Ok(event) => event,
            Err(error) => {
                if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) {
                    // New folders would stay silent for ever.
                    self.set_watching(Watching::Polled(error.to_string()));
                }
                self.mark_everything();
                return;
            }
        };
        if event.need_rescan() {
            self.mark_everything();
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            EventKind::Access(_) => return,
            EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => {}
        }
        let mut state = self.lock();
        for path in &event.paths {
            let Ok(below) = path.strip_prefix(root) else { continue };
            let marker = below == Path::new(names::MARKER);
            if marker && matches!(event.kind, EventKind::Modify(ModifyKind::Metadata(_) | ModifyKind::Data(_))) {
                state.touches += 1;
                self.touched.notify_all();
            } else if marker && matches!(event.kind, EventKind::Access(_)) {
                // Closed after it was touched.
            } else if !below.file_name().and_then(|name| name.to_str()).is_some_and(names::is_temporary) {
                state.mark(below);
            }
        }
        let work = !state.places.is_empty();
        drop(state);
        if work {
            self.woken.notify_waiters();
        }
    }
}

/// Listens to a folder until dropped.
pub(super) struct Watch {
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Listens to everything below `root`; if the operating system cannot, says so in `dirty` and changes are polled.
    pub(super) fn start(root: &Path, dirty: &Arc<Dirty>, wanted: bool) -> Self {
        if !wanted {
            dirty.set_watching(Watching::Polled("switched off".to_owned()));
            return Self { _watcher: None };
        }
        // Notices carry the path that was watched, and on macOS the real one.
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let handler = {
            let (dirty, root) = (Arc::clone(dirty), root.clone());
            move |notice| dirty.noticed(&root, notice)
        };
        let config = notify::Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(handler, config).and_then(|mut watcher| {
            watcher.watch(&root, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => {
                dirty.set_watching(Watching::Notified);
                Self { _watcher: Some(watcher) }
            }
            Err(error) => {
                dirty.set_watching(Watching::Polled(error.to_string()));
                Self { _watcher: None }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirty() -> Dirty {
        let dirty = Dirty::new(Duration::from_secs(5), Duration::from_secs(3600));
        dirty.set_watching(Watching::Notified);
        assert_eq!(dirty.take(), Some(Work::Everything));
        dirty
    }

    #[tokio::test(start_paused = true)]
    async fn names_gather_until_a_folder_is_listed_as_a_whole() {
        let dirty = dirty();
        dirty.mark(Path::new("a/one"));
        dirty.mark(Path::new("a/two"));
        let names = |names: &[&str]| Names::Some(names.iter().map(|&name| name.to_owned()).collect());
        let expected = BTreeMap::from([(PathBuf::from("a"), names(&["one", "two"]))]);
        assert_eq!(dirty.take(), Some(Work::Places(expected)));
        for number in 0..=MOST_NAMES {
            dirty.mark(&Path::new("a").join(number.to_string()));
        }
        assert_eq!(dirty.take(), Some(Work::Places(BTreeMap::from([(PathBuf::from("a"), Names::All)]))));
        assert_eq!(dirty.take(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_folder_is_looked_at_again_and_everything_from_time_to_time() {
        let dirty = dirty();
        dirty.settle(PathBuf::from("new"));
        assert_eq!(dirty.take(), None);
        dirty.wait(Duration::from_secs(60)).await;
        assert_eq!(dirty.take(), Some(Work::Places(BTreeMap::from([(PathBuf::from("new"), Names::All)]))));
        let started = Instant::now();
        dirty.wait(Duration::from_secs(7200)).await;
        assert!(started.elapsed() >= Duration::from_secs(3500));
        assert_eq!(dirty.take(), Some(Work::Everything));
    }
}
