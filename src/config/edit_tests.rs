//! What `config set` does to a file that people wrote.

use std::fs;
use std::path::PathBuf;
use std::thread;

use super::*;

struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    File { _folder: folder, path }
}

fn text(file: &File) -> String {
    fs::read_to_string(&file.path).unwrap()
}

const WRITTEN: &str = "# My settings\n\ndevice_name = \"old\"   # the big one\n\n[sync]\n# quick\nquiet_ms = 500 # ms\n\n\
                       [vault.\"Band: live\"]\ncache = { max_bytes = \"1 GiB\" }\n";

#[test]
fn a_changed_value_keeps_all_that_is_around_it() {
    let file = file(WRITTEN);
    set(&file.path, "device_name", "new", None).unwrap();
    set(&file.path, "sync.quiet_ms", "1000", None).unwrap();
    set(&file.path, "cache.max_bytes", "2 GiB", Some("Band: live")).unwrap();
    assert_eq!(text(&file), WRITTEN.replace("old", "new").replace("500", "1000").replace("1 GiB", "2 GiB"));
}

#[test]
fn new_values_go_to_their_section() {
    let file = file("# only a comment");
    set(&file.path, "sync.auto", "no", None).unwrap();
    set(&file.path, "sync.quiet_ms", "0", None).unwrap();
    set(&file.path, "bandwidth.up", "1 MiB/s", Some("Band: live")).unwrap();
    assert_eq!(
        text(&file),
        "# only a comment\n[sync]\nauto = false\nquiet_ms = 0\n\n[vault.\"Band: live\".bandwidth]\nup = \"1 MiB/s\"\n"
    );
}

#[test]
fn a_missing_file_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vaultfs/config.toml");
    set(&path, "log.level", "debug", None).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[log]\nlevel = \"debug\"\n");
}

#[test]
fn refused_changes_leave_the_file_as_it_was() {
    let file = file(WRITTEN);
    let refused = |key: &str, value: &str, vault: Option<&str>| {
        let message = set(&file.path, key, value, vault).unwrap_err().to_string();
        assert_eq!(text(&file), WRITTEN);
        message
    };
    assert_eq!(
        refused("sync.quiet", "1", None),
        "command line: unknown setting \"sync.quiet\"; did you mean \"sync.quiet_ms\"?"
    );
    assert_eq!(
        refused("fetch.timeout", "soon", None),
        "command line: fetch.timeout = \"soon\": expected a duration such as \"30s\", \"5m\" or \"1h 30m\""
    );
    assert_eq!(
        refused("log.names", "true", Some("Band: live")),
        "command line: \"log.names\" cannot be set for a single vault; leave out --vault"
    );
}

#[test]
fn a_broken_file_is_never_overwritten() {
    for broken in ["[sync\n", "sync = 5\n", "cache.max_bytes = \"lots\"\n", "colour = 1\n"] {
        let file = file(broken);
        set(&file.path, "sync.auto", "true", None).unwrap_err();
        assert_eq!(text(&file), broken);
    }
}

#[test]
fn unset_brings_the_default_back() {
    let file = file(WRITTEN);
    assert!(unset(&file.path, "sync.quiet_ms", None).unwrap());
    assert!(!unset(&file.path, "sync.quiet_ms", None).unwrap());
    assert!(!unset(&file.path, "sync.quiet_ms", Some("nobody")).unwrap());
    assert!(!text(&file).contains("quiet_ms"));
    assert!(text(&file).contains("# the big one"));
}

#[test]
fn changes_at_the_same_time_are_all_kept() {
    let file = file("");
    let keys = ["fetch.parallel", "history.keep_days", "history.keep_versions", "sync.quiet_ms"];
    thread::scope(|scope| {
        for key in keys {
            let path = &file.path;
            scope.spawn(move || (1..=10).for_each(|value| set(path, key, &value.to_string(), None).unwrap()));
        }
    });
    let parsed = ConfigFile::load(&file.path).unwrap();
    let mut found: Vec<(&str, RawValue)> =
        parsed.values().iter().map(|value| (value.setting.key, value.raw.clone())).collect();
    found.sort_by_key(|(key, _)| *key);
    assert_eq!(found, keys.map(|key| (key, RawValue::Integer(10))));
}
