//! From path arguments to places.

use serde_json::Value;

use crate::dropbox::model::path;
use crate::dropbox::model::view::{Place, View};
use crate::dropbox::model::world::World;
use crate::dropbox::wire::errors::bad_lookup;
use crate::dropbox::wire::{PathArg, tag};

/// Where a path argument leads; the error is a `LookupError`.
pub(crate) fn locate(world: &World, view: View, argument: &PathArg) -> Result<Place, Value> {
    let sound = |text: &str| path::check(text, world.emoji).map_err(bad_lookup);
    match argument {
        PathArg::Path(text) => {
            sound(text)?;
            Ok(view.place(world, text))
        }
        PathArg::Id(id, below) => {
            sound(below)?;
            let (ns, at) = world.ids.get(id.as_str()).ok_or_else(|| tag("not_found"))?;
            let entry = world.ns(*ns).live(at).filter(|entry| entry.id() == Some(id));
            let entry = entry.filter(|_| view.outer(world, *ns).is_some()).ok_or_else(|| tag("not_found"))?;
            if below.is_empty() {
                return Ok(Place { ns: *ns, display: entry.display.to_string(), path: at.clone() });
            }
            Ok(view.place_from(world, *ns, &format!("{}{below}", entry.display)))
        }
        PathArg::Ns(ns, below) => {
            sound(below)?;
            if !world.namespaces.contains_key(ns) || view.outer(world, *ns).is_none() {
                return Err(tag("not_found"));
            }
            Ok(view.place_from(world, *ns, below))
        }
        PathArg::Rev(_) => Err(tag("not_found")),
    }
}

/// The same, and something stands there now.
pub(crate) fn found(world: &World, view: View, argument: &PathArg) -> Result<Place, Value> {
    let place = locate(world, view, argument)?;
    if world.live(&place).is_none() && !place.path.is_empty() { Err(tag("not_found")) } else { Ok(place) }
}
