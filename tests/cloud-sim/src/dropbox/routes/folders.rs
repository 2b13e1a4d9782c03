//! Creating folders.

use serde_json::{Value, json};

use super::{Answer, Reply, lookup};
use crate::dropbox::model::write::WriteError;
use crate::dropbox::service::Call;
use crate::dropbox::wire::errors::write_error;
use crate::dropbox::wire::metadata::{Eye, Tagged};
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal};

fn take(mut args: Args) -> Result<(PathArg, bool), Refusal> {
    let path = args.path("path", PathKind::Create)?;
    let autorename = args.flag("autorename")?;
    args.done()?;
    Ok((path, autorename))
}

/// Makes a folder; its metadata, or a `WriteError`.
pub(crate) fn create_one(call: &Call<'_>, path: &PathArg, autorename: bool) -> Result<Value, WriteError> {
    let mut world = call.world();
    let place = lookup::locate(&world, call.view, path).map_err(|_| WriteError::Malformed)?;
    let place = world.create_folder(&place, autorename)?;
    let eye = Eye { world: &world, view: call.view, account: &call.caller.account };
    Ok(eye.place(&place, Tagged::No))
}

pub(crate) fn create(call: &Call<'_>, args: Args) -> Answer {
    let (path, autorename) = take(args)?;
    let metadata = create_one(call, &path, autorename).map_err(|error| Refusal::path(write_error(error)))?;
    Ok(Reply::json(&json!({ "metadata": metadata })))
}

pub(crate) fn create_v1(call: &Call<'_>, args: Args) -> Answer {
    let (path, autorename) = take(args)?;
    let metadata = create_one(call, &path, autorename).map_err(|error| Refusal::path(write_error(error)))?;
    Ok(Reply::json(&metadata))
}
