//! What the browser brings back: the query of a redirect address, read without trusting a byte of it.

use crate::types::Secret;

/// Longest address that is looked at. Codes and states are far shorter.
const MAX_BYTES: usize = 8 * 1024;

/// A redirect, read.
#[derive(Debug)]
pub(super) struct Redirected {
    /// To which question it belongs.
    pub(super) state: Secret,
    /// Who says so, if it says (RFC 9207).
    pub(super) issuer: Option<String>,
    /// What it brings.
    pub(super) answer: Answer,
}

/// What a redirect brings.
#[derive(Debug)]
pub(super) enum Answer {
    /// A code to be exchanged.
    Code(Secret),
    /// A refusal: its word, such as `access_denied`.
    Refused(String),
}

/// Reads the query of a redirect, such as `code=…&state=…`. `None`: it is none, says something twice, or is too long.
pub(super) fn read(query: &str) -> Option<Redirected> {
    if query.len() > MAX_BYTES {
        return None;
    }
    let (mut code, mut state, mut error, mut issuer) = (None, None, None, None);
    // Only the parser of queries is wanted.
    let mut url = reqwest::Url::parse("x:").ok()?;
    url.set_query(Some(query));
    for (name, value) in url.query_pairs() {
        let field = match &*name {
            "code" => &mut code,
            "state" => &mut state,
            "error" => &mut error,
            "iss" => &mut issuer,
            _ => continue,
        };
        if value.is_empty() || field.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    let answer = match (code, error) {
        (Some(code), None) => Answer::Code(Secret::new(code)),
        (None, Some(error)) => Answer::Refused(error),
        (None, None) | (Some(_), Some(_)) => return None,
    };
    Some(Redirected { state: Secret::new(state?), issuer, answer })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(query: &str) -> Option<String> {
        match read(query)?.answer {
            Answer::Code(code) => Some(code.expose().to_owned()),
            Answer::Refused(_) => None,
        }
    }

    #[test]
    fn a_code_and_a_refusal_are_read() {
        let read = read("code=a%2Bb&state=s%20t&extra=1&iss=https%3A%2F%2Fwww.dropbox.com").unwrap();
        assert!(matches!(&read.answer, Answer::Code(code) if code.expose() == "a+b"));
        assert_eq!((read.state.expose(), read.issuer.as_deref()), ("s t", Some("https://www.dropbox.com")));
        let refused = super::read("error=access_denied&error_description=no&state=s").unwrap();
        assert!(matches!(refused.answer, Answer::Refused(word) if word == "access_denied"));
    }

    #[test]
    fn what_is_ambiguous_or_incomplete_is_nothing() {
        for query in [
            "",
            "code=a",
            "state=s",
            "code=&state=s",
            "code=a&state=",
            "code=a&code=b&state=s",
            "code=a&state=s&state=t",
            "code=a&error=access_denied&state=s",
            "Code=a&State=s",
        ] {
            assert!(read(query).is_none(), "{query}");
        }
        assert!(code(&format!("code={}&state=s", "a".repeat(9000))).is_none());
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic_and_what_was_encoded_comes_back(junk in ".{0,200}", text in "[^\\x00]{1,40}") {
            let _checked_for_panics_only = read(&junk);
            let mut url = reqwest::Url::parse("x:").unwrap();
            url.query_pairs_mut().append_pair("state", "s").append_pair("code", &text);
            prop_assert_eq!(code(url.query().unwrap()), Some(text));
        }
    }
}
