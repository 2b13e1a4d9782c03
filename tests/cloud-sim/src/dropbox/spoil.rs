//! Answers made wrong on purpose: what a newer or a broken service could send.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::faults::Special;
use crate::http::{Body, Response};

pub(crate) fn spoil(mut response: Response, special: Option<Special>) -> Response {
    let change: fn(&mut Value) = match special {
        Some(Special::UnknownFields) => add_fields,
        Some(Special::UnknownTags) => change_error,
        Some(Special::WrongHash) => change_hash,
        Some(
            Special::ResetCursor
            | Special::RepeatPage
            | Special::ReversePage
            | Special::EmptyPage
            | Special::IgnoreRange
            | Special::OtherRange
            | Special::StoreWrong
            | Special::NotFoundYet,
        )
        | None => return response,
    };
    if let Some(header) = response.headers.get_mut("dropbox-api-result")
        && let Ok(mut value) = serde_json::from_slice(header.as_bytes())
    {
        change(&mut value);
        if let Ok(changed) = super::ranges::ascii(&value).parse() {
            *header = changed;
        }
    }
    let is_json = response.headers.get("content-type").is_some_and(|kind| kind == "application/json");
    if let Body::Bytes(bytes) = &mut response.body
        && is_json
        && let Ok(mut value) = serde_json::from_slice(bytes)
    {
        change(&mut value);
        *bytes = Bytes::from(value.to_string());
    }
    response
}

/// A field, a list and an object that nobody knows, in every object.
fn add_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_fields);
            fields.insert("x_new_field".to_owned(), json!({ ".tag": "novel", "list": [1, null] }));
        }
        Value::Array(items) => items.iter_mut().for_each(add_fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The error's outermost tag is one that nobody knows.
fn change_error(value: &mut Value) {
    if value.get("error").is_some() {
        *value = json!({ "error_summary": "novel_trouble/..", "error": { ".tag": "novel_trouble" } });
    }
}

fn change_hash(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "content_hash" {
                    *field = Value::String("0".repeat(64));
                } else {
                    change_hash(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(change_hash),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
