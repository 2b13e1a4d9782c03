//! The index beside each cached file: which blocks are here, their checksums, and when they were last used.
//!
//! Layout, little-endian: 8 bytes magic, `u32` format, `u32` block size, `u32` length of the JSON header, `u32` zero, 16 bytes
//! checksum of all that and of the JSON; the JSON [`Header`]; padding to 8; then per block 16 bytes [`Digest`] (zero: not here)
//! and a `u32` tick. Entries beyond the end of the file are zero.
//!
//! Invariants: an entry is written after its block and erased before it, so that what a crash leaves behind is a missing block or one
//! whose checksum does not match. A header that is torn, of another format or of another version of the content makes the whole
//! file count as absent. Nothing here is ever needed: the provider has the bytes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::digest::{DIGEST_BYTES, Digest};
use crate::catalog::Version;
use crate::sys::disk;
use crate::types::{BLOCK_BYTES, BlockIndex, BlockRun};

const MAGIC: [u8; 8] = *b"vfsblkix";
const FORMAT: u32 = 1;
const FIXED_BYTES: usize = 40;
const ENTRY_BYTES: usize = DIGEST_BYTES + 4;
/// Entries read at once when a whole index is walked.
const CHUNK_ENTRIES: u64 = 8192;
/// No honest id or revision comes near this.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Names the cache files of a version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// The key of a version; its hash is no part of it, because a provider may tell it late.
    pub(super) fn of(version: &Version) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [&version.rid.0, &version.revision.0] {
            // The length first, so that two parts cannot be cut differently and give the same key.
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&version.size.to_le_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(key)
    }

    /// 32 hexadecimal digits.
    pub(super) fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The inverse of [`Key::to_hex`].
    pub(super) fn from_hex(hex: &str) -> Option<Self> {
        if hex.len() != 32 || !hex.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u128::from_str_radix(hex, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

/// What an index says of the file as a whole.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Header {
    /// Whose bytes.
    pub(super) version: Version,
    /// The data file was staged bytes: its inode may still be open or linked elsewhere, so it is never written, and freed only whole.
    pub(super) adopted: bool,
}

/// One block of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// Checksum; `None`: the block is not here.
    pub(super) digest: Option<Digest>,
    /// When it was last used, in ticks of the store.
    pub(super) tick: u32,
}

impl Entry {
    /// No block.
    pub(super) const ABSENT: Self = Self { digest: None, tick: 0 };

    fn decode(bytes: &[u8]) -> Self {
        let mut digest = [0; DIGEST_BYTES];
        let mut tick = [0; 4];
        digest.copy_from_slice(&bytes[..DIGEST_BYTES]);
        tick.copy_from_slice(&bytes[DIGEST_BYTES..ENTRY_BYTES]);
        Self { digest: Digest::from_bytes(digest), tick: u32::from_le_bytes(tick) }
    }
}

/// An open index.
pub(super) struct BlockIndexFile {
    file: File,
    entries_at: u64,
}

impl BlockIndexFile {
    /// Starts an empty index in `file`, whatever was in it.
    pub(super) fn create(file: File, header: &Header) -> io::Result<Self> {
        let bytes = encode_header(header)?;
        file.set_len(0)?;
        file.write_all_at(&bytes, 0)?;
        Ok(Self { file, entries_at: super::digest::byte_len(&bytes) })
    }

    /// Opens an index; `None` if there is none or it cannot be believed.
    pub(super) fn open(path: &Path) -> io::Result<Option<(Self, Header)>> {
        let file = match OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(decode_header(&file)?.map(|(header, entries_at)| (Self { file, entries_at }, header)))
    }

    /// The entries of a short run of blocks, in order.
    pub(super) fn read(&self, run: BlockRun) -> io::Result<Vec<Entry>> {
        let count = usize::try_from(run.len()).map_err(io::Error::other)?;
        let mut bytes = vec![0; count * ENTRY_BYTES];
        read_or_zero(&self.file, &mut bytes, self.position(run.start))?;
        Ok(bytes.chunks_exact(ENTRY_BYTES).map(Entry::decode).collect())
    }

    /// Writes consecutive entries.
    pub(super) fn write(&self, start: BlockIndex, entries: &[Entry]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
        for entry in entries {
            bytes.extend(entry.digest.map_or([0; DIGEST_BYTES], Digest::to_bytes));
            bytes.extend(entry.tick.to_le_bytes());
        }
        self.file.write_all_at(&bytes, self.position(start))
    }

    /// Erases the entries of a run.
    pub(super) fn erase(&self, run: BlockRun) -> io::Result<()> {
        let mut start = run.start;
        while start < run.end {
            let end = BlockIndex(run.end.0.min(start.0 + CHUNK_ENTRIES));
            let count = usize::try_from(end.0 - start.0).map_err(io::Error::other)?;
            self.write(start, &vec![Entry::ABSENT; count])?;
            start = end;
        }
        Ok(())
    }

    /// Visits the blocks of a run that are here, in order, without holding them all in memory.
    pub(super) fn visit_present(&self, run: BlockRun, mut visit: impl FnMut(BlockIndex, Entry)) -> io::Result<()> {
        let mut start = run.start;
        while start < run.end {
            if run.len() > CHUNK_ENTRIES {
                // The index of a huge, hardly touched file is itself mostly a hole.
                let Some(data) = disk::seek_data(&self.file, self.position(start))? else { break };
                let first = data.saturating_sub(self.entries_at) / u64::try_from(ENTRY_BYTES).unwrap_or(1);
                start = start.max(BlockIndex(first));
                if start >= run.end {
                    break;
                }
            }
            let end = BlockIndex(run.end.0.min(start.0 + CHUNK_ENTRIES));
            for (block, entry) in (start.0..).map(BlockIndex).zip(self.read(BlockRun { start, end })?) {
                if entry.digest.is_some() {
                    visit(block, entry);
                }
            }
            start = end;
        }
        Ok(())
    }

    fn position(&self, block: BlockIndex) -> u64 {
        // Sizes are checked to fit a file offset, and an entry is smaller than a block.
        self.entries_at + block.0 * u64::try_from(ENTRY_BYTES).unwrap_or(0)
    }
}

/// All blocks of a file of `size` bytes.
pub(super) fn all_blocks(size: u64) -> BlockRun {
    BlockRun { start: BlockIndex(0), end: BlockIndex(size.div_ceil(BLOCK_BYTES)) }
}

fn encode_header(header: &Header) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    if json.len() > MAX_HEADER_BYTES {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let block_bytes = u32::try_from(BLOCK_BYTES).map_err(io::Error::other)?;
    let json_len = u32::try_from(json.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(FIXED_BYTES + json.len() + 8);
    bytes.extend(MAGIC);
    for number in [FORMAT, block_bytes, json_len, 0] {
        bytes.extend(number.to_le_bytes());
    }
    let checksum = checksum(&bytes, &json);
    bytes.extend(checksum);
    bytes.extend(json);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    Ok(bytes)
}

fn decode_header(file: &File) -> io::Result<Option<(Header, u64)>> {
    let mut fixed = [0; FIXED_BYTES];
    read_or_zero(file, &mut fixed, 0)?;
    let number = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&fixed[at..at + 4]);
        u32::from_le_bytes(bytes)
    };
    let Ok(json_len) = usize::try_from(number(16)) else { return Ok(None) };
    if fixed[..8] != MAGIC || number(8) != FORMAT || u64::from(number(12)) != BLOCK_BYTES || json_len > MAX_HEADER_BYTES
    {
        return Ok(None);
    }
    let mut json = vec![0; json_len];
    read_or_zero(file, &mut json, u64::try_from(FIXED_BYTES).unwrap_or(0))?;
    if checksum(&fixed[..24], &json) != fixed[24..] {
        return Ok(None);
    }
    let entries_at = u64::try_from((FIXED_BYTES + json_len).next_multiple_of(8)).map_err(io::Error::other)?;
    Ok(serde_json::from_slice(&json).ok().map(|header| (header, entries_at)))
}

fn checksum(fixed: &[u8], json: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(fixed).update(json);
    let mut sum = [0; DIGEST_BYTES];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..DIGEST_BYTES]);
    sum
}

/// Fills a buffer; what lies beyond the end of the file is zero.
pub(super) fn read_or_zero(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => {
                buffer.fill(0);
                return Ok(());
            }
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += u64::try_from(count).map_err(io::Error::other)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
