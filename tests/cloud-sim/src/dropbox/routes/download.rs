//! Contents.

use std::sync::Arc;

use super::{Answer, Reply, lookup};
use crate::dropbox::model::FileNode;
use crate::dropbox::service::Call;
use crate::dropbox::wire::metadata::{Eye, Tagged};
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal, tag};
use crate::faults::Special;
use serde_json::Value;

/// The version of a file that a path argument names, with its metadata; the error is a `LookupError`.
pub(crate) fn version(call: &Call<'_>, path: &PathArg) -> Result<(Arc<FileNode>, Value), Value> {
    let world = call.world();
    let eye = Eye { world: &world, view: call.view, account: &call.caller.account };
    let (file, metadata) = if let PathArg::Rev(rev) = path {
        let revision = world.history.rev(rev).filter(|revision| call.view.outer(&world, revision.ns).is_some());
        let revision = revision.ok_or_else(|| tag("not_found"))?;
        (revision.file.clone(), eye.revision(revision, Tagged::No))
    } else {
        let place = lookup::found(&world, call.view, path)?;
        let file = world.live(&place).and_then(|entry| entry.node.file()).ok_or_else(|| tag("not_file"))?;
        (file.clone(), eye.place(&place, Tagged::No))
    };
    if file.traits.restricted {
        return Err(tag("restricted_content"));
    }
    Ok((file, metadata))
}

pub(crate) fn download(call: &Call<'_>, mut args: Args) -> Answer {
    let path = args.path("path", PathKind::Read)?;
    let rev = args.optional_string("rev")?;
    args.done()?;
    if Special::NotFoundYet.is(call.special) {
        return Err(Refusal::path(tag("not_found")));
    }
    let path = rev.map_or(path, PathArg::Rev);
    let (file, metadata) = version(call, &path).map_err(Refusal::path)?;
    if file.traits.export_as.is_some() {
        return Err(Refusal::tag("unsupported_file"));
    }
    Ok(Reply::Content {
        metadata,
        rev: file.rev.to_string(),
        blob: file.blob.clone(),
        content_type: "application/octet-stream",
    })
}
