//! The filesystem core.
pub mod ports;
