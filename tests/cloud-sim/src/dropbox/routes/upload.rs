//! Single uploads, and what every commit has in common.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Reply, lookup};
use crate::clock::from_wire_time;
use crate::content::{Blob, Spill};
use crate::dropbox::model::view::Place;
use crate::dropbox::model::write::{Mode, Put, WriteError};
use crate::dropbox::received::Received;
use crate::dropbox::service::Call;
use crate::dropbox::upload_sessions::{Data, Session};
use crate::dropbox::wire::errors::write_error;
use crate::dropbox::wire::metadata::{Eye, Tagged};
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal, tag};
use crate::faults::Special;

/// Where and how a content is to be committed.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    path: PathArg,
    mode: Mode,
    autorename: bool,
    strict_conflict: bool,
    client_modified: Option<i64>,
}

impl Commit {
    /// Takes the fields of a `CommitInfo`; others may stand beside them.
    pub(crate) fn take(args: &mut Args) -> Result<Self, Refusal> {
        let path = args.path("path", PathKind::Write)?;
        let mode = match args.union("mode")? {
            None => Mode::Add,
            Some(mut member) => {
                let mode = match member.tag.as_str() {
                    "add" => Mode::Add,
                    "overwrite" => Mode::Overwrite,
                    "update" => Mode::Update(member.fields.string("update")?),
                    other => return Err(args.error("mode", &format!("invalid tag '{other}'"))),
                };
                member.fields.done()?;
                mode
            }
        };
        if let Mode::Update(rev) = &mode
            && (rev.len() < 9 || !rev.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
        {
            return Err(args.error("mode: update", &format!("'{rev}' did not match pattern '[0-9a-f]+'")));
        }
        let client_modified = match args.optional_string("client_modified")? {
            None => None,
            Some(text) => Some(from_wire_time(&text).ok_or_else(|| {
                let reason = format!("time data '{text}' does not match format '%Y-%m-%dT%H:%M:%SZ'");
                args.error("client_modified", &reason)
            })?),
        };
        let commit = Self {
            path,
            mode,
            client_modified,
            autorename: args.flag("autorename")?,
            strict_conflict: args.flag("strict_conflict")?,
        };
        args.flag("mute")?;
        args.ignore("property_groups");
        Ok(commit)
    }

    /// Writes the content; the metadata of what stands there then.
    pub(crate) fn carry_out(&self, call: &Call<'_>, blob: Arc<Blob>) -> Result<Value, WriteError> {
        let blob = if Special::StoreWrong.is(call.special) { spoilt(&call.dropbox.spill, blob) } else { blob };
        let mut world = call.world();
        let place = lookup::locate(&world, call.view, &self.path).map_err(|_| WriteError::Malformed)?;
        let put = Put {
            mode: self.mode.clone(),
            autorename: self.autorename,
            strict_conflict: self.strict_conflict,
            client_modified: self.client_modified,
            blob,
            traits: Default::default(),
        };
        let place: Place = world.put(call.view, &place, put, &call.author())?;
        let eye = Eye { world: &world, view: call.view, account: &call.caller.account };
        Ok(eye.place(&place, Tagged::No))
    }
}

/// The same content with another last byte; as it is where that cannot be made.
fn spoilt(spill: &Spill, blob: Arc<Blob>) -> Arc<Blob> {
    let mut bytes = vec![0; usize::try_from(blob.length()).unwrap_or(0)];
    let spoilt = blob.read_at(0, &mut bytes).and_then(|_| {
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        Blob::from_bytes(spill, &bytes)
    });
    spoilt.map_or(blob, Arc::new)
}

/// Checks what came against the limits and the hash that was announced.
pub(crate) fn check_body(received: &Received, hash: Option<&str>) -> Result<(), Refusal> {
    if received.too_large {
        return Err(Refusal::tag("payload_too_large"));
    }
    if hash.is_some_and(|hash| hash != received.hash()) {
        return Err(Refusal::tag("content_hash_mismatch"));
    }
    Ok(())
}

pub(crate) fn upload(call: &Call<'_>, mut args: Args, received: Received) -> Answer {
    let commit = Commit::take(&mut args)?;
    let hash = args.content_hash()?;
    args.done()?;
    check_body(&received, hash.as_deref())?;
    let spill = &call.dropbox.spill;
    let blob = Blob::new(spill, received.pieces.clone(), received.hasher.clone().finish());
    match commit.carry_out(call, Arc::new(blob)) {
        Ok(metadata) => Ok(Reply::json(&metadata)),
        Err(error) => Err(Refusal::Api(failed(call, error, received))),
    }
}

/// The bytes of an upload that could not be committed wait in a session.
fn failed(call: &Call<'_>, error: WriteError, received: Received) -> Value {
    let mut data = Data::sequential();
    if data.add(0, received, &call.dropbox.spill).is_err() {
        return tag("other");
    }
    let id = call.dropbox.new_session_id();
    let session =
        Session { account: call.caller.account.clone(), started: call.dropbox.clock.seconds(), closed: false, data };
    call.dropbox.sessions().add(id.clone(), session);
    json!({ ".tag": "path", "reason": write_error(error), "upload_session_id": id })
}
