//! Large files in parts: several travel at the same time, each with its hash; what is confirmed from the beginning on is told to the
//! observer, so that a crash continues there. The whole is compared with the announced hash before it can become a file.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::Value;

use super::api::{Call, CallError, Content};
use super::config::PART_UNIT_BYTES;
use super::state::Shared;
use super::upload::{Progress, UPLOAD, lost_session, read_part};
use super::wire::{
    Commit, FileMetadata, Metadata, SessionAppend, SessionCursor, SessionFinish, SessionStart, SessionStarted,
};
use crate::provider::http::Pieces;
use crate::provider::{ErrorKind, ProviderError, Upload, UploadObserver, UploadSession};
use crate::types::{ContentHash, ContentHasher, HashKind};

/// What is put before the service's id of a session, so that another kind of session can be told from it later.
const CONCURRENT: &str = "concurrent:";

/// How often a session that the service has lost is begun anew.
const BEGINNINGS: usize = 2;

type Outcome<T> = Result<T, CallError>;

/// What became of a session.
enum Ended {
    /// All bytes are there.
    Complete,
    /// The service does not have it (any more), or not as it should be.
    Lost,
}

impl Shared {
    /// Sends a file in parts and commits it.
    pub(super) async fn store_in_parts(
        self: &Arc<Self>,
        commit: Commit,
        subject: &str,
        upload: &Upload<'_>,
    ) -> Outcome<FileMetadata> {
        let mut resume = upload.resume.clone().and_then(|session| left_behind(session, upload.source.size()));
        for _ in 0..BEGINNINGS {
            let was_resumed = resume.is_some();
            let (session, from) = match resume.take() {
                Some(known) => known,
                None => (self.begin(subject, upload).await?, 0),
            };
            if matches!(self.send_parts(&session, from, subject, upload).await?, Ended::Lost) {
                continue;
            }
            let cursor = SessionCursor { session_id: session, offset: upload.source.size() };
            match self.commit(SessionFinish { cursor, commit: commit.clone() }, subject).await {
                Err(error) if error.has("lookup_failed") || error.has("concurrent_session_missing_data") => {
                    // An earlier attempt may have got through, and its answer may have been lost.
                    if was_resumed && let Some(file) = self.was_committed(&commit.path, &upload.hash).await? {
                        return Ok(file);
                    }
                }
                outcome => return outcome,
            }
        }
        Err(lost_session(subject))
    }

    async fn begin(&self, subject: &str, upload: &Upload<'_>) -> Outcome<String> {
        let argument = SessionStart { close: false, session_type: Some("concurrent"), content_hash: None };
        let (call, nothing) = (Call::read(UPLOAD, subject), Content::Small(Bytes::new()));
        let started: SessionStarted = self.api.upload("files/upload_session/start", &call, &argument, nothing).await?;
        tell(upload, &started.session_id, 0);
        Ok(started.session_id)
    }

    /// Sends what is missing. The last part closes the session and goes when all others are there.
    async fn send_parts(&self, session: &str, from: u64, subject: &str, upload: &Upload<'_>) -> Outcome<Ended> {
        let size = upload.source.size();
        let mut hasher = ContentHasher::new(HashKind::Dropbox);
        // What was sent by an earlier attempt counts for the hash of the whole, too.
        let mut at = 0;
        while at < from {
            let length = PART_UNIT_BYTES.min(from - at);
            hasher.update(&read_part(upload, at, length, subject)?);
            at += length;
            tokio::task::yield_now().await;
        }
        let progress = Progress::new(upload.observer);
        progress.reached(from);
        let last = size.saturating_sub(1) / self.config.part_bytes * self.config.part_bytes;
        let last = last.max(from);
        let (mut flying, mut confirmed) = (FuturesUnordered::new(), Confirmed { until: from, beyond: BTreeSet::new() });
        while at < last || !flying.is_empty() {
            if at < last && flying.len() < self.config.parallel_parts.max(1) {
                let length = self.config.part_bytes.min(last - at);
                let part = read_part(upload, at, length, subject)?;
                hasher.update(&part);
                flying.push(self.append(session, at, part, false, subject, upload.observer));
                at += length;
                continue;
            }
            let Some(ended) = flying.next().await else { break };
            match ended? {
                Some((start, length)) => {
                    if confirmed.add(start, start + length) {
                        tell(upload, session, confirmed.until);
                    }
                    progress.reached(confirmed.until);
                }
                None => return Ok(Ended::Lost),
            }
        }
        let rest = read_part(upload, at, size - at, subject)?;
        hasher.update(&rest);
        if hasher.finish() != upload.hash {
            let text = format!("{subject}: its bytes are not those that were announced");
            return Err(CallError::Failed(ProviderError::new(ErrorKind::Corrupt, UPLOAD, text)));
        }
        if from == size {
            return Ok(Ended::Complete);
        }
        let ended = match self.append(session, at, rest, true, subject, upload.observer).await? {
            Some(_) => {
                tell(upload, session, size);
                progress.reached(size);
                Ended::Complete
            }
            None => Ended::Lost,
        };
        Ok(ended)
    }

    /// One part; `None` if the session is not what it should be. A session that is closed already has everything: the answer to its last
    /// part was lost.
    async fn append(
        &self,
        session: &str,
        at: u64,
        part: Bytes,
        close: bool,
        subject: &str,
        observer: &dyn UploadObserver,
    ) -> Outcome<Option<(u64, u64)>> {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        let hash = ContentHash::of(HashKind::Dropbox, &part).to_hex();
        let cursor = SessionCursor { session_id: session.to_owned(), offset: at };
        let argument = SessionAppend { cursor, close, content_hash: &hash };
        let part = Part { bytes: part, observer };
        let content = Content::Large(length, &part);
        // The same part at the same place again changes nothing.
        let call = Call::read(UPLOAD, subject);
        let answer: Outcome<Value> = self.api.upload("files/upload_session/append_v2", &call, &argument, content).await;
        match answer {
            Ok(_) => Ok(Some((at, length))),
            Err(error) if error.has("closed") => Ok(Some((at, length))),
            Err(error)
                if error.has("not_found")
                    || error.has("incorrect_offset")
                    || error.has("concurrent_session_invalid_offset")
                    || error.has("concurrent_session_invalid_data_size") =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The file at the target, if it has these bytes.
    async fn was_committed(&self, path: &str, hash: &ContentHash) -> Outcome<Option<FileMetadata>> {
        let found = self.metadata(UPLOAD, path).await.map_err(CallError::Failed)?;
        Ok(match found {
            Some(Metadata::File(file)) if file.content_hash.as_deref() == Some(hash.to_hex().as_str()) => Some(file),
            Some(_) | None => None,
        })
    }
}

/// The session of an earlier attempt and what it has confirmed, if it can be continued.
fn left_behind(session: UploadSession, size: u64) -> Option<(String, u64)> {
    let id = session.id.strip_prefix(CONCURRENT)?;
    let is_place = session.offset.is_multiple_of(PART_UNIT_BYTES) || session.offset == size;
    (is_place && session.offset <= size).then(|| (id.to_owned(), session.offset))
}

fn tell(upload: &Upload<'_>, session: &str, offset: u64) {
    upload.observer.session(&UploadSession { id: format!("{CONCURRENT}{session}"), offset });
}

/// One part, in memory.
struct Part<'a> {
    bytes: Bytes,
    observer: &'a dyn UploadObserver,
}

#[async_trait]
impl Pieces for Part<'_> {
    async fn grant(&self, wanted: u64) -> u64 {
        self.observer.grant(wanted).await
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let at = usize::try_from(at).map_err(std::io::Error::other)?;
        let piece = self.bytes.get(at..at + buffer.len()).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(piece);
        Ok(())
    }

    fn sent(&self, _bytes: u64) {
        // Only a part that the service has confirmed counts.
    }
}

/// Which parts are there.
struct Confirmed {
    /// Everything before this.
    until: u64,
    /// And these.
    beyond: BTreeSet<(u64, u64)>,
}

impl Confirmed {
    /// Adds a part; true if more is there from the beginning on.
    fn add(&mut self, start: u64, end: u64) -> bool {
        self.beyond.insert((start, end));
        let before = self.until;
        while let Some(first) = self.beyond.first().copied().filter(|(start, _)| *start <= self.until) {
            self.beyond.remove(&first);
            self.until = self.until.max(first.1);
        }
        self.until > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_from_the_beginning_is_confirmed() {
        let mut confirmed = Confirmed { until: 0, beyond: BTreeSet::new() };
        assert!(!confirmed.add(8, 12));
        assert!(!confirmed.add(4, 8));
        assert!(confirmed.add(0, 4));
        assert_eq!((confirmed.until, confirmed.beyond.len()), (12, 0));
    }

    #[test]
    fn a_session_is_continued_where_a_part_may_begin() {
        let session = |id: &str, offset| UploadSession { id: id.into(), offset };
        let size = 3 * PART_UNIT_BYTES + 5;
        for good in [0, PART_UNIT_BYTES, size] {
            assert_eq!(left_behind(session("concurrent:x", good), size), Some(("x".into(), good)));
        }
        for bad in [session("concurrent:x", 5), session("x", 0), session("concurrent:x", 4 * PART_UNIT_BYTES)] {
            assert_eq!(left_behind(bad, size), None);
        }
    }
}
