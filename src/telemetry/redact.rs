//! Names and paths in logs: hashed, unless the user wants to read them.
//!
//! The hash is keyed with a key that lives as long as the process: lines about one file can be matched within a log, and a list of
//! likely names says nothing. A short extension stays readable, because what kind of file it is explains most problems.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

static SHOW_NAMES: AtomicBool = AtomicBool::new(false);
static KEY: LazyLock<[u8; 32]> = LazyLock::new(rand::random);

/// Longest extension that stays readable, in bytes.
const MAX_EXTENSION_BYTES: usize = 8;

/// Whether [`Private`] shows what it holds, from now on.
pub fn show_names(show: bool) {
    SHOW_NAMES.store(show, Ordering::Relaxed);
}

/// A name or path that only the user should read. Shown as `<3f9a2c1b.wav>`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Private<T>(pub T);

impl<T: fmt::Display> Private<T> {
    fn hashed(&self) -> String {
        let text = self.0.to_string();
        let hash = blake3::keyed_hash(&KEY, text.as_bytes()).to_hex();
        let name = text.rsplit('/').next().unwrap_or(&text);
        let extension = match name.rsplit_once('.') {
            Some((stem, extension))
                if !stem.is_empty()
                    && (1..=MAX_EXTENSION_BYTES).contains(&extension.len())
                    && extension.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
            {
                extension
            }
            Some(_) | None => return format!("<{}>", &hash[..8]),
        };
        format!("<{}.{extension}>", &hash[..8])
    }
}

impl<T: fmt::Display> fmt::Display for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if SHOW_NAMES.load(Ordering::Relaxed) { self.0.fmt(f) } else { f.write_str(&self.hashed()) }
    }
}

impl<T: fmt::Display> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hashed_alike_and_extensions_stay() {
        let shown = Private("Cases/Miller v. Jones/brief.docx").hashed();
        assert_eq!(shown, Private(String::from("Cases/Miller v. Jones/brief.docx")).hashed());
        assert_ne!(shown, Private("Cases/Miller v. Jones/reply.docx").hashed());
        assert!(shown.ends_with(".docx>") && shown.len() == "<01234567.docx>".len(), "{shown}");
        for (name, ending) in
            [(".profile", ">"), ("a.b c", ">"), ("x.averylongextension", ">"), ("take 1.WAV", ".WAV>")]
        {
            let shown = Private(name).hashed();
            assert!(shown.ends_with(ending) && !shown.contains(&name[..3]), "{name}: {shown}");
        }
        assert_eq!(
            format!("{} {:?}", Private("a"), Private("a")),
            [Private("a").hashed(), Private("a").hashed()].join(" ")
        );
    }
}
