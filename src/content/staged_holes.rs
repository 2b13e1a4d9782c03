//! Space inside staged files: reserved ahead of the bytes, and given back by holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use super::Result;
use super::files::{IoContext, STAGED, exclusive, invalid, shared};
use super::staged::{StagedFile, State};
use crate::sys::disk;
use crate::types::ByteRange;

impl StagedFile {
    /// posix_fallocate: reserves disk space for `range`, growing the file unless `keep_size`. A file system that cannot reserve only grows.
    pub fn allocate(&self, range: ByteRange, keep_size: bool) -> Result<()> {
        self.core.reserve_staged(range.len().saturating_sub(self.allocated_bytes()))?;
        let mut state = exclusive(&self.state);
        let allocated = self.allocate_locked(&mut state, range, keep_size);
        self.recount(&mut state);
        allocated
    }

    fn allocate_locked(&self, state: &mut State, range: ByteRange, keep_size: bool) -> Result<()> {
        let path = self.path();
        let grows = !keep_size && range.end > self.size();
        if grows || state.inode_shared {
            self.begin_change(state, u64::MAX)?;
        }
        match disk::allocate(&state.data, range, keep_size) {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                if grows {
                    state.data.set_len(range.end).context(STAGED, "resize", &path)?;
                }
            }
            result => result.context(STAGED, "allocate", &path)?,
        }
        if grows {
            self.size.store(range.end, Ordering::Release);
        }
        Ok(())
    }

    /// Zeroes `range` and frees its blocks; the size stays. Partly covered blocks must be here.
    pub fn punch(&self, range: ByteRange) -> Result<()> {
        let mut state = exclusive(&self.state);
        let punched = self.punch_locked(&mut state, range.clamp_to(self.size()));
        self.recount(&mut state);
        punched
    }

    fn punch_locked(&self, state: &mut State, range: ByteRange) -> Result<()> {
        let path = self.path();
        if range.is_empty() {
            return Ok(());
        }
        state.check_writable(range).map_err(|reason| invalid("punch", &path, reason))?;
        self.begin_change(state, u64::MAX)?;
        let State { data, overlay, .. } = state;
        let Some(map) = overlay else { return make_zero(data, range).context(STAGED, "punch", &path) };
        // Below the limit only whole blocks become holes.
        let covered = map.covered(range);
        let inner = if covered.is_empty() {
            ByteRange::new(range.end.min(map.limit().max(range.start)), range.end)
        } else {
            let end = if covered.bytes(map.limit()).end == map.limit() { range.end } else { covered.end.start() };
            ByteRange::new(covered.start.start(), end)
        };
        write_zeros(data, ByteRange::new(range.start, inner.start)).context(STAGED, "write", &path)?;
        make_zero(data, inner).context(STAGED, "punch", &path)?;
        write_zeros(data, ByteRange::new(inner.end, range.end)).context(STAGED, "write", &path)?;
        map.mark_zero(covered).context(STAGED, "write", &path)
    }

    /// Bytes allocated on disk, for `st_blocks`. Base bytes that are not here count nothing.
    pub fn allocated_bytes(&self) -> u64 {
        disk::allocated_bytes(&shared(&self.state).data).unwrap_or_else(|error| {
            tracing::warn!(%error, id = %self.id, "staged bytes cannot be asked for their size on disk");
            0
        })
    }
}

/// Zeroes a range and frees what can be freed.
fn make_zero(file: &File, range: ByteRange) -> io::Result<()> {
    match disk::punch_hole(file, range) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => write_zeros(file, range),
        result => result,
    }
}

fn write_zeros(file: &File, range: ByteRange) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut at = range.start;
    while at < range.end {
        let count = usize::try_from(range.end - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
        file.write_all_at(&ZEROS[..count], at)?;
        at += u64::try_from(count).map_err(io::Error::other)?;
    }
    Ok(())
}
