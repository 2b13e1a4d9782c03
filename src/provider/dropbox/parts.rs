//! Large files in parts: several travel at the same time, each with its hash. Every part that is confirmed is told to the observer, so that
//! after a crash none of them is sent again. The whole is compared with the announced hash before it can become a file.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::Value;

use super::api::{Call, CallError, Content};
use super::config::PART_UNIT_BYTES;
use super::confirmed::Confirmed;
use super::place::Root;
use super::state::Shared;
use super::upload::{Progress, Target, UPLOAD, lost_session, read_part};
use super::wire::{FileMetadata, Metadata, SessionAppend, SessionCursor, SessionFinish, SessionStart, SessionStarted};
use crate::provider::http::Pieces;
use crate::provider::{ErrorKind, ProviderError, Upload, UploadObserver};
use crate::types::{ContentHash, ContentHasher, HashKind};

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
        root: &Root,
        target: &Target,
        upload: &Upload<'_>,
    ) -> Outcome<FileMetadata> {
        let subject = target.subject.as_str();
        let mut resume = upload.resume.as_ref().and_then(|session| Confirmed::of(session, upload.source.size()));
        for _ in 0..BEGINNINGS {
            let was_resumed = resume.is_some();
            let (session, confirmed) = match resume.take() {
                Some(known) => known,
                None => (self.begin(subject, upload).await?, Confirmed::default()),
            };
            if matches!(self.send_parts(&session, confirmed, subject, upload).await?, Ended::Lost) {
                continue;
            }
            let cursor = SessionCursor { session_id: session, offset: upload.source.size() };
            let (way, commit) = self.way_to(root, target, upload).await?;
            let path = commit.path.clone();
            match self.commit(SessionFinish { cursor, commit }, subject, way).await {
                Err(error) if error.has("lookup_failed") || error.has("concurrent_session_missing_data") => {
                    // An earlier attempt may have got through, and its answer may have been lost.
                    if was_resumed && let Some(file) = self.was_committed(&path, &upload.hash).await? {
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
        upload.observer.session(&Confirmed::default().as_session(&started.session_id));
        Ok(started.session_id)
    }

    /// Sends what is missing. The last part closes the session and goes when all others are there.
    async fn send_parts(
        &self,
        session: &str,
        mut confirmed: Confirmed,
        subject: &str,
        upload: &Upload<'_>,
    ) -> Outcome<Ended> {
        let size = upload.source.size();
        let mut hasher = ContentHasher::new(HashKind::Dropbox);
        let progress = Progress::new(upload.observer);
        progress.reached(confirmed.bytes());
        let last = size.saturating_sub(1) / self.config.part_bytes * self.config.part_bytes;
        let last = last.max(confirmed.end());
        let (mut at, mut flying) = (0, FuturesUnordered::new());
        while at < last || !flying.is_empty() {
            let next = confirmed.stretch(at);
            if at < last && next.is_there {
                // What an earlier attempt sent counts for the hash of the whole, too.
                let length = PART_UNIT_BYTES.min(next.end - at);
                hasher.update(&read_part(upload, at, length, subject)?);
                at += length;
                tokio::task::yield_now().await;
                continue;
            }
            if at < last && flying.len() < self.config.parallel_parts.max(1) {
                let length = self.config.part_bytes.min(next.end.min(last) - at);
                let part = read_part(upload, at, length, subject)?;
                hasher.update(&part);
                flying.push(self.append(session, at, part, false, subject, upload.observer));
                at += length;
                continue;
            }
            let Some(ended) = flying.next().await else { break };
            match ended? {
                Some((start, length)) => {
                    confirmed.add(start, start + length);
                    upload.observer.session(&confirmed.as_session(session));
                    progress.reached(confirmed.bytes());
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
        if confirmed.bytes() == size {
            return Ok(Ended::Complete);
        }
        let ended = match self.append(session, at, rest, true, subject, upload.observer).await? {
            Some((start, length)) => {
                confirmed.add(start, start + length);
                upload.observer.session(&confirmed.as_session(session));
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
