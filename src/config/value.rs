//! Values as people write them: sizes, durations, switches. Every format here parses back to the same value.

use std::time::Duration;

use crate::rules::RulesError;

/// A value before its setting has judged it.
#[derive(Clone, PartialEq, Debug)]
pub enum RawValue {
    /// A string of the file, or anything from the environment and flags.
    Text(String),
    /// An integer of the file.
    Integer(i64),
    /// A boolean of the file.
    Boolean(bool),
    /// A list of texts of the file.
    List(Vec<String>),
    /// A type that no setting has (`an array`, `a date`).
    Other(&'static str),
}

impl std::fmt::Display for RawValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(on) => on.fmt(f),
            Self::List(items) => f.write_str(&format_list(items)),
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// What would be right.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ValueError {
    /// Not a size.
    #[error("expected a size such as \"500 MB\", \"10 GiB\" or a number of bytes")]
    Size,
    /// Not a duration.
    #[error("expected a duration such as \"30s\", \"5m\" or \"1h 30m\"")]
    Duration,
    /// Not a whole number.
    #[error("expected a whole number")]
    Number,
    /// Not a switch.
    #[error("expected true or false")]
    Switch,
    /// Not a text.
    #[error("expected a text in quotes")]
    Text,
    /// Not a list.
    #[error("expected a list such as [\"*.bak\", \"Archive\"], or its items with commas between them")]
    List,
    /// A list of patterns or packs with something useless in it.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Not a filter of log levels.
    #[error("expected error, warn, info, debug or trace, or a list such as \"info,vaultfs::sync=debug\"")]
    LogLevel,
    /// Outside what makes sense.
    #[error("expected a value from {least} to {most}")]
    Range {
        /// The least that is accepted.
        least: Box<str>,
        /// The most that is accepted.
        most: Box<str>,
    },
    /// Empty, or with characters that it cannot have.
    #[error("{0}")]
    Refused(&'static str),
}

/// Units of sizes; those of 1024 first, so that they are the ones that are printed.
const UNITS: [(&str, u64); 14] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
    ("bytes", 1),
    ("B", 1),
];

impl RawValue {
    /// Bytes. A size in a file may also be a plain number.
    pub fn size(&self) -> Result<u64, ValueError> {
        match self {
            Self::Text(text) => parse_size(text).ok_or(ValueError::Size),
            Self::Integer(number) => u64::try_from(*number).map_err(|_| ValueError::Size),
            Self::Boolean(_) | Self::List(_) | Self::Other(_) => Err(ValueError::Size),
        }
    }

    /// Bytes per second: a size, with or without `/s`.
    pub fn rate(&self) -> Result<u64, ValueError> {
        match self {
            Self::Text(text) => {
                parse_size(text.trim().trim_end_matches("/s").trim_end_matches("ps")).ok_or(ValueError::Size)
            }
            Self::Integer(_) | Self::Boolean(_) | Self::List(_) | Self::Other(_) => self.size(),
        }
    }

    /// A length of time. A bare number is refused: it does not say of what.
    pub fn duration(&self) -> Result<Duration, ValueError> {
        match self {
            Self::Text(text) => {
                let duration: jiff::SignedDuration = text.trim().parse().map_err(|_| ValueError::Duration)?;
                Duration::try_from(duration).map_err(|_| ValueError::Duration)
            }
            Self::Integer(_) | Self::Boolean(_) | Self::List(_) | Self::Other(_) => Err(ValueError::Duration),
        }
    }

    /// A whole number within bounds.
    pub fn number(&self, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, ValueError> {
        let number = match self {
            Self::Text(text) => text.trim().parse().map_err(|_| ValueError::Number)?,
            Self::Integer(number) => u64::try_from(*number).map_err(|_| out_of(&bounds))?,
            Self::Boolean(_) | Self::List(_) | Self::Other(_) => return Err(ValueError::Number),
        };
        if bounds.contains(&number) { Ok(number) } else { Err(out_of(&bounds)) }
    }

    /// True or false.
    pub fn switch(&self) -> Result<bool, ValueError> {
        match self {
            Self::Boolean(on) => Ok(*on),
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Ok(true),
                "false" | "no" | "off" | "0" => Ok(false),
                _ => Err(ValueError::Switch),
            },
            Self::Integer(_) | Self::List(_) | Self::Other(_) => Err(ValueError::Switch),
        }
    }

    /// A text.
    pub fn text(&self) -> Result<&str, ValueError> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Integer(_) | Self::Boolean(_) | Self::List(_) | Self::Other(_) => Err(ValueError::Text),
        }
    }

    /// A list of texts: as TOML or JSON writes it, or with commas between the items.
    pub fn list(&self) -> Result<Vec<String>, ValueError> {
        let text = match self {
            Self::List(items) => return Ok(items.clone()),
            Self::Text(text) => text.trim(),
            Self::Integer(_) | Self::Boolean(_) | Self::Other(_) => return Err(ValueError::List),
        };
        if text.starts_with('[') {
            let parsed: std::collections::BTreeMap<String, Vec<String>> =
                toml::from_str(&format!("list = {text}")).map_err(|_| ValueError::List)?;
            return parsed.into_values().next().ok_or(ValueError::List);
        }
        Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }
}

/// Refuses durations outside of bounds.
pub fn within(duration: Duration, least: Duration, most: Duration) -> Result<Duration, ValueError> {
    if (least..=most).contains(&duration) {
        Ok(duration)
    } else {
        Err(ValueError::Range { least: format_duration(least).into(), most: format_duration(most).into() })
    }
}

fn out_of(bounds: &std::ops::RangeInclusive<u64>) -> ValueError {
    ValueError::Range { least: bounds.start().to_string().into(), most: bounds.end().to_string().into() }
}

/// `10 GiB`, `1.5 GB`, `4096`. Fractions are cut to whole bytes.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit_start = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = (text[..unit_start].trim(), &text[unit_start..]);
    let factor = if unit.is_empty() { 1 } else { UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1 };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') || fraction.len() > 9 {
        return None;
    }
    let whole: u128 = whole.parse::<u64>().ok()?.into();
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    u64::try_from((whole * scale + fraction) * u128::from(factor) / scale).ok()
}

/// A list as it is written in the settings file.
pub fn format_list(items: &[String]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| toml::Value::from(item.as_str()).to_string()).collect();
    format!("[{}]", quoted.join(", "))
}

/// A size in the largest unit that it is a whole number of.
pub fn format_size(bytes: u64) -> String {
    match UNITS.iter().take(4).find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{} {unit}", bytes / factor),
        None => format!("{bytes} B"),
    }
}

/// A duration such as `1h 30m`.
pub fn format_duration(duration: Duration) -> String {
    match jiff::SignedDuration::try_from(duration) {
        Ok(duration) => format!("{duration:#}"),
        Err(_) => format!("{}s", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> RawValue {
        RawValue::Text(text.to_owned())
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (written, bytes) in [
            ("0", 0),
            ("4096", 4096),
            (" 10 GiB ", 10 << 30),
            ("10gib", 10 << 30),
            ("1.5GiB", 3 << 29),
            ("500 MB", 500_000_000),
            ("2G", 2 << 30),
            ("0.5 kB", 500),
            ("7 bytes", 7),
        ] {
            assert_eq!(text(written).size(), Ok(bytes), "{written:?}");
        }
        for nonsense in ["", "GiB", "10 parsecs", "-1", "1,5 GiB", "1.", ".5 GB", "1e3", "99999999999999 TiB", "٣ GiB"]
        {
            assert_eq!(text(nonsense).size(), Err(ValueError::Size), "{nonsense:?}");
        }
        assert_eq!(RawValue::Integer(-1).size(), Err(ValueError::Size));
        assert_eq!(text("2 MiB/s").rate(), Ok(2 << 20));
        assert_eq!(text("100 kBps").rate(), Ok(100_000));
        assert_eq!(RawValue::Integer(0).rate(), Ok(0));
    }

    #[test]
    fn durations_name_their_unit() {
        for (written, seconds) in [("30s", 30), ("5m", 300), ("1h 30m", 5400), ("1h30m", 5400), ("2 minutes", 120)] {
            assert_eq!(text(written).duration(), Ok(Duration::from_secs(seconds)), "{written:?}");
        }
        assert_eq!(text("250ms").duration(), Ok(Duration::from_millis(250)));
        for nonsense in ["", "5", "-5m", "soon", "5 fortnights"] {
            assert_eq!(text(nonsense).duration(), Err(ValueError::Duration), "{nonsense:?}");
        }
        assert_eq!(RawValue::Integer(5).duration(), Err(ValueError::Duration));
    }

    #[test]
    fn numbers_and_switches() {
        assert_eq!(text("7").number(1..=9), Ok(7));
        assert_eq!(RawValue::Integer(-1).number(1..=9), Err(ValueError::Range { least: "1".into(), most: "9".into() }));
        assert_eq!(text("7.5").number(1..=9), Err(ValueError::Number));
        assert_eq!(text("Yes").switch(), Ok(true));
        assert_eq!(text("maybe").switch(), Err(ValueError::Switch));
        assert_eq!(RawValue::Integer(1).switch(), Err(ValueError::Switch));
    }

    #[test]
    fn lists_are_read_in_every_form() {
        let items = |items: &[&str]| Ok(items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>());
        assert_eq!(text(r#"["*.bak", "a, b"]"#).list(), items(&["*.bak", "a, b"]));
        assert_eq!(text("*.bak, Archive ,").list(), items(&["*.bak", "Archive"]));
        assert_eq!(text("").list(), items(&[]));
        assert_eq!(text("[]").list(), items(&[]));
        for nonsense in
            [text("[1]"), text("[\"a\""), text("[]\nx = 1 ["), RawValue::Integer(1), RawValue::Other("a date")]
        {
            assert_eq!(nonsense.list(), Err(ValueError::List), "{nonsense}");
        }
        let odd = vec!["quote \" back \\ tab \t".to_owned(), "it's".to_owned()];
        assert_eq!(text(&format_list(&odd)).list(), Ok(odd));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(bytes in prop_oneof![any::<u64>(), (0..1_u64 << 20).prop_map(|n| n << 20)],
                                        millis in 0..10_000_000_000_u64) {
            prop_assert_eq!(text(&format_size(bytes)).size(), Ok(bytes));
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(text(&format_duration(duration)).duration(), Ok(duration));
        }
    }
}
