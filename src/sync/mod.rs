//! The sync engine: observe (pull R), plan (pure), execute, until nothing is left.
pub mod conflict;
pub mod diff;
pub mod plan;
pub mod planner;
pub mod ports;
