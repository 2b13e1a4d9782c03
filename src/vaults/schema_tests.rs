//! R199: `docs/vaults.schema.json` describes what the code writes and reads. The checker here knows exactly the keywords
//! that the schema uses, and fails on any other.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::layout::LayoutKind;
use super::*;
use crate::types::Timestamp;

const SCHEMA: &str = include_str!("../../docs/vaults.schema.json");

/// Every way in which `value` breaks `rule`, as `place: problem`.
fn problems(schema: &Value, rule: &Map<String, Value>, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut complain = |problem: &str| found.push(format!("{place}: {problem}"));
    let text = value.as_str().unwrap_or_default();
    for (keyword, argument) in rule {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" | "properties" | "items" | "$ref" => true,
            "type" => match argument.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_u64() || value.is_i64(),
                other => panic!("the checker does not know the type {other}"),
            },
            "required" => argument.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "enum" => argument.as_array().unwrap().contains(value),
            "minItems" => value.as_array().is_some_and(|list| list.len() as u64 >= argument.as_u64().unwrap()),
            "minLength" => text.chars().count() as u64 >= argument.as_u64().unwrap(),
            "maxLength" => text.chars().count() as u64 <= argument.as_u64().unwrap(),
            "format" => match argument.as_str().unwrap() {
                "uuid" => text.len() == 36 && text.parse::<uuid::Uuid>().is_ok(),
                "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
                other => panic!("the checker does not know the format {other}"),
            },
            "pattern" => match argument.as_str().unwrap() {
                "^1\\." => text.starts_with("1."),
                "^(ns:[0-9A-Za-z_-]+)?(/[^/]+)*$" => {
                    let path = text.strip_prefix("ns:").map_or(text, |rest| rest.trim_start_matches(|c| c != '/'));
                    path.is_empty() || (path.starts_with('/') && !path.ends_with('/') && !path.contains("//"))
                }
                "^[A-Za-z0-9._~-]*$" => {
                    text.chars().all(|letter| letter.is_ascii_alphanumeric() || "._~-".contains(letter))
                }
                other => panic!("the checker does not know the pattern {other}"),
            },
            other => panic!("the checker does not know the keyword {other}"),
        };
        if !holds {
            complain(&format!("{keyword} {argument}"));
        }
    }
    if let Some(reference) = rule.get("$ref").and_then(Value::as_str) {
        let target = schema.pointer(reference.strip_prefix('#').unwrap()).unwrap().as_object().unwrap();
        found.extend(problems(schema, target, value, place));
    }
    if let (Some(rules), Some(members)) = (rule.get("properties").and_then(Value::as_object), value.as_object()) {
        for (name, member) in members {
            if let Some(rule) = rules.get(name) {
                found.extend(problems(schema, rule.as_object().unwrap(), member, &format!("{place}.{name}")));
            }
        }
    }
    if let (Some(rule), Some(items)) = (rule.get("items"), value.as_array()) {
        for (at, item) in items.iter().enumerate() {
            found.extend(problems(schema, rule.as_object().unwrap(), item, &format!("{place}[{at}]")));
        }
    }
    found
}

fn check(text: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    problems(&schema, schema.as_object().unwrap(), &serde_json::from_str(text).unwrap(), "")
}

/// A registry in which every field of every object is there.
fn full() -> Registry {
    let mut registry = Registry::default();
    for provider in ProviderKind::ALL {
        let mut vault = NewVault::new(provider.as_str(), provider, &format!("/vaults/{provider}"), LayoutKind::Cases);
        vault.dropbox_config = Some(DropboxConfig { folder_path: "/Apps/Muze/MyVault".into() });
        vault.icloud_config = Some(IcloudConfig { container_id: "iCloud.com.krondor.muze".into() });
        vault.vaultfs = VaultfsSettings {
            layout: LayoutKind::Cases,
            mount: MountSettings { auto: true, read_only: true, allow_other: true, path: Some("/m".into()) },
            account: Some("anna".into()),
            state_dir: Some("/s".into()),
            cache_dir: Some("/c".into()),
            link: Some(SimulatedLink { latency_ms: 50, bytes_per_second: Some(1_000_000) }),
        };
        let id = registry.add(vault).unwrap().id;
        registry.update_status(id, SyncStatus::Synced, Some(Timestamp(0))).unwrap();
    }
    registry.repair();
    registry
}

#[test]
fn what_is_written_follows_the_schema_and_is_read_back() {
    let registry = full();
    assert_eq!(check(&registry.to_text()), Vec::<String>::new());
    assert_eq!(Registry::parse(Path::new("x"), registry.to_text().as_bytes()).unwrap(), registry);
    for fixture in ["vaults.json", "vaults-later.json"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/muze").join(fixture);
        assert_eq!(check(&std::fs::read_to_string(path).unwrap()), Vec::<String>::new(), "{fixture}");
    }
}

#[test]
fn schema_and_code_know_the_same_fields() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let document: Value = serde_json::from_str(&full().to_text()).unwrap();
    let keys = |object: &Value| -> Vec<String> {
        let mut keys: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
        keys.sort_unstable();
        keys
    };
    for (rules, written) in [
        ("/properties", ""),
        ("/$defs/vault/properties", "/vaults/0"),
        ("/$defs/dropbox_config/properties", "/vaults/0/dropbox_config"),
        ("/$defs/icloud_config/properties", "/vaults/0/icloud_config"),
        ("/$defs/vaultfs/properties", "/vaults/0/vaultfs"),
        ("/$defs/mount/properties", "/vaults/0/vaultfs/mount"),
    ] {
        assert_eq!(keys(schema.pointer(rules).unwrap()), keys(document.pointer(written).unwrap()), "{rules}");
    }
    let words = |pointer: &str| schema.pointer(pointer).unwrap().clone();
    assert_eq!(words("/$defs/vault/properties/provider/enum"), json!(ProviderKind::ALL));
    assert_eq!(words("/$defs/vault/properties/sync_status/enum"), json!(SyncStatus::ALL));
    assert_eq!(words("/$defs/vaultfs/properties/layout/enum"), json!(LayoutKind::ALL));
}

#[test]
fn the_schema_refuses_what_the_code_refuses() {
    let good = full().to_text();
    for (right, wrong) in [
        ("\"dropbox\",", "\"gdrive\","),
        ("\"synced\"", "\"Synced\""),
        ("\"cases\"", "\"opera\""),
        ("\"version\": \"1.0\"", "\"version\": \"2.0\""),
        ("\"path\": \"/vaults/local\",", ""),
        ("\"is_default\": true", "\"is_default\": \"yes\""),
        ("\"folder_path\": \"/Apps", "\"folder\": \"/Apps"),
    ] {
        let text = good.replace(right, wrong);
        assert_ne!(text, good, "{right} is in the text");
        assert_ne!(check(&text), Vec::<String>::new(), "the schema takes {wrong}");
        assert!(Registry::parse(Path::new("x"), text.as_bytes()).is_err(), "the code takes {wrong}");
    }
}
