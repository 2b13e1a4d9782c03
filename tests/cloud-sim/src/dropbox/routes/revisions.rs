//! Earlier versions, and bringing them back.

use serde_json::{Value, json};

use super::{Answer, Reply, lookup};
use crate::dropbox::model::view::Place;
use crate::dropbox::model::world::World;
use crate::dropbox::service::Call;
use crate::dropbox::wire::errors::write_error;
use crate::dropbox::wire::metadata::{Eye, Tagged};
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal, nest, tag};

pub(crate) fn list(call: &Call<'_>, mut args: Args) -> Answer {
    let path = args.path("path", PathKind::Read)?;
    let by_id = args.choice("mode", &["path", "id"])?.as_deref() == Some("id");
    let limit = args.optional_number("limit", 1, 100)?.unwrap_or(10);
    let limit = usize::try_from(limit).unwrap_or(100);
    let before = args.optional_string("before_rev")?;
    args.flag("include_restorable_info")?;
    args.done()?;
    if by_id && before.is_some() {
        return Err(Refusal::tag("before_rev_not_supported"));
    }
    let world = call.world();
    let eye = Eye { world: &world, view: call.view, account: &call.caller.account };
    let place = place(&world, call, &path)?;
    let live = world.live(&place);
    if live.is_some_and(|entry| entry.node.file().is_none()) {
        return Err(Refusal::path(tag("not_file")));
    }
    let all: Vec<Value> = match live.and_then(|entry| entry.node.file()).filter(|_| by_id) {
        Some(file) => world.history.of_id(&file.id).rev().map(|rev| eye.revision(rev, Tagged::No)).collect(),
        None => world.history.at_path(place.ns, &place.path).rev().map(|rev| eye.revision(rev, Tagged::No)).collect(),
    };
    if all.is_empty() {
        return Err(Refusal::path(tag("not_found")));
    }
    let start = match before {
        None => 0,
        Some(rev) => match all.iter().position(|entry| entry["rev"] == rev.as_str()) {
            Some(at) => at + 1,
            None => return Err(Refusal::tag("invalid_before_rev")),
        },
    };
    let rest = &all[start..];
    let mut result = json!({
        "is_deleted": live.is_none(),
        "entries": rest[..limit.min(rest.len())],
        "has_more": rest.len() > limit,
    });
    if live.is_none() {
        result["server_deleted"] = all[0]["server_modified"].clone();
    }
    Ok(Reply::json(&result))
}

/// Where a path or a revision leads, whether something stands there or not.
fn place(world: &World, call: &Call<'_>, path: &PathArg) -> Result<Place, Refusal> {
    if let PathArg::Rev(rev) = path {
        let revision = world.history.rev(rev).ok_or_else(|| Refusal::path(tag("not_found")))?;
        return Ok(Place { ns: revision.ns, display: revision.display.to_string(), path: revision.path.clone() });
    }
    lookup::locate(world, call.view, path).map_err(Refusal::path)
}

pub(crate) fn restore(call: &Call<'_>, mut args: Args) -> Answer {
    let path = args.path("path", PathKind::Create)?;
    let rev = args.string("rev")?;
    if rev.len() < 9 || !rev.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(args.error("rev", &format!("'{rev}' did not match pattern '[0-9a-f]+'")));
    }
    args.done()?;
    let mut world = call.world();
    let lookup_failed = |error| Refusal::Api(nest("path_lookup", error));
    let place = lookup::locate(&world, call.view, &path).map_err(lookup_failed)?;
    let known = world.history.at_path(place.ns, &place.path).any(|revision| *revision.file.rev == *rev);
    let any = world.history.at_path(place.ns, &place.path).next().is_some();
    if !any {
        return Err(lookup_failed(tag("not_found")));
    }
    if !known {
        return Err(Refusal::tag("invalid_revision"));
    }
    let write_failed = |error| Refusal::Api(nest("path_write", write_error(error)));
    let place = world.restore(call.view, &place, &rev, &call.author()).map_err(write_failed)?;
    let eye = Eye { world: &world, view: call.view, account: &call.caller.account };
    Ok(Reply::json(&eye.place(&place, Tagged::No)))
}
