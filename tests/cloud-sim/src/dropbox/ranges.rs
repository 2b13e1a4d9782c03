//! Content answers: whole, or the range that was asked for.

use std::sync::Arc;

use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::wire::{Refusal, nest, tag};
use crate::content::Blob;
use crate::faults::Special;
use crate::http::{Body, Request, Response};

/// A range header taken apart, by the content's length.
enum Range {
    Whole,
    Part { from: u64, to: u64 },
    Impossible,
}

/// The answer of a download.
pub(crate) fn content(
    request: &Request,
    metadata: &Value,
    rev: &str,
    blob: Arc<Blob>,
    content_type: &'static str,
) -> Result<Response, Refusal> {
    let etag = format!("W/\"{rev}\"");
    if request.header(IF_NONE_MATCH.as_str()).is_some_and(|known| known == etag || known == format!("\"{rev}\"")) {
        return Ok(Response::text(StatusCode::NOT_MODIFIED, "").with(ETAG, &etag));
    }
    let size = blob.length();
    let mut range = request.header("range").map_or(Range::Whole, |text| parse(&text, size));
    if Special::IgnoreRange.is(request.special) {
        range = Range::Whole;
    }
    if let (Range::Part { from, to }, true) = (&mut range, Special::OtherRange.is(request.special)) {
        // One byte earlier, or one less where there is none.
        (*from, *to) = if *from > 0 { (*from - 1, *to - 1) } else { (*from, (*to).saturating_sub(1)) };
    }
    let (status, from, length) = match range {
        Range::Whole => (StatusCode::OK, 0, size),
        Range::Part { from, to } => (StatusCode::PARTIAL_CONTENT, from, to - from + 1),
        Range::Impossible => return Err(Refusal::Api(nest("range", tag("not_satisfiable")))),
    };
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(http::header::CONTENT_TYPE, content_type);
    put(ACCEPT_RANGES, "bytes");
    put(ETAG, &etag);
    put(CONTENT_LENGTH, &length.to_string());
    put(HeaderName::from_static("original-content-length"), &size.to_string());
    if !metadata.is_null() {
        put(HeaderName::from_static("dropbox-api-result"), &ascii(metadata));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        put(CONTENT_RANGE, &format!("bytes {from}-{}/{size}", from + length - 1));
    }
    Ok(Response { status, headers, body: Body::Range { blob, from, length } })
}

/// `bytes=a-b`, `bytes=a-` or `bytes=-n`; anything else, several ranges too, means all.
fn parse(text: &str, size: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let end = size.saturating_sub(1);
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => part(from, to.min(end), size),
        (Ok(from), Err(_)) if last.is_empty() => part(from, end, size),
        (Err(_), Ok(count)) if first.is_empty() && count > 0 => part(size.saturating_sub(count), end, size),
        _ => Range::Whole,
    }
}

fn part(from: u64, to: u64, size: u64) -> Range {
    if from >= size { Range::Impossible } else { Range::Part { from, to } }
}

/// JSON for a header: every character from U+007F on as its UTF-16 units.
pub(crate) fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c < '\u{7f}' {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}
