//! What a failing disk refuses, and when.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::{Mutex, MutexGuard};

use fuser::Errno;

/// How an operation fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// `EIO`.
    Broken,
    /// `ENOSPC`.
    Full,
    /// A write takes only a part; anything else is `EIO`.
    Short,
}

/// What fails after the first failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Then {
    /// Nothing.
    Heals,
    /// Whatever is of the same kind.
    Same,
    /// Everything.
    Dies,
}

/// What is done, and to which sort of file.
pub(crate) type Kind = (&'static str, &'static str);

#[derive(Default)]
struct Plan {
    /// The operation of a kind, counted from one, that fails, how, and what then.
    failing: Option<(Kind, u64, Fault, Then)>,
    /// Operations since the count began.
    seen: BTreeMap<Kind, u64>,
    /// Those that were refused.
    struck: BTreeMap<Kind, u64>,
}

/// The faults of one device's disks. Without any, operations are counted.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Plan>);

/// The sort of a file, by its name.
pub(crate) fn sort_of(name: &OsStr) -> &'static str {
    let name = name.to_string_lossy();
    if name.contains(".db") {
        "database"
    } else if name.ends_with(".log") {
        "log"
    } else {
        "file"
    }
}

impl Faults {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap()
    }

    /// From now on the operation of this kind and number fails.
    pub(crate) fn arm(&self, kind: Kind, at: u64, fault: Fault, then: Then) {
        *self.plan() = Plan { failing: Some((kind, at, fault, then)), ..Plan::default() };
    }

    /// Nothing fails any more; the count begins anew. How many operations there were, and how many of them were refused.
    pub(crate) fn heal(&self) -> (BTreeMap<Kind, u64>, BTreeMap<Kind, u64>) {
        let plan = std::mem::take(&mut *self.plan());
        (plan.seen, plan.struck)
    }

    /// One operation that changes the disk, about to happen; how it fails.
    fn strike(&self, kind: Kind) -> Option<Fault> {
        let mut plan = self.plan();
        let seen = plan.seen.entry(kind).or_default();
        *seen += 1;
        let seen = *seen;
        let (chosen, at, fault, then) = plan.failing?;
        let has_begun = !plan.struck.is_empty();
        let strikes = match then {
            Then::Heals => kind == chosen && seen == at,
            Then::Same => kind == chosen && seen >= at,
            Then::Dies => has_begun || kind == chosen && seen == at,
        };
        strikes.then(|| {
            *plan.struck.entry(kind).or_default() += 1;
            fault
        })
    }

    /// One operation that is done or is not.
    pub(crate) fn refuse(&self, operation: &'static str, sort: &'static str) -> Result<(), Errno> {
        match self.strike((operation, sort)) {
            None => Ok(()),
            Some(Fault::Broken | Fault::Short) => Err(Errno::EIO),
            Some(Fault::Full) => Err(Errno::ENOSPC),
        }
    }

    /// A write of so many bytes: how many of them are taken.
    pub(crate) fn take(&self, bytes: usize, sort: &'static str) -> Result<usize, Errno> {
        match self.strike(("write", sort)) {
            None => Ok(bytes),
            Some(Fault::Short) if bytes > 1 => Ok(bytes / 2),
            Some(Fault::Broken | Fault::Short) => Err(Errno::EIO),
            Some(Fault::Full) => Err(Errno::ENOSPC),
        }
    }
}
