//! What vaultfs tells about itself on this machine: logs and metrics. Nothing is ever sent anywhere.
//!
//! Never logged: file content, tokens, passwords, request headers. File names are wrapped in [`Private`], which hashes them unless
//! the user switches names on.

pub mod logging;
pub mod metrics;
pub mod redact;

pub use metrics::metrics;
pub use redact::Private;
