//! Changes of the account's tree take their turn: the service locks a namespace for each, and answers those that meet with *too many
//! write operations*. Bytes travel in parallel; what is complete waits here, and whoever gets the turn commits all that waits in one
//! call.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::{MutexGuard, oneshot, watch};
use tokio::time::Instant;

use super::api::{Call, CallError};
use super::refusal::Refusal;
use super::state::{Shared, Way};
use super::wire::{BatchOutcomes, FileMetadata, FinishBatch, SessionFinish};
use crate::provider::retry::Attempts;
use crate::provider::{ErrorKind, ProviderError};

const UPLOAD: &str = "upload";

/// Most files of one commit.
const MAX_BATCH: usize = 1000;
/// How long a commit waits for small files that are still on their way. One of them alone is not kept waiting.
const LINGER: std::time::Duration = std::time::Duration::from_millis(100);
/// How often the entries of a batch that met other changes are tried again.
const ATTEMPTS: u32 = 5;
/// How long that may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(25);

type Outcome = Result<FileMetadata, CallError>;

/// An upload that is complete.
struct Waiting {
    finish: SessionFinish,
    subject: String,
    outcome: oneshot::Sender<Outcome>,
    /// To the path that it is committed at.
    _way: Way,
}

/// The turn, and what waits for it.
#[derive(Default)]
pub(super) struct Commits {
    turn: tokio::sync::Mutex<()>,
    waiting: Mutex<Vec<Waiting>>,
    /// How many small files are on their way.
    sending: watch::Sender<usize>,
}

/// A small file on its way.
pub(super) struct Sending<'a> {
    commits: &'a Commits,
    /// No other one was when it set out.
    pub(super) is_alone: bool,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.commits.sending.send_modify(|count| *count -= 1);
    }
}

impl Commits {
    /// The turn to change the tree.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// The turn, if nobody has it.
    pub(super) fn turn_now(&self) -> Option<MutexGuard<'_, ()>> {
        self.turn.try_lock().ok()
    }

    /// A small file sets out.
    pub(super) fn sending(&self) -> Sending<'_> {
        let mut is_alone = false;
        self.sending.send_modify(|count| {
            is_alone = *count == 0;
            *count += 1;
        });
        Sending { commits: self, is_alone }
    }

    /// Waits a moment for those that are on their way.
    async fn gather(&self) {
        let mut sending = self.sending.subscribe();
        // Either all are here, or it took too long: both are reasons to go.
        drop(tokio::time::timeout(LINGER, sending.wait_for(|count| *count == 0)).await);
    }

    fn has_waiting(&self) -> bool {
        !self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever was cancelled meanwhile wants nothing any more.
        waiting.retain(|one| !one.outcome.is_closed());
        let count = waiting.len().min(MAX_BATCH);
        waiting.drain(..count).collect()
    }
}

impl Shared {
    /// Makes a complete upload session a file, together with all that wait for the same.
    pub(super) async fn commit(self: &Arc<Self>, finish: SessionFinish, subject: &str, way: Way) -> Outcome {
        let (sender, outcome) = oneshot::channel();
        let waiting = Waiting { finish, subject: subject.to_owned(), outcome: sender, _way: way };
        self.commits.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
        let shared = Arc::clone(self);
        // A batch belongs to nobody: it goes on if the one whose turn it was is cancelled.
        tokio::spawn(async move {
            let _turn = shared.commits.turn().await;
            if shared.commits.has_waiting() {
                shared.commits.gather().await;
            }
            let batch = shared.commits.take();
            if !batch.is_empty() {
                shared.commit_all(batch).await;
            }
        });
        outcome.await.unwrap_or_else(|_| {
            let text = format!("{subject}: the commit was cut off");
            Err(CallError::Failed(ProviderError::new(ErrorKind::Ambiguous, UPLOAD, text)))
        })
    }

    async fn commit_all(&self, batch: Vec<Waiting>) {
        // What one of them is the cause of must not be told of all: then each is committed by itself.
        for one in self.commit_until_settled(batch).await {
            self.commit_until_settled(vec![one]).await;
        }
    }

    /// Returns those that were refused together, for a cause that may be one of them alone: nothing was done to them.
    async fn commit_until_settled(&self, mut batch: Vec<Waiting>) -> Vec<Waiting> {
        let mut attempts = Attempts::new(ATTEMPTS, Instant::now() + PATIENCE);
        loop {
            let busy = match self.commit_once(batch).await {
                Left::Busy(busy) => busy,
                Left::Refused(together) => return together,
            };
            if busy.is_empty() {
                return Vec::new();
            }
            match attempts.pause(None) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    for one in busy {
                        let text = format!("{}: Dropbox is busy with other changes", one.subject);
                        one.answer(Err(CallError::Failed(ProviderError::new(ErrorKind::Busy, UPLOAD, text))));
                    }
                    return Vec::new();
                }
            }
            batch = busy;
        }
    }

    /// One call; returns what it did not answer.
    async fn commit_once(&self, batch: Vec<Waiting>) -> Left {
        let entries: Vec<SessionFinish> = batch.iter().map(|one| one.finish.clone()).collect();
        let subject = match batch.as_slice() {
            [one] => one.subject.clone(),
            many => format!("{} files", many.len()),
        };
        let call = Call::write(UPLOAD, &subject);
        let argument = FinishBatch { entries: &entries };
        let answer = self.api.rpc("files/upload_session/finish_batch_v2", &call, &argument).await;
        let outcomes: BatchOutcomes = match answer {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let error = error.into_error(&call);
                if error.kind == ErrorKind::Invalid && batch.len() > 1 {
                    tracing::warn!(%error, "a batch is committed one by one");
                    return Left::Refused(batch);
                }
                // Each is told of itself.
                let rest = error.message.strip_prefix(&subject);
                for one in batch {
                    let text = rest.map_or_else(|| error.message.clone(), |rest| format!("{}{rest}", one.subject));
                    let mut own = ProviderError::new(error.kind, UPLOAD, text);
                    own.retry_after = error.retry_after;
                    one.answer(Err(CallError::Failed(own)));
                }
                return Left::Busy(Vec::new());
            }
        };
        let mut busy = Vec::new();
        let mut outcomes = outcomes.entries.into_iter();
        for one in batch {
            match outcomes.next().map_or_else(|| Err(unknown(&one.subject)), |value| outcome(&one.subject, value)) {
                Err(error) if error.has("too_many_write_operations") => busy.push(one),
                outcome => one.answer(outcome),
            }
        }
        Left::Busy(busy)
    }
}

/// What one call did not answer.
enum Left {
    /// Met other changes, and may be tried again.
    Busy(Vec<Waiting>),
    /// The service does not understand the request, which may be the fault of one entry.
    Refused(Vec<Waiting>),
}

impl Waiting {
    fn answer(self, outcome: Outcome) {
        if self.outcome.send(outcome).is_err() {
            tracing::debug!("a file was committed that nobody waits for any more");
        }
    }
}

fn unknown(subject: &str) -> CallError {
    let text = format!("{subject}: Dropbox did not say what became of it");
    CallError::Failed(ProviderError::new(ErrorKind::Ambiguous, UPLOAD, text))
}

/// One entry of a batch's answer.
fn outcome(subject: &str, value: Value) -> Outcome {
    match value.get(".tag").and_then(Value::as_str) {
        Some("success") => serde_json::from_value(value).map_err(|_| unknown(subject)),
        Some("failure") => {
            let refusal = value.get("failure").and_then(Refusal::of_union);
            Err(refusal.map_or_else(|| unknown(subject), CallError::Refused))
        }
        Some(_) | None => Err(unknown(subject)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_entry_of_a_batch_has_its_own_outcome() {
        let stored = json!({".tag": "success", "name": "a", "id": "id:a", "rev": "1", "size": 3, "path_lower": "/a"});
        assert_eq!(outcome("a", stored).unwrap().id, "id:a");
        let refused = json!({".tag": "failure", "failure": {".tag": "path", "path": {".tag": "conflict",
            "conflict": {".tag": "file"}}}});
        assert!(outcome("a", refused).unwrap_err().has("conflict"));
        for strange in [json!({".tag": "maybe"}), json!({".tag": "success"}), json!({".tag": "failure"}), json!(null)] {
            let CallError::Failed(error) = outcome("a", strange).unwrap_err() else { panic!("refused") };
            assert_eq!(error.kind, ErrorKind::Ambiguous);
        }
    }
}
