//! The block fetcher: turns missing blocks of provider versions into provider reads.
//!
//! Owner of: what is on its way (`inflight`), and of nothing on disk: bytes live in the content store. One fetcher per vault.
//!
//! What holds:
//! - *Single flight*: a block that is on its way is never asked for again; a second reader waits for the same read.
//! - *Demand first*: a waiting reader goes before read-ahead, and both before background work, which gets half of the slots at
//!   most and starts nothing while anything else waits.
//! - *One version*: blocks are read at the revision that was asked for; another revision answers [`FetchError::Gone`].
//! - *Verified*: see `verify`: length and revision per read, the whole content against the provider's hash before a file is complete.
//! - *Bounded*: a waiter is answered at the latest when none of its bytes has arrived for [`FetchConfig::no_progress`].
//! - No lock is held over an await, a provider call or a completion.
//!
//! Callers: the daemon plugs this into the filesystem core's `BlockSource`; sync hydrates what it uploads or pins. `request` and `read_on`
//! may be called from any thread and never wait.

mod hydrate;
mod inflight;
mod link;
mod ranges;
mod readahead;
mod shared;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod worker;

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

pub use readahead::WindowPolicy;
pub use stats::{FetchProgress, FetchStats};
pub use store::{BlockStore, CachedBlocks};

use crate::catalog::Version;
use crate::content::{FetchDone, FetchError, FetchRequest, Urgency};
use crate::provider::{Bandwidth, Provider, ProviderError};
use crate::telemetry::metrics;
use crate::types::{BLOCK_BYTES, BlockRun, ByteRange};

use inflight::{Class, Cut, Target, TicketId, VersionKey};
use readahead::{Advice, Stream};
use shared::Shared;

/// Bounds and sizes.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// A reader that gets no byte for this long gets [`FetchError::TimedOut`].
    pub no_progress: Duration,
    /// The same for background requests.
    pub background_no_progress: Duration,
    /// A provider call without an answer for this long is given up and tried again.
    pub call_timeout: Duration,
    /// The pause before a failed call is tried again; it doubles with each further failure, up to 5 s.
    pub first_pause: Duration,
    /// A version whose content proved wrong twice is not fetched for this long.
    pub corrupt_cooldown: Duration,
    /// Read-ahead.
    pub window: WindowPolicy,
    /// Files up to this size are fetched in one read, and so verified before any byte is readable.
    pub whole_file_bytes: u64,
    /// Wanted runs this far apart are read in one call.
    pub gap_bytes: u64,
    /// Provider calls at once, if the provider allows more.
    pub max_parallel: usize,
    /// Readers whose pattern is remembered.
    pub max_streams: NonZeroUsize,
    /// Limits of what is fetched.
    pub bandwidth: Arc<Bandwidth>,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            no_progress: Duration::from_secs(30),
            background_no_progress: Duration::from_secs(300),
            call_timeout: Duration::from_secs(60),
            first_pause: Duration::from_millis(200),
            corrupt_cooldown: Duration::from_secs(60),
            window: WindowPolicy::default(),
            whole_file_bytes: 256 * 1024,
            gap_bytes: 128 * 1024,
            max_parallel: 16,
            max_streams: NonZeroUsize::MIN.saturating_add(1023),
            bandwidth: Arc::new(Bandwidth::unlimited()),
        }
    }
}

/// What the fetcher finds out on the way. Called without locks; must not wait.
pub trait FetchEvents: Send + Sync + 'static {
    /// The provider no longer has this version: a pull would tell what there is instead.
    fn revision_gone(&self, version: &Version);
    /// The bytes of this version did not match its hash and were dropped: what the kernel has cached of it is suspect too.
    fn corrupt(&self, version: &Version);
    /// The provider does not give the bytes of this version to this user, now or later.
    fn refused(&self, version: &Version, error: &ProviderError);
    /// The provider could not be reached.
    fn unreachable(&self);
}

/// The fetcher of one vault. Clones share everything.
#[derive(Clone)]
pub struct BlockFetcher {
    shared: Arc<Shared>,
}

/// Interest in a request. Dropping it ends the interest: the completion is then dropped uncalled, and what nobody else wants
/// and has not started is not fetched.
#[must_use = "dropping a ticket cancels the request"]
pub struct Ticket {
    interest: Option<(Arc<Shared>, TicketId)>,
}

impl Ticket {
    /// Lets the request run to its end.
    pub fn detach(mut self) {
        self.interest = None;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some((shared, ticket)) = self.interest.take() {
            let released = shared.table.lock().cancel(ticket);
            released.answer();
        }
    }
}

impl BlockFetcher {
    /// A fetcher that runs its tasks on `runtime`.
    pub fn new(
        provider: Arc<dyn Provider>,
        store: Arc<dyn BlockStore>,
        events: Arc<dyn FetchEvents>,
        config: FetchConfig,
        runtime: Handle,
    ) -> Self {
        Self { shared: Arc::new(Shared::new(provider, store, events, config, runtime)) }
    }

    /// The provider's own file, if it is on this machine at this version.
    pub fn open_direct(&self, version: &Version) -> Option<File> {
        self.shared.provider.open_direct(&version.rid, &version.revision)
    }

    /// True if a file opened by [`BlockFetcher::open_direct`] still holds that version.
    pub fn direct_is_current(&self, file: &File, version: &Version) -> bool {
        self.shared.provider.direct_is_current(file, &version.revision)
    }

    /// Brings blocks into the cache, then calls `done` exactly once: on another thread, or at once on this one if the answer is known
    /// (everything is here, offline).
    pub fn fetch(&self, request: FetchRequest, done: FetchDone) {
        self.request(request, done).detach();
    }

    /// As [`BlockFetcher::fetch`], with a ticket to lose interest by.
    pub fn request(&self, request: FetchRequest, done: FetchDone) -> Ticket {
        match request.urgency {
            Urgency::Background => self.request_without_stream(request, done),
            Urgency::Demand => {
                let asked = Instant::now();
                let done = Box::new(move |result| {
                    metrics().fetch_wait.observe(asked.elapsed());
                    done(result);
                });
                let size = request.version.size;
                let start = request.runs.iter().map(|run| run.bytes(size).start).min().unwrap_or_default();
                let end = request.runs.iter().map(|run| run.bytes(size).end).max().unwrap_or_default();
                let advice = self.advise(request.stream, ByteRange::new(start, end), size);
                self.submit(request, done, Some(advice))
            }
        }
    }

    /// A read of `range` was answered from blocks that are here, of a file that is not complete: keeps the window of a
    /// sequential reader ahead of it.
    pub fn read_on(&self, version: &Version, stream: u64, range: ByteRange) {
        let advice = self.advise(stream, range, version.size);
        if advice.jumped || !advice.ahead.is_empty() {
            match self.shared.store.cached(version) {
                Ok(file) => self.follow(&self.target(version, file), stream, &advice),
                Err(error) => tracing::debug!(%error, "no read-ahead"),
            }
        }
    }

    /// The daemon knows whether the provider can be reached. Going offline fails every waiter at once.
    pub fn set_online(&self, online: bool) {
        let released = {
            let mut table = self.shared.table.lock();
            table.online = online;
            if online { inflight::Released::default() } else { table.fail_all(&FetchError::Offline) }
        };
        released.answer();
    }

    /// Fails every waiter, ends every call and takes no more requests.
    pub fn close(&self) {
        let (released, tasks) = {
            let mut table = self.shared.table.lock();
            table.closed = true;
            (table.fail_all(&FetchError::Failed("the vault is being closed".to_owned())), table.tasks())
        };
        tasks.iter().for_each(tokio::task::AbortHandle::abort);
        released.answer();
    }

    /// What the fetcher has done and is doing.
    pub fn stats(&self) -> FetchStats {
        let (running, queued, waiting) = self.shared.table.lock().gauges();
        FetchStats { running, queued, waiting, ..self.shared.counters.snapshot() }
    }

    /// The versions that bytes are being fetched of.
    pub fn progress(&self) -> Vec<FetchProgress> {
        let in_flight = self.shared.table.lock().in_flight();
        let progress = |(version, bytes): (Arc<Version>, u64)| FetchProgress {
            present_bytes: self.shared.store.cached_bytes(&version),
            in_flight_bytes: bytes,
            version: Version::clone(&version),
        };
        in_flight.into_iter().map(progress).collect()
    }

    fn request_without_stream(&self, request: FetchRequest, done: FetchDone) -> Ticket {
        self.submit(request, done, None)
    }

    fn submit(&self, request: FetchRequest, done: FetchDone, advice: Option<Advice>) -> Ticket {
        let shared = &self.shared;
        let version = &request.version;
        let answered = |done: FetchDone, result| {
            done(result);
            Ticket { interest: None }
        };
        let file = match shared.store.cached(version) {
            Ok(file) => file,
            Err(error) => return answered(done, Err(worker::from_content(&error))),
        };
        let missing = self.missing(version, &*file, &request.runs, advice.as_ref());
        let target = self.target(version, file);
        if missing.is_empty() {
            shared.counters.hit();
            if let Some(advice) = advice {
                self.follow(&target, request.stream, &advice);
            }
            return answered(done, Ok(()));
        }
        if shared.known_verdict(&target.key).is_some_and(|verdict| verdict.is_refused(Instant::now())) {
            return answered(done, Err(FetchError::Corrupt));
        }
        let (class, bound) = match request.urgency {
            Urgency::Background => (Class::Background, shared.config.background_no_progress),
            Urgency::Demand => (Class::Demand, shared.config.no_progress),
        };
        let cut = self.cut(version, self.limited_part(class));
        let registered = {
            let mut table = shared.table.lock();
            if table.closed {
                Err((done, FetchError::Failed("the vault is closed".to_owned())))
            } else if !table.online {
                Err((done, FetchError::Offline))
            } else {
                Ok(table.register(&target, &missing, class, cut, (done, bound)))
            }
        };
        let (ticket, joined) = match registered {
            Ok(registered) => registered,
            Err((done, error)) => return answered(done, Err(error)),
        };
        shared.counters.miss(joined);
        shared.pump();
        shared.watch(ticket, request.caller);
        if let Some(advice) = advice {
            self.follow(&target, request.stream, &advice);
        }
        Ticket { interest: Some((Arc::clone(shared), ticket)) }
    }

    fn target(&self, version: &Version, file: Arc<dyn CachedBlocks>) -> Target {
        Target { key: VersionKey::of(version), version: Arc::new(version.clone()), file }
    }

    fn advise(&self, stream: u64, range: ByteRange, size: u64) -> Advice {
        let mut table = self.shared.table.lock();
        table.streams.get_or_insert_mut(stream, Stream::default).on_read(range, size, &self.shared.config.window)
    }

    /// Acts on advice: drops what is no longer wanted, asks for what will be.
    fn follow(&self, target: &Target, stream: u64, advice: &Advice) {
        let whole = self.fetches_whole(&target.version);
        let missing = if advice.ahead.is_empty() || whole { Vec::new() } else { target.file.missing(advice.ahead) };
        let cut = self.cut(&target.version, (advice.window / 4).max(link::MIN_PART_BYTES));
        let released = {
            let mut table = self.shared.table.lock();
            let released = if advice.jumped { table.drop_ahead(stream) } else { inflight::Released::default() };
            if table.online && !table.closed && !missing.is_empty() {
                table.enqueue(target, &missing, Class::Ahead, cut, Some(stream));
            }
            released
        };
        released.answer();
        self.shared.pump();
    }

    /// The blocks that a request has to wait for, widened to the whole file where that is the rule.
    fn missing(
        &self,
        version: &Version,
        file: &dyn CachedBlocks,
        runs: &[BlockRun],
        advice: Option<&Advice>,
    ) -> Vec<BlockRun> {
        let missing_of = |run: &BlockRun| file.missing(run.bytes(version.size));
        let missing: Vec<BlockRun> = runs.iter().flat_map(missing_of).collect();
        if missing.is_empty() {
            return missing;
        }
        let whole = ByteRange::new(0, version.size);
        if !self.shared.provider.capabilities().ranged_read {
            return vec![whole.blocks()];
        }
        if self.fetches_whole(version) {
            return file.missing(whole);
        }
        match advice {
            Some(advice) if runs.len() == 1 => file.missing(advice.demand),
            Some(_) | None => missing,
        }
    }

    fn fetches_whole(&self, version: &Version) -> bool {
        version.size <= self.shared.config.whole_file_bytes || !self.shared.provider.capabilities().ranged_read
    }

    /// The most that is asked for in one call where a limit of bandwidth makes it wait: what the limit moves in half a second.
    fn limited_part(&self, class: Class) -> u64 {
        let limit = self.shared.config.bandwidth.down.limit();
        if limit == 0 || !self.shared.is_limited(class) {
            return u64::MAX;
        }
        (limit / 2 / BLOCK_BYTES * BLOCK_BYTES).max(BLOCK_BYTES)
    }

    fn part_bytes(&self, version: &Version) -> u64 {
        if self.fetches_whole(version) {
            return version.size.max(BLOCK_BYTES).next_multiple_of(BLOCK_BYTES);
        }
        self.shared.link.part_bytes(self.shared.provider.capabilities().limits.max_read_bytes)
    }

    fn cut(&self, version: &Version, part_limit: u64) -> Cut {
        let part_bytes = self.part_bytes(version);
        let part_bytes = if self.fetches_whole(version) { part_bytes } else { part_bytes.min(part_limit) };
        Cut { part_bytes, gap_blocks: self.shared.config.gap_bytes / BLOCK_BYTES }
    }
}
