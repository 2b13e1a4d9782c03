//! Listings, their cursors and their changes.

use serde::Serialize;

use super::lookup;
use super::{Answer, Reply};
use crate::dropbox::model::view::{Place, Segment, View};
use crate::dropbox::model::world::World;
use crate::dropbox::model::{Entry, Node, NsId, path};
use crate::dropbox::service::Call;
use crate::dropbox::wire::cursor::{ListCursor, ListOptions};
use crate::dropbox::wire::metadata::{Eye, Metadata, Tagged};
use crate::dropbox::wire::{Args, PathKind, Refusal, tag};
use crate::faults::Special;

#[derive(Serialize)]
struct Page<'a> {
    entries: Vec<Metadata<'a>>,
    cursor: String,
    has_more: bool,
}

/// Takes the arguments that open a listing: a cursor at its very beginning.
fn open(call: &Call<'_>, world: &World, mut args: Args) -> Result<ListCursor, Refusal> {
    let folder = args.path("path", PathKind::List)?;
    let options = ListOptions {
        recursive: args.flag("recursive")?,
        deleted: args.flag("include_deleted")?,
        mounted: args.flag_or("include_mounted_folders", true)?,
        cloud_documents: args.flag_or("include_non_downloadable_files", true)?,
        limit: args.optional_number("limit", 1, 2000)?,
    };
    let media = args.flag("include_media_info")?;
    args.flag("include_has_explicit_shared_members")?;
    args.flag("include_restorable_info")?;
    args.union("include_property_groups")?;
    let link = args.optional_object("shared_link")?;
    args.done()?;
    if media || link.is_some() {
        return Err(Refusal::BadRequest("request body: not supported by this simulator".to_owned()));
    }
    let place = lookup::found(world, call.view, &folder).map_err(Refusal::path)?;
    if !world.is_folder(&place) {
        return Err(Refusal::path(tag("not_folder")));
    }
    let (ns, inner) = call.view.inside(world, &place);
    Ok(ListCursor {
        account: call.caller.account.to_string(),
        root: call.view.root.0,
        ns: ns.0,
        path: inner.to_string(),
        options,
        since: world.seq(),
        position: None,
        epoch: world.cursor_epoch,
    })
}

pub(crate) fn list_folder(call: &Call<'_>, args: Args) -> Answer {
    let world = call.world();
    let mut cursor = open(call, &world, args)?;
    cursor.position = Some((0, String::new()));
    page(call, &world, cursor)
}

pub(crate) fn latest_cursor(call: &Call<'_>, args: Args) -> Answer {
    let cursor = open(call, &call.world(), args)?;
    Ok(Reply::json(&serde_json::json!({ "cursor": cursor.encode() })))
}

/// Takes a cursor from an argument.
pub(crate) fn taken(args: &mut Args) -> Result<ListCursor, Refusal> {
    let text = args.string("cursor")?;
    if text.is_empty() {
        return Err(args.error("cursor", "'cursor' must be at least 1 characters, got 0"));
    }
    ListCursor::decode(&text).ok_or_else(|| args.error("cursor", "unsupported cursor type"))
}

pub(crate) fn list_continue(call: &Call<'_>, mut args: Args) -> Answer {
    let cursor = taken(&mut args)?;
    let wrong_owner = *cursor.account != *call.caller.account;
    if wrong_owner {
        return Err(args.error("cursor", "unsupported cursor type"));
    }
    args.done()?;
    let world = call.world();
    if cursor.epoch != world.cursor_epoch || Special::ResetCursor.is(call.special) {
        return Err(Refusal::tag("reset"));
    }
    let folder = Place { ns: NsId(cursor.ns), display: cursor.path.clone(), path: cursor.path.as_str().into() };
    if !world.namespaces.contains_key(&folder.ns) || !world.is_folder(&folder) {
        return Err(Refusal::path(tag("not_found")));
    }
    page(call, &world, cursor)
}

/// The next page: of the first listing as long as it is not done, then of the changes.
fn page(call: &Call<'_>, world: &World, mut cursor: ListCursor) -> Answer {
    let view = View { root: NsId(cursor.root) };
    let eye = Eye { world, view, account: &call.caller.account };
    let segments = view.segments(world, NsId(cursor.ns), &cursor.path, cursor.options.mounted);
    let limit = usize::try_from(cursor.options.limit.unwrap_or(call.dropbox.quirks().page)).unwrap_or(usize::MAX);
    if Special::EmptyPage.is(call.special) {
        return Ok(Reply::json(&Page { entries: Vec::new(), cursor: cursor.encode(), has_more: true }));
    }
    let options = cursor.options.clone();
    let mut entries = Vec::with_capacity(limit.min(2000));
    let more = match cursor.position.take() {
        Some(position) => {
            cursor.position = first_listing(&eye, &segments, &cursor, position, limit, &mut entries);
            cursor.position.is_some() || pending(world, &segments, &cursor)
        }
        None => {
            let (since, more) = changes(&eye, &segments, &options, cursor.since, limit, &mut entries);
            cursor.since = since;
            more
        }
    };
    if Special::ReversePage.is(call.special) {
        entries.reverse();
    }
    let mut json = serde_json::to_vec(&Page { entries, cursor: cursor.encode(), has_more: more }).unwrap_or_default();
    if Special::RepeatPage.is(call.special)
        && let Ok(mut page) = serde_json::from_slice::<serde_json::Value>(&json)
        && let Some(entries) = page["entries"].as_array_mut()
    {
        entries.extend(entries.clone());
        json = page.to_string().into_bytes();
    }
    Ok(Reply::Json(json))
}

/// Whether an entry of the first listing or of the changes belongs to what the cursor shows.
fn shows(options: &ListOptions, segment: &Segment, top: bool, at: &str, entry: &Entry) -> bool {
    let below = at.strip_prefix(&*segment.inner).filter(|below| below.starts_with('/'));
    let itself = options.recursive && top && at == &*segment.inner && !at.is_empty();
    let in_reach = match below {
        Some(below) => options.recursive || (top && !below[1..].contains('/')),
        None => itself,
    };
    let kind = match &entry.node {
        Node::File(file) => options.cloud_documents || file.traits.export_as.is_none(),
        Node::Folder { mounted, .. } => options.mounted || mounted.is_none(),
        Node::Deleted => true,
    };
    in_reach && kind
}

fn first_listing<'a>(
    eye: &'a Eye<'a>,
    segments: &'a [Segment],
    cursor: &ListCursor,
    (mut index, mut after): (usize, String),
    limit: usize,
    entries: &mut Vec<Metadata<'a>>,
) -> Option<(usize, String)> {
    let options = &cursor.options;
    while let Some(segment) = segments.get(index) {
        // Without recursion only the folder's own namespace is looked at: a mounted folder is an entry of it.
        if index > 0 && !options.recursive {
            return None;
        }
        let ns = eye.world.ns(segment.ns);
        let resumed = (!after.is_empty()).then_some(after.as_str());
        let itself = if resumed.is_none() { ns.entry(&segment.inner) } else { None };
        let below: Box<dyn Iterator<Item = _>> = if options.recursive {
            Box::new(ns.below(&segment.inner, resumed))
        } else {
            Box::new(ns.children(&segment.inner, resumed))
        };
        let mut last = after.clone();
        for (at, entry) in itself.into_iter().chain(below) {
            // What was here before a folder was mounted over it belongs to changes only.
            let covered = ns.mounts.keys().any(|mount| at.len() > mount.len() && path::is_within(at, mount));
            let wanted = entry.node.is_live() || options.deleted;
            if covered || !wanted || !shows(options, segment, index == 0, at, entry) {
                continue;
            }
            if entries.len() == limit {
                return Some((index, last));
            }
            entries.push(eye.entry(segment.ns, at, entry, Some(&segment.outer), Tagged::Yes));
            last = at.to_string();
        }
        after.clear();
        index += 1;
    }
    None
}

/// Changes of all segments after the cursor's, in order, as far as the cursor shows them.
fn visible_changes<'a>(
    world: &'a World,
    segments: &'a [Segment],
    options: &ListOptions,
    since: u64,
) -> impl Iterator<Item = (u64, &'a Segment, &'a str, &'a Entry)> {
    let mut streams: Vec<_> = segments
        .iter()
        .enumerate()
        .map(|(index, segment)| {
            let ns = world.ns(segment.ns);
            let changed = ns.changed_after(since).filter_map(move |(seq, path)| {
                let (path, entry) = ns.entry(path)?;
                shows(options, segment, index == 0, path, entry).then_some((seq, segment, &**path, entry))
            });
            changed.peekable()
        })
        .collect();
    std::iter::from_fn(move || {
        let next = streams.iter_mut().filter_map(|stream| stream.peek().map(|(seq, ..)| *seq)).min()?;
        streams.iter_mut().find_map(|stream| stream.next_if(|(seq, ..)| *seq == next))
    })
}

fn changes<'a>(
    eye: &'a Eye<'a>,
    segments: &'a [Segment],
    options: &ListOptions,
    mut since: u64,
    limit: usize,
    entries: &mut Vec<Metadata<'a>>,
) -> (u64, bool) {
    for (seq, segment, path, entry) in visible_changes(eye.world, segments, options, since) {
        if entries.len() == limit {
            return (since, true);
        }
        entries.push(eye.entry(segment.ns, path, entry, Some(&segment.outer), Tagged::Yes));
        since = seq;
    }
    (eye.world.seq(), false)
}

fn pending(world: &World, segments: &[Segment], cursor: &ListCursor) -> bool {
    visible_changes(world, segments, &cursor.options, cursor.since).next().is_some()
}

/// Whether a cursor has anything to show: `None` when it must be reset.
pub(crate) fn has_news(world: &World, cursor: &ListCursor) -> Option<bool> {
    if cursor.epoch != world.cursor_epoch || !world.namespaces.contains_key(&NsId(cursor.ns)) {
        return None;
    }
    let view = View { root: NsId(cursor.root) };
    let segments = view.segments(world, NsId(cursor.ns), &cursor.path, cursor.options.mounted);
    let folder = Place { ns: NsId(cursor.ns), display: cursor.path.clone(), path: cursor.path.as_str().into() };
    Some(cursor.position.is_some() || !world.is_folder(&folder) || pending(world, &segments, cursor))
}
