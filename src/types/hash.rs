//! Content hashes with their algorithm in the type, so that two providers' hashes are never compared with each other.

use std::fmt;

use sha2::{Digest, Sha256};

/// Block of the Dropbox content hash.
/// Source: <https://www.dropbox.com/developers/reference/content-hash>.
const DROPBOX_BLOCK_BYTES: usize = 4 * 1024 * 1024;

/// Which algorithm a provider uses to name file content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashKind {
    /// SHA-256 over the concatenated SHA-256 digests of 4 MiB blocks.
    Dropbox,
    /// BLAKE3 of the whole content: what vaultfs itself uses where a provider has no hash of its own.
    Blake3,
}

impl HashKind {
    /// Its name, as people see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dropbox => "dropbox",
            Self::Blake3 => "blake3",
        }
    }
}

/// A hash of a whole file's content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ContentHash {
    /// Algorithm.
    pub kind: HashKind,
    /// Digest.
    pub digest: [u8; 32],
}

impl ContentHash {
    /// Hash of bytes that are all in memory.
    pub fn of(kind: HashKind, bytes: &[u8]) -> Self {
        let mut hasher = ContentHasher::new(kind);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Digest as lower-case hexadecimal.
    pub fn to_hex(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The inverse of [`ContentHash::to_hex`]; `None` unless it is exactly 64 hexadecimal digits.
    pub fn from_hex(kind: HashKind, hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self { kind, digest })
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.kind, &self.to_hex()[..12])
    }
}

/// Computes a [`ContentHash`] of a stream.
pub struct ContentHasher {
    state: HasherState,
}

struct DropboxState {
    outer: Sha256,
    block: Sha256,
    filled: usize,
}

enum HasherState {
    Dropbox(Box<DropboxState>),
    Blake3(Box<blake3::Hasher>),
}

impl ContentHasher {
    /// An empty stream.
    pub fn new(kind: HashKind) -> Self {
        let state = match kind {
            HashKind::Dropbox => {
                HasherState::Dropbox(Box::new(DropboxState { outer: Sha256::new(), block: Sha256::new(), filled: 0 }))
            }
            HashKind::Blake3 => HasherState::Blake3(Box::new(blake3::Hasher::new())),
        };
        Self { state }
    }

    /// Appends bytes; how they are cut into calls does not matter.
    pub fn update(&mut self, mut bytes: &[u8]) {
        match &mut self.state {
            HasherState::Blake3(hasher) => {
                hasher.update(bytes);
            }
            HasherState::Dropbox(state) => {
                let DropboxState { outer, block, filled } = &mut **state;
                while !bytes.is_empty() {
                    let (now, rest) = bytes.split_at(bytes.len().min(DROPBOX_BLOCK_BYTES - *filled));
                    block.update(now);
                    *filled += now.len();
                    bytes = rest;
                    if *filled == DROPBOX_BLOCK_BYTES {
                        outer.update(std::mem::replace(block, Sha256::new()).finalize());
                        *filled = 0;
                    }
                }
            }
        }
    }

    /// The hash of everything appended.
    pub fn finish(self) -> ContentHash {
        match self.state {
            HasherState::Blake3(hasher) => {
                ContentHash { kind: HashKind::Blake3, digest: *hasher.finalize().as_bytes() }
            }
            HasherState::Dropbox(state) => {
                let DropboxState { mut outer, block, filled } = *state;
                if filled > 0 {
                    outer.update(block.finalize());
                }
                ContentHash { kind: HashKind::Dropbox, digest: outer.finalize().into() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_definition(bytes: &[u8]) -> [u8; 32] {
        let digests: Vec<u8> =
            bytes.chunks(DROPBOX_BLOCK_BYTES).flat_map(|block| Sha256::digest(block).to_vec()).collect();
        Sha256::digest(&digests).into()
    }

    /// Of Dropbox's own hasher (github.com/dropbox/dropbox-api-content-hasher).
    #[test]
    fn dropbox_hashes_are_those_of_the_service() {
        let pattern = |length: usize| -> Vec<u8> { (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect() };
        for (bytes, hash) in [
            (Vec::new(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"Hello Dropbox!".to_vec(), "16dff8700700b9aa627e24bbf832940c084b41ade5c5d6fe5417963a547ed9c2"),
            (pattern(4_194_304), "b9654428408015906b44a00935b70af33830aa344b780b0eabd535a133150d04"),
            (pattern(4_194_305), "4a6cc0a344febaa07772e7c974834b2fb1d24594d4ba15f27c97a54699709f44"),
            (pattern(10_000_000), "adcedd7b0933aef0bdf54a73c43b77526b6ff90b1a303d2cd235f44161b65177"),
            (vec![0; 4_194_304], "c7e946d101855255d919ef0c70718633adf77d3dfb3adeeecf5d0cb4e951be58"),
        ] {
            assert_eq!(ContentHash::of(HashKind::Dropbox, &bytes).to_hex(), hash, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn dropbox_hash_equals_its_definition_at_block_edges_however_it_is_cut() {
        for size in [1, DROPBOX_BLOCK_BYTES - 1, DROPBOX_BLOCK_BYTES, DROPBOX_BLOCK_BYTES + 1, 2 * DROPBOX_BLOCK_BYTES]
        {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            assert_eq!(ContentHash::of(HashKind::Dropbox, &bytes).digest, by_definition(&bytes), "{size} bytes");
            let mut streamed = ContentHasher::new(HashKind::Dropbox);
            bytes.chunks(1_000_003).for_each(|part| streamed.update(part));
            assert_eq!(streamed.finish().digest, by_definition(&bytes), "{size} bytes streamed");
        }
    }

    #[test]
    fn hex_round_trips_and_refuses_nonsense() {
        let hash = ContentHash::of(HashKind::Blake3, b"vault");
        assert_eq!(ContentHash::from_hex(HashKind::Blake3, &hash.to_hex()), Some(hash));
        assert_eq!(ContentHash::from_hex(HashKind::Blake3, "zz"), None);
        assert_eq!(ContentHash::from_hex(HashKind::Blake3, &"é".repeat(32)), None);
    }
}
