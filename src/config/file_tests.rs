//! The file and its error messages, word for word.

use super::*;

fn parse(text: &str) -> Result<ConfigFile, ConfigError> {
    ConfigFile::parse(Path::new("/c/config.toml"), text)
}

fn refusal(text: &str) -> String {
    match parse(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn values_are_found_with_their_lines_however_they_are_written() {
    let file = parse(
        "# mine\ndevice_name = \"studio\"\n\n[cache]\nmax_bytes = 1_000\n\n[sync]\nauto = false\n\n\
         [vault.\"Band: live\"]\nsync.quiet_ms = 0x10\nbandwidth = { up = \"1 MiB/s\" }\n[vault.Work.cache]\nmax_bytes = 1.5\n",
    )
    .unwrap();
    let mut found: Vec<(Option<&str>, &str, RawValue, usize)> = file
        .values()
        .iter()
        .map(|value| (value.vault.as_deref(), value.setting.key, value.raw.clone(), value.line))
        .collect();
    found.sort_by_key(|(.., line)| *line);
    assert_eq!(
        found,
        [
            (None, "device_name", RawValue::Text("studio".into()), 2),
            (None, "cache.max_bytes", RawValue::Integer(1000), 5),
            (None, "sync.auto", RawValue::Boolean(false), 8),
            (Some("Band: live"), "sync.quiet_ms", RawValue::Integer(16), 11),
            (Some("Band: live"), "bandwidth.up", RawValue::Text("1 MiB/s".into()), 12),
            (Some("Work"), "cache.max_bytes", RawValue::Other("a number with a fraction"), 14),
        ]
    );
}

#[test]
fn wrong_keys_are_refused_with_key_line_and_advice() {
    assert_eq!(
        refusal("[cache]\nmax_byte = 1\n"),
        "/c/config.toml:2: unknown setting \"cache.max_byte\"; did you mean \"cache.max_bytes\"?"
    );
    assert_eq!(
        refusal("\ncolour = \"red\"\n"),
        "/c/config.toml:2: unknown setting \"colour\"; `vaultfs config show` lists all settings"
    );
    assert_eq!(
        refusal("[vault.Band]\nlog.level = \"debug\"\n"),
        "/c/config.toml:2: \"log.level\" cannot be set for a single vault; move it out of [vault.\"Band\"]"
    );
    assert_eq!(
        refusal("[vault]\nBand = 1\n"),
        "/c/config.toml:2: unknown setting \"vault.Band\"; `vaultfs config show` lists all settings"
    );
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    let message = refusal("device_name = \"x\"\n[cache\nmax_bytes = 1\n");
    assert!(message.starts_with("/c/config.toml:2: not valid TOML: "), "{message}");
    assert!(
        refusal("sync.auto = true\nsync.auto = false\n").starts_with("/c/config.toml:2: not valid TOML: duplicate")
    );
}

#[test]
fn no_file_is_an_empty_file_and_bytes_are_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    assert!(ConfigFile::load(&path).unwrap().values().is_empty());
    std::fs::write(&path, b"device_name = \"\xff\"").unwrap();
    assert!(matches!(ConfigFile::load(&path), Err(ConfigError::Unreadable { .. })));
}
