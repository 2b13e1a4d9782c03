//! The sync engine: observe (pull R), plan (pure), execute, until nothing is left.
pub mod plan;
pub mod ports;
