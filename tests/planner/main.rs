//! The planner against its tables (`cases*`), and against an abstract world (`model`) under generated trees (`properties`).

mod case;
mod cases_files;
mod cases_folders;
mod cases_names;
mod drawing;
mod executor;
mod generators;
mod invariants;
mod model;
mod properties;
mod runner;
mod workload;
