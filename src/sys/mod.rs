//! Safe wrappers over system calls that the standard library lacks. The only module with unsafe code.
pub mod host;
