//! Names of conflict copies: what other programs (and vaultfs elsewhere) call the second of two versions. Pure; looks at one name.
//!
//! A name alone is proof only where nobody would choose it by himself. `Contract (1).pdf` and `Exhibit 2.pdf` are copies only beside
//! `Contract.pdf` and `Exhibit.pdf`; whoever asks has to look.

use unicode_normalization::UnicodeNormalization;

use super::conflict::ContentClass;
use crate::types::EntryName;

/// A name that says: I am the second version of `original`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ConflictCopy {
    /// The name without the mark.
    pub(super) original: EntryName,
    pub(super) maker: Maker,
    /// The person or machine that the name tells.
    pub(super) whose: Option<String>,
    pub(super) evidence: Evidence,
}

/// What makes the name one of a conflict copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Evidence {
    /// Nobody calls a file so by himself.
    Name,
    /// People do, too: only beside the original, and not if `unless` is there, which shows that somebody counts.
    Beside { unless: Option<EntryName> },
}

/// Who gives such names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Maker {
    Vaultfs,
    Dropbox,
    Nextcloud,
    Syncthing,
    Seafile,
    Keybase,
    Resilio,
    OneDrive,
    ICloud,
    /// `name (1).ext`: several services, and browsers.
    Counting,
}

impl Maker {
    /// For people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Vaultfs => "vaultfs",
            Self::Dropbox => "Dropbox",
            Self::Nextcloud => "Nextcloud",
            Self::Syncthing => "Syncthing",
            Self::Seafile => "Seafile",
            Self::Keybase => "Keybase",
            Self::Resilio => "Resilio Sync",
            Self::OneDrive => "OneDrive",
            Self::ICloud => "iCloud",
            Self::Counting => "a service that counts",
        }
    }
}

/// Between brackets, lower case, composed: the words of Dropbox in its languages, and of those who say it alike.
const PHRASES: [&str; 27] = [
    "conflicted copy",
    "conflicting copy",
    "conflict copy",
    "case conflict",
    "white space conflict",
    "unicode encoding conflict",
    "selective sync conflict",
    "in konflikt stehende kopie",
    "konfliktkopie",
    "copie en conflit",
    "copia en conflicto",
    "copia conflictiva",
    "conflicto de mayúsculas y minúsculas",
    "copia in conflitto",
    "cópia em conflito",
    "conflicterende kopie",
    "conflictkopie",
    "motstridiga kopia",
    "skiftlägeskonflikt",
    "modstridende kopi",
    "kopia powodująca konflikt",
    "конфликтующая копия",
    "競合コピー",
    "問題のあるコピー",
    "冲突副本",
    "衝突複本",
    "충돌된 사본",
];

/// Between the phrase and whose copy it is, in languages that say it in this order.
const OF: [&str; 7] = ["de ", "von ", "di ", "van ", "do ", "użytkownika ", "пользователя "];

/// After whose copy it is, in the others.
const POSSESSIVES: [&str; 6] = ["'s", "\u{2019}s", ":s", "的", "の", "의"];

/// Names that Windows gives to machines; OneDrive puts them after the name.
const MACHINES: [&str; 3] = ["-DESKTOP-", "-LAPTOP-", "-WIN-"];

/// What `name` says of itself; `None` if it is an ordinary name.
pub(super) fn conflict_copy(name: &EntryName) -> Option<ConflictCopy> {
    let found = bracketed(name)
        .or_else(|| syncthing(name))
        .or_else(|| old_nextcloud(name))
        .or_else(|| resilio(name))
        .or_else(|| one_drive(name))
        .or_else(|| counted(name))?;
    if found.evidence == Evidence::Name {
        return Some(found);
    }
    // `x (Anna's conflicted copy) (1)`: what is counted is a copy already.
    match conflict_copy(&found.original).filter(|inner| inner.evidence == Evidence::Name) {
        Some(inner) => Some(ConflictCopy { original: found.original, ..inner }),
        None => Some(found),
    }
}

fn copy(original: String, maker: Maker, whose: Option<&str>, evidence: Evidence) -> Option<ConflictCopy> {
    let whose = whose.map(str::trim).filter(|whose| !whose.is_empty()).map(str::to_owned);
    Some(ConflictCopy { original: EntryName::new(original).ok()?, maker, whose, evidence })
}

/// The stem and the extension; a name that ends with a bracket has none, whatever dots are between the brackets.
fn parts(name: &EntryName) -> (&str, &str) {
    if name.as_str().ends_with([')', ']']) { (name.as_str(), "") } else { name.split_extension() }
}

/// `stem (mark).ext`, `stem [mark].ext`: Dropbox, Nextcloud, Seafile, Keybase, Google Drive, vaultfs.
fn bracketed(name: &EntryName) -> Option<ConflictCopy> {
    let (stem, extension) = parts(name);
    let open = opening(stem)?;
    let (before, inside) = (&stem[..open], &stem[open + 1..stem.len() - 1]);
    let original = format!("{}{extension}", before.strip_suffix(' ').unwrap_or(before));
    let inside: String = inside.nfc().collect();
    let beside = || Evidence::Beside { unless: None };
    if let Some(whose) = inside.strip_prefix("conflict ").and_then(before_own_stamp) {
        return copy(original, Maker::Vaultfs, Some(whose), Evidence::Name);
    }
    if let Some(rest) = inside.strip_prefix("SFConflict ") {
        let date = date_in(rest)?;
        return copy(original, Maker::Seafile, Some(&rest[..date]), Evidence::Name);
    }
    if let Some(keybase) = before.strip_suffix(".conflicted ")
        && let Some(whose) = inside.split(" copy ").next().filter(|_| date_in(&inside).is_some())
    {
        return copy(format!("{keybase}{extension}"), Maker::Keybase, Some(whose), Evidence::Name);
    }
    if inside.eq_ignore_ascii_case("conflict") || inside.eq_ignore_ascii_case("conflicted") {
        return copy(original, Maker::Counting, None, beside());
    }
    if before.ends_with(' ') && counts(&inside, 1) {
        return copy(original, Maker::Counting, None, beside());
    }
    phrased(&inside).and_then(|(maker, whose)| copy(original, maker, whose.as_deref(), Evidence::Name))
}

/// Where the bracket opens that the last letter closes; something stands before it.
fn opening(stem: &str) -> Option<usize> {
    let (opens, closes) = match stem.chars().next_back()? {
        ')' => ('(', ')'),
        ']' => ('[', ']'),
        _ => return None,
    };
    let mut depth = 0_usize;
    for (at, letter) in stem.char_indices().rev() {
        if letter == closes {
            depth += 1;
        } else if letter == opens {
            depth -= 1;
            if depth == 0 {
                return (!stem[..at].trim().is_empty()).then_some(at);
            }
        }
    }
    None
}

/// Whose copy it is, if one of [`PHRASES`] is all that is said but for that, a date and a number.
fn phrased(inside: &str) -> Option<(Maker, Option<String>)> {
    let lower = inside.to_lowercase();
    let (phrase, at) = PHRASES.iter().find_map(|phrase| lower.find(phrase).map(|at| (phrase, at)))?;
    let (before, after) = (lower[..at].trim(), &lower[at + phrase.len()..]);
    // English says it in another order, and `van Gogh` is a name.
    let of: &[&str] = if phrase.ends_with("copy") { &[] } else { &OF };
    let after_of = of.iter().find_map(|word| after.trim_start().strip_prefix(word));
    let tells_more = !after.chars().all(|letter| letter.is_ascii_digit() || " ()_-.".contains(letter));
    if after_of.is_none() && tells_more && date_in(after).is_none() {
        return None;
    }
    // As it was spelled, unless lower case is of another length, which no language here does.
    let spelled = |part: &str, ends_at: usize| {
        let start = ends_at.checked_sub(part.len())?;
        inside.get(start..ends_at).filter(|spelled| spelled.to_lowercase() == part).map(str::to_owned)
    };
    let whose = match after_of {
        Some(rest) => {
            let start = lower.len() - rest.len();
            let rest = rest[..date_in(rest).unwrap_or(rest.len())].trim_end();
            spelled(rest, start + rest.len())
        }
        None if before.is_empty() => {
            let said = &after[..date_in(after).unwrap_or(0)];
            let start = lower.len() - after.len() + (said.len() - said.trim_start().len());
            spelled(said.trim(), start + said.trim().len())
        }
        None => {
            let owner = POSSESSIVES.iter().find_map(|ending| before.strip_suffix(ending)).unwrap_or(before).trim_end();
            let start = lower.len() - lower.trim_start().len();
            spelled(owner, start + owner.len())
        }
    };
    // `2024-01-02 103045`: Dropbox tells no time of day.
    let tells_time = after.rsplit(' ').next().is_some_and(|last| last.len() == 6 && is_digits(last));
    let maker = if before.is_empty() && tells_time { Maker::Nextcloud } else { Maker::Dropbox };
    Some((maker, whose))
}

/// `DEVICE 2026-03-01 101500`: the device.
fn before_own_stamp(text: &str) -> Option<&str> {
    let (rest, time) = text.rsplit_once(' ')?;
    let (device, date) = rest.rsplit_once(' ').unwrap_or(("", rest));
    let is_stamp = date.len() == 10 && date_in(date) == Some(0) && time.len() == 6 && is_digits(time);
    is_stamp.then_some(device)
}

/// `stem.sync-conflict-20240102-123456-ABCDEFG.ext`.
fn syncthing(name: &EntryName) -> Option<ConflictCopy> {
    let (before, rest) = name.as_str().rsplit_once(".sync-conflict-")?;
    let (stamp, rest) = rest.split_at_checked(15)?;
    let (device, extension) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let device = device.strip_prefix('-').unwrap_or(device);
    let is_device = device.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
    if !is_stamp(stamp) || !is_device || before.is_empty() {
        return None;
    }
    copy(format!("{before}{extension}"), Maker::Syncthing, Some(device), Evidence::Name)
}

/// `stem_conflict-20150101-123456.ext`, `stem_conflict-Anna-20150101-123456.ext`.
fn old_nextcloud(name: &EntryName) -> Option<ConflictCopy> {
    let (stem, extension) = name.split_extension();
    let (before, rest) = stem.rsplit_once("_conflict-")?;
    let (whose, stamp) = rest.split_at_checked(rest.len().checked_sub(15)?)?;
    if !is_stamp(stamp) || before.is_empty() {
        return None;
    }
    copy(format!("{before}{extension}"), Maker::Nextcloud, Some(whose.trim_end_matches('-')), Evidence::Name)
}

/// `stem.Conflict.ext`, `stem.Conflict2.ext`, `stem.Conflict`.
fn resilio(name: &EntryName) -> Option<ConflictCopy> {
    let unmarked = |text: &str| {
        let (before, number) = text.rsplit_once(".Conflict")?;
        (!before.is_empty() && is_digits(number)).then(|| before.to_owned())
    };
    let (stem, extension) = name.split_extension();
    let original = match unmarked(stem) {
        Some(before) => format!("{before}{extension}"),
        None => unmarked(name.as_str())?,
    };
    copy(original, Maker::Resilio, None, Evidence::Beside { unless: None })
}

/// `stem-DESKTOP-A1B2C3D.ext`.
fn one_drive(name: &EntryName) -> Option<ConflictCopy> {
    let (stem, extension) = name.split_extension();
    let at = MACHINES.iter().find_map(|machine| stem.rfind(machine)).filter(|at| *at > 0)?;
    let (before, machine) = (&stem[..at], &stem[at + 1..]);
    let (_, number) = machine.split_once('-')?;
    let is_number = number.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
    if !(6..=12).contains(&number.len()) || !is_number {
        return None;
    }
    copy(format!("{before}{extension}"), Maker::OneDrive, Some(machine), Evidence::Beside { unless: None })
}

/// `stem 2.ext`. Takes are counted by the programs that record them; and so does whoever has `stem 1.ext`.
fn counted(name: &EntryName) -> Option<ConflictCopy> {
    let (stem, extension) = parts(name);
    let (before, number) = stem.rsplit_once(' ')?;
    if !counts(number, 2) || before.trim().is_empty() || ContentClass::of(name) == ContentClass::Wav {
        return None;
    }
    let unless = EntryName::new(format!("{before} 1{extension}")).ok();
    copy(format!("{before}{extension}"), Maker::ICloud, None, Evidence::Beside { unless })
}

/// A number of one or two digits as people write it, `least` or more.
fn counts(text: &str, least: u8) -> bool {
    text.len() <= 2 && is_digits(text) && !text.starts_with('0') && text.parse::<u8>().is_ok_and(|it| it >= least)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|letter| letter.is_ascii_digit())
}

/// `20240102-123456`.
fn is_stamp(text: &str) -> bool {
    text.len() == 15
        && text.split_once('-').is_some_and(|(date, time)| date.len() == 8 && is_digits(date) && is_digits(time))
}

/// Where the first `2024-01-02` begins.
fn date_in(text: &str) -> Option<usize> {
    let is_date = |letters: &[u8]| {
        letters.iter().enumerate().all(|(at, letter)| match at {
            4 | 7 => *letter == b'-',
            _ => letter.is_ascii_digit(),
        })
    };
    text.as_bytes().windows(10).position(is_date)
}

#[cfg(test)]
#[path = "copy_names_tests.rs"]
mod tests;
