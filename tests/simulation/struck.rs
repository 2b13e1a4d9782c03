//! What went wrong in a run, and how often: a run that no fault has struck says nothing about faults.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Every kind of fault. A long run that misses one says less than it seems to.
pub(crate) const KINDS: [&str; 12] = [
    "busy",
    "lost reply",
    "offline",
    "lag",
    "repeat",
    "reset",
    "coalesce",
    "delay",
    "crash",
    "power cut",
    "catalog lost",
    "clock skew",
];

/// Counts by kind of fault and by what it struck.
#[derive(Default)]
pub(crate) struct Struck(Mutex<Counts>);

pub(crate) type Counts = BTreeMap<(&'static str, &'static str), u64>;

impl Struck {
    /// One more.
    pub(crate) fn count(&self, kind: &'static str, what: &'static str) {
        assert!(KINDS.contains(&kind), "{kind} is counted, and nobody asks for it");
        *self.0.lock().unwrap().entry((kind, what)).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().unwrap().clone()
    }
}

/// Prints a table; the kinds that are missing.
pub(crate) fn report(counts: &Counts) -> Vec<&'static str> {
    for ((kind, what), count) in counts {
        println!("{count:>10}  {kind}: {what}");
    }
    KINDS.into_iter().filter(|kind| !counts.keys().any(|(found, _)| found == kind)).collect()
}
