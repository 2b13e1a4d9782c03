//! Reading parts of one version. Where the service's own revision is known, it is what is read: it never changes, and is served after
//! the file was replaced. Else the file is read by id, and what the answer says of the file decides whether it is the version.

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::CONTENT_RANGE;

use super::api::{Call, CallError, Downloaded, RESULT};
use super::lookup::not_found;
use super::place::{as_path, revision_of};
use super::state::Shared;
use super::wire::{FileMetadata, GetMetadata};
use crate::provider::{ErrorKind, ProviderError, Result};
use crate::types::{ByteRange, RemoteId, Revision};

const READ: &str = "read";

/// What came of one request.
enum Answered {
    Bytes(Bytes),
    /// Not this version, or nothing.
    Other,
    Gone,
}

impl Shared {
    /// [`crate::provider::Provider::read`].
    pub(super) async fn read(&self, id: &RemoteId, revision: &Revision, range: ByteRange) -> Result<Bytes> {
        let Some(path) = as_path(id) else { return Err(not_found(READ, format_args!("the file {id}"))) };
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if let Some(rev) = self.rev_of(id, revision) {
            if let Answered::Bytes(bytes) = self.read_at(&format!("rev:{rev}"), id, revision, range).await? {
                return Ok(bytes);
            }
            self.forget_rev(id, revision);
        }
        match self.read_at(path, id, revision, range).await? {
            Answered::Bytes(bytes) => Ok(bytes),
            Answered::Other => {
                let text = format!("the file {id} has another content by now");
                Err(ProviderError::new(ErrorKind::RevisionGone, READ, text))
            }
            Answered::Gone => Err(not_found(READ, format_args!("the file {id}"))),
        }
    }

    async fn read_at(&self, path: &str, id: &RemoteId, revision: &Revision, range: ByteRange) -> Result<Answered> {
        let call = Call::read(READ, &id.0);
        let answer = match self.api.download("files/download", &call, &GetMetadata { path }, Some(range)).await {
            Ok(answer) => answer,
            Err(error) if error.has("not_found") || error.has("not_file") => return Ok(Answered::Gone),
            Err(error) if error.has("not_satisfiable") => return Err(beyond(id, range)),
            Err(error) => return Err(error.into_error(&call)),
        };
        let told = answer.header(RESULT).and_then(|text| serde_json::from_str::<FileMetadata>(text).ok());
        let Some(file) = told else {
            let text =
                format!("{id}: bytes came without a word about the file: a proxy or gateway that is not Dropbox's?");
            return Err(ProviderError::new(ErrorKind::Offline, READ, text));
        };
        if file.id != id.0 || revision_of(&file) != *revision {
            return Ok(Answered::Other);
        }
        self.saw(&file);
        if range.end > file.size {
            return Err(beyond(id, range));
        }
        let skip = match first_byte(&answer) {
            Some(first) if first <= range.start => range.start - first,
            Some(_) | None => {
                let text = format!("{id}: other bytes came than were asked for");
                return Err(ProviderError::new(ErrorKind::Corrupt, READ, text));
            }
        };
        let body = answer.part(skip, range.len(), self.config.slowest).await;
        body.map(Answered::Bytes).map_err(|failure| CallError::of_failure(&call, failure).into_error(&call))
    }
}

/// Where the bytes of an answer begin in the file.
fn first_byte(answer: &Downloaded) -> Option<u64> {
    if answer.status() == StatusCode::OK {
        return Some(0);
    }
    let range = answer.header(CONTENT_RANGE)?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.trim().parse().ok()
}

fn beyond(id: &RemoteId, range: ByteRange) -> ProviderError {
    let text = format!("{id}: bytes {} to {} are beyond its end", range.start, range.end);
    ProviderError::new(ErrorKind::Invalid, READ, text)
}
