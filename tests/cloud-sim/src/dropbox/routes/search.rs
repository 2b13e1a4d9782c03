//! Searching by name.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use super::{Answer, Reply, lookup};
use crate::dropbox::model::path;
use crate::dropbox::model::world::World;
use crate::dropbox::service::Call;
use crate::dropbox::wire::metadata::{Eye, Tagged, to_value};
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal, nest, tag};

/// Most matches of a search in all.
const MOST: usize = 10_000;

/// A search and how far it has got; its cursor is this as JSON.
struct Search {
    query: String,
    path: String,
    deleted: bool,
    extensions: Vec<String>,
    page: usize,
    from: usize,
}

pub(crate) fn search(call: &Call<'_>, mut args: Args) -> Answer {
    let query = args.string("query")?;
    if query.chars().count() > 1000 {
        return Err(args.error("query", "'query' must be at most 1000 characters"));
    }
    args.ignore("match_field_options");
    args.flag("include_highlights")?;
    let mut search = Search { query, path: String::new(), deleted: false, extensions: Vec::new(), page: 100, from: 0 };
    if let Some(mut options) = args.optional_object("options")? {
        search.path = options.optional_string("path")?.unwrap_or_default();
        let page = options.optional_number("max_results", 1, 1000)?.unwrap_or(100);
        search.page = usize::try_from(page).unwrap_or(1000);
        options.choice("order_by", &["relevance", "last_modified_time"])?;
        search.deleted = options.choice("file_status", &["active", "deleted"])?.as_deref() == Some("deleted");
        options.flag("filename_only")?;
        search.extensions = options.optional_strings("file_extensions", 1000)?;
        options.ignore("file_categories");
        options.ignore("account_id");
        options.done()?;
    }
    args.done()?;
    page(call, &call.world(), search)
}

pub(crate) fn search_continue(call: &Call<'_>, mut args: Args) -> Answer {
    let text = args.string("cursor")?;
    let decoded = URL_SAFE.decode(&text).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(cursor) = decoded else { return Err(args.error("cursor", "unsupported cursor type")) };
    args.done()?;
    let number = |name: &str| usize::try_from(cursor[name].as_u64().unwrap_or(0)).unwrap_or(0);
    let extensions = cursor["extensions"].as_array().into_iter().flatten();
    let search = Search {
        query: cursor["query"].as_str().unwrap_or_default().to_owned(),
        path: cursor["path"].as_str().unwrap_or_default().to_owned(),
        deleted: cursor["deleted"] == true,
        extensions: extensions.filter_map(|text| text.as_str().map(str::to_owned)).collect(),
        page: number("page"),
        from: number("from"),
    };
    page(call, &call.world(), search)
}

fn page(call: &Call<'_>, world: &World, mut search: Search) -> Answer {
    let folder = PathArg::parse(&search.path, PathKind::List)
        .map_err(|reason| Refusal::BadRequest(format!("request body: options: path: {reason}")))?;
    let place = lookup::found(world, call.view, &folder).map_err(Refusal::path)?;
    if !world.is_folder(&place) {
        return Err(Refusal::path(tag("not_folder")));
    }
    let (ns, inner) = call.view.inside(world, &place);
    let eye = Eye { world, view: call.view, account: &call.caller.account };
    let words: Vec<String> = path::lower(&search.query).split_whitespace().map(str::to_owned).collect();
    let mut matches = Vec::new();
    for segment in call.view.segments(world, ns, &inner, true) {
        for (at, entry) in world.ns(segment.ns).below(&segment.inner, None) {
            let name = path::lower(entry.name());
            let kind = search.extensions.is_empty()
                || search.extensions.iter().any(|extension| name.ends_with(&format!(".{}", path::lower(extension))));
            let wanted = entry.node.is_live() != search.deleted && kind;
            if wanted && words.iter().all(|word| name.contains(word.as_str())) {
                let metadata = to_value(&eye.entry(segment.ns, at, entry, Some(&segment.outer), Tagged::Yes));
                matches.push(json!({
                    "metadata": nest("metadata", metadata), "match_type": tag("filename"),
                }));
            }
        }
    }
    matches.truncate(MOST);
    let end = (search.from + search.page).min(matches.len());
    let has_more = end < matches.len();
    let mut result = json!({ "matches": matches.get(search.from..end).unwrap_or_default(), "has_more": has_more });
    if has_more {
        search.from = end;
        let cursor = json!({
            "query": search.query, "path": search.path, "deleted": search.deleted, "extensions": search.extensions,
            "page": search.page, "from": search.from,
        });
        result["cursor"] = URL_SAFE.encode(cursor.to_string()).into();
    }
    Ok(Reply::json(&result))
}
