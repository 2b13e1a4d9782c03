//! The sync engine: observe (pull R), plan (pure), execute, until nothing is left.
//!
//! Flow of a change: `pull` and `observe` write what the provider tells into R; the mount writes L; `trees` builds the planner's view of
//! every dirty node; `planner` decides; `drive` runs the steps (`step`, `upload`, `local_step`, `keep_both`), and `commit` and `agree`
//! record outcomes in all trees at once. Work is derived from the trees each time, never stored.

mod agree;
mod announce;
mod attempts;
mod backoff;
mod bytes;
mod commit;
pub mod conflict;
mod control;
mod copy_names;
pub mod diff;
mod drive;
mod engine;
mod error;
mod event;
mod failure;
mod found_copies;
mod fresh;
mod history;
mod keep_both;
mod keep_here;
mod local_step;
pub mod mend;
mod mode;
mod observe;
mod opened;
mod overrule;
pub mod plan;
pub mod planner;
pub mod ports;
mod pull;
mod queue;
mod rebuild;
mod recover;
mod reserved;
mod root;
mod selection;
mod standing;
mod status;
mod step;
mod trees;
mod upload;
pub mod verify;
mod wait;
mod work;

pub use engine::{Engine, EngineConfig, EngineParts};
pub use error::SyncError;
pub use event::{Event, EventKind};
pub use recover::{Recovered, recover};
pub use standing::{Standing, Standings};
pub use status::{CycleReport, QueueItem, Upload, Uploads, VaultState, VaultStatus};
