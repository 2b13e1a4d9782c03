//! The settings: one table, and the values as the rest of the program uses them.
//!
//! A new setting is one field and one row here; everything else (file, environment, flags, `show`, `set`) follows.

use std::time::Duration;

use super::schedule::Schedule;
pub use super::sign_in::SecretPlace;
use super::sign_in::{BUILT_IN_APP_KEY, app_key, base_url, ports, secret_place, shown_ports};
use super::value::{RawValue, ValueError, format_duration, format_list, format_size, within};
use crate::rules::{Filter, FilterSettings, RuleSettings, Rules, RulesError};

/// All settings with checked values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// What other devices call this one, for example in conflict names.
    pub device_name: String,
    /// The block cache.
    pub cache: CacheSettings,
    /// Bytes that the provider does not have yet.
    pub staging: StagingSettings,
    /// Mounts.
    pub mount: MountingSettings,
    /// The sync engine.
    pub sync: SyncSettings,
    /// Which part of a vault takes part on this device.
    pub filter: FilterSettings,
    /// Names that never leave this machine.
    pub rules: RuleSettings,
    /// Reads from the provider.
    pub fetch: FetchSettings,
    /// Limits of transfer.
    pub bandwidth: BandwidthSettings,
    /// Replaced and deleted versions.
    pub history: HistorySettings,
    /// Where sign-ins are kept.
    pub secrets: SecretSettings,
    /// Sign-ins to Dropbox.
    pub dropbox: DropboxSettings,
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

/// Mounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountingSettings {
    /// The kernel reads and writes unsent files by itself where it may.
    pub passthrough: bool,
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
    /// Other limits at certain times.
    pub schedule: Schedule,
}

/// Replaced and deleted versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistorySettings {
    /// Kept at least this many days.
    pub keep_days: u64,
    /// Kept at most this many per file, once they are older than that.
    pub keep_versions: u64,
}

/// Where sign-ins are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretSettings {
    /// The kind of place.
    pub store: SecretPlace,
}

/// Sign-ins to Dropbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DropboxSettings {
    /// The app that people sign in to; empty: none is known.
    pub app_key: String,
    /// The server; empty: the service itself.
    pub base_url: String,
    /// Ports of this machine to which a browser may bring its answer; 0: any.
    pub redirect_ports: Vec<u16>,
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
    /// A running daemon takes a change over at once, not when it is started again.
    pub at_once: bool,
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
    /// Texts in brackets.
    List,
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

macro_rules! setting {
    ($key:literal, $variable:literal, $default:expr, $vaults:ident, $form:ident, $about:literal,
     $($field:ident).+ = |$raw:ident| $parse:expr, |$value:ident| $show:expr) => {
        Setting {
            key: $key,
            variable: $variable,
            default: $default,
            per_vault: Scope::$vaults.per_vault(),
            at_once: Scope::$vaults.at_once(),
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

/// Whether a setting may differ between vaults, and while they are open, in a word for the table.
enum Scope {
    Program,
    Vault,
    Live,
}

impl Scope {
    const fn per_vault(self) -> bool {
        match self {
            Self::Program => false,
            Self::Vault | Self::Live => true,
        }
    }

    const fn at_once(self) -> bool {
        match self {
            Self::Program | Self::Vault => false,
            Self::Live => true,
        }
    }
}

/// Every setting, in the order in which `config show` prints them.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    setting!("device_name", "VAULTFS_DEVICE_NAME", "", Program, Text,
        "what other devices call this one, for example in the names of conflict copies",
        device_name = |raw| device_name(raw.text()?), |name| name.clone()),
    setting!("cache.max_bytes", "VAULTFS_CACHE_MAX_BYTES", "10 GiB", Live, Text,
        "downloaded bytes kept on this machine; the least recently used go first",
        cache.max_bytes = |raw| raw.size(), |bytes| format_size(*bytes)),
    setting!("cache.min_free_bytes", "VAULTFS_CACHE_MIN_FREE_BYTES", "1 GiB", Live, Text,
        "downloaded bytes, all but a few, are dropped while the disk has less than this free",
        cache.min_free_bytes = |raw| raw.size(), |bytes| format_size(*bytes)),
    setting!("staging.max_bytes", "VAULTFS_STAGING_MAX_BYTES", "0 B", Live, Text,
        "edits waiting for upload may use this much; beyond it writes fail with \"no space left\"; 0: the whole disk",
        staging.max_bytes = |raw| raw.size(), |bytes| format_size(*bytes)),
    setting!("staging.min_free_bytes", "VAULTFS_STAGING_MIN_FREE_BYTES", "64 MiB", Live, Text,
        "writes fail with \"no space left\" rather than leave less than this free",
        staging.min_free_bytes = |raw| raw.size(), |bytes| format_size(*bytes)),
    setting!("mount.passthrough", "VAULTFS_MOUNT_PASSTHROUGH", "true", Vault, Switch,
        "the kernel reads and writes unsent files by itself where it may, at the speed of the disk; holds from the next mount on",
        mount.passthrough = |raw| raw.switch(), |on| on.to_string()),
    setting!("sync.auto", "VAULTFS_SYNC_AUTO", "true", Live, Switch,
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
    setting!("sync.folders", "VAULTFS_SYNC_FOLDERS", "[]", Live, List,
        "only these folders of the vault are shown and synced on this device; []: all of them",
        filter.folders = |raw| filter(raw, |list| FilterSettings { folders: list, ..FilterSettings::default() }),
        |list| format_list(list)),
    setting!("sync.include", "VAULTFS_SYNC_INCLUDE", "[]", Live, List,
        "only files that match one of these patterns are shown and synced on this device; []: all of them",
        filter.include = |raw| filter(raw, |list| FilterSettings { include: list, ..FilterSettings::default() }),
        |list| format_list(list)),
    setting!("sync.exclude", "VAULTFS_SYNC_EXCLUDE", "[]", Live, List,
        "what matches one of these patterns is not synced on this device; the provider keeps what it has",
        filter.exclude = |raw| filter(raw, |list| FilterSettings { exclude: list, ..FilterSettings::default() }),
        |list| format_list(list)),
    setting!("sync.documents_only", "VAULTFS_SYNC_DOCUMENTS_ONLY", "false", Live, Switch,
        "only documents (text, sheets, slides, mail, scans) and what sync.include names are shown and synced on this device",
        filter.documents_only = |raw| raw.switch(), |on| on.to_string()),
    setting!("rules.local_only", "VAULTFS_RULES_LOCAL_ONLY", "[]", Live, List,
        "further names that never leave this machine, such as [\"*.cache\"]",
        rules.local_only = |raw| rules(raw, |list| RuleSettings { local_only: list, ..RuleSettings::default() }),
        |list| format_list(list)),
    setting!("rules.always_sync", "VAULTFS_RULES_ALWAYS_SYNC", "[]", Live, List,
        "names that are synced whatever a rule says",
        rules.always_sync = |raw| rules(raw, |list| RuleSettings { always_sync: list, ..RuleSettings::default() }),
        |list| format_list(list)),
    setting!("rules.disabled_packs", "VAULTFS_RULES_DISABLED_PACKS", "[]", Live, List,
        "packs of rules that are switched off, such as [\"audio\"]",
        rules.disabled_packs = |raw| rules(raw, |list| RuleSettings { disabled_packs: list, ..RuleSettings::default() }),
        |list| format_list(list)),
    setting!("fetch.timeout", "VAULTFS_FETCH_TIMEOUT", "30s", Vault, Text,
        "a read of bytes that are not here fails if nothing arrived for this long",
        fetch.timeout = |raw| within(raw.duration()?, SECOND, DAY), |timeout| format_duration(*timeout)),
    setting!("fetch.parallel", "VAULTFS_FETCH_PARALLEL", "8", Vault, Number,
        "downloads that run at once",
        fetch.parallel = |raw| parallel(raw), |parallel| parallel.to_string()),
    setting!("bandwidth.up", "VAULTFS_BANDWIDTH_UP", "0 B", Live, Text,
        "upload limit per second, such as \"1 MiB/s\"; 0: none",
        bandwidth.up = |raw| raw.rate(), |rate| format_size(*rate)),
    setting!("bandwidth.down", "VAULTFS_BANDWIDTH_DOWN", "0 B", Live, Text,
        "download limit per second; 0: none",
        bandwidth.down = |raw| raw.rate(), |rate| format_size(*rate)),
    setting!("bandwidth.limit_demand", "VAULTFS_BANDWIDTH_LIMIT_DEMAND", "false", Live, Switch,
        "whether the download limit also slows reads that a program waits for",
        bandwidth.limit_demand = |raw| raw.switch(), |on| on.to_string()),
    setting!("bandwidth.schedule", "VAULTFS_BANDWIDTH_SCHEDULE", "none", Live, Text,
        "other limits at certain local times, such as \"mon-fri 08:00-18:00 up 512 KiB down 2 MiB; sat,sun 10:00-12:00 down 0\"",
        bandwidth.schedule = |raw| Schedule::parse(raw.text()?), |schedule| schedule.to_string()),
    setting!("history.keep_days", "VAULTFS_HISTORY_KEEP_DAYS", "30", Live, Number,
        "replaced and deleted versions are kept at least this many days",
        history.keep_days = |raw| raw.number(0..=36_500), |days| days.to_string()),
    setting!("history.keep_versions", "VAULTFS_HISTORY_KEEP_VERSIONS", "20", Live, Number,
        "older ones are kept up to this many per file",
        history.keep_versions = |raw| raw.number(0..=100_000), |versions| versions.to_string()),
    setting!("secrets.store", "VAULTFS_SECRETS_STORE", "automatic", Program, Text,
        "where sign-ins are kept: key-store, file (encrypted, but weak: its key lies on the same machine), or automatic",
        secrets.store = |raw| secret_place(raw.text()?), |place| place.as_str().to_owned()),
    setting!("dropbox.app_key", "VAULTFS_DROPBOX_APP_KEY", BUILT_IN_APP_KEY, Program, Text,
        "key of the Dropbox app that `connect dropbox` signs in to",
        dropbox.app_key = |raw| app_key(raw.text()?), |key| key.clone()),
    setting!("dropbox.base_url", "VAULTFS_DROPBOX_BASE_URL", "", Program, Text,
        "another server that speaks Dropbox's API, such as a gateway; empty: Dropbox itself",
        dropbox.base_url = |raw| base_url(raw.text()?), |url| url.clone()),
    setting!("dropbox.redirect_ports", "VAULTFS_DROPBOX_REDIRECT_PORTS", "47853, 47854, 47855", Program, Text,
        "ports of 127.0.0.1 to which the browser may bring the answer of a sign-in, as registered for the app; 0: any",
        dropbox.redirect_ports = |raw| ports(raw.text()?), |ports| shown_ports(ports)),
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
            mount: MountingSettings { passthrough: false },
            sync: SyncSettings {
                auto: false,
                quiet: Duration::ZERO,
                pull_interval: Duration::ZERO,
                delete_guard_nodes: 0,
                delete_guard_percent: 0,
            },
            filter: FilterSettings::default(),
            rules: RuleSettings::default(),
            fetch: FetchSettings { timeout: Duration::ZERO, parallel: 0 },
            bandwidth: BandwidthSettings { up: 0, down: 0, limit_demand: false, schedule: Schedule::default() },
            history: HistorySettings { keep_days: 0, keep_versions: 0 },
            secrets: SecretSettings { store: SecretPlace::Automatic },
            dropbox: DropboxSettings { app_key: String::new(), base_url: String::new(), redirect_ports: Vec::new() },
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

/// A list of the filter, each item of it useful.
fn filter(raw: &RawValue, alone: impl Fn(Vec<String>) -> FilterSettings) -> Result<Vec<String>, ValueError> {
    let list = raw.list()?;
    Filter::new(&alone(list.clone())).map_err(RulesError::from)?;
    Ok(list)
}

/// A list of the rules, each item of it useful.
fn rules(raw: &RawValue, alone: impl Fn(Vec<String>) -> RuleSettings) -> Result<Vec<String>, ValueError> {
    let list = raw.list()?;
    Rules::new(&alone(list.clone()))?;
    Ok(list)
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
#[path = "settings_tests.rs"]
mod tests;
