//! A route's own error (status 409): a union of unions, kept as the path of its tags. Matching a path of words survives tags that are
//! new, and all the ways in which the service nests them.

use std::time::Duration;

use serde_json::Value;

use crate::provider::{ErrorKind, ProviderError};

/// Deeper nesting is not followed.
const MAX_DEPTH: usize = 8;

/// How long a file that somebody has locked, or a namespace that is busy with other writes, is left alone.
const LOCKED_PAUSE: Duration = Duration::from_secs(60);
const CONTENTION_PAUSE: Duration = Duration::from_secs(1);

/// A refusal, by its tags from the outside in: `["path", "conflict", "file"]`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Refusal {
    tags: Vec<String>,
    user_message: Option<String>,
}

impl Refusal {
    /// Of a whole 409 body.
    pub(super) fn of_body(body: &Value) -> Option<Self> {
        let mut refusal = Self::of_union(body.get("error")?)?;
        refusal.user_message = body.pointer("/user_message/text").and_then(Value::as_str).map(str::to_owned);
        Some(refusal)
    }

    /// Of an error union alone, as batches have them.
    pub(super) fn of_union(union: &Value) -> Option<Self> {
        let mut tags = Vec::new();
        let mut at = union;
        for _ in 0..MAX_DEPTH {
            let tag = match at {
                Value::String(tag) => tag,
                Value::Object(fields) => match fields.get(".tag").and_then(Value::as_str) {
                    Some(tag) => tag,
                    None => break,
                },
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => break,
            };
            tags.push(tag.to_owned());
            match at.get(tag).or_else(|| at.get("reason")).or_else(|| at.get("failure")) {
                Some(inner) => at = inner,
                None => break,
            }
        }
        (!tags.is_empty()).then_some(Self { tags, user_message: None })
    }

    /// True if one of the tags is this word.
    pub(super) fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    /// The tags in one line, for people who report a problem.
    pub(super) fn words(&self) -> String {
        self.tags.join("/")
    }

    /// What it means for the engine, where the route has no meaning of its own for it. `subject` names the thing.
    pub(super) fn into_error(self, operation: &'static str, subject: &str) -> ProviderError {
        let (kind, what, pause) = self.meaning();
        let mut message = format!("{subject}: {what}");
        if let Some(words) = &self.user_message {
            message = format!("{message}: {words}");
        }
        let error = ProviderError::new(kind, operation, message).caused_by(format!("Dropbox says {}", self.words()));
        match pause {
            Some(pause) => error.retry_after(pause),
            None => error,
        }
    }

    /// The innermost tag that we know decides.
    fn meaning(&self) -> (ErrorKind, &'static str, Option<Duration>) {
        self.tags.iter().rev().find_map(|tag| meaning_of(tag)).unwrap_or((
            ErrorKind::Protocol,
            "Dropbox refuses, for a reason that this version does not know",
            None,
        ))
    }
}

fn meaning_of(tag: &str) -> Option<(ErrorKind, &'static str, Option<Duration>)> {
    let plain = |kind, what| Some((kind, what, None));
    match tag {
        "not_found" | "not_folder" | "not_file" => plain(ErrorKind::NotFound, "there is no such entry in Dropbox"),
        "conflict" | "file_ancestor" => plain(ErrorKind::Exists, "the name is taken"),
        "malformed_path" | "disallowed_name" => {
            plain(ErrorKind::Refused, "Dropbox cannot hold this name: give it another one")
        }
        "insufficient_space" | "insufficient_quota" => {
            plain(ErrorKind::NoSpace, "the Dropbox is full: free space there, or get more")
        }
        "payload_too_large" | "too_large" => plain(ErrorKind::Refused, "it is larger than Dropbox takes"),
        "content_hash_mismatch" => plain(ErrorKind::Corrupt, "the bytes were damaged on the way"),
        "restricted_content" => plain(ErrorKind::Forbidden, "Dropbox has blocked it for legal reasons"),
        "unsupported_file" | "unsupported_content_type" => {
            plain(ErrorKind::Unsupported, "it is a document of Dropbox itself and has no bytes: open it in the browser")
        }
        "no_write_permission" | "no_permission" | "access_restricted" | "cant_transfer_ownership" | "team_folder" => {
            plain(ErrorKind::Forbidden, "you may not change it")
        }
        "cant_move_folder_into_itself" | "duplicated_or_nested_paths" => {
            plain(ErrorKind::Invalid, "a folder cannot go into itself")
        }
        "cant_nest_shared_folder" | "cant_copy_shared_folder" | "cant_move_shared_folder" => {
            plain(ErrorKind::Forbidden, "Dropbox does not move this shared folder there")
        }
        "cant_move_into_vault" | "cant_move_into_family" => {
            plain(ErrorKind::Forbidden, "Dropbox does not move anything there")
        }
        "too_many_files" => plain(ErrorKind::Forbidden, "it holds more files than Dropbox changes at once"),
        "locked" => Some((ErrorKind::Busy, "somebody has locked it", Some(LOCKED_PAUSE))),
        "too_many_write_operations" | "operation_suppressed" => {
            Some((ErrorKind::Busy, "Dropbox is busy with other changes", Some(CONTENTION_PAUSE)))
        }
        "not_satisfiable" => plain(ErrorKind::Invalid, "there are no such bytes"),
        "reset" => plain(ErrorKind::CursorReset, "Dropbox has lost the place in the list of changes"),
        "internal_error" => plain(ErrorKind::Ambiguous, "Dropbox failed in the middle"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(error: Value) -> Refusal {
        Refusal::of_body(&json!({"error_summary": "x/..", "error": error})).unwrap()
    }

    #[test]
    fn tags_are_found_however_they_are_nested() {
        let nested = refusal(json!({".tag": "path", "path": {".tag": "not_found"}}));
        assert!(nested.has("path") && nested.has("not_found") && !nested.has("path/not_found"));
        let inlined = refusal(json!({".tag": "path", "reason": {".tag": "conflict", "conflict": {".tag": "file"}},
            "upload_session_id": "x"}));
        assert_eq!(inlined.words(), "path/conflict/file");
        let offset = refusal(
            json!({".tag": "lookup_failed", "lookup_failed": {".tag": "incorrect_offset", "correct_offset": 9}}),
        );
        assert_eq!(offset.words(), "lookup_failed/incorrect_offset");
        assert_eq!(refusal(json!("reset")).words(), "reset");
        assert_eq!(Refusal::of_body(&json!({"error": {}})), None);
        assert_eq!(Refusal::of_body(&json!([])), None);
    }

    #[test]
    fn a_bomb_of_nesting_ends() {
        let mut bomb = json!({".tag": "a"});
        for _ in 0..100 {
            bomb = json!({".tag": "a", "a": bomb});
        }
        assert_eq!(refusal(bomb).tags.len(), MAX_DEPTH);
    }

    #[test]
    fn refusals_become_kinds_that_the_engine_knows() {
        let kind = |error| refusal(error).into_error("upload", "mix.json").kind;
        let path = |reason: &str| json!({".tag": "path", "reason": {".tag": reason}});
        for (tag, expected) in [
            ("malformed_path", ErrorKind::Refused),
            ("disallowed_name", ErrorKind::Refused),
            ("insufficient_space", ErrorKind::NoSpace),
            ("no_write_permission", ErrorKind::Forbidden),
            ("too_many_write_operations", ErrorKind::Busy),
            ("a_tag_of_next_year", ErrorKind::Protocol),
        ] {
            assert_eq!(kind(path(tag)), expected, "{tag}");
        }
        // An unknown detail inside a known tag does not hide it.
        let detailed = json!({".tag": "path", "path": {".tag": "conflict", "conflict": {".tag": "hologram"}}});
        assert_eq!(kind(detailed), ErrorKind::Exists);
        let error = refusal(path("too_many_write_operations")).into_error("upload", "mix.json");
        assert_eq!(error.retry_after, Some(CONTENTION_PAUSE));
        assert!(error.to_string().contains("mix.json"));
    }
}
