//! The settings: one table, and the values as the rest of the program uses them.
//!
//! A new setting is one field and one row here; everything else (file, environment, flags, `show`, `set`) follows.

use std::time::Duration;

use super::value::{RawValue, ValueError, format_duration, format_size, within};

/// All settings with checked values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// What other devices call this one, for example in conflict names.
    pub device_name: String,
    /// The block cache.
    pub cache: CacheSettings,
    /// Bytes that the provider does not have yet.
    pub staging: StagingSettings,
    /// The sync engine.
    pub sync: SyncSettings,
    /// Reads from the provider.
    pub fetch: FetchSettings,
    /// Limits of transfer.
    pub bandwidth: BandwidthSettings,
    /// Replaced and deleted versions.
    pub history: HistorySettings,
    /// Logging.
    pub log: LogSettings,
}

/// The block cache.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheSettings {
    /// Blocks are evicted above this many bytes per vault.
    pub max_bytes: u64,
    /// Blocks are evicted while the disk has less than this free.
    pub min_free_bytes: u64,
}

/// Staged bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StagingSettings {
    /// Writes get ENOSPC above this many bytes; 0: only the disk limits.
    pub max_bytes: u64,
    /// Writes get ENOSPC rather than leave less than this free on the disk.
    pub min_free_bytes: u64,
}

/// The sync engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncSettings {
    /// Sync without being asked.
    pub auto: bool,
    /// How long a file must rest after close before it is sent.
    pub quiet: Duration,
    /// How often the provider is asked for changes where it does not announce them.
    pub pull_interval: Duration,
    /// The mass-delete guard trips above this many nodes,
    pub delete_guard_nodes: u64,
    /// and above this share of the vault.
    pub delete_guard_percent: u64,
}

/// Reads from the provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchSettings {
    /// A reader gets an error if no byte arrived for this long.
    pub timeout: Duration,
    /// Ranges that are fetched at once, per vault.
    pub parallel: usize,
}

/// Limits of transfer, in bytes per second; 0: none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BandwidthSettings {
    /// To the provider.
    pub up: u64,
    /// From the provider.
    pub down: u64,
    /// Whether reads that somebody waits for are slowed too.
    pub limit_demand: bool,
}

/// Replaced and deleted versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistorySettings {
    /// Kept at least this many days.
    pub keep_days: u64,
    /// Kept at most this many per file, once they are older than that.
    pub keep_versions: u64,
}

/// Logging.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    /// What is logged: a level, or a list of `target=level`.
    pub level: String,
    /// Whether file names appear in logs in clear.
    pub names: bool,
}

/// One setting.
pub struct Setting {
    /// Key in `config.toml`.
    pub key: &'static str,
    /// Environment variable.
    pub variable: &'static str,
    /// Default, as it would be written; empty: taken from the machine.
    pub default: &'static str,
    /// May differ between vaults.
    pub per_vault: bool,
    /// One line for `config show` and the manual.
    pub description: &'static str,
    /// Checks and stores a value.
    pub set: fn(&mut Settings, &RawValue) -> Result<(), ValueError>,
    /// The value as it would be written.
    pub show: fn(&Settings) -> String,
    /// How the value is written in TOML.
    pub form: Form,
}

/// How a value is written in TOML.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// In quotes.
    Text,
    /// A bare number.
    Number,
    /// `true` or `false`.
    Switch,
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

macro_rules! setting {
    ($key:literal, $variable:literal, $default:literal, $vaults:ident, $form:ident, $about:literal,
     $($field:ident).+ = |$raw:ident| $parse:expr, |$value:ident| $show:expr) => {
        Setting {
            key: $key,
            variable: $variable,
            default: $default,
            per_vault: Scope::$vaults.per_vault(),
            description: $about,
            set: |settings, $raw| {
                settings.$($field).+ = $parse?;
                Ok(())
            },
            show: |settings| {
                let $value = &settings.$($field).+;
                $show
            },
            form: Form::$form,
        }
    };
}

/// Whether a setting may differ between vaults, in a word for the table.
enum Scope {
    Program,
    Vault,
}

impl Scope {
    const fn per_vault(self) -> bool {
        match self {
            Self::Program => false,
            Self::Vault => true,
        }
    }
}

/// Every setting, in the order in which `config show` prints them.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    setting!("device_name", "VAULTFS_DEVICE_NAME", "", Program, Text,
        "what other devices call this one, for example in the names of conflict copies",
        device_name = |raw| device_name(raw.text()?), |name| name.clone()),
    setting!("cache.max_bytes", "VAULTFS_CACHE_MAX_BYTES", "10 GiB", Vault, Text,
        "downloaded bytes kept on this machine; the least recently used go first",
        cache.max_bytes = |raw| raw.size(), |bytes| format_size(*bytes)),
    setting!("cache.min_free_bytes", "VAULTFS_CACHE_MIN_FREE_BYTES", "1 GiB", Vault, Text,
        "downloaded bytes are dropped while the disk has less than this free",
        cache.min_free_bytes = |raw| raw.size(), |bytes| format_size(*bytes)),
    setting!("staging.max_bytes", "VAULTFS_STAGING_MAX_BYTES", "0 B", Vault, Text,
        "edits waiting for upload may use this much; beyond it writes fail with \"no space left\"; 0: the whole disk",
        staging.max_bytes = |raw| raw.size(), |bytes| format_size(*bytes)),
    setting!("staging.min_free_bytes", "VAULTFS_STAGING_MIN_FREE_BYTES", "64 MiB", Vault, Text,
        "writes fail with \"no space left\" rather than leave less than this free",
        staging.min_free_bytes = |raw| raw.size(), |bytes| format_size(*bytes)),
    setting!("sync.auto", "VAULTFS_SYNC_AUTO", "true", Vault, Switch,
        "sync without being asked; false: only `vaultfs sync` does",
        sync.auto = |raw| raw.switch(), |on| on.to_string()),
    setting!("sync.quiet_ms", "VAULTFS_SYNC_QUIET_MS", "2000", Vault, Number,
        "milliseconds that a file must rest after it was closed before it is sent",
        sync.quiet = |raw| raw.number(0..=600_000).map(Duration::from_millis), |quiet| quiet.as_millis().to_string()),
    setting!("sync.pull_interval", "VAULTFS_SYNC_PULL_INTERVAL", "5m", Vault, Text,
        "how often the provider is asked for changes that it did not announce",
        sync.pull_interval = |raw| within(raw.duration()?, SECOND, DAY), |every| format_duration(*every)),
    setting!("sync.delete_guard_nodes", "VAULTFS_SYNC_DELETE_GUARD_NODES", "50", Vault, Number,
        "one sync that would delete more files than this, and more than the share below, asks first",
        sync.delete_guard_nodes = |raw| raw.number(0..=u64::MAX), |nodes| nodes.to_string()),
    setting!("sync.delete_guard_percent", "VAULTFS_SYNC_DELETE_GUARD_PERCENT", "25", Vault, Number,
        "share of the vault, in percent, for the guard above",
        sync.delete_guard_percent = |raw| raw.number(0..=100), |percent| percent.to_string()),
    setting!("fetch.timeout", "VAULTFS_FETCH_TIMEOUT", "30s", Vault, Text,
        "a read of bytes that are not here fails if nothing arrived for this long",
        fetch.timeout = |raw| within(raw.duration()?, SECOND, DAY), |timeout| format_duration(*timeout)),
    setting!("fetch.parallel", "VAULTFS_FETCH_PARALLEL", "8", Vault, Number,
        "downloads that run at once",
        fetch.parallel = |raw| parallel(raw), |parallel| parallel.to_string()),
    setting!("bandwidth.up", "VAULTFS_BANDWIDTH_UP", "0 B", Vault, Text,
        "upload limit per second, such as \"1 MiB/s\"; 0: none",
        bandwidth.up = |raw| raw.rate(), |rate| format_size(*rate)),
    setting!("bandwidth.down", "VAULTFS_BANDWIDTH_DOWN", "0 B", Vault, Text,
        "download limit per second; 0: none",
        bandwidth.down = |raw| raw.rate(), |rate| format_size(*rate)),
    setting!("bandwidth.limit_demand", "VAULTFS_BANDWIDTH_LIMIT_DEMAND", "false", Vault, Switch,
        "whether the download limit also slows reads that a program waits for",
        bandwidth.limit_demand = |raw| raw.switch(), |on| on.to_string()),
    setting!("history.keep_days", "VAULTFS_HISTORY_KEEP_DAYS", "30", Vault, Number,
        "replaced and deleted versions are kept at least this many days",
        history.keep_days = |raw| raw.number(0..=36_500), |days| days.to_string()),
    setting!("history.keep_versions", "VAULTFS_HISTORY_KEEP_VERSIONS", "20", Vault, Number,
        "older ones are kept up to this many per file",
        history.keep_versions = |raw| raw.number(0..=100_000), |versions| versions.to_string()),
    setting!("log.level", "VAULTFS_LOG", "info", Program, Text,
        "what is logged: error, warn, info, debug or trace, or a list such as \"info,vaultfs::sync=debug\"",
        log.level = |raw| log_level(raw.text()?), |level| level.clone()),
    setting!("log.names", "VAULTFS_LOG_NAMES", "false", Program, Switch,
        "whether file names appear in logs in clear",
        log.names = |raw| raw.switch(), |on| on.to_string()),
];

/// The row of a key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The key that was probably meant.
pub fn nearest(key: &str) -> Option<&'static str> {
    let limit = 1 + key.len() / 4;
    let distance = |setting: &&Setting| {
        let whole = edit_distance(key, setting.key);
        let (_, last) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        whole.min(edit_distance(key, last) + 1)
    };
    SETTINGS.iter().min_by_key(distance).filter(|best| distance(best) <= limit).map(|best| best.key)
}

impl Settings {
    /// What holds when nothing is set.
    pub fn defaults(host_name: &str) -> Self {
        let mut settings = Self {
            device_name: device_name(host_name).unwrap_or_else(|_| "this device".to_owned()),
            cache: CacheSettings { max_bytes: 0, min_free_bytes: 0 },
            staging: StagingSettings { max_bytes: 0, min_free_bytes: 0 },
            sync: SyncSettings {
                auto: false,
                quiet: Duration::ZERO,
                pull_interval: Duration::ZERO,
                delete_guard_nodes: 0,
                delete_guard_percent: 0,
            },
            fetch: FetchSettings { timeout: Duration::ZERO, parallel: 0 },
            bandwidth: BandwidthSettings { up: 0, down: 0, limit_demand: false },
            history: HistorySettings { keep_days: 0, keep_versions: 0 },
            log: LogSettings { level: String::new(), names: false },
        };
        for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
            (setting.set)(&mut settings, &RawValue::Text(setting.default.to_owned()))
                .expect("the defaults of the table are valid, which a test proves");
        }
        settings
    }
}

/// A name that can stand in file names of every provider.
fn device_name(name: &str) -> Result<String, ValueError> {
    const WRONG: ValueError =
        ValueError::Refused("expected 1 to 40 characters without / \\ : * ? \" < > | and control characters");
    let name = name.trim();
    let forbidden = |letter: char| letter.is_control() || "/\\:*?\"<>|".contains(letter);
    if name.is_empty() || name.chars().count() > 40 || name.contains(forbidden) || name.ends_with('.') {
        return Err(WRONG);
    }
    Ok(name.to_owned())
}

fn parallel(raw: &RawValue) -> Result<usize, ValueError> {
    usize::try_from(raw.number(1..=64)?).map_err(|_| ValueError::Number)
}

/// A list of levels, each for all or for one target.
fn log_level(text: &str) -> Result<String, ValueError> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let text = text.trim();
    let target = |target: &str| {
        !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
    };
    let all = text.split(',').all(|part| match part.trim().split_once('=') {
        Some((name, level)) => target(name) && LEVELS.contains(&level.to_ascii_lowercase().as_str()),
        None => LEVELS.contains(&part.trim().to_ascii_lowercase().as_str()),
    });
    if all { Ok(text.to_owned()) } else { Err(ValueError::LogLevel) }
}

/// Levenshtein distance of two short ASCII words.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, left_byte) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, right_byte) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(left_byte != right_byte);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
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
                _ => match setting.form {
                    Form::Switch => "true",
                    Form::Number => "3",
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
            ("log.level", "WARN", "loud"),
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
}
