//! Metadata of one path.

use super::{Answer, Reply, lookup};
use crate::dropbox::model::view::Place;
use crate::dropbox::service::Call;
use crate::dropbox::wire::metadata::{Eye, Tagged};
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal, tag};
use crate::faults::Special;

pub(crate) fn get_metadata(call: &Call<'_>, mut args: Args) -> Answer {
    let path = args.path("path", PathKind::Read)?;
    args.flag("include_media_info")?;
    let deleted = args.flag("include_deleted")?;
    args.flag("include_has_explicit_shared_members")?;
    args.union("include_property_groups")?;
    args.done()?;
    let world = call.world();
    if Special::NotFoundYet.is(call.special) {
        return Err(Refusal::path(tag("not_found")));
    }
    let eye = Eye { world: &world, view: call.view, account: &call.caller.account };
    if let PathArg::Rev(rev) = &path {
        let revision = world.history.rev(rev).filter(|revision| call.view.outer(&world, revision.ns).is_some());
        let revision = revision.ok_or_else(|| Refusal::path(tag("not_found")))?;
        return Ok(Reply::json(&eye.revision(revision, Tagged::Yes)));
    }
    let place = lookup::locate(&world, call.view, &path).map_err(Refusal::path)?;
    if place.path.is_empty() {
        return Err(Refusal::BadRequest("request body: path: The root folder is unsupported.".to_owned()));
    }
    if !is_visible(&world, &place, deleted) {
        return Err(Refusal::path(tag("not_found")));
    }
    Ok(Reply::json(&eye.place(&place, Tagged::Yes)))
}

fn is_visible(world: &crate::dropbox::model::world::World, place: &Place, deleted: bool) -> bool {
    let entry = world.ns(place.ns).entry(&place.path);
    entry.is_some_and(|(_, entry)| deleted || entry.node.is_live())
}
