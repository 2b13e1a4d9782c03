//! Names as the mount shows them. Dropbox counts characters, up to 255, file systems bytes: a long name in Cyrillic, Greek, Chinese or
//! emoji is shown shortened, with a mark that is made of the whole name (decision 27):
//!
//! ```text
//! Протокол судебного заседания … по делу № 24-0117.docx   ->   Протокол судебного заседания …~5d41402abc4b.docx
//! ```
//!
//! Nothing is remembered: the same name is always shown the same, in whatever case it is told, and the name behind a shown one is found
//! by looking at the folder. It stays what it is at the service through edits, moves and deletions; only a rename gives another one.

use unicode_normalization::UnicodeNormalization;

use crate::types::EntryName;
use crate::types::name::NAME_MAX_BYTES;

/// Digits of the mark.
const MARK_DIGITS: usize = 12;
/// What stands before them.
const MARK: char = '~';
/// Longest extension that stays, with its dot.
const EXTENSION_BYTES: usize = 20;

/// A name of the service as the mount shows it. `None`: no file system could.
pub(super) fn shown(name: &str) -> Option<EntryName> {
    if name.len() <= NAME_MAX_BYTES {
        return EntryName::new(name).ok();
    }
    let name: String = name.nfc().collect();
    if name.len() <= NAME_MAX_BYTES {
        return EntryName::new(name).ok();
    }
    let extension = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= EXTENSION_BYTES && !name[dot..].contains(' ') => &name[dot..],
        Some(_) | None => "",
    };
    let stem = &name[..name.len() - extension.len()];
    let mut room = NAME_MAX_BYTES - MARK.len_utf8() - MARK_DIGITS - EXTENSION_BYTES;
    let mut cut = 0;
    for letter in stem.chars() {
        // By whichever case of it is the longest: names that differ in case alone are cut at the same letter.
        let width = letter.to_lowercase().chain(letter.to_uppercase()).chain([letter]).map(char::len_utf8).max();
        match width.and_then(|width| room.checked_sub(width)) {
            Some(left) => room = left,
            None => break,
        }
        cut += letter.len_utf8();
    }
    EntryName::new(format!("{}{MARK}{}{extension}", stem[..cut].trim_end(), mark(&name))).ok()
}

/// True if a longer name may stand behind a shown one.
pub(super) fn may_be_shortened(name: &EntryName) -> bool {
    let (stem, _) = name.split_extension();
    let digits = stem.rsplit_once(MARK).map(|(_, digits)| digits);
    digits.is_some_and(|digits| digits.len() == MARK_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// The same for every case of a name.
fn mark(name: &str) -> String {
    let folded: String = name.chars().flat_map(char::to_lowercase).collect();
    let mut hash = blake3::hash(folded.as_bytes()).to_hex().to_string();
    hash.truncate(MARK_DIGITS);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays() {
        for name in ["a", "Протокол.docx", &"я".repeat(127), &"a".repeat(255)] {
            let name_shown = shown(name).unwrap();
            assert_eq!(name_shown.as_str(), name);
            assert!(!may_be_shortened(&name_shown));
        }
        for never in ["", ".", "..", "a/b", "a\0"] {
            assert_eq!(shown(never), None, "{never:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_shortened_and_stays_apart() {
        let long = |last: &str| format!("{}{last}", "Протокол судебного заседания ".repeat(8));
        for (name, extension) in [
            (long("1.docx"), ".docx"),
            (long("без расширения"), ""),
            (long("v. 2 от понедельника"), ""),
            ("漢".repeat(255), ""),
            ("🎵".repeat(251) + ".wav", ".wav"),
            (".".to_owned() + &"я".repeat(200), ""),
        ] {
            let short = shown(&name).unwrap();
            assert!(short.as_str().len() <= NAME_MAX_BYTES && short.as_str().len() > 200, "{short}");
            assert!(short.as_str().ends_with(extension) && may_be_shortened(&short), "{short}");
            assert!(name.starts_with(short.as_str().split(MARK).next().unwrap()), "{short}");
        }
        assert_ne!(shown(&long("1.docx")), shown(&long("2.docx")));
    }

    #[test]
    fn case_and_composition_make_no_other_name() {
        let (lower, upper) = ("é".repeat(200), "É".repeat(200));
        let key = |name: &str| super::super::names::RULES.key(&shown(name).unwrap());
        assert_eq!(key(&lower), key(&upper));
        assert_eq!(key(&lower), key(&"e\u{301}".repeat(200)));
        let words = "Протокол Судебного Заседания ".repeat(9);
        assert_eq!(key(&words), key(&words.to_lowercase()));
    }
}
