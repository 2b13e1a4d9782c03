//! Layers, origins and the text of `config show`.

use std::ffi::OsStr;
use std::path::Path;

use super::*;

const ID: VaultId = VaultId(uuid::Uuid::from_u128(0x7d4f_0000_0000_4000_8000_0000_0000_0001));

fn resolve(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let file = ConfigFile::parse(Path::new("/c/config.toml"), file).unwrap();
    let mut environment = Environment::of_variables(variables.iter().map(|(name, value)| (*name, OsStr::new(value))));
    environment.host_name = Some("studio".to_owned());
    let flags: Vec<(String, String)> = flags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Config::resolve(&Layers { file: &file, environment: &environment, flags: &flags })
}

fn shown(config: &Config, key: &str) -> (String, String) {
    let row = config.show().into_iter().find(|row| row.key == key).unwrap();
    (row.value, row.origin.to_string())
}

#[test]
fn the_strongest_layer_wins_and_is_named() {
    let file = "[fetch]\nparallel = 2\ntimeout = \"40s\"\n[history]\nkeep_days = 7\n";
    let config = resolve(
        file,
        &[("VAULTFS_FETCH_PARALLEL", "3"), ("VAULTFS_FETCH_TIMEOUT", "50s"), ("VAULTFS_LOG", "debug")],
        &[("fetch.parallel", "4")],
    )
    .unwrap();
    assert_eq!(config.settings().fetch.parallel, 4);
    assert_eq!(shown(&config, "fetch.parallel"), ("4".into(), "command line".into()));
    assert_eq!(shown(&config, "fetch.timeout"), ("50s".into(), "$VAULTFS_FETCH_TIMEOUT".into()));
    assert_eq!(shown(&config, "history.keep_days"), ("7".into(), "/c/config.toml:5".into()));
    assert_eq!(shown(&config, "log.level"), ("debug".into(), "$VAULTFS_LOG".into()));
    assert_eq!(shown(&config, "device_name"), ("studio".into(), "default".into()));
}

#[test]
fn a_vault_may_differ_by_name_or_id_but_not_against_this_run() {
    let file = format!(
        "cache.max_bytes = \"1 GiB\"\n[vault.\"CAFE\u{301}\"]\ncache.max_bytes = \"2 GiB\"\nfetch.parallel = 2\n\
         [vault.{ID}]\nsync.auto = false\n[vault.Other]\nfetch.parallel = 9\n"
    );
    let config = resolve(&file, &[("VAULTFS_FETCH_PARALLEL", "5")], &[]).unwrap();
    let cafe = config.for_vault("Caf\u{e9}", ID);
    assert_eq!((cafe.cache.max_bytes, cafe.fetch.parallel, cafe.sync.auto), (2 << 30, 5, false));
    assert_eq!(config.settings().cache.max_bytes, 1 << 30);
    let rows: Vec<(&str, String, String)> =
        config.show_vault("café", ID).into_iter().map(|row| (row.key, row.value, row.origin.to_string())).collect();
    assert_eq!(
        rows,
        [
            ("cache.max_bytes", "2 GiB".to_owned(), "/c/config.toml:3".to_owned()),
            ("sync.auto", "false".to_owned(), "/c/config.toml:6".to_owned()),
        ]
    );
}

#[test]
fn wrong_values_name_place_key_value_and_what_would_be_right() {
    let refusal = |file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]| {
        resolve(file, variables, flags).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        refusal("\n[cache]\nmax_bytes = \"lots\"", &[], &[]),
        "/c/config.toml:3: cache.max_bytes = \"lots\": expected a size such as \"500 MB\", \"10 GiB\" or a number of bytes"
    );
    assert_eq!(
        refusal("[vault.Band]\nsync.auto = 1", &[], &[]),
        "/c/config.toml:2: sync.auto = 1: expected true or false"
    );
    assert_eq!(
        refusal("[sync]\nauto = [true]", &[], &[]),
        "/c/config.toml:2: sync.auto = a list of something else than texts: expected true or false"
    );
    assert_eq!(
        refusal("", &[("VAULTFS_FETCH_TIMEOUT", "30")], &[]),
        "$VAULTFS_FETCH_TIMEOUT: fetch.timeout = \"30\": expected a duration such as \"30s\", \"5m\" or \"1h 30m\""
    );
    assert_eq!(
        refusal("", &[], &[("fetch.parallel", "0")]),
        "command line: fetch.parallel = \"0\": expected a value from 1 to 64"
    );
    assert_eq!(
        refusal("", &[], &[("fetch.paralel", "1")]),
        "command line: unknown setting \"fetch.paralel\"; did you mean \"fetch.parallel\"?"
    );
}

#[test]
fn the_list_of_settings_is_the_golden_one() {
    let lines: Vec<String> = resolve("", &[], &[])
        .unwrap()
        .show()
        .into_iter()
        .map(|row| format!("{} = {} ({}): {}\n", row.key, row.value, row.origin, row.description))
        .collect();
    let (shown, golden) = (lines.concat(), include_str!("golden/show.txt"));
    assert_eq!(shown, golden, "if this is meant, put the left side into src/config/golden/show.txt");
}
