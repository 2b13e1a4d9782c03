//! Reads and changes single members of a JSON manifest without touching any other byte.
//!
//! Parsing and printing again would respell numbers, reorder keys and reformat; a recorder and a merge both care. So the
//! text is checked by the real parser and then only the bytes of the changed values are replaced.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::types::Timestamp;

/// A member of the outermost object: its key and the bytes of its value.
#[derive(Debug)]
struct Member {
    key: String,
    value: Range<usize>,
}

/// The manifest as an object; `None` if it is anything else (half written, not JSON, nested too deep).
pub(super) fn parse(manifest: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(manifest).ok()
}

/// The time of the last save as the manifest tells it.
pub(super) fn modified_at(manifest: &[u8]) -> Option<Timestamp> {
    let time: jiff::Timestamp = parse(manifest)?.get("modified_at")?.as_str()?.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok().map(Timestamp)
}

/// Replaces the string values of members that are already there as strings; others are neither added nor changed.
/// `None` if the text is no JSON object.
pub(super) fn replace_strings(manifest: &[u8], changes: &[(&str, &str)]) -> Option<Vec<u8>> {
    parse(manifest)?;
    let mut rewritten = Vec::with_capacity(manifest.len() + 64);
    let mut copied = 0;
    for member in members(manifest)? {
        let Some((_, new)) = changes.iter().find(|(key, _)| *key == member.key) else { continue };
        if manifest.get(member.value.start) != Some(&b'"') {
            continue;
        }
        rewritten.extend_from_slice(&manifest[copied..member.value.start]);
        rewritten.extend_from_slice(Value::from(*new).to_string().as_bytes());
        copied = member.value.end;
    }
    rewritten.extend_from_slice(&manifest[copied..]);
    Some(rewritten)
}

/// Members of the outermost object, in order. The text must have passed [`parse`]: the scan relies on its syntax.
fn members(text: &[u8]) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    let mut at = skip_space(text, 0);
    at = skip_space(text, at + 1); // the opening brace
    while text.get(at) == Some(&b'"') {
        let key_end = end_of_value(text, at);
        let key = serde_json::from_slice(text.get(at..key_end)?).ok()?;
        let colon = skip_space(text, key_end);
        let start = skip_space(text, colon + 1);
        let end = end_of_value(text, start);
        members.push(Member { key, value: start..end });
        at = skip_space(text, end);
        if text.get(at) == Some(&b',') {
            at = skip_space(text, at + 1);
        }
    }
    Some(members)
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// One past the last byte of the value that starts at `at`.
fn end_of_value(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        match text.get(at) {
            None => return at,
            Some(b'"') => {
                at += 1;
                while text.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if text.get(at) == Some(&b'\\') { 2 } else { 1 };
                }
                at += 1;
            }
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
            }
            Some(b'}' | b']') => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            Some(_) => {
                while text.get(at).is_some_and(|byte| !b"\"{}[],".contains(byte) && !byte.is_ascii_whitespace()) {
                    at += 1;
                }
            }
        }
        if depth == 0 {
            return at;
        }
        while text.get(at).is_some_and(|byte| *byte == b',' || byte.is_ascii_whitespace()) {
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z\"\\\\{}\\[\\],: é\n]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-z\"\\\\é]{0,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn members_are_those_of_the_parser(object in prop::collection::hash_map("[a-z\"\\\\ é]{0,4}", json(), 0..5),
                                           pretty in any::<bool>()) {
            let object: Map<String, Value> = object.into_iter().collect();
            let text = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
            let found: Vec<(String, Value)> = members(&text).unwrap().into_iter()
                .map(|member| (member.key, serde_json::from_slice(&text[member.value]).unwrap())).collect();
            prop_assert_eq!(found, object.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_refused_or_rewritten_as_json(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(rewritten) = replace_strings(&bytes, &[("name", "x")]) {
                prop_assert!(parse(&rewritten).is_some());
            }
        }
    }

    #[test]
    fn only_the_named_strings_change() {
        let text =
            b"{ \"na\\u006de\" :\t\"Old\",\r\n  \"volume\": 0.80, \"tracks\": [{\"name\": \"Drums\"}],\"id\":7}\n";
        let changed = replace_strings(text, &[("name", "N\"w"), ("absent", "x"), ("id", "x")]).unwrap();
        let expected =
            "{ \"na\\u006de\" :\t\"N\\\"w\",\r\n  \"volume\": 0.80, \"tracks\": [{\"name\": \"Drums\"}],\"id\":7}\n";
        assert_eq!(String::from_utf8(changed).unwrap(), expected);
    }

    #[test]
    fn half_a_manifest_is_left_alone() {
        for text in ["", "{", "{\"name\": \"x\"", "[]", "null", "{\"name\": \"x\"} trailing"] {
            assert_eq!(replace_strings(text.as_bytes(), &[("name", "y")]), None, "{text}");
        }
        assert_eq!(replace_strings(b"{}", &[("name", "y")]), Some(b"{}".to_vec()));
    }
}
