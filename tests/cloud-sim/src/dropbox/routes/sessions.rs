//! Upload sessions.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::upload::{Commit, check_body};
use super::{Answer, Reply};
use crate::content::{BLOCK, Blob};
use crate::dropbox::received::Received;
use crate::dropbox::service::{Call, Dropbox};
use crate::dropbox::upload_sessions::{Data, LARGEST, Session};
use crate::dropbox::wire::errors::write_error;
use crate::dropbox::wire::{Args, Refusal, nest, tag};

/// Most entries of a batch.
const MOST_ENTRIES: usize = 1000;

/// A session and where in it.
pub(crate) struct At {
    session: String,
    offset: u64,
}

impl At {
    fn take(args: &mut Args) -> Result<Self, Refusal> {
        let mut cursor = args.object("cursor")?;
        let at = Self::take_flat(&mut cursor)?;
        cursor.done()?;
        Ok(at)
    }

    fn take_flat(args: &mut Args) -> Result<Self, Refusal> {
        Ok(Self { session: args.string("session_id")?, offset: args.number("offset", 0, u64::MAX)? })
    }
}

impl Dropbox {
    pub(crate) fn new_session_id(&self) -> String {
        format!("pid_upload_session:{}", URL_SAFE_NO_PAD.encode(self.random.bytes::<33>()))
    }
}

fn session(call: &Call<'_>, data: Data, closed: bool) -> Session {
    Session { account: call.caller.account.clone(), started: call.dropbox.clock.seconds(), closed, data }
}

fn take_type(args: &mut Args) -> Result<bool, Refusal> {
    Ok(args.choice("session_type", &["sequential", "concurrent"])?.as_deref() == Some("concurrent"))
}

pub(crate) fn start(call: &Call<'_>, mut args: Args, received: Received) -> Answer {
    let close = args.flag("close")?;
    let concurrent = take_type(&mut args)?;
    let hash = args.content_hash()?;
    args.done()?;
    check_body(&received, hash.as_deref())?;
    let data = if concurrent {
        if received.length() > 0 {
            return Err(Refusal::tag("concurrent_session_data_not_allowed"));
        }
        if close {
            return Err(Refusal::tag("concurrent_session_close_not_allowed"));
        }
        Data::concurrent()
    } else {
        let mut data = Data::sequential();
        store(call, &mut data, 0, received)?;
        data
    };
    let id = call.dropbox.new_session_id();
    call.dropbox.sessions().add(id.clone(), session(call, data, close));
    Ok(Reply::json(&json!({ "session_id": id })))
}

pub(crate) fn start_batch(call: &Call<'_>, mut args: Args) -> Answer {
    let concurrent = take_type(&mut args)?;
    let count = args.number("num_sessions", 1, MOST_ENTRIES as u64)?;
    args.done()?;
    let ids: Vec<String> = (0..count)
        .map(|_| {
            let id = call.dropbox.new_session_id();
            let data = if concurrent { Data::concurrent() } else { Data::sequential() };
            call.dropbox.sessions().add(id.clone(), session(call, data, false));
            id
        })
        .collect();
    Ok(Reply::json(&json!({ "session_ids": ids })))
}

fn store(call: &Call<'_>, data: &mut Data, offset: u64, received: Received) -> Result<(), Refusal> {
    data.add(offset, received, &call.dropbox.spill).map_err(|error| Refusal::Text(error.to_string()))
}

pub(crate) fn append_v1(call: &Call<'_>, mut args: Args, received: Received) -> Answer {
    let at = At::take_flat(&mut args)?;
    args.done()?;
    check_body(&received, None)?;
    add(call, &at, received, false).map_err(Refusal::Api)?;
    Ok(Reply::null())
}

pub(crate) fn append(call: &Call<'_>, mut args: Args, received: Received) -> Answer {
    let at = At::take(&mut args)?;
    let close = args.flag("close")?;
    let hash = args.content_hash()?;
    args.done()?;
    check_body(&received, hash.as_deref())?;
    add(call, &at, received, close).map_err(Refusal::Api)?;
    Ok(Reply::null())
}

/// Adds bytes to a session; the error is an `UploadSessionAppendError`.
fn add(call: &Call<'_>, at: &At, received: Received, close: bool) -> Result<(), Value> {
    let mut sessions = call.dropbox.sessions();
    let now = call.dropbox.clock.seconds();
    let session = sessions.get(&at.session, &call.caller.account, now).ok_or_else(|| tag("not_found"))?;
    if session.closed {
        return Err(tag("closed"));
    }
    let length = received.length();
    if at.offset.saturating_add(length) > LARGEST {
        return Err(tag("too_large"));
    }
    match &mut session.data {
        Data::Sequential { pieces, .. } => {
            if at.offset != pieces.length() {
                return Err(json!({ ".tag": "incorrect_offset", "correct_offset": pieces.length() }));
            }
        }
        Data::Concurrent { end, .. } => {
            if !at.offset.is_multiple_of(BLOCK) {
                return Err(tag("concurrent_session_invalid_offset"));
            }
            if !length.is_multiple_of(BLOCK) && !close {
                return Err(tag("concurrent_session_invalid_data_size"));
            }
            if close {
                *end = Some(at.offset + length);
            }
        }
    }
    if length > 0 && session.data.add(at.offset, received, &call.dropbox.spill).is_err() {
        return Err(tag("other"));
    }
    session.closed = close;
    Ok(())
}

pub(crate) fn append_batch(call: &Call<'_>, mut args: Args, received: Received) -> Answer {
    let entries = args.objects("entries", 1, MOST_ENTRIES)?;
    let hash = args.content_hash()?;
    args.done()?;
    let mut parts = Vec::new();
    for mut entry in entries {
        let at = At::take(&mut entry)?;
        let length = entry.number("length", 0, u64::MAX)?;
        let close = entry.flag("close")?;
        entry.done()?;
        parts.push((at, length, close));
    }
    check_body(&received, hash.as_deref())?;
    if parts.iter().map(|(_, length, _)| length).sum::<u64>() != received.length() {
        return Err(Refusal::tag("length_mismatch"));
    }
    let spill = &call.dropbox.spill;
    let mut cut = 0;
    let mut results = Vec::new();
    for (at, length, close) in parts {
        let part = received.part(cut, length, spill).map_err(|error| Refusal::Text(error.to_string()))?;
        cut += length;
        results.push(match add(call, &at, part, close) {
            Ok(()) => tag("success"),
            Err(error) => nest("failure", error),
        });
    }
    Ok(Reply::json(&json!({ "entries": results })))
}

/// Commits a session; it is gone when that works.
fn commit(call: &Call<'_>, at: &At, commit: &Commit, must_be_closed: bool) -> Result<Value, Value> {
    let blob = {
        let mut sessions = call.dropbox.sessions();
        let now = call.dropbox.clock.seconds();
        let session = sessions.get(&at.session, &call.caller.account, now);
        let session = session.ok_or_else(|| nest("lookup_failed", tag("not_found")))?;
        ready(session, at, must_be_closed, call)?
    };
    let metadata = commit.carry_out(call, Arc::new(blob)).map_err(|error| nest("path", write_error(error)))?;
    call.dropbox.sessions().remove(&at.session);
    Ok(metadata)
}

fn ready(session: &Session, at: &At, must_be_closed: bool, call: &Call<'_>) -> Result<Blob, Value> {
    match &session.data {
        Data::Sequential { pieces, .. } => {
            if must_be_closed && !session.closed {
                return Err(nest("lookup_failed", tag("not_closed")));
            }
            if at.offset != pieces.length() {
                let inner = json!({ ".tag": "incorrect_offset", "correct_offset": pieces.length() });
                return Err(nest("lookup_failed", inner));
            }
        }
        Data::Concurrent { end, .. } => {
            if !session.closed {
                return Err(tag("concurrent_session_not_closed"));
            }
            if *end != Some(at.offset) {
                return Err(tag("concurrent_session_missing_data"));
            }
        }
    }
    session.data.blob(&call.dropbox.spill).ok_or_else(|| tag("concurrent_session_missing_data"))
}

pub(crate) fn finish(call: &Call<'_>, mut args: Args, received: Received) -> Answer {
    let mut at = At::take(&mut args)?;
    let mut info = args.object("commit")?;
    let target = Commit::take(&mut info)?;
    info.done()?;
    let hash = args.content_hash()?;
    args.done()?;
    check_body(&received, hash.as_deref())?;
    let length = received.length();
    if length > 0 {
        append_last(call, &at, received).map_err(Refusal::Api)?;
        at.offset += length;
    }
    commit(call, &at, &target, false).map(|metadata| Reply::json(&metadata)).map_err(Refusal::Api)
}

/// A finish may bring the last bytes; they stay in the session even when the commit fails.
fn append_last(call: &Call<'_>, at: &At, received: Received) -> Result<(), Value> {
    let now = call.dropbox.clock.seconds();
    let concurrent = match call.dropbox.sessions().get(&at.session, &call.caller.account, now) {
        None => return Err(nest("lookup_failed", tag("not_found"))),
        Some(session) => matches!(session.data, Data::Concurrent { .. }),
    };
    if concurrent {
        return Err(tag("concurrent_session_data_not_allowed"));
    }
    add(call, at, received, false).map_err(|error| nest("lookup_failed", error))
}

pub(crate) fn take_batch(args: &mut Args) -> Result<Vec<(At, Commit)>, Refusal> {
    let entries = args.objects("entries", 1, MOST_ENTRIES)?;
    let mut batch = Vec::new();
    for mut entry in entries {
        let at = At::take(&mut entry)?;
        let mut info = entry.object("commit")?;
        let target = Commit::take(&mut info)?;
        info.done()?;
        entry.done()?;
        batch.push((at, target));
    }
    Ok(batch)
}

pub(crate) fn finish_batch(call: &Call<'_>, mut args: Args) -> Answer {
    let batch = take_batch(&mut args)?;
    args.done()?;
    Ok(Reply::json(&json!({ "entries": finish_each(call, batch) })))
}

/// Commits each; batches are not atomic.
pub(crate) fn finish_each(call: &Call<'_>, batch: Vec<(At, Commit)>) -> Vec<Value> {
    let each = batch.into_iter().map(|(at, target)| {
        match commit(call, &at, &target, true) {
            Ok(mut metadata) => {
                // A plain struct stands beside the tag.
                metadata[".tag"] = "success".into();
                metadata
            }
            Err(error) => nest("failure", error),
        }
    });
    each.collect()
}
