//! Byte and block arithmetic. Ranges are half-open; block `i` covers bytes `i * BLOCK_BYTES .. (i + 1) * BLOCK_BYTES`.

use std::ops::Range;

/// Size of a cache and staging block: 64 KiB. It divides the 4 MiB blocks of the Dropbox content hash, and a random
/// 64 KiB read touches at most two blocks.
pub const BLOCK_BYTES: u64 = 64 * 1024;

/// Which block of a file, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockIndex(pub u64);

impl BlockIndex {
    /// The block that holds byte `offset`.
    pub fn containing(offset: u64) -> Self {
        Self(offset / BLOCK_BYTES)
    }

    /// First byte of the block.
    pub fn start(self) -> u64 {
        self.0 * BLOCK_BYTES
    }

    /// The bytes of this block in a file of `size` bytes; empty past the end.
    pub fn bytes(self, size: u64) -> ByteRange {
        ByteRange::new(self.start().min(size), (self.start() + BLOCK_BYTES).min(size))
    }
}

/// A half-open range of bytes, `start <= end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl ByteRange {
    /// `start..end`; an inverted range becomes empty at `start`.
    pub fn new(start: u64, end: u64) -> Self {
        Self { start, end: end.max(start) }
    }

    /// `len` bytes from `start`, saturating.
    pub fn at(start: u64, len: u64) -> Self {
        Self { start, end: start.saturating_add(len) }
    }

    /// Number of bytes.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// True if it holds no byte.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The part below `size`.
    pub fn clamp_to(self, size: u64) -> Self {
        Self { start: self.start.min(size), end: self.end.min(size) }
    }

    /// The common part, possibly empty.
    pub fn intersect(self, other: Self) -> Self {
        let start = self.start.max(other.start);
        Self { start, end: self.end.min(other.end).max(start) }
    }

    /// The blocks that the range touches.
    pub fn blocks(self) -> BlockRun {
        if self.is_empty() {
            return BlockRun { start: BlockIndex::containing(self.start), end: BlockIndex::containing(self.start) };
        }
        BlockRun { start: BlockIndex::containing(self.start), end: BlockIndex(self.end.div_ceil(BLOCK_BYTES)) }
    }
}

/// A half-open run of consecutive blocks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlockRun {
    /// First block.
    pub start: BlockIndex,
    /// One past the last block.
    pub end: BlockIndex,
}

impl BlockRun {
    /// Blocks of the run, in order.
    pub fn iter(self) -> impl Iterator<Item = BlockIndex> + Clone {
        let Range { start, end } = self.start.0..self.end.0;
        (start..end).map(BlockIndex)
    }

    /// Number of blocks.
    pub fn len(self) -> u64 {
        self.end.0 - self.start.0
    }

    /// True if it holds no block.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The bytes of the run in a file of `size` bytes.
    pub fn bytes(self, size: u64) -> ByteRange {
        ByteRange::new(self.start.start().min(size), (self.end.0 * BLOCK_BYTES).min(size))
    }
}

/// A number of bytes for people: `1.50 GiB`.
pub fn readable_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(power) = bytes.checked_ilog2().map(|bit| bit / 10).filter(|power| *power > 0) else {
        return format!("{bytes} B");
    };
    let unit = 1_u128 << (10 * power);
    let hundredths = (u128::from(bytes) * 100 + unit / 2) / unit;
    let name = usize::try_from(power - 1).ok().and_then(|at| UNITS.get(at)).unwrap_or(&"EiB");
    match hundredths % 100 {
        0 => format!("{} {name}", hundredths / 100),
        rest => format!("{}.{rest:02} {name}", hundredths / 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.50 KiB"),
            (1_000_000, "976.56 KiB"),
            (4 << 30, "4 GiB"),
            ((1 << 20) + 10_486, "1.01 MiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(readable_size(bytes), text);
        }
    }
}
