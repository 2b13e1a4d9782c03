//! Checksums of single blocks, and reads that check them.
//!
//! A digest is the first 16 bytes of BLAKE3: enough that no accident and no attacker finds a second block with the same one by
//! chance. It is never all zero, so that zero can mean "no block" on disk.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::types::{BLOCK_BYTES, BlockIndex, ByteRange};

/// Bytes of a [`Digest`].
pub(super) const DIGEST_BYTES: usize = 16;

/// Checksum of one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    /// The checksum of these bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&blake3::hash(bytes).as_bytes()[..DIGEST_BYTES]);
        if digest == [0; DIGEST_BYTES] {
            digest[0] = 1;
        }
        Self(digest)
    }

    /// From its stored form; `None` for all zero, which stands for "no block".
    pub(super) fn from_bytes(bytes: [u8; DIGEST_BYTES]) -> Option<Self> {
        (bytes != [0; DIGEST_BYTES]).then_some(Self(bytes))
    }

    /// Its stored form.
    pub(super) fn to_bytes(self) -> [u8; DIGEST_BYTES] {
        self.0
    }
}

/// A length in memory as a size of a file.
pub(super) fn byte_len(bytes: &[u8]) -> u64 {
    // No platform has addresses wider than 64 bits.
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Length of a range that fits into a buffer of ours.
pub(super) fn buffer_len(range: ByteRange) -> usize {
    usize::try_from(range.len()).unwrap_or(usize::MAX)
}

/// Cuts bytes that start at a block boundary into blocks.
pub(super) fn block_chunks(bytes: &[u8]) -> std::slice::Chunks<'_, u8> {
    bytes.chunks(usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX))
}

/// What a checked read found wrong.
#[derive(Debug)]
pub(super) struct BadBlock(pub(super) BlockIndex);

/// Fills `buffer` from `offset` of a file of `size` bytes. Every touched block is read whole and compared with its entry of `digests`,
/// which start at the first touched block. A block that differs, is cut short or cannot be read from the medium is bad.
pub(super) fn read_verified(
    file: &File,
    size: u64,
    offset: u64,
    buffer: &mut [u8],
    digests: impl Iterator<Item = Digest>,
) -> io::Result<Result<(), BadBlock>> {
    thread_local! {
        // One block: a fresh zeroed buffer per read would cost more than the read.
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let range = ByteRange::at(offset, byte_len(buffer));
    let mut rest = buffer;
    for (block, expected) in range.blocks().iter().zip(digests) {
        let whole = block.bytes(size);
        let wanted = whole.intersect(range);
        let (target, after) = rest.split_at_mut(buffer_len(wanted));
        rest = after;
        let good = if wanted == whole {
            read_whole(file, target, whole.start)? && Digest::of(target) == expected
        } else {
            SCRATCH.with_borrow_mut(|scratch| {
                scratch.resize(buffer_len(whole), 0);
                let good = read_whole(file, scratch, whole.start)? && Digest::of(scratch) == expected;
                let from = buffer_len(ByteRange::new(whole.start, wanted.start));
                target.copy_from_slice(&scratch[from..from + target.len()]);
                io::Result::Ok(good)
            })?
        };
        if !good {
            return Ok(Err(BadBlock(block)));
        }
    }
    Ok(Ok(()))
}

/// False if the bytes are not all there or the medium lost them.
fn read_whole(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof || error.raw_os_error() == Some(libc::EIO) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
