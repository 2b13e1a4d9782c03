//! Deletions.

use serde_json::{Value, json};

use super::{Answer, Reply, lookup};
use crate::dropbox::model::write::{Conflict, WriteError};
use crate::dropbox::service::Call;
use crate::dropbox::wire::errors::write_error;
use crate::dropbox::wire::metadata::{Eye, Tagged};
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal, nest, tag};
use crate::faults::Special;

/// What is to be deleted, if it still has this revision.
pub(crate) struct Target {
    path: PathArg,
    parent_rev: Option<String>,
}

impl Target {
    pub(crate) fn take(mut args: Args) -> Result<Self, Refusal> {
        let path = args.path("path", PathKind::Write)?;
        let parent_rev = args.optional_string("parent_rev")?;
        if parent_rev.as_ref().is_some_and(|rev| rev.len() < 9) {
            return Err(args.error("parent_rev", "'parent_rev' must be at least 9 characters"));
        }
        args.done()?;
        Ok(Self { path, parent_rev })
    }

    /// Deletes it; its metadata as it was, or a `DeleteError`.
    pub(crate) fn carry_out(&self, call: &Call<'_>) -> Result<Value, Value> {
        let mut world = call.world();
        if Special::NotFoundYet.is(call.special) {
            return Err(nest("path_lookup", tag("not_found")));
        }
        let place = lookup::found(&world, call.view, &self.path).map_err(|error| nest("path_lookup", error))?;
        let write = |error| nest("path_write", write_error(error));
        if place.path.is_empty() {
            return Err(write(WriteError::NoPermission));
        }
        world.check_lock(&place, &call.author()).map_err(write)?;
        let rev = world.live(&place).and_then(|entry| entry.node.file()).map(|file| file.rev.clone());
        match (&self.parent_rev, rev) {
            (Some(asked), Some(rev)) if **asked != *rev => return Err(write(WriteError::Conflict(Conflict::File))),
            (Some(_), None) => return Err(write(WriteError::Conflict(Conflict::Folder))),
            (Some(_) | None, _) => {}
        }
        let eye = Eye { world: &world, view: call.view, account: &call.caller.account };
        let metadata = eye.place(&place, Tagged::Yes);
        world.delete(&place);
        Ok(metadata)
    }
}

pub(crate) fn delete(call: &Call<'_>, args: Args) -> Answer {
    let metadata = Target::take(args)?.carry_out(call).map_err(Refusal::Api)?;
    Ok(Reply::json(&json!({ "metadata": metadata })))
}

pub(crate) fn delete_v1(call: &Call<'_>, args: Args) -> Answer {
    let metadata = Target::take(args)?.carry_out(call).map_err(Refusal::Api)?;
    Ok(Reply::json(&metadata))
}
