//! Asynchronous jobs: started, in progress when first asked about, complete after that.

use std::collections::HashMap;

use serde_json::Value;

/// Jobs whose results wait to be asked for.
#[derive(Default)]
pub(crate) struct Jobs(HashMap<String, Job>);

struct Job {
    kind: Kind,
    /// How often it still says that it is in progress.
    polls: u32,
    result: Value,
}

/// What a job does: its check route must be the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    CreateFolders,
    Delete,
    Move,
    MoveV2,
    Copy,
    CopyV2,
    Finish,
}

/// What a check finds.
pub(crate) enum Found {
    InProgress,
    Complete(Value),
    Unknown,
}

impl Jobs {
    pub(crate) fn add(&mut self, id: String, kind: Kind, polls: u32, result: Value) {
        self.0.insert(id, Job { kind, polls, result });
    }

    pub(crate) fn check(&mut self, id: &str, kind: Kind) -> Found {
        let Some(job) = self.0.get_mut(id).filter(|job| job.kind == kind) else { return Found::Unknown };
        if job.polls > 0 {
            job.polls -= 1;
            return Found::InProgress;
        }
        Found::Complete(job.result.clone())
    }
}
