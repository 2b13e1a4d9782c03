//! File locks, which exist in shared folders only.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Reply, lookup};
use crate::clock::wire_time;
use crate::dropbox::model::Lock;
use crate::dropbox::model::view::Place;
use crate::dropbox::model::world::World;
use crate::dropbox::service::Call;
use crate::dropbox::wire::metadata::{Eye, Tagged};
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal, nest, tag};

/// Most entries of a call.
const MOST: usize = 1000;

/// What is done to each file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Lock,
    Unlock,
    Look,
}

pub(crate) fn lock(call: &Call<'_>, args: Args) -> Answer {
    batch(call, args, Act::Lock)
}

pub(crate) fn unlock(call: &Call<'_>, args: Args) -> Answer {
    batch(call, args, Act::Unlock)
}

pub(crate) fn get(call: &Call<'_>, args: Args) -> Answer {
    batch(call, args, Act::Look)
}

fn batch(call: &Call<'_>, mut args: Args, act: Act) -> Answer {
    if call.caller.sandbox.is_some() {
        return Err(Refusal::BadRequest("Your API app is not allowed to call this function.".to_owned()));
    }
    let entries = args.objects("entries", 1, MOST)?;
    args.done()?;
    let mut paths = Vec::new();
    for mut entry in entries {
        paths.push(entry.path("path", PathKind::Write)?);
        entry.done()?;
    }
    let mut world = call.world();
    let results = paths.iter().map(|path| match one(call, &mut world, path, act) {
        Ok(success) => success,
        Err(error) => nest("failure", error),
    });
    let results: Vec<Value> = results.collect();
    Ok(Reply::json(&json!({ "entries": results })))
}

fn one(call: &Call<'_>, world: &mut World, path: &PathArg, act: Act) -> Result<Value, Value> {
    let place = lookup::found(world, call.view, path).map_err(|error| nest("path_lookup", error))?;
    let node = world.live(&place).map(|entry| entry.node.clone());
    if node.as_ref().and_then(|node| node.file()).is_none() {
        return Err(tag("cannot_be_locked"));
    }
    if !world.ns(place.ns).shared {
        return Err(tag("file_not_shared"));
    }
    let held = world.ns(place.ns).locks.get(&place.path).cloned();
    let mine = held.as_ref().is_some_and(|lock| lock.account == call.caller.account);
    match act {
        Act::Look => {}
        Act::Lock | Act::Unlock if held.is_some() && !mine => {
            return Err(json!({ ".tag": "lock_conflict", "lock": shown(held.as_ref()) }));
        }
        Act::Lock => {
            if !mine {
                take(call, world, &place);
            }
        }
        Act::Unlock => {
            world.ns_mut(place.ns).locks.remove(&place.path);
        }
    }
    if act != Act::Look
        && let Some((node, display)) = node.zip(world.live(&place).map(|entry| entry.display.clone()))
    {
        // An entry with an unchanged revision appears in the changes.
        world.set(place.ns, place.path.clone(), display, node);
    }
    let now = world.ns(place.ns).locks.get(&place.path);
    let eye = Eye { world, view: call.view, account: &call.caller.account };
    Ok(json!({ ".tag": "success", "metadata": eye.place(&place, Tagged::Yes), "lock": shown(now) }))
}

fn take(call: &Call<'_>, world: &mut World, place: &Place) {
    let account: Arc<str> = call.caller.account.clone();
    let holder: Arc<str> = world.account(&account).map(|account| account.display_name()).unwrap_or_default().into();
    let created = call.dropbox.clock.seconds();
    world.ns_mut(place.ns).locks.insert(place.path.clone(), Lock { account, holder, created });
}

fn shown(lock: Option<&Lock>) -> Value {
    match lock {
        None => json!({ "content": tag("unlocked") }),
        Some(lock) => json!({ "content": {
            ".tag": "single_user", "created": wire_time(lock.created), "lock_holder_account_id": *lock.account,
        } }),
    }
}
