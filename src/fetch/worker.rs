//! One task per running transfer: asks the provider, checks what came, stores it, answers. Retries what may succeed later for as long
//! as somebody waits.
//!
//! A transfer leaves the in-flight table through its [`SlotGuard`], also if its task panics or is cancelled.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::content::{ContentError, FetchError};
use crate::provider::{ErrorKind, ProviderError};
use crate::telemetry::metrics;
use crate::types::{BlockRun, ByteRange};

use super::inflight::{Started, TransferId};
use super::shared::Shared;
use super::verify::Stored;

const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Attempts at bytes that arrive wrong.
const MAX_WRONG_ANSWERS: u32 = 3;
/// How much is hashed along per arrived byte, so that hashing catches up after a restart without delaying anybody.
const HASH_CATCH_UP: u64 = 2;

/// Owns the slot and the table entry of a running transfer.
pub(super) struct SlotGuard {
    shared: Arc<Shared>,
    id: Option<TransferId>,
}

impl SlotGuard {
    pub(super) fn new(shared: Arc<Shared>, id: TransferId) -> Self {
        Self { shared, id: Some(id) }
    }

    fn settle(mut self, result: &Result<(), FetchError>) {
        if let Some(id) = self.id.take() {
            self.shared.settle(id, result);
        }
    }

    /// Fails, or gives the guard back if there is a reader.
    fn fail_unread(mut self, error: FetchError) -> Option<Self> {
        let id = self.id?;
        if self.shared.fail_unread(id, error) {
            self.id = None;
            return None;
        }
        Some(self)
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.shared.settle(id, &Err(FetchError::Failed("the fetch was interrupted".to_owned())));
        }
    }
}

/// What an attempt came to.
enum Attempt {
    /// The transfer is settled.
    Settled,
    /// It failed for good.
    Failed(SlotGuard, FetchError),
    /// It may be tried again after at least this pause.
    Again(SlotGuard, Trouble),
}

/// Why an attempt may be repeated, and what is said if it is not.
struct Trouble {
    pause: Duration,
    wrong_answer: bool,
    last_word: FetchError,
}

/// Runs a transfer to its end.
pub(super) async fn run(shared: Arc<Shared>, started: Started, mut guard: SlotGuard) {
    let mut pause = shared.config.first_pause;
    let (mut wrong_answers, mut offline_answers) = (0, 0);
    loop {
        let trouble = match attempt(&shared, &started, guard).await {
            Attempt::Settled => return,
            Attempt::Failed(guard, error) => return guard.settle(&Err(error)),
            Attempt::Again(returned, trouble) => {
                guard = returned;
                trouble
            }
        };
        wrong_answers += u32::from(trouble.wrong_answer);
        offline_answers += u32::from(trouble.last_word == FetchError::Offline);
        let hopeless = wrong_answers >= MAX_WRONG_ANSWERS || offline_answers >= 2;
        if hopeless || !shared.table.lock().is_wanted(started.id) {
            return guard.settle(&Err(trouble.last_word));
        }
        tokio::time::sleep(pause.max(trouble.pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        if !shared.table.lock().is_wanted(started.id) {
            return guard.settle(&Err(trouble.last_word));
        }
    }
}

async fn attempt(shared: &Arc<Shared>, started: &Started, guard: SlotGuard) -> Attempt {
    let version = &started.target.version;
    if !shared.table.lock().online {
        return Attempt::Failed(guard, FetchError::Offline);
    }
    let missing = started.target.file.missing(started.run.bytes(version.size));
    let (Some(first), Some(last)) = (missing.first(), missing.last()) else {
        guard.settle(&Ok(())); // another transfer brought them between the reader's look and this one
        return Attempt::Settled;
    };
    let ranged = shared.provider.capabilities().ranged_read;
    let wanted = if ranged { BlockRun { start: first.start, end: last.end } } else { started.run };
    let range = wanted.bytes(version.size);
    shared.pace(started.id, range.len()).await;
    shared.counters.call();
    let asked = Instant::now();
    let call = shared.provider.read(&version.rid, &version.revision, range);
    let answer = match tokio::time::timeout(shared.config.call_timeout, call).await {
        Ok(answer) => answer,
        Err(_elapsed) => {
            shared.link.stalled();
            let message = format!("no answer for {:?}", shared.config.call_timeout);
            Err(ProviderError::new(ErrorKind::Busy, "read", message))
        }
    };
    match answer {
        Ok(bytes) if u64::try_from(bytes.len()) == Ok(range.len()) => {
            shared.link.sample(range.len(), asked.elapsed());
            metrics().fetch_call.observe(asked.elapsed());
            store(shared, started, wanted, bytes, guard).await
        }
        Ok(bytes) => {
            shared.counters.call_failed();
            shared.counters.rejected(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            tracing::warn!(asked = range.len(), sent = bytes.len(), "the provider sent a read of the wrong length");
            let last_word =
                FetchError::Failed(format!("the provider sent {} bytes where {} were asked", bytes.len(), range.len()));
            Attempt::Again(guard, Trouble { pause: Duration::ZERO, wrong_answer: true, last_word })
        }
        Err(error) => {
            shared.counters.call_failed();
            judge(shared, started, guard, &error)
        }
    }
}

/// Stores and answers on one blocking thread: the waiters' completions run right after the bytes are readable.
async fn store(shared: &Arc<Shared>, started: &Started, wanted: BlockRun, bytes: Bytes, guard: SlotGuard) -> Attempt {
    let (target, id, shared) = (started.target.clone(), started.id, Arc::clone(shared));
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let task = move || {
        let verdict = shared.verdict(&target.key);
        let stored = verdict.verifier().store(&*target.file, &target.version, wanted.start, &bytes, &|| {
            shared.table.lock().touch(id);
        });
        match stored {
            Ok(Stored::Verified) => {
                shared.counters.fetched(length);
                verdict.matched();
                guard.settle(&Ok(()));
                Attempt::Settled
            }
            Ok(Stored::Kept) => {
                shared.counters.fetched(length);
                guard.settle(&Ok(()));
                let mut verifier = verdict.verifier();
                if let Err(error) = verifier.advance(&*target.file, &target.version, length * HASH_CATCH_UP) {
                    tracing::debug!(%error, "hashing along failed; the whole is hashed when it is complete");
                    verifier.reset();
                }
                Attempt::Settled
            }
            Ok(Stored::Mismatch) => {
                shared.counters.rejected(length);
                let again = verdict.mismatched(Instant::now(), shared.config.corrupt_cooldown);
                if let Err(error) = shared.store.reject(&target.version) {
                    return Attempt::Failed(guard, from_content(&error));
                }
                shared.events.corrupt(&target.version);
                if again {
                    let last_word = FetchError::Corrupt;
                    Attempt::Again(guard, Trouble { pause: Duration::ZERO, wrong_answer: true, last_word })
                } else {
                    Attempt::Failed(guard, FetchError::Corrupt)
                }
            }
            Err(ContentError::NoSpace { why, .. }) => {
                if let Some(guard) = guard.fail_unread(FetchError::NoSpace) {
                    tracing::debug!(%why, "there is no space for what is read; it is held in memory");
                    shared.counters.fetched(length);
                    target.file.hold(wanted.start, &bytes);
                    guard.settle(&Ok(()));
                }
                Attempt::Settled
            }
            Err(error) => Attempt::Failed(guard, from_content(&error)),
        }
    };
    match tokio::task::spawn_blocking(task).await {
        Ok(attempt) => attempt,
        // It panicked or the runtime is going down: the guard in the closure has settled the transfer.
        Err(_join) => Attempt::Settled,
    }
}

/// What a failed call means for the readers.
fn judge(shared: &Shared, started: &Started, guard: SlotGuard, error: &ProviderError) -> Attempt {
    let version = &started.target.version;
    let pause = error.retry_after.unwrap_or_default();
    let again = |last_word| Trouble { pause, wrong_answer: false, last_word };
    match error.kind {
        ErrorKind::Offline => {
            shared.events.unreachable();
            Attempt::Again(guard, again(FetchError::Offline)) // once: a network that changes is back in a moment
        }
        ErrorKind::Busy | ErrorKind::Ambiguous => {
            shared.link.stalled();
            Attempt::Again(guard, again(FetchError::Failed(error.to_string())))
        }
        ErrorKind::Corrupt => Attempt::Again(guard, Trouble { wrong_answer: true, ..again(FetchError::Corrupt) }),
        ErrorKind::RevisionGone | ErrorKind::NotFound => {
            shared.events.revision_gone(version);
            Attempt::Failed(guard, FetchError::Gone)
        }
        ErrorKind::AuthRequired => Attempt::Failed(guard, FetchError::AuthRequired),
        ErrorKind::Forbidden | ErrorKind::Unsupported => {
            tracing::info!(%error, "the provider does not give the bytes of a file");
            shared.events.refused(version, error);
            Attempt::Failed(guard, FetchError::Failed(error.to_string()))
        }
        ErrorKind::RootMissing
        | ErrorKind::Exists
        | ErrorKind::RevisionMismatch
        | ErrorKind::NotEmpty
        | ErrorKind::CursorReset
        | ErrorKind::NoSpace
        | ErrorKind::Refused
        | ErrorKind::Invalid
        | ErrorKind::Protocol => {
            let range: ByteRange = started.run.bytes(version.size);
            tracing::warn!(%error, kind = ?error.kind, ?range, "a read failed");
            Attempt::Failed(guard, FetchError::Failed(error.to_string()))
        }
    }
}

pub(super) fn from_content(error: &ContentError) -> FetchError {
    match error {
        ContentError::NoSpace { .. } => FetchError::NoSpace,
        ContentError::StagedDamaged { .. }
        | ContentError::StagedMissing(_)
        | ContentError::Superseded(_)
        | ContentError::Io { .. } => {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            FetchError::Failed(format!("{error}{cause}"))
        }
    }
}
