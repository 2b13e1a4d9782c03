//! Named crash points. In a debug build, which is what the tests run, the process kills itself when it reaches the point that the
//! environment names; in a release build a point is nothing.
//!
//! `VAULTFS_FAILPOINT=name` dies at the first visit of `name`, `VAULTFS_FAILPOINT=name:3` at the third. `tests/crash` goes over every
//! point that it finds in the source, and fails if one is never reached.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Armed {
    name: String,
    visits_left: AtomicU32,
}

/// Dies here, as `kill -9` would, if this point is armed.
#[inline]
pub fn reach(name: &str) {
    if cfg!(debug_assertions) {
        visit(name);
    }
}

fn visit(name: &str) {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| parse(&std::env::var("VAULTFS_FAILPOINT").ok()?));
    if let Some(armed) = armed
        && armed.name == name
        && armed.visits_left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        super::process::kill_self();
    }
}

fn parse(setting: &str) -> Option<Armed> {
    let (name, visits) = match setting.split_once(':') {
        Some((name, visits)) => (name, visits.parse().ok().filter(|visits| *visits > 0)?),
        None => (setting, 1),
    };
    Some(Armed { name: name.to_owned(), visits_left: AtomicU32::new(visits) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_a_name_and_a_visit() {
        let armed = parse("promote-linked:3").unwrap();
        assert_eq!((armed.name.as_str(), armed.visits_left.load(Ordering::SeqCst)), ("promote-linked", 3));
        assert_eq!(parse("x").unwrap().visits_left.load(Ordering::SeqCst), 1);
        assert!(parse("x:0").is_none());
        assert!(parse("x:many").is_none());
    }
}
