//! Faults by chance as one line of text, for command lines: `[ROUTE:]FAULT[(NUMBER)]=PROBABILITY`, separated by commas.

use std::time::Duration;

use super::{Failure, Fault, Special};

/// What is wrong with a line of faults.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// No `=`.
    #[error("`{0}` has no probability: write FAULT=0.05")]
    NoProbability(String),
    /// Not from 0 to 1.
    #[error("`{0}` is not a probability from 0 to 1")]
    Probability(String),
    /// Not a fault.
    #[error("`{0}` is not a fault; there are: {names}", names = NAMES.join(" "))]
    Fault(String),
    /// Not a route.
    #[error("no route is called `{0}`")]
    Route(String),
}

/// Faults by name. A number in parentheses is milliseconds of a delay, seconds to wait, or a byte count.
const NAMES: &[&str] = &[
    "delay(MS)",
    "hang",
    "drop-before",
    "drop-after",
    "reset-before",
    "reset-after",
    "truncate",
    "short-body",
    "wrong-byte",
    "trickle(BYTES)",
    "429(SECONDS)",
    "429-text(SECONDS)",
    "429-writes(SECONDS)",
    "500",
    "502",
    "503(SECONDS)",
    "504",
    "html",
    "expired",
    "unknown-fields",
    "unknown-tags",
    "reset-cursor",
    "repeat-page",
    "reverse-page",
    "empty-page",
    "ignore-range",
    "other-range",
    "wrong-hash",
    "store-wrong",
    "not-found-yet",
];

pub(super) fn parse(text: &str, is_route: impl Fn(&str) -> bool) -> Result<Vec<(String, f64, Fault)>, SpecError> {
    let mut parsed = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (what, probability) = part.rsplit_once('=').ok_or_else(|| SpecError::NoProbability(part.to_owned()))?;
        let probability = probability
            .parse()
            .ok()
            .filter(|probability| (0.0..=1.0).contains(probability))
            .ok_or_else(|| SpecError::Probability(probability.to_owned()))?;
        let (route, name) = what.rsplit_once(':').unwrap_or(("*", what));
        if !is_route(route) {
            return Err(SpecError::Route(route.to_owned()));
        }
        let fault = fault(name).ok_or_else(|| SpecError::Fault(name.to_owned()))?;
        parsed.push((route.to_owned(), probability, fault));
    }
    Ok(parsed)
}

impl Fault {
    /// The fault of a name, as in [`Faults::add_spec`](super::Faults::add_spec).
    pub fn named(name: &str) -> Option<Self> {
        fault(name)
    }
}

fn fault(text: &str) -> Option<Fault> {
    let (name, number) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, number)) => (name, Some(number.parse::<u64>().ok()?)),
        None => (text, None),
    };
    Some(match name {
        "delay" => Fault::Delay(Duration::from_millis(number?)),
        "hang" => Fault::Hang,
        "drop-before" => Fault::DropBefore,
        "drop-after" => Fault::DropAfter,
        "reset-before" => Fault::ResetBefore,
        "reset-after" => Fault::ResetAfter,
        "truncate" => Fault::Truncate { after: number },
        "short-body" => Fault::ShortBody { after: number },
        "wrong-byte" => Fault::WrongByte { at: number },
        "trickle" => Fault::Trickle { bytes: number?, every: Duration::from_millis(100) },
        "429" => Fault::Failure(Failure::TooManyRequests { retry_after: number, text: false }),
        "429-text" => Fault::Failure(Failure::TooManyRequests { retry_after: number, text: true }),
        "429-writes" => Fault::Failure(Failure::TooManyWrites { retry_after: number }),
        "500" | "502" | "503" | "504" => {
            Fault::Failure(Failure::Status { status: name.parse().ok()?, retry_after: number })
        }
        "html" => Fault::Failure(Failure::Html(200)),
        "expired" => Fault::Failure(Failure::TokenExpired),
        "unknown-fields" => Fault::Special(Special::UnknownFields),
        "unknown-tags" => Fault::Special(Special::UnknownTags),
        "reset-cursor" => Fault::Special(Special::ResetCursor),
        "repeat-page" => Fault::Special(Special::RepeatPage),
        "reverse-page" => Fault::Special(Special::ReversePage),
        "empty-page" => Fault::Special(Special::EmptyPage),
        "ignore-range" => Fault::Special(Special::IgnoreRange),
        "other-range" => Fault::Special(Special::OtherRange),
        "wrong-hash" => Fault::Special(Special::WrongHash),
        "store-wrong" => Fault::Special(Special::StoreWrong),
        "not-found-yet" => Fault::Special(Special::NotFoundYet),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_listed_is_a_fault() {
        for name in NAMES {
            let name = name.replace("(MS)", "(5)").replace("(SECONDS)", "(5)").replace("(BYTES)", "(5)");
            assert!(fault(&name).is_some(), "{name}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text| parse(text, |route| route == "*").unwrap_err().to_string();
        assert_eq!(error("hang"), "`hang` has no probability: write FAULT=0.05");
        assert_eq!(error("hang=2"), "`2` is not a probability from 0 to 1");
        assert_eq!(error("files/x:hang=0.1"), "no route is called `files/x`");
        assert!(error("delay=0.1").starts_with("`delay` is not a fault; there are: delay(MS) hang"));
    }
}
