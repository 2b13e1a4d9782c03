//! A content that never changes: pieces in the spill file, runs of zeros, or bytes that are computed when they are read.

use std::io;

use super::{ContentHash, ContentHasher, Spill};

/// Where the bytes of a piece come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nothing but zeros.
    Zeros,
    /// In the spill file.
    Spilled {
        /// Offset there.
        at: u64,
    },
    /// Computed from a seed and the position.
    Computed {
        /// Which of all computed contents.
        seed: u64,
        /// Position in it.
        at: u64,
    },
}

impl Source {
    fn read(self, spill: &Spill, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Zeros => into.fill(0),
            Self::Spilled { at } => spill.read(at, into)?,
            Self::Computed { seed, at } => computed_bytes(seed, at, into),
        }
        Ok(())
    }

    fn skip(self, by: u64) -> Self {
        match self {
            Self::Zeros => Self::Zeros,
            Self::Spilled { at } => Self::Spilled { at: at + by },
            Self::Computed { seed, at } => Self::Computed { seed, at: at + by },
        }
    }
}

/// A run of bytes from one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) source: Source,
    pub(crate) length: u64,
}

/// A content with its hash.
#[derive(Clone, Debug)]
pub struct Blob {
    spill: Spill,
    /// Offset of each piece, ascending and without gaps.
    pieces: Vec<(u64, Piece)>,
    length: u64,
    hash: ContentHash,
}

impl Blob {
    /// A content of these bytes.
    pub fn from_bytes(spill: &Spill, bytes: &[u8]) -> io::Result<Self> {
        let mut pieces = Pieces::default();
        pieces.push(spill.store(bytes)?);
        Ok(Self::new(spill, pieces, ContentHash::of(bytes)))
    }

    /// A content of zeros that takes no room.
    pub fn zeros(spill: &Spill, length: u64) -> Self {
        let mut hasher = ContentHasher::default();
        hasher.zeros(length);
        let mut pieces = Pieces::default();
        pieces.push(Piece { source: Source::Zeros, length });
        Self::new(spill, pieces, hasher.finish())
    }

    /// A content that is computed from a seed, no two stretches of it alike, and takes no room.
    pub fn computed(spill: &Spill, seed: u64, length: u64) -> Self {
        let mut hasher = ContentHasher::default();
        let mut buffer = vec![0; 64 * 1024];
        let mut at = 0;
        while at < length {
            let now = usize::try_from(length - at).unwrap_or(usize::MAX).min(buffer.len());
            computed_bytes(seed, at, &mut buffer[..now]);
            hasher.update(&buffer[..now]);
            at += now as u64;
        }
        let mut pieces = Pieces::default();
        pieces.push(Piece { source: Source::Computed { seed, at: 0 }, length });
        Self::new(spill, pieces, hasher.finish())
    }

    pub(crate) fn new(spill: &Spill, pieces: Pieces, hash: ContentHash) -> Self {
        Self { spill: spill.clone(), length: pieces.length, pieces: pieces.pieces, hash }
    }

    /// Number of bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The service's hash of it.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Fills `into` from `offset`; less than it holds only at the end.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() && offset + (done as u64) < self.length {
            let at = offset + done as u64;
            let index = self.pieces.partition_point(|(start, _)| *start <= at) - 1;
            let (start, piece) = self.pieces[index];
            let inside = at - start;
            let run = usize::try_from(piece.length - inside).unwrap_or(usize::MAX).min(into.len() - done);
            piece.source.skip(inside).read(&self.spill, &mut into[done..done + run])?;
            done += run;
        }
        Ok(done)
    }

    /// All bytes.
    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.length).map_err(io::Error::other)?];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }
}

/// Pieces of a content that is still growing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    pieces: Vec<(u64, Piece)>,
    length: u64,
}

impl Pieces {
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn push(&mut self, piece: Piece) {
        if piece.length == 0 {
            return;
        }
        let at = self.length;
        self.length += piece.length;
        if let Some((_, last)) = self.pieces.last_mut()
            && last.source.skip(last.length) == piece.source
        {
            last.length += piece.length;
            return;
        }
        self.pieces.push((at, piece));
    }

    /// The pieces of a stretch.
    pub(crate) fn part(&self, from: u64, length: u64) -> Self {
        let mut part = Self::default();
        for (at, piece) in &self.pieces {
            let start = from.max(*at);
            let end = (from + length).min(at + piece.length);
            if start < end {
                part.push(Piece { source: piece.source.skip(start - at), length: end - start });
            }
        }
        part
    }

    /// All bytes, in portions.
    pub(crate) fn read(&self, spill: &Spill, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        for (_, piece) in &self.pieces {
            let mut done = 0;
            while done < piece.length {
                let now = usize::try_from(piece.length - done).unwrap_or(usize::MAX).min(buffer.len());
                piece.source.skip(done).read(spill, &mut buffer[..now])?;
                each(&buffer[..now]);
                done += now as u64;
            }
        }
        Ok(())
    }

    pub(crate) fn append(&mut self, other: &Self) {
        for (_, piece) in &other.pieces {
            self.push(*piece);
        }
    }
}

fn computed_bytes(seed: u64, mut at: u64, into: &mut [u8]) {
    let word = |index: u64| {
        let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(index);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)).to_le_bytes()
    };
    let mut rest = into;
    while !rest.is_empty() {
        let skip = usize::try_from(at % 8).unwrap_or(0);
        let bytes = word(at / 8);
        let run = (8 - skip).min(rest.len());
        let (now, later) = rest.split_at_mut(run);
        now.copy_from_slice(&bytes[skip..skip + run]);
        at += run as u64;
        rest = later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spill() -> Spill {
        Spill::new(&std::env::temp_dir())
    }

    #[test]
    fn any_range_reads_as_it_was_written() {
        let spill = spill();
        let mut pieces = Pieces::default();
        let mut bytes = Vec::new();
        for part in [&b"abc"[..], &[0; 1000], b"defgh", &[0; 3], b"z"] {
            pieces.push(spill.store(part).unwrap());
            bytes.extend_from_slice(part);
        }
        let blob = Blob::new(&spill, pieces, ContentHash::of(&bytes));
        assert_eq!(blob.to_vec().unwrap(), bytes);
        for offset in [0, 2, 3, 500, 1002, 1007, 1010, 1011, 5000] {
            let mut read = [9; 7];
            let count = blob.read_at(offset as u64, &mut read).unwrap();
            let expected = bytes.get(offset..).unwrap_or_default();
            assert_eq!(read[..count], expected[..expected.len().min(7)]);
        }
        assert_eq!(spill.stored(), 9, "zeros take no room");
    }

    #[test]
    fn computed_contents_read_alike_in_any_stride_and_hash_as_read() {
        let spill = spill();
        let blob = Blob::computed(&spill, 5, 10_003);
        let whole = blob.to_vec().unwrap();
        assert_eq!(ContentHash::of(&whole), blob.hash());
        let mut strides = Vec::new();
        let mut buffer = [0; 13];
        while strides.len() < whole.len() {
            let count = blob.read_at(strides.len() as u64, &mut buffer).unwrap();
            strides.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(strides, whole);
        assert_ne!(whole[..64], whole[64..128]);
        assert_eq!(Blob::zeros(&spill, 5_000_000).hash(), ContentHash::of(&vec![0; 5_000_000]));
    }

    #[test]
    fn neighbours_in_the_spill_file_become_one_piece() {
        let spill = spill();
        let mut pieces = Pieces::default();
        for _ in 0..100 {
            pieces.push(spill.store(b"abcdefgh").unwrap());
        }
        assert_eq!(pieces.pieces.len(), 1);
        assert_eq!(pieces.length(), 800);
    }
}
