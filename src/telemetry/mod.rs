//! Logging, metrics and redaction.
