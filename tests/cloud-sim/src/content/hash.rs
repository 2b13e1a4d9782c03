//! The content hash: SHA-256 over the SHA-256 of each 4 MiB block.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use sha2::{Digest, Sha256};

use super::{Pieces, Spill};

/// Length of a hashed block.
pub const BLOCK: u64 = 4 * 1024 * 1024;

/// A finished content hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = ContentHasher::default();
        hasher.update(bytes);
        hasher.finish()
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0_u8; 64];
        for (at, byte) in self.0.iter().enumerate() {
            text[at * 2] = HEX[usize::from(byte >> 4)];
            text[at * 2 + 1] = HEX[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Digests of blocks by their index; blocks may come in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockDigests(BTreeMap<u64, [u8; 32]>);

impl BlockDigests {
    pub(crate) fn extend(&mut self, from_block: u64, digests: &[[u8; 32]]) {
        for (at, digest) in (from_block..).zip(digests) {
            self.0.insert(at, *digest);
        }
    }

    pub(crate) fn content_hash(&self) -> ContentHash {
        let mut whole = Sha256::new();
        for digest in self.0.values() {
            whole.update(digest);
        }
        ContentHash(whole.finalize().into())
    }
}

/// Hashes a content, or a piece of one that starts at a block's start, as it comes.
#[derive(Clone, Debug, Default)]
pub struct ContentHasher {
    block: Sha256,
    in_block: u64,
    done: Vec<[u8; 32]>,
}

impl ContentHasher {
    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(BLOCK - self.in_block).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.update(now);
            self.in_block += now.len() as u64;
            if self.in_block == BLOCK {
                self.done.push(self.block.finalize_reset().into());
                self.in_block = 0;
            }
            bytes = later;
        }
    }

    /// Takes zeros; whole blocks of them cost one block's hashing in all.
    pub(crate) fn zeros(&mut self, mut length: u64) {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        let mut whole: Option<[u8; 32]> = None;
        while length > 0 {
            if self.in_block == 0
                && length >= BLOCK
                && let Some(digest) = whole
            {
                self.done.push(digest);
                length -= BLOCK;
                continue;
            }
            let started_whole = self.in_block == 0 && length >= BLOCK;
            let mut left = length.min(BLOCK - self.in_block);
            length -= left;
            while left > 0 {
                let now = left.min(ZEROS.len() as u64);
                self.update(&ZEROS[..usize::try_from(now).unwrap_or(ZEROS.len())]);
                left -= now;
            }
            if started_whole {
                whole = self.done.last().copied();
            }
        }
    }

    /// Takes what another hasher took, which are these bytes.
    pub(crate) fn go_on(&mut self, other: Self, bytes: &Pieces, spill: &Spill) -> io::Result<()> {
        if self.in_block > 0 {
            return bytes.read(spill, |chunk| self.update(chunk));
        }
        self.done.extend(other.done);
        (self.block, self.in_block) = (other.block, other.in_block);
        Ok(())
    }

    /// Digests of all blocks, the last of which may be short.
    pub(crate) fn into_digests(mut self) -> Vec<[u8; 32]> {
        if self.in_block > 0 {
            self.done.push(self.block.finalize().into());
        }
        self.done
    }

    /// The hash of what was taken.
    pub fn finish(self) -> ContentHash {
        let mut digests = BlockDigests::default();
        digests.extend(0, &self.into_digests());
        digests.content_hash()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    #[test]
    fn hashes_are_those_of_the_service() {
        let cases = [
            (Vec::new(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"Hello Dropbox!".to_vec(), "16dff8700700b9aa627e24bbf832940c084b41ade5c5d6fe5417963a547ed9c2"),
            (pattern(4_194_304), "b9654428408015906b44a00935b70af33830aa344b780b0eabd535a133150d04"),
            (pattern(4_194_305), "4a6cc0a344febaa07772e7c974834b2fb1d24594d4ba15f27c97a54699709f44"),
            (pattern(10_000_000), "adcedd7b0933aef0bdf54a73c43b77526b6ff90b1a303d2cd235f44161b65177"),
            (vec![0; 4_194_304], "c7e946d101855255d919ef0c70718633adf77d3dfb3adeeecf5d0cb4e951be58"),
        ];
        for (bytes, hash) in cases {
            assert_eq!(ContentHash::of(&bytes).to_string(), hash);
        }
    }

    #[test]
    fn zeros_hash_as_if_they_had_been_written() {
        for (before, zeros) in [(0, 9 * 1024 * 1024), (5, 20 * 1024 * 1024 + 3), (4_194_304, 100)] {
            let mut hasher = ContentHasher::default();
            hasher.update(&vec![7; before]);
            hasher.zeros(zeros as u64);
            let mut bytes = vec![7; before];
            bytes.resize(before + zeros, 0);
            assert_eq!(hasher.finish(), ContentHash::of(&bytes));
        }
    }
}
