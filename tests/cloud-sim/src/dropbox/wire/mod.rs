//! The wire format: strict arguments, errors, metadata, cursors.

pub(crate) mod args;
pub(crate) mod cursor;
pub(crate) mod errors;
pub(crate) mod metadata;
pub(crate) mod refusal;

pub(crate) use args::{Args, PathArg, PathKind};
pub(crate) use errors::{nest, tag};
pub(crate) use refusal::Refusal;
