//! Simulators of cloud storage services, by their wire formats alone: nothing here knows the code that they test.
//!
//! What every cloud has in common stands at the top: the [`clock`], planned [`faults`], the network as a [`Link`] with its
//! bandwidth and outages, the request [`log`], contents and serving HTTP. Each service is a module of its own.

pub mod clock;
mod content;
pub mod dropbox;
pub mod faults;
mod http;
pub mod log;
mod random;

pub use crate::content::{BLOCK, Blob, ContentHash, ContentHasher, Spill};
pub use crate::http::Link;
