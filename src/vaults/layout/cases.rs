//! Legal cases: which folders are cases.
//!
//! A folder is a case if its name starts like a case number, or if it holds a marker file. Everything below a case
//! belongs to it; a folder inside a case is a case of its own only by a marker, because sub-folders often repeat the
//! number ("2024-CV-01234 exhibits"). Detection looks at names alone: a scan reads no content.

use crate::types::EntryName;

/// A file of one of these names makes its folder a case, whatever the folder's name.
pub const MARKERS: [&str; 2] = [".case", "case.json"];

/// Words that announce a case number.
const ANNOUNCING: [&str; 9] =
    ["case", "cause", "docket", "matter", "index", "akte", "aktenzeichen", "az", "geschaeftszeichen"];

/// Words between the announcing word and the number.
const NUMBER_WORDS: [&str; 4] = ["no", "nr", "num", "number"];

/// Kinds of cases in docket numbers (United States, state and federal). Months are not among them: `2024-Jan-05`.
const DOCKET_TYPES: [&str; 56] = [
    "ac", "ad", "ap", "bk", "c", "ca", "cc", "cf", "cgc", "ch", "civ", "cm", "co", "cr", "crim", "cs", "cv", "cvs",
    "d", "dc", "dr", "dv", "ed", "es", "f", "fa", "fam", "fl", "gc", "ja", "jd", "jv", "l", "la", "lm", "mc", "md",
    "mh", "misc", "mj", "ml", "mr", "ov", "p", "pb", "po", "pr", "prob", "sc", "sm", "tc", "tr", "tt", "tx", "vb",
    "wc",
];

/// Register signs of German courts and prosecutors, in their own spelling.
const REGISTER_SIGNS: [&str; 44] = [
    "A", "ABR", "AR", "AZB", "AZR", "AktG", "B", "BGs", "BV", "BvR", "C", "Ca", "Cs", "Ds", "E", "F", "Fam", "H",
    "HKO", "IK", "IN", "Js", "K", "KLs", "Ks", "L", "Ls", "M", "O", "OH", "OWi", "Ns", "R", "S", "Sa", "StR", "T",
    "Ta", "U", "UF", "W", "X", "ZB", "ZR",
];

/// Whether a folder is a case: by its name, or because it holds one of [`MARKERS`]. Inside a case only by a marker.
pub fn is_case(name: &EntryName, is_marked: bool, is_in_case: bool) -> bool {
    is_marked || (!is_in_case && is_case_name(name.as_str()))
}

/// Whether a folder of this name is a case: `2024-CV-01234 Smith`, `24 C 1234`, `Case No. 123`, `12 O 345-24`.
pub fn is_case_name(name: &str) -> bool {
    let tokens = tokens(name);
    announced(&tokens) || docket(&tokens) || register(&tokens)
}

/// A run of digits or letters and what separates it from the run before.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    separator: &'a str,
    text: &'a str,
    digits: bool,
}

impl Token<'_> {
    /// A number of this many digits.
    fn number(&self, digits: std::ops::RangeInclusive<usize>) -> bool {
        self.digits && digits.contains(&self.text.len())
    }

    /// A year in two or four digits.
    fn year(&self) -> bool {
        self.digits
            && match self.text.len() {
                2 => true,
                4 => self.text.starts_with("19") || self.text.starts_with("20"),
                _ => false,
            }
    }

    fn word_of(&self, words: &[&str]) -> bool {
        !self.digits && words.iter().any(|word| word.eq_ignore_ascii_case(self.text))
    }

    /// Joined to the token before by one character that court numbers use.
    fn joined(&self) -> bool {
        matches!(self.separator, "-" | " " | "_" | "\u{2013}" | "." | ":")
    }
}

/// Splits a name; opening brackets in front are ignored.
fn tokens(name: &str) -> Vec<Token<'_>> {
    let name = name.trim_start_matches(['[', '(', '#', ' ']);
    let mut tokens = Vec::new();
    let mut separator_start = 0;
    let mut letters = name.char_indices().peekable();
    while let Some((start, first)) = letters.next() {
        if !first.is_alphanumeric() {
            continue;
        }
        let digits = first.is_ascii_digit();
        let mut end = start + first.len_utf8();
        while let Some((at, next)) =
            letters.next_if(|(_, next)| next.is_alphanumeric() && next.is_ascii_digit() == digits)
        {
            end = at + next.len_utf8();
        }
        tokens.push(Token { separator: &name[separator_start..start], text: &name[start..end], digits });
        separator_start = end;
    }
    tokens
}

/// The token after a number must be set off from it: `Case 12b` and `24 C 1234x` are no case numbers.
fn ends_number(rest: &[Token<'_>]) -> bool {
    rest.first().is_none_or(|next| !next.separator.is_empty())
}

/// `Case 123`, `Matter No. 2024-17`, `Az. 345`.
fn announced(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [word, number, rest @ ..] if word.word_of(&ANNOUNCING) && number.number(1..=9) => ends_number(rest),
        [word, no, number, rest @ ..] if word.word_of(&ANNOUNCING) && no.word_of(&NUMBER_WORDS) => {
            number.number(1..=9) && ends_number(rest)
        }
        [word, rest @ ..] if word.word_of(&ANNOUNCING) => docket(rest) || register(rest),
        _ => false,
    }
}

/// `2024-CV-01234`, `24 C 1234`, `1-24-cv-01234` (with a division in front), `CV-2024-1234`.
fn docket(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [division, year, kind, number, rest @ ..]
            if division.number(1..=1) && year.number(2..=2) && kind.word_of(&DOCKET_TYPES) =>
        {
            [year, kind, number].iter().all(|token| token.joined()) && number.number(2..=7) && ends_number(rest)
        }
        [year, kind, number, rest @ ..] if year.year() && kind.word_of(&DOCKET_TYPES) => {
            kind.joined() && number.joined() && number.number(2..=7) && ends_number(rest)
        }
        [kind, year, number, rest @ ..] if kind.text.len() >= 2 && kind.word_of(&DOCKET_TYPES) && year.year() => {
            year.joined() && number.joined() && number.number(3..=7) && ends_number(rest)
        }
        _ => false,
    }
}

/// `12 O 345-24`, `XII ZB 123_2024`: chamber, register sign, number, year. The slash of the paper form cannot be in a name.
fn register(tokens: &[Token<'_>]) -> bool {
    let [chamber, sign, number, year, rest @ ..] = tokens else { return false };
    let roman = !chamber.digits && chamber.text.chars().all(|letter| "IVX".contains(letter));
    (chamber.number(1..=4) || roman)
        && sign.separator == " "
        && REGISTER_SIGNS.contains(&sign.text)
        && number.separator == " "
        && number.number(1..=6)
        && matches!(year.separator, "-" | "_" | "\u{2013}" | " - ")
        && year.year()
        && ends_number(rest)
}

#[cfg(test)]
#[path = "cases_tests.rs"]
mod tests;
