//! File contents: what a blob is made of, where its bytes lie, and the hash that names it.

mod blob;
mod hash;
mod spill;

pub use blob::Blob;
pub(crate) use blob::Pieces;
pub(crate) use hash::BlockDigests;
pub use hash::{BLOCK, ContentHash, ContentHasher};
pub use spill::Spill;
