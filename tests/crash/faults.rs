//! What a failing disk refuses, and when.

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

#[derive(Default)]
struct Plan {
    /// The operation that fails, counted from one, and how; all that follow it, too, if it is a lasting failure.
    failing: Option<(u64, Fault, bool)>,
    /// Operations since the count began.
    seen: u64,
    /// What was refused.
    struck: Vec<&'static str>,
}

/// The faults of one device's disks. Without any, operations are counted.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Plan>);

impl Faults {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap()
    }

    /// From now on the operation of this number fails, and, if the failure lasts, every later one.
    pub(crate) fn arm(&self, at: u64, fault: Fault, lasts: bool) {
        *self.plan() = Plan { failing: Some((at, fault, lasts)), ..Plan::default() };
    }

    /// Nothing fails any more; the count begins anew. How many operations there were, and which of them were refused.
    pub(crate) fn heal(&self) -> (u64, Vec<&'static str>) {
        let plan = std::mem::take(&mut *self.plan());
        (plan.seen, plan.struck)
    }

    /// One operation that changes the disk, about to happen; how it fails.
    fn strike(&self, operation: &'static str) -> Option<Fault> {
        let mut plan = self.plan();
        plan.seen += 1;
        let (at, fault, lasts) = plan.failing?;
        let strikes = plan.seen == at || lasts && plan.seen > at;
        strikes.then(|| {
            plan.struck.push(operation);
            fault
        })
    }

    /// One operation that is done or is not.
    pub(crate) fn refuse(&self, operation: &'static str) -> Result<(), Errno> {
        match self.strike(operation) {
            None => Ok(()),
            Some(Fault::Broken | Fault::Short) => Err(Errno::EIO),
            Some(Fault::Full) => Err(Errno::ENOSPC),
        }
    }

    /// A write of so many bytes: how many of them are taken.
    pub(crate) fn take(&self, bytes: usize) -> Result<usize, Errno> {
        match self.strike("write") {
            None => Ok(bytes),
            Some(Fault::Short) if bytes > 1 => Ok(bytes / 2),
            Some(Fault::Broken | Fault::Short) => Err(Errno::EIO),
            Some(Fault::Full) => Err(Errno::ENOSPC),
        }
    }
}
