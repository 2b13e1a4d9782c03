//! Temporary links: contents by plain GET, for four hours.

use std::collections::HashMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::Value;

use super::ranges;
use super::service::Dropbox;
use crate::content::Blob;
use crate::http::{Request, Response};

/// Life of a link, in seconds.
pub(crate) const LIFE: i64 = 4 * 3600;

/// Links that were given out.
#[derive(Default)]
pub(crate) struct Links(HashMap<String, Link>);

struct Link {
    blob: Arc<Blob>,
    rev: Arc<str>,
    expires: i64,
}

impl Links {
    pub(crate) fn add(&mut self, id: String, blob: Arc<Blob>, rev: Arc<str>, expires: i64) {
        self.0.insert(id, Link { blob, rev, expires });
    }
}

/// The answer to someone who follows a link.
pub(crate) fn follow(dropbox: &Dropbox, id: &str, request: &Request) -> Response {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Response::text(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    let now = dropbox.clock.seconds();
    let links = dropbox.links();
    match links.0.get(id) {
        None => Response::text(StatusCode::NOT_FOUND, ""),
        Some(link) if now >= link.expires => Response::text(StatusCode::GONE, ""),
        Some(link) => {
            let whole = ranges::content(request, &Value::Null, &link.rev, link.blob.clone(), "application/binary");
            whole.unwrap_or_else(|_| Response::text(StatusCode::RANGE_NOT_SATISFIABLE, ""))
        }
    }
}
