//! Paths: which names the service takes, and when two names are the same.

use unicode_normalization::UnicodeNormalization as _;

/// Longest segment, in characters.
const LONGEST_SEGMENT: usize = 255;

/// Names that no file may have, in any case.
const DISALLOWED: &[&str] = &["desktop.ini", "thumbs.db", ".ds_store", "icon\r", ".dropbox", ".dropbox.attr"];

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadPath {
    Malformed,
    Disallowed,
}

/// The identity of a name: NFC, each character lowered on its own by the simple mapping (a final sigma stays a sigma).
pub(crate) fn lower(name: &str) -> String {
    name.nfc()
        .flat_map(|c| {
            let mut lowered = c.to_lowercase();
            let first = lowered.next();
            first.into_iter()
        })
        .collect()
}

/// The name as it is kept.
pub(crate) fn normal(name: &str) -> String {
    name.nfc().collect()
}

/// The parent's path; the root for what stands in it.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The last segment.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Whether `path` is `folder` or lies below it.
pub(crate) fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Checks a path that starts with a slash, as far as reading needs.
pub(crate) fn check(path: &str, emoji: bool) -> Result<(), BadPath> {
    for segment in path.split('/').skip(1) {
        let bad = segment.is_empty()
            || segment == "."
            || segment == ".."
            || segment.ends_with(' ')
            || segment.chars().count() > LONGEST_SEGMENT
            || segment.chars().any(|c| c == '\\' || (c.is_ascii_control() && c != '\r') || (!emoji && c > '\u{ffff}'));
        if bad {
            return Err(BadPath::Malformed);
        }
    }
    Ok(())
}

/// Checks the last segment of a path that is to be written.
pub(crate) fn check_new(path: &str, emoji: bool) -> Result<(), BadPath> {
    if DISALLOWED.contains(&lower(name(path)).as_str()) {
        return Err(BadPath::Disallowed);
    }
    check(path, emoji)?;
    if path.contains('\r') { Err(BadPath::Malformed) } else { Ok(()) }
}

/// `name (MARK).ext`; the extension is what follows the last dot.
pub(crate) fn marked(path: &str, mark: &str, is_folder: bool) -> String {
    let dot = if is_folder { None } else { name(path).rfind('.').filter(|at| *at > 0) };
    match dot {
        Some(dot) => {
            let at = path.len() - name(path).len() + dot;
            format!("{} ({mark}){}", &path[..at], &path[at..])
        }
        None => format!("{path} ({mark})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_whatever_their_case_and_composition() {
        assert_eq!(lower("ΣΣΣ"), "σσσ", "no final sigma");
        assert_eq!(lower("Cafe\u{301}"), lower("CAF\u{c9}"));
        assert_eq!(lower("\u{130}"), "i");
        assert_ne!(lower("straße"), lower("STRASSE"), "no full folding");
    }

    #[test]
    fn bad_segments_are_malformed() {
        for bad in ["/a//b", "/a/", "/.", "/a/../b", "/a\\b", "/a ", "/a /b", "/a\u{7f}", "/a\u{1}"] {
            assert_eq!(check(bad, true), Err(BadPath::Malformed), "{bad:?}");
        }
        assert_eq!(check(&format!("/{}", "é".repeat(255)), true), Ok(()));
        assert_eq!(check(&format!("/{}", "e".repeat(256)), true), Err(BadPath::Malformed));
        for good in ["/a<>:\"|?*", "/ a", "/.a", "/a...b", "/COM1", "/~$x", "/🎵"] {
            assert_eq!(check_new(good, true), Ok(()), "{good}");
        }
        assert_eq!(check("/🎵", false), Err(BadPath::Malformed));
    }

    #[test]
    fn names_of_the_desktop_are_disallowed_in_any_case() {
        for bad in ["/Desktop.INI", "/x/thumbs.db", "/.DS_Store", "/Icon\r", "/.dropbox", "/.Dropbox.Attr"] {
            assert_eq!(check_new(bad, true), Err(BadPath::Disallowed), "{bad:?}");
        }
        assert_eq!(check_new("/a\rb", true), Err(BadPath::Malformed));
    }

    #[test]
    fn marks_stand_before_the_extension() {
        assert_eq!(marked("/a.b/song.wav", "1", false), "/a.b/song (1).wav");
        assert_eq!(marked("/a.b/song", "1", false), "/a.b/song (1)");
        assert_eq!(marked("/.profile", "2", false), "/.profile (2)");
        assert_eq!(marked("/v1.0", "1", true), "/v1.0 (1)");
    }
}
