//! The table of settings: defaults, fields, names, bounds.

use super::*;

#[test]
fn every_default_is_valid_and_shown_as_it_is_written() {
    let settings = Settings::defaults("studio");
    for setting in SETTINGS {
        let expected = if setting.key == "device_name" { "studio" } else { setting.default };
        assert_eq!((setting.show)(&settings), expected, "{}", setting.key);
    }
    assert_eq!(settings.cache.max_bytes, 10 << 30);
    assert_eq!(settings.sync.quiet, Duration::from_secs(2));
}

#[test]
fn each_row_stores_its_own_field() {
    for setting in SETTINGS {
        let other = match setting.key {
            "device_name" => "laptop",
            "log.level" => "warn,vaultfs::sync=debug",
            "sync.auto" => "false",
            "bandwidth.schedule" => "daily 08:00-18:00 up 3 MiB",
            "rules.disabled_packs" => "[\"audio\"]",
            "secrets.store" => "file",
            "dropbox.base_url" => "https://gateway.example/dropbox",
            "dropbox.redirect_ports" => "1024, 0",
            _ => match setting.form {
                Form::Switch => "true",
                Form::Number => "3",
                Form::List => "[\"*.x\", \"y z\"]",
                Form::Text if setting.default.ends_with('B') => "3 MiB",
                Form::Text => "7m",
            },
        };
        let before = Settings::defaults("studio");
        let mut after = before.clone();
        (setting.set)(&mut after, &RawValue::Text(other.to_owned())).unwrap();
        assert_eq!((setting.show)(&after), other);
        for untouched in SETTINGS.iter().filter(|row| row.key != setting.key) {
            assert_eq!((untouched.show)(&after), (untouched.show)(&before), "{} by {}", untouched.key, setting.key);
        }
    }
}

#[test]
fn variables_are_named_after_their_keys() {
    for setting in SETTINGS.iter().filter(|setting| setting.key != "log.level") {
        assert_eq!(setting.variable, format!("VAULTFS_{}", setting.key.to_uppercase().replace('.', "_")));
    }
}

#[test]
fn keys_and_variables_are_unique() {
    let unique = |names: Vec<&str>| names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len();
    assert!(unique(SETTINGS.iter().map(|setting| setting.key).collect()));
    assert!(unique(SETTINGS.iter().map(|setting| setting.variable).collect()));
}

#[test]
fn values_out_of_bounds_are_refused() {
    let set = |key: &str, value: &str| {
        (find(key).unwrap().set)(&mut Settings::defaults("x"), &RawValue::Text(value.to_owned())).is_ok()
    };
    for (key, good, bad) in [
        ("device_name", "Anna's Mac", "a/b"),
        ("device_name", "x", " "),
        ("sync.delete_guard_percent", "100", "101"),
        ("sync.quiet_ms", "0", "600001"),
        ("sync.pull_interval", "1s", "0s"),
        ("fetch.timeout", "24h", "25h"),
        ("fetch.parallel", "64", "0"),
        ("sync.exclude", "*.bak, Archive", "*"),
        ("sync.include", "[\"*.pdf\"]", "/"),
        ("sync.folders", "Cases/24-0117", "../elsewhere"),
        ("rules.local_only", "*.cache", "a/b"),
        ("rules.disabled_packs", "audio", "video"),
        ("log.level", "WARN", "loud"),
        ("secrets.store", "key-store", "keychain"),
        ("dropbox.app_key", "ab12cd34ef56gh7", "not a key"),
        ("dropbox.app_key", "", "ab12/.."),
        ("dropbox.base_url", "http://127.0.0.1:8080", "api.dropboxapi.com"),
        ("dropbox.base_url", "", "https://host name"),
        ("dropbox.redirect_ports", "47853", "65536"),
        ("dropbox.redirect_ports", "1,2,3", ""),
        ("log.level", "info,vaultfs::fetch=trace", "info,=trace"),
    ] {
        assert!(set(key, good), "{key} = {good}");
        assert!(!set(key, bad), "{key} = {bad}");
    }
}

#[test]
fn misspelt_keys_find_their_setting() {
    assert_eq!(nearest("cache.max_byte"), Some("cache.max_bytes"));
    assert_eq!(nearest("devicename"), Some("device_name"));
    assert_eq!(nearest("pull_interval"), Some("sync.pull_interval"));
    assert_eq!(nearest("colour"), None);
}
