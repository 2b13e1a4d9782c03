//! Patterns of names: `*` for anything, `?` for one character, letters in either case (ASCII). Compiled once, so that the common forms
//! (`name`, `prefix*`, `*suffix`, `prefix*suffix`) are one or two comparisons without allocation: this runs on each create.

use std::fmt;

/// A compiled pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    text: String,
    form: Form,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    Exact,
    /// Begins and ends like this, with anything between; either may be empty.
    Affixes {
        prefix: String,
        suffix: String,
    },
    General(Vec<Token>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Any,
    One,
    Char(char),
}

/// Why a pattern is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PatternError {
    /// It matches no name or every name.
    #[error("the pattern {0:?} would match {1} name")]
    Useless(String, &'static str),
    /// A pattern of names cannot look at folders.
    #[error("the pattern {0:?} holds '/', but names are matched without their folder")]
    Separator(String),
}

impl Pattern {
    /// Compiles a pattern of whole names.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Useless(text.to_owned(), "no"));
        }
        if text.chars().all(|c| c == '*') {
            return Err(PatternError::Useless(text.to_owned(), "every"));
        }
        if text.contains('/') {
            return Err(PatternError::Separator(text.to_owned()));
        }
        Ok(Self::compile(text))
    }

    /// Compiles without the checks that a local-only rule needs.
    pub(super) fn compile(text: &str) -> Self {
        let form = match (text.contains('?'), text.split_once('*')) {
            (false, None) => Form::Exact,
            (false, Some((prefix, suffix))) if !suffix.contains('*') => {
                Form::Affixes { prefix: prefix.to_owned(), suffix: suffix.to_owned() }
            }
            (true | false, _) => Form::General(text.chars().map(Token::of).collect()),
        };
        Self { text: text.to_owned(), form }
    }

    /// Whether `name` as a whole is meant.
    pub fn matches(&self, name: &str) -> bool {
        match &self.form {
            Form::Exact => name.eq_ignore_ascii_case(&self.text),
            Form::Affixes { prefix, suffix } => {
                let (name, prefix, suffix) = (name.as_bytes(), prefix.as_bytes(), suffix.as_bytes());
                name.len() >= prefix.len() + suffix.len()
                    && name[..prefix.len()].eq_ignore_ascii_case(prefix)
                    && name[name.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
            }
            Form::General(tokens) => matches_tokens(tokens, name),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `Icon\r` must not move the cursor of a terminal.
        write!(f, "{}", self.text.escape_debug())
    }
}

impl Token {
    fn of(c: char) -> Self {
        match c {
            '*' => Self::Any,
            '?' => Self::One,
            c => Self::Char(c.to_ascii_lowercase()),
        }
    }
}

/// Greedy with one step back: a later `*` makes every earlier choice final, so the time is at most tokens times characters.
fn matches_tokens(tokens: &[Token], name: &str) -> bool {
    let (mut tokens, mut rest) = (tokens, name.chars());
    let mut retry: Option<(&[Token], std::str::Chars<'_>)> = None;
    loop {
        let mut after = rest.clone();
        let next = after.next();
        match (tokens.split_first(), next) {
            (Some((Token::Any, more)), _) => {
                retry = Some((more, rest.clone()));
                tokens = more;
                continue;
            }
            (Some((Token::One, more)), Some(_)) => {
                (tokens, rest) = (more, after);
                continue;
            }
            (Some((Token::Char(wanted), more)), Some(found)) if *wanted == found.to_ascii_lowercase() => {
                (tokens, rest) = (more, after);
                continue;
            }
            (None, None) => return true,
            (Some(_) | None, _) => {}
        }
        let Some((more, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        (tokens, rest) = (more, from.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_whole_names() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("4913", &["4913"], &["49130", "14913", ""]),
            ("Thumbs.db", &["thumbs.DB"], &["Thumbs.db2"]),
            ("~$*", &["~$", "~$brief.docx"], &["a~$b", "~"]),
            ("*.swp", &[".swp", ".brief.swp", "é.SWP"], &["swp", "a.swpx"]),
            (".~lock.*#", &[".~lock.brief.odt#", ".~lock.#"], &[".~lock.brief.odt", ".~lock#"]),
            ("a*a", &["aa", "aba"], &["a"]),
            (".goutputstream-??????", &[".goutputstream-A1B2C3", ".goutputstream-ééé123"], &[".goutputstream-A1B2C"]),
            ("*a*b", &["ab", "xaxb", "aab", "abab"], &["ba", "a"]),
            ("?", &["x", "é"], &["", "xy"]),
            ("**x", &["x", "yx"], &["y"]),
        ];
        for (pattern, yes, no) in table {
            let compiled = Pattern::compile(pattern);
            yes.iter().for_each(|name| assert!(compiled.matches(name), "{pattern} must match {name:?}"));
            no.iter().for_each(|name| assert!(!compiled.matches(name), "{pattern} must not match {name:?}"));
        }
    }

    #[test]
    fn useless_patterns_are_refused() {
        for bad in ["", "*", "**", "a/b"] {
            assert!(Pattern::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Pattern::new("Icon\r").unwrap().to_string(), "Icon\\r");
    }

    fn by_definition(tokens: &[char], name: &[char]) -> bool {
        match (tokens.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', more)), _) => (0..=name.len()).any(|skip| by_definition(more, &name[skip..])),
            (Some(('?', more)), Some((_, rest))) => by_definition(more, rest),
            (Some((wanted, more)), Some((found, rest))) => wanted == found && by_definition(more, rest),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn every_form_agrees_with_the_definition(pattern in "[ab?*]{0,7}", name in "[abc]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Pattern::compile(&pattern).matches(&name), by_definition(&chars(&pattern), &chars(&name)));
        }
    }
}
